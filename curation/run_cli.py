"""`gristmill run`: run a job, go on where it stopped, or print what it would do."""

from __future__ import annotations

import functools
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from curation.cli import CLEAN, INTERRUPTED, QUARANTINED, _print_json, tell_warnings, user_errors


@contextmanager
def _interruptible(job_file: Path) -> Iterator[None]:
    """Ctrl-C and SIGTERM end with a word on how to go on.

    The run has handlers of its own, which wait for the units under way; this is for the seconds before and after: modules are
    loaded in them, and an exception in the middle of an import may be lost, so the process ends where it stands."""
    words = f"interrupted; what is finished is saved, continue with: {_again(job_file)}"

    def end(*_: object) -> NoReturn:
        os.write(2, f"{words}\n".encode())
        os._exit(INTERRUPTED)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        click.echo(words, err=True)
        sys.exit(INTERRUPTED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _again(job_file: Path) -> str:
    return f"gristmill run {job_file}"


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """A command about a job that can be interrupted from its first moment: loading takes seconds."""

    @functools.wraps(command)
    def wrapped(job_file: Path, **options: Any) -> None:
        with _interruptible(job_file):
            command(job_file, **options)

    return wrapped


@click.command()
@click.argument("job_file", metavar="JOB", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--workers", metavar="inline|auto|N", help="Worker processes; overrides the job.")
@click.option("--dry-run", is_flag=True, help="Print stages, shards, memory, disk and what is done already; write nothing.")
@click.option("--fresh", is_flag=True, help="Delete what earlier runs wrote into the output first; asks before.")
@click.option("--yes", is_flag=True, help="With --fresh: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the report (or the plan) as one JSON object.")
@interruptible
@user_errors
def run(job_file: Path, workers: str | None, dry_run: bool, fresh: bool, yes: bool, as_json: bool) -> None:
    """Run JOB, or go on where it stopped. What is done already is not done again."""
    from curation.lean_start import collecting_nothing, leave_out_unused, take_memory_again

    take_memory_again()
    with collecting_nothing():
        leave_out_unused()
        from curation.compile_notice import tell_of_compiling
        from curation.interrupts import stop_requests
        from curation.job import load_job
        from curation.progress import default_progress
        from curation.run import run_job
        from curation.supervision import supervised

    count = _workers(workers)
    if yes and not fresh or fresh and dry_run:
        raise click.UsageError("--yes goes with --fresh" if yes and not fresh else "--fresh deletes and --dry-run writes nothing: name one of them")
    job = load_job(job_file)
    tell_warnings(job.warnings)
    if dry_run:
        _print_plan(job, count, as_json)
        return
    if fresh:
        from curation.fresh import delete_earlier

        delete_earlier(job, yes)

    def go() -> None:
        tell_of_compiling(speak=not sys.stderr.isatty())
        with stop_requests(lambda message: click.echo(message, err=True)) as should_stop:
            result = run_job(job, count, default_progress(), should_stop)
        _print_run(result, job.output, as_json)
        sys.exit(QUARANTINED if result.report["quarantined"] else CLEAN)

    def in_child() -> None:  # which never returns to the caller
        with _interruptible(job_file):
            user_errors(go)()

    supervised(in_child, job.output, lambda message: click.echo(message, err=True), _again(job_file))


def _print_plan(job: Any, workers: Any, as_json: bool) -> None:
    from curation.plan import plan_run
    from rules.visible import visible

    plan = plan_run(job, workers)
    if as_json:
        _print_json(plan.as_dict())
    else:
        for line in plan.lines():
            click.echo(visible(line))


def _workers(text: str | None) -> Any:
    if text is None or text in ("inline", "auto"):
        return text
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is not inline, auto or a number from 1", param_hint="--workers")
    return int(text)


def _print_run(result: Any, output: Path, as_json: bool) -> None:
    from curation.greedy_rules import of_run
    from curation.report import REPORT_HTML
    from curation.reports.markdown import funnel_lines
    from rules.visible import shown_path, visible

    if as_json:
        _print_json(result.report)
    else:
        for line in funnel_lines(result.report):
            click.echo(line)
    for warning in result.report["warnings"]:
        click.echo(visible(f"warning: {of_run(warning, shlex.quote(shown_path(output)))}"), err=True)
    if result.done_before:
        click.echo(f"{result.done_before} of {result.units} units were done before", err=True)
    if result.report["quarantined"]:
        click.echo(f"{result.report['quarantined']} records are in {shown_path(output / 'quarantine')} with their errors", err=True)
    click.echo(f"report: {shown_path(output / REPORT_HTML)}", err=as_json)
