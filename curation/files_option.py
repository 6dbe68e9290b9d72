"""Options that take FILES take all that the shell makes of a pattern: `--sample pages/*.jsonl` is many arguments by then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

FILES = "FILES"  # the metavar of such options, which can be given many times


class FilesCommand(click.Command):
    """A command whose FILES options also take the paths that follow their value, up to the next option.

    Where the command has arguments of its own, which are packs, jobs and folders, only files that are not YAML are taken.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = {name for option in self.params if option.metavar == FILES for name in option.opts}
        folders = not any(isinstance(parameter, click.Argument) for parameter in self.params)
        return super().parse_args(ctx, list(_named_each(args, names, folders)))


def _named_each(arguments: list[str], names: set[str], folders: bool) -> Iterator[str]:
    """`arguments` with the name of the option before each of its paths."""
    option, value_follows = None, False
    for place, argument in enumerate(arguments):
        if argument == "--":
            yield from arguments[place:]
            return
        if value_follows:
            value_follows = False
        elif argument.startswith("-"):
            option = argument if argument in names else None
            value_follows = option is not None
        elif option is not None and _is_one_of_files(argument, folders):
            yield option
        else:
            option = None
        yield argument


def _is_one_of_files(argument: str, folders: bool) -> bool:
    path = Path(argument)
    return path.exists() if folders else path.is_file() and path.suffix not in (".yaml", ".yml")


def files_option(*names: str, **settings: Any) -> Any:
    """An option that takes files, and can be given many times."""
    return click.option(*names, multiple=True, metavar=FILES, **settings)
