"""The commands `ablate`, `probe` and `mix`: does data, or a rule, make the model better?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from curation.cli import INTERRUPTED, _print_json, tell_warnings, user_errors
from train.cli import SPIN_COUNT, exit_codes


@click.command("ablate")
@click.argument("config", metavar="ABLATE.yaml", type=click.Path(path_type=Path))
@click.option("--dry-run", "--plan", "dry_run", is_flag=True, help="Tell what would be trained, and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@user_errors
def ablate(config: Path, dry_run: bool, as_json: bool) -> None:
    """Train models on arms of data that differ in a rule (or in their jobs), and tell which arm is better.

    The same command goes on where it was interrupted. Exit 0 whatever the verdict is.
    """
    with exit_codes():
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        from curation.ablate.settings import load_ablation

        ablation = load_ablation(config)
        tell_former_names(ablation)
        if dry_run:
            _print_plan(ablation, as_json)
            return
        from curation.ablate.report import lines
        from curation.ablate.run import ablate as run_ablation
        from curation.progress import default_progress

        with _stoppable(f"gristmill ablate {config}") as should_stop:
            report = run_ablation(ablation, default_progress(), listening, should_stop)
        _print_found(report, lines, ablation.output, as_json)


def tell_former_names(found: Any, own: Sequence[Any] = ()) -> None:
    """Say what is called otherwise now in a file of settings (`own`), and in the jobs that it names."""
    from curation.job import load_job

    tell_warnings([*own, *(warning for name in found.jobs for warning in load_job(found.path.parent / name).warnings)])


def _print_plan(ablation: Any, as_json: bool) -> None:
    """The models that would be trained."""
    from curation.ablate.arms import arm_jobs
    from rules.visible import visible

    settings = ablation.settings
    jobs = arm_jobs(ablation)
    sizes = {
        name: {
            "layers": config.model.layers, "dim": config.model.dim, "tokens": config.steps * config.batch_rows * settings.sequence_length,
            "steps": config.steps, "batch_rows": config.batch_rows, "learning_rate": config.learning_rate,
        }
        for name, config in ablation.sizes.items()
    }  # fmt: skip
    found = {"arms": {name: str(job.output) for name, job in jobs.items()}, "seeds": settings.seed_list, "sizes": sizes, "models": len(jobs) * len(settings.seed_list) * len(sizes)}
    if as_json:
        _print_json(found)
        return
    for name, output in found["arms"].items():
        click.echo(visible(f"arm {name}: {output}"))
    for name, size in sizes.items():
        click.echo(visible(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in size.items())))
    click.echo(f"{found['models']} models: {len(jobs)} arms, {len(settings.seed_list)} seeds, {len(sizes)} sizes")


def _say_where(report: dict[str, Any], output: Path) -> None:
    from rules.visible import shown_path, visible

    evidence = report.get("evidence") or {}
    if evidence.get("file"):
        click.echo(visible(f"evidence: written to {shown_path(Path(evidence['file']))}"), err=True)
    if evidence.get("problem"):
        click.echo(visible(f"evidence: {evidence['problem']}"), err=True)
    click.echo(visible(f"report: {shown_path(output / 'report.md')}"), err=True)


@contextmanager
def listening(run: Any, number: int, count: int) -> Iterator[Any]:
    """Shows the training of one model."""
    from rules.visible import visible
    from train.progress import TrainProgress

    click.echo(visible(f"model {number} of {count}: {run.name}"), err=True)
    with TrainProgress() as listen:
        yield listen


@contextmanager
def _stoppable(command: str) -> Iterator[Any]:
    """Ctrl-C stops after the unit or step under way, saved; a second one at once."""
    from curation.interrupts import stop_requests
    from train.run import Stopped

    try:
        with stop_requests(lambda message: click.echo(message, err=True)) as should_stop:
            yield should_stop
    except (KeyboardInterrupt, Stopped):
        click.echo(f"interrupted; what is finished is saved, continue with: {command}", err=True)
        sys.exit(INTERRUPTED)


@click.command("probe")
@click.argument("config", metavar="PROBE.yaml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@user_errors
def probe(config: Path, as_json: bool) -> None:
    """Judge a small dataset by annealing a half-trained model on it.

    From the trunk, the learning rate falls to zero on 30 % new and 70 % base data, and on base data alone.
    """
    with exit_codes():
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        from curation.ablate.probe import load_probe
        from curation.ablate.probe import probe as run_probe
        from curation.ablate.report import lines
        from curation.progress import default_progress

        found = load_probe(config)
        tell_former_names(found)
        with _stoppable(f"gristmill probe {config}") as should_stop:
            report = run_probe(found, default_progress(), listening, should_stop)
        _print_found(report, lines, found.output, as_json)


@click.command("mix")
@click.argument("config", metavar="MIX.yaml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@user_errors
def mix(config: Path, as_json: bool) -> None:
    """Find proportions of sources by small runs on random mixtures."""
    with exit_codes():
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        from curation.ablate.mix import load_mix
        from curation.ablate.mix import mix as run_mix
        from curation.ablate.mix_report import mix_lines, write_mix_report
        from curation.progress import default_progress

        found = load_mix(config)
        tell_former_names(found, found.warnings)
        with _stoppable(f"gristmill mix {config}") as should_stop:
            report = run_mix(found, default_progress(), listening, should_stop)
            write_mix_report(report, found.output)
        _print_found(report, mix_lines, found.output, as_json)


def _print_found(report: dict[str, Any], lines: Any, output: Path, as_json: bool) -> None:
    if as_json:
        _print_json(report)
    else:
        for line in lines(report):
            click.echo(line)
    _say_where(report, output)
