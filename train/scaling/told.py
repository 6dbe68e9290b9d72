"""Plans and results as lines of text for the terminal. Texts from files pass through `visible` where they are printed."""

from __future__ import annotations

from typing import Any

PLAN_WIDTHS = (8, 6, 5, 8, 6, 6, 8, 8, 8, 9)


def plan_lines(record: dict[str, Any], out: str) -> list[str]:
    """The grid as a table, then what it costs and what it could detect; `record` is plan.json."""
    runs, facts = record["runs"], record["facts"]
    lines = [_row("run", "params", "layers", "dim", "tokens", "epochs", "steps", "batch", "rate", "FLOPs", "hours")]
    for run in runs:
        planned = run["run"]
        hours = planned["flops"] / record["device_flops"] / 3600
        batch = planned["batch_rows"] * facts["tokens_per_row"]
        lines.append(_row(
            run["name"], short(planned["params"]), planned["model"]["layers"], planned["model"]["dim"], short(planned["tokens"]),
            f"{planned['tokens'] / facts['train_tokens']:,.2f}", f"{planned['steps']:,}", short(batch), f"{planned['learning_rate']:.2g}",
            f"{planned['flops']:.2g}", hours_text(hours),
        ))  # fmt: skip
    seeds = record["grid"]["seeds"]
    lines += [
        f"{len(runs)} runs, {record['flops']:.3g} FLOPs, {hours_text(record['device_hours'])} hours of one device at {record['device_flops']:.3g} FLOP/s",
        f"smallest difference between two arms: {record['smallest_difference_frac']:.2%} of the loss with {seeds} "
        f"seed{'s' if seeds > 1 else ''} each (seeds differ by {record['seed_deviation']:.2%}; 80 % chance to see it at 5 %)",
        "params counts the weights that tokens are multiplied with: blocks and head, no embedding",
        *(f"warning: {text}" for text in record["warnings"]),
        f"train them: gristmill scale run {out}",
    ]
    return lines


def _row(name: str, *cells: object) -> str:
    """A line of the plan: a cell may be wider than its column, but never touches the next."""
    return f"{name:<33}" + "".join(f" {cell!s:>{width}}" for cell, width in zip(cells, PLAN_WIDTHS, strict=True))


def result_lines(rows: list[dict[str, Any]], of: int, deviation: tuple[float, int] | None) -> list[str]:
    """The finished runs as a table, and how much their seeds differ (grid_runs.seed_deviation)."""
    lines = [f"{'run':<34}{'params':>9}{'tokens':>9}{'FLOPs':>9}{'nats/token':>12}{'bits/byte':>11}"]
    lines += [
        f"{row['run']:<34}{short(row['params']):>9}{short(row['tokens']):>9}{row['flops']:>9.2g}{row['loss']:>12.4f}"
        + (f"{row['bits_per_byte']:>11.4f}" if row["bits_per_byte"] is not None else f"{'-':>11}")
        for row in rows
    ]
    if deviation:
        share, cells = deviation
        lines.append(f"seeds differ by {share:.2%} of the loss ({cells} cells): plan with --seed-deviation {share:.2g}")
    return [*lines, f"{len(rows)} of {of} runs finished"]


def short(value: float) -> str:
    """Three figures with a letter: 1.21M, 16.1T."""
    for unit in ("", "k", "M", "G", "T", "P"):
        if abs(value) < 999.5 or unit == "P":
            return f"{value:.3g}{unit}"
        value /= 1000
    raise AssertionError


def hours_text(hours: float) -> str:
    return f"{hours:.3g}" if hours < 999.5 else f"{hours:,.0f}"
