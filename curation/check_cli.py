"""`gristmill check`: packs and jobs by their own examples, and with --sample on documents."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from curation.cli import CLEAN, FINDINGS, PACK_OR_PATH, _print_json, tell_unread, user_errors
from curation.files_option import FilesCommand, files_option


@click.command(cls=FilesCommand)
@click.argument("paths", nargs=-1, type=PACK_OR_PATH)
@files_option("--sample", "samples", help="Try the packs on documents of FILES (paths, a folder, glob or URL; may be given again).")
@click.option("--documents", default=20_000, show_default=True, type=click.IntRange(1), help="Documents to draw for --sample.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the sample.")
@click.option("--show", default=0, show_default=True, type=click.IntRange(0), help="With --sample: documents, or lines, to print of each rule that hits.")
@click.option("--explain", metavar="CODE", help="Explain a code such as R107, and check nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@user_errors
def check(paths: tuple[Path, ...], samples: tuple[str, ...], documents: int, seed: int, show: int, explain: str | None, as_json: bool) -> None:
    """Check rule packs and jobs (files, folders, names of shipped packs; without PATHS, every shipped pack). Writes nothing.

    Every mistake is printed as file:line:col: CODE message, all of them at once. Exit 1 when there are any. With
    --sample, the packs are tried on documents: a rule that drops more than 20 % of them is a mistake too, unless it
    says expect_drop."""
    from curation.checking import check_files
    from curation.compile_notice import tell_of_compiling
    from rules.format.codes import explanation
    from rules.visible import visible

    if explain is not None:
        try:
            click.echo(explanation(explain))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--explain") from None
        return
    if show and not samples:
        raise click.UsageError("--show prints documents of --sample: name some")
    tell_of_compiling()
    result = check_files(list(paths))
    if samples and result.jobs and not result.loaded_jobs:
        result.notes.append("not tried on documents: the job has mistakes")
    elif samples and result.loaded:
        _try_on_sample(result, samples, documents, seed, show)
    if as_json:
        _print_json(result.as_dict())
    else:
        _print_checked(result, visible)
    sys.exit(FINDINGS if result.problems else CLEAN)


def _try_on_sample(result: Any, samples: tuple[str, ...], documents: int, seed: int, show: int) -> None:
    """Try what was read on documents: a job as it reads and labels them, packs with languages that are identified."""
    from curation.sample import draw_sample
    from curation.sample_languages import SeenLanguages, seen_by

    seen = seen_by(result.job) if result.job else SeenLanguages(result.tried(), False)
    drawn = draw_sample(samples, Path(), documents, seed, result.job and result.job.read_settings, label=seen)
    tell_unread(drawn.unread)
    result.notes += seen.notes
    result.try_on(drawn.documents, show)


def _print_checked(result: Any, visible: Callable[[str], str]) -> None:
    from curation.preview import preview_lines
    from curation.preview_examples import example_lines

    for rule in result.preview.rules if result.preview else ():
        for line in example_lines(rule.name, rule.examples) if rule.examples else ():
            click.echo(line)
    for line in preview_lines(result.preview) if result.preview else ():
        click.echo(visible(line))
    if result.preview and result.job is None:
        click.echo("these packs alone; a job with all of its packs: gristmill check JOB.yaml --sample FILES")
    for note in result.notes:
        click.echo(visible(note))
    for warning in result.warnings:
        click.echo(visible(f"{warning} (warning)"))
    for problem in result.problems:
        click.echo(visible(str(problem)))
    click.echo(result.summary())
