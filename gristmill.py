"""The `gristmill` command: a table of commands, each imported only when it is called, so that --help is immediate."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

INTERRUPTED = 130


def _nothing_begun(*_: object) -> NoReturn:
    """An interrupt while modules load. An exception in the middle of an import may be lost or become another; and there is
    nothing to put in order."""
    os.write(2, b"interrupted before anything was begun; nothing was written\n")
    os._exit(INTERRUPTED)


def _interrupts(handler: Callable[..., Any]) -> None:
    """What Ctrl-C and SIGTERM do from now on; what this process was started to ignore, it ignores."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


if os.path.basename(sys.argv[0]) in ("gristmill", "gristmill.py"):  # this process is the command; click is a tenth of a second
    _interrupts(_nothing_begun)

import click  # noqa: E402

# name: (module, attribute, one-line help). The help stands here so that --help imports none of the modules.
COMMANDS = {
    "init": ("curation.cli", "init", "Start a project: a commented job, a rule pack and sample documents."),
    "check": ("curation.check_cli", "check", "Check packs and jobs: shape, signals, patterns, examples."),
    "diff": ("curation.cli", "diff", "Show which documents two jobs judge differently, and why."),
    "run": ("curation.run_cli", "run", "Run a job, or go on where it stopped."),
    "inspect": ("inspect_ui.cli", "inspect", "Look at documents, find what repeats, write a rule, and see what it does."),
    "why": ("curation.why_cli", "why", "Tell one document's story: where from, what hit it, by how much; list removed ones."),
    "duplicates": ("curation.cluster_cli", "duplicates", "Show a cluster of duplicates with what differs, or find those of a new text."),
    "signals": ("rules.cli", "signals", "List the signals that rules can use, or explain one."),
    "schema": ("curation.cli", "schema", "Print the JSON Schema of packs or jobs, for editors."),
    "report": ("curation.cli", "report", "Rebuild the report of a run and print it."),
    "convert": ("curation.convert_cli", "convert", "Make a job and packs of a datatrove, data-juicer or dolma configuration."),
    "verify": ("curation.cli", "verify", "Check a finished run from its files: nothing missing, altered or unlisted."),
    "fit-thresholds": ("curation.fit_cli", "fit_thresholds", "Adapt a pack to other languages, from good texts in them."),
    "classifier": ("curation.classifier_cli", "classifier", "Train quality classifiers of texts, and score texts with them."),
    "profile": ("curation.profile_cli", "profile", "Build word profiles, for signals that compare texts with them."),
    "tokenizer": ("curation.tokenizer_cli", "tokenizer", "Train, extend, measure and import tokenizers."),
    "train": ("train.cli", "train", "Train a model on packed documents, or go on where it stopped."),
    "model": ("train.cli", "model", "Describe a model: parameters, KV cache, FLOPs, memory; list the presets."),
    "generate": ("train.generate_cli", "generate", "Continue texts with a trained model."),
    "eval": ("train.evaluate_cli", "evaluate", "Judge a model: tasks with right answers, or its loss by source, language, column."),
    "finetune": ("train.finetune_cli", "finetune", "Fine-tune a model with a head: classes, similarity, choices."),
    "scale": ("train.scale_cli", "scale", "Scaling laws: plan a grid of small runs, train it, fit the laws."),
    "ablate": ("curation.ablate_cli", "ablate", "Train on arms of data that differ in a rule or a job; tell which is better."),
    "probe": ("curation.ablate_cli", "probe", "Judge a small dataset by annealing a half-trained model on it."),
    "mix": ("curation.ablate_cli", "mix", "Find proportions of sources by small runs on random mixtures."),
    "trace": ("curation.trace_cli", "trace", "Go from a step of training to its documents and their curation."),
    "export": ("train.hugging_face_cli", "export", "Write a trained model for transformers and vLLM, checked against transformers."),
    "import": ("train.hugging_face_cli", "import_", "Read a Llama model of Hugging Face, to write with or to train on."),
    "completion": ("curation.completion_cli", "completion", "Print what makes a shell complete commands and options."),
}


INTERRUPTS_ARE_OURS = object()  # the context's object where main() has set the handlers


class Commands(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command = getattr(importlib.import_module(module), attribute)
        if ctx.obj is INTERRUPTS_ARE_OURS:
            _interrupts(signal.default_int_handler)  # from here on, commands say themselves what was done
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            error.message += f" Did you mean {near[0]!r}?" if near else ""
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gristmill", message="gristmill %(version)s")
def gristmill() -> None:
    """Raw web text in; clean, packed, explained training data out.

    \b
    Results go to stdout, progress and messages to stderr. Exit codes:
      0 clean   1 findings   2 cannot run   3 done, with quarantined records   130 interrupted, resumable
    """


def main() -> None:
    """Entry point. An interrupt that no command handled ends without a traceback."""
    _interrupts(_nothing_begun)
    try:
        gristmill(standalone_mode=False, obj=INTERRUPTS_ARE_OURS)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
