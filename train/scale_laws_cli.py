"""The laws of `gristmill scale`: isoflop, parametric, ladder; from a planned grid's results or from other people's CSV."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from train.cli import exit_codes, json_line

if TYPE_CHECKING:
    import numpy as np

    from train.scaling.runs import Runs, Table

PLOT_WIDTH, PLOT_HEIGHT = 88, 22


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all laws have."""
    options = (
        click.argument("source", metavar="RUNS", type=click.Path(path_type=Path)),
        click.option("--column", "columns", multiple=True, metavar="NAME=COLUMN", help="The file's name for one of our columns, such as loss=c4_val_loss; may be given again."),
        click.option("--where", "conditions", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this value; may be given again."),
        click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to write report.json and the picture; by default OUT/laws of a planned grid, nothing for a CSV."),
        click.option("--resamples", default=1000, show_default=True, type=click.IntRange(min=20), help="Fits to resampled data, for intervals."),
        click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Draws the resamplings."),
        click.option("--plot/--no-plot", default=None, help="Draw in characters; by default on a terminal."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command("isoflop")
@_common
@click.option("--target", type=click.FloatRange(min=0, min_open=True), help="FLOPs to tell the best sizes at.")
def isoflop(source: Path, target: float | None, columns: tuple[str, ...], conditions: tuple[str, ...], **options: Any) -> None:
    """IsoFLOP curves: a parabola for each budget, its minimum, and power laws through the minima.

    RUNS is a folder of `scale plan`, or a CSV with params, tokens, loss and, where known, flops and budget.
    """
    with exit_codes():
        from train.scaling import pictures
        from train.scaling.isoflop import fit_isoflop
        from train.scaling.report import isoflop_lines, isoflop_record

        origin = _Source(source, columns, conditions)
        runs = origin.runs()
        found = _fitted(lambda: fit_isoflop(runs, options["resamples"], options["seed"]), source)
        text = pictures.isoflop_text(runs, found, PLOT_WIDTH, PLOT_HEIGHT) if _draws(options) else []
        record = origin.record() | isoflop_record(found, target)
        _finish(origin, "isoflop", record, text + isoflop_lines(found, target), options,
                lambda path: pictures.isoflop_png(path, runs, found, target))  # fmt: skip


@click.command("parametric")
@_common
@click.option("--target", type=click.FloatRange(min=0, min_open=True), help="FLOPs to tell the best sizes at.")
@click.option("--drop-highest", default=0, show_default=True, type=click.IntRange(min=0), help="Leave out that many runs with the highest losses (runs that diverged).")
@click.option("--by", metavar="COLUMN", help="Fit each value of this column by itself, and rank them: datasets, say.")
@click.option("--at", "at", metavar="PARAMS,TOKENS", help="With --by: the run to rank at; the largest there is, by default.")
@click.option("--scores", metavar="COLUMN,COLUMN", help="With --by: columns with accuracies of tasks; ranks by their average error.")
def parametric(
    source: Path, target: float | None, drop_highest: int, by: str | None, at: str | None, scores: str | None,
    columns: tuple[str, ...], conditions: tuple[str, ...], **options: Any,
) -> None:  # fmt: skip
    """L = E + A/N^alpha + B/D^beta, with IsoFLOP's answer beside it, and the gap between the two."""
    if not by and (at or scores):
        raise click.UsageError("--at and --scores go with --by.")
    with exit_codes():
        origin = _Source(source, columns, conditions)
        if by:
            _rank(origin, by, at, scores, options)
            return
        from train.scaling import pictures
        from train.scaling.isoflop import fit_isoflop
        from train.scaling.parametric import fit_parametric
        from train.scaling.report import parametric_lines, parametric_record

        runs = origin.runs()
        runs = runs.chosen(runs.loss.argsort(kind="stable")[: len(runs) - drop_highest or None])
        found = _fitted(lambda: fit_parametric(runs.params, runs.tokens, runs.loss, options["resamples"], options["seed"]), source)
        try:
            beside = fit_isoflop(runs, 20, options["seed"])
        except ValueError:
            beside = None  # these runs have no budgets with three sizes
        text = pictures.parametric_text(runs, found, PLOT_WIDTH, PLOT_HEIGHT) if _draws(options) else []
        record = origin.record() | parametric_record(runs, found, target, beside)
        _finish(origin, "parametric", record, text + parametric_lines(record), options,
                lambda path: pictures.parametric_png(path, runs, found))  # fmt: skip


@click.command("ladder")
@_common
@click.option("--target", "targets", multiple=True, metavar="[NAME=]PARAMS,TOKENS", help="What to predict: a size on so many tokens, or FLOPs alone; may be given again.")
@click.option("--compare", metavar="COLUMN=VALUE", help="Rows with this value are left out of the fit, predicted, and compared with (one target for each of their runs).")
@click.option("--task", "wanted", multiple=True, help="Only this task; may be given again.")
def ladder(
    source: Path, targets: tuple[str, ...], compare: str | None, wanted: tuple[str, ...],
    columns: tuple[str, ...], conditions: tuple[str, ...], **options: Any,
) -> None:  # fmt: skip
    """Predict accuracy in two stages: size -> NLL of the correct answer -> accuracy.

    RUNS is a grid that `scale run --task` judged, or a CSV with task, run, params and tokens (or flops), nll and
    accuracy; a row for each checkpoint.
    """
    with exit_codes():
        from train.config import TrainError
        from train.scaling import pictures
        from train.scaling.arguments import pairs_of, target_of
        from train.scaling.ladder import fit_ladder, read_points
        from train.scaling.report import ladder_lines, ladder_record

        origin = _Source(source, columns, conditions, "points.csv")
        given = {name: target for name, target in map(target_of, targets)}
        table = origin.table()
        points = read_points(_without(table, compare), origin.names)
        known = _known(read_points(table.where(pairs_of((compare,))), origin.names)) if compare else {}
        for task in wanted:
            if task not in points:
                raise TrainError(f"--task {task}: there are {', '.join(points)}.")
        records, ladders, lines = {}, [], []
        resamples = min(options["resamples"], 200)  # of a stage with a thousand points
        for task in wanted or points:
            found = _fitted(functools.partial(fit_ladder, task, points[task], resamples, options["seed"]), source)
            trained = known.get(task, {})
            asked = given | {name: target for name, (target, _) in trained.items()}
            predictions = {name: (target, found.predict(target)) for name, target in asked.items()}
            measured = {name: figures for name, (_, figures) in trained.items()}
            records[task] = ladder_record(found, predictions, measured)
            ladders.append(found)
            if _draws(options):
                lines += pictures.ladder_text(found, [one for _, one in predictions.values()], PLOT_WIDTH, PLOT_HEIGHT)
        all_targets = list(given.items()) + list({name: t for tasks in known.values() for name, (t, _) in tasks.items()}.items())
        all_measured = {task: {name: figures for name, (_, figures) in tasks.items()} for task, tasks in known.items()}
        _finish(origin, "ladder", origin.record() | {"tasks": records}, lines + ladder_lines(records), options,
                lambda path: pictures.ladder_png(path, ladders, all_targets, all_measured))  # fmt: skip


class _Source:
    """Where runs come from: a planned grid or a CSV, our names of its columns, and which rows count."""

    def __init__(self, path: Path, columns: tuple[str, ...], conditions: tuple[str, ...], results: str = "results.csv"):
        self.grid = path if path.is_dir() else None
        self.path = path / results if self.grid else path
        from train.scaling.arguments import pairs_of

        self.names, self.where = pairs_of(columns), pairs_of(conditions)

    def table(self) -> Table:
        from train.config import TrainError
        from train.scaling.runs import read_table

        if self.grid and not self.path.exists():
            with_tasks = " --task NAME --items DIR" if self.path.name == "points.csv" else ""
            raise TrainError(f"{self.path}: no such file. Train the grid first: gristmill scale run {self.grid}{with_tasks}")
        return read_table(self.path).where(self.where)

    def runs(self) -> Runs:
        from train.scaling.runs import runs_of

        runs = runs_of(self.table(), self.names)
        if runs.left_out:
            click.echo(f"{runs.left_out} rows lack a value and are left out", err=True)
        return runs

    def record(self) -> dict[str, Any]:
        from train.scaling.report import source_record

        return {"source": source_record(self.path, self.names, self.where)}


def _rank(origin: _Source, by: str, at: str | None, scores: str | None, options: dict[str, Any]) -> None:
    from train.scaling.arguments import sizes_of
    from train.scaling.downstream import fit_error
    from train.scaling.parametric import fit_parametric
    from train.scaling.report import rank_lines
    from train.scaling.runs import runs_of

    table = origin.table()
    names = list(dict.fromkeys(table.texts(by)))
    parts = {name: table.where({by: name}) for name in names}
    place = sizes_of(at) if at else _largest(runs_of(table, origin.names))
    ranks = []
    for name, part in parts.items():
        runs, errors = runs_of(part, origin.names), _errors(part, scores)
        law = _fitted(functools.partial(fit_parametric, runs.params, runs.tokens, runs.loss, 20), origin.path).law
        loss = float(law.loss(*place))
        rank: dict[str, Any] = {"name": name, "runs": len(runs), "loss": loss}
        if errors is not None:
            losses = part.numbers(origin.names.get("loss", "loss"))
            there = (losses == losses) & (errors == errors)
            rank["error"] = float(_fitted(functools.partial(fit_error, losses[there], errors[there]), origin.path).at(loss))
        ranks.append(rank)
    ranks.sort(key=lambda rank: rank.get("error", rank["loss"]))
    record = origin.record() | {"by": by, "params": place[0], "tokens": place[1], "ranks": ranks}
    _finish(origin, f"parametric_by_{by}", record, rank_lines(ranks, by), options, None)


def _errors(part: Table, scores: str | None) -> np.ndarray | None:
    """1 - the mean of the columns' accuracies; NaN for rows that lack one."""
    import numpy as np

    return 1 - np.mean([part.numbers(name, positive=False) for name in scores.split(",")], 0) if scores else None


def _largest(runs: Runs) -> tuple[float, float]:
    place = int(runs.flops.argmax())
    return float(runs.params[place]), float(runs.tokens[place])


def _without(table: Table, condition: str | None) -> Table:
    from train.config import TrainError
    from train.scaling.arguments import pairs_of
    from train.scaling.runs import Table

    ((column, value),) = pairs_of((condition,)).items() if condition else (("", ""),)
    if not condition:
        return table
    table.require(column)
    kept = [place for place, row in enumerate(table.rows) if row[column] != value]
    if not kept:
        raise TrainError(f"{table.path}: all rows have {condition}; none is left to fit.")
    return Table(table.path, table.columns, [table.rows[place] for place in kept], [table.lines[place] for place in kept])


def _known(tasks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each task and run that is there to compare with: where it ended, and its NLL and accuracy there."""
    from train.scaling.ladder import Target, run_ends

    found: dict[str, dict[str, Any]] = {}
    for task, points in tasks.items():
        ends = run_ends(points)
        rows = zip(ends.run.tolist(), ends.params.tolist(), ends.tokens.tolist(), ends.flops.tolist(), ends.nll.tolist(), ends.accuracy.tolist())
        found[task] = {run: (Target(params, tokens, flops), (nll, accuracy)) for run, params, tokens, flops, nll, accuracy in rows}
    return found


def _fitted(make: Callable[[], Any], source: Path) -> Any:
    """What `make` returns; what it says about too few runs, with the file."""
    from train.config import TrainError

    try:
        return make()
    except ValueError as error:
        raise TrainError(f"{source}: {error}.") from None


def _draws(options: dict[str, Any]) -> bool:
    plot = options["plot"]
    return not options["as_json"] and (sys.stdout.isatty() if plot is None else plot)


def _finish(origin: _Source, law: str, record: dict[str, Any], lines: list[str], options: dict[str, Any], draw: Callable[[Path], None] | None) -> None:
    """Write the report and the picture, then print."""
    from rules.visible import visible
    from train.scaling.report import finite, write_report

    out = options["out"] or (origin.grid / "laws" if origin.grid else None)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        write_report(out, law, record)  # first: it refuses a report.json of something else
        if draw:
            draw(out / f"{law}.png")
    if options["as_json"]:
        click.echo(json_line({"schema_version": 1, law: finite(record)}))
        return
    for line in [*lines, *([f"report: {out / 'report.json'}"] if out else [])]:
        click.echo(visible(line))
