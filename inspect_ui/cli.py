"""The command `inspect`: open a sample on the screen, or print one view of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from curation.cli import user_errors

VIEWS = ("read", "rules", "tune", "diff", "mine", "draft", "suggest", "duplicates", "labels")
_NUMBER = re.compile(r"-(\d|\.\d)")
SAMPLE_DOCUMENTS = 20_000  # as curation/sample.py has it, which is slow to import


class InspectCommand(click.Command):
    """A command whose --print takes a view and the view's arguments, up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--print" in args:
            at = args.index("--print") + 1
            end = at
            while end < len(args) and (not args[end].startswith("-") or _NUMBER.match(args[end])):
                end += 1
            args = [*args[:at], json.dumps(args[at:end]), *args[end:]]
        return super().parse_args(ctx, args)


def _view(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """The view and its arguments; None without --print."""
    if value is None:
        return None
    words = json.loads(value) if value.startswith("[") else value.split()
    if not words or words[0] not in VIEWS:
        raise click.BadParameter(f"{words[0]!r} is no view; there are {', '.join(VIEWS)}" if words else f"name a view: {', '.join(VIEWS)}")
    return words


@click.command(cls=InspectCommand)
@click.argument("paths", nargs=-1, metavar="OUT | JOB | FILES...")
@click.option("--packs", "packs", multiple=True, metavar="PACKS", help="Rule packs to apply: shipped ones by name, yours (or a job) by path; several with commas, or given again. Of a run: instead of its own.")
@click.option("--sample", "size", default=SAMPLE_DOCUMENTS, show_default=True, type=click.IntRange(1), help="Documents to draw.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the sample.")
@click.option("--stratify", type=click.Choice(["source", "lang"]), help="As many documents of each source, or language.")
@click.option("--labels", "labels", multiple=True, type=click.Path(path_type=Path), help="File of labels, labels.jsonl by default; further ones (of other people) are merged.")
@click.option("--by", default="", help="Who gives the labels; your user name by default.")
@click.option("--draft", "drafts", default=Path("draft.yaml"), show_default=True, type=click.Path(path_type=Path), help="Pack that drafts are written to; in force if it is there.")
@click.option("--print", "view", metavar="VIEW [ARGS]", callback=_view, help="Print one view instead of opening the screen; see above.")
@click.option("--rule", default="", metavar="PACK/ID", help="read, diff: the documents of this rule; diff: what this rule changed.")
@click.option("--mode", default="", metavar="MODE", help="read: random, near, only, hits, disagreements, rare-host, longest, each-language.")
@click.option("--host", metavar="HOST", help="mine, draft, suggest: only documents of this host.")
@click.option("--lang", "--language", "lang", metavar="CODE", help="mine, draft, suggest: only documents in this language.")
@click.option("--match", metavar="RE2", help="mine, draft: only lines that this pattern matches; read: only documents.")
@click.option("--count", default=30, show_default=True, type=click.IntRange(1), help="Rows to print.")
@click.option("--recall", default=0.5, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="suggest signals: share of the documents labelled drop to find.")
@click.option("--write", is_flag=True, help="draft: add the rule to the file of --draft; tune: write the threshold into its pack.")
@click.option("--export", type=click.Path(path_type=Path), metavar="FILE", help="Write all labels in force to a Parquet file, over an earlier one, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="With --print: one JSON object.")
@user_errors
def inspect(
    paths: tuple[str, ...], packs: tuple[str, ...], size: int, seed: int, stratify: Any, labels: tuple[Path, ...], by: str, drafts: Path,
    view: list[str] | None, export: Path | None, as_json: bool, **chosen: Any,
) -> None:  # fmt: skip
    """Look at documents, find what repeats, write a rule, and see what it does.

    Opens a sample of a finished run (its directory OUT), of what a JOB reads, or of raw FILES (paths, folders, globs, URLs),
    and applies rule packs to it. Nothing is changed but the file of labels and the drafts.

    \b
    With --print, one view is printed and no screen is opened. Paths come first.
      read [ID]                  documents, or one with hits, signals and text
      rules                      every rule: hits, only-this-rule hits, precision
      tune PACK/ID [VALUE] [N]   a threshold (comparison N): what VALUE would hit
      diff [ID]                  documents that rules change, or how they do one
      mine [KIND]                what repeats: lines, prefixes, suffixes, ngrams,
                                 words, templates or hosts
      draft KIND ROWS            a rule of rows (1,4) of `mine KIND`; suggestions:
                                 of `suggest lines`. --write adds it to the drafts
      suggest [lines | signals]  line patterns of most words at least risk; rules
                                 of one signal, from labels
      duplicates [ID]            clusters of a run, or the members of one
      labels                     labels, stale ones, and where people disagree
    """
    from curation.compile_notice import tell_of_compiling
    from inspect_ui.session import Session

    tell_of_compiling()
    if export is not None:
        _export(labels, by, export)
        return
    names = [name for given in packs for name in given.split(",") if name]
    session = Session.open(paths, names, size, seed, stratify, labels or (Path("labels.jsonl"),), by, drafts)
    if view is None:
        _open_screen(session, as_json)
        return
    from inspect_ui.printed import print_view

    data, lines = print_view(session, view[0], view[1:], chosen)
    if as_json:
        plain = {"schema_version": 1, "view": view[0], "sample": session.title, "notices": session.notices, **data}
        click.echo(json.dumps(_finite(plain), indent=1, default=str).replace("\x7f", "\\u007f"))
        return
    from rules.visible import visible

    for notice in session.notices:
        click.echo(visible(notice), err=True)
    click.echo(session.title)
    for line in lines:
        click.echo(line)


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: they become null."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value


def _export(labels: tuple[Path, ...], by: str, path: Path) -> None:
    from inspect_ui.labels import TABLE, LabelLog, export_labels
    from rules.outputs import check_output, has_columns

    check_output(path, labels, lambda found: has_columns(found, TABLE.names), "an export of labels", "--export")
    logs = [LabelLog(file, by) for file in labels or (Path("labels.jsonl"),)]
    count = export_labels(logs, path)
    click.echo(f"{count:,} labels in {path}")


def _open_screen(session: Any, as_json: bool) -> None:
    if as_json:
        raise click.UsageError("--json goes with --print")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("the screen needs a terminal; print a view with --print VIEW")
    from curation.compile_notice import tell_of_compiling
    from inspect_ui.app import run_app

    tell_of_compiling(speak=False)  # a line would lie across the screen
    run_app(session)
