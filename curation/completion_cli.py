"""The command that makes a shell complete `gristmill`: a script for it to read."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that makes SHELL complete commands, options and files.

    \b
    bash: gristmill completion bash >> ~/.bashrc
    zsh:  gristmill completion zsh >> ~/.zshrc
    fish: gristmill completion fish > ~/.config/fish/completions/gristmill.fish
    """
    from click.shell_completion import get_completion_class

    writer = get_completion_class(shell)
    assert writer is not None  # click knows all three
    # The script calls gristmill itself, with this variable, for what may follow; the command's name is all it needs here.
    script = writer(click.Group("gristmill"), {}, "gristmill", "_GRISTMILL_COMPLETE")
    click.echo(script.source_template % script.source_vars())
