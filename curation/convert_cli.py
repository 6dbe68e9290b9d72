"""The command `gristmill convert`: a datatrove, data-juicer or dolma configuration becomes a job and packs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.cli import FINDINGS, _print_json, user_errors

if TYPE_CHECKING:
    from curation.convert.result import Converted

WORDS = ("unicode", "space", "spacy")
TOOLS = ("datatrove", "data-juicer", "dolma")


@click.command()
@click.argument("configuration", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--out", "--output", "folder", metavar="FOLDER", type=click.Path(path_type=Path), help="Write job.yaml and packs/ there; new or empty. Without it, they are only checked and told.")
@click.option("--from", "tool", metavar="TOOL", type=click.Choice(TOOLS), help=f"Whose configuration it is: {', '.join(TOOLS)}. Without it, its keys tell.")
@click.option("--words", metavar="WORDS", type=click.Choice(WORDS), help=f"How packs divide words: {', '.join(WORDS)}. Without it, as TOOL does: spacy for datatrove, space for dolma, unicode for data-juicer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the job, the packs and the notes.")
@user_errors
def convert(configuration: Path, folder: Path | None, tool: str | None, words: str | None, as_json: bool) -> None:
    """Make a job and packs of another tool's CONFIGURATION, and say what has no equal.

    A datatrove pipeline is a Python script (it is read, never run) or filter names with settings in YAML; of data-juicer it
    is the YAML file with `process:`; of dolma a mixer configuration. Exit code 1: something has no equal here."""
    from curation.convert.detect import convert_file
    from curation.convert.result import write

    converted = convert_file(configuration, tool, words)
    written = write(converted, folder) if folder else []
    if as_json:
        _print_json({"tool": converted.tool, "job": converted.job, "packs": converted.packs, "notes": [vars(note) for note in converted.notes]})
    else:
        _tell(converted, written)
    if any(not note.equal for note in converted.notes):
        sys.exit(FINDINGS)


def _tell(converted: Converted, written: list[Path]) -> None:
    from curation.convert.result import NO_INPUT, note_line
    from rules.visible import visible

    rules: list[Any] = [rule for pack in converted.packs.values() for rule in pack["rules"]]
    packs, own = (f"{count} {name}{'' if count == 1 else 's'}" for count, name in ((len(converted.packs), "pack"), (len(rules), "rule")))
    click.echo(f"{converted.tool}: {packs} with {own} of {'its' if len(converted.packs) == 1 else 'their'} own, stages {', '.join(stages(converted.job)) or 'none'}")
    for heading, equal in (("different", True), ("no equal", False)):
        for note in converted.notes:
            if note.equal is equal:
                click.echo(visible(f"{heading}: {note_line(note)}"))
    if converted.job["input"] == NO_INPUT:
        click.echo("input: the configuration names none; name your own in the job")
    for path in written:
        click.echo(f"wrote {visible(str(path))}")
    click.echo(f"next: gristmill check {visible(str(written[0]))}" if written else "nothing was written; name a folder with -o", err=True)


def stages(job: dict[str, Any]) -> list[str]:
    """What the job does, in the order of its keys."""
    return [key for key in job if key in ("language", "packs", "exact", "near", "substrings", "lines", "decontaminate")]
