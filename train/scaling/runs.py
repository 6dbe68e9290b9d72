"""Runs as a table: what was trained, on how much, and what came of it; one's own or other people's, from CSV.

Columns (README of the CSV: docs/scaling-laws.md):

    params   what the laws call N; say which parameters are meant wherever a figure is told
    tokens   D, tokens trained on
    loss     what was reached, in any unit that all rows share
    flops    training FLOPs; 6 * params * tokens where there is no such column
    budget   runs of one budget make one parabola; without the column, runs whose FLOPs are within 10 % do

A file with other names is read with a mapping, such as {"loss": "c4_val_loss"}. Rows without a value in a needed column
are left out and counted.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rules.places import did_you_mean
from train.config import TrainError

SAME_BUDGET = 1.1
NEEDED = ("params", "tokens", "loss")


@dataclass(frozen=True)
class Runs:
    """Arrays [n]; `per_param_token` is the geometric mean of flops / (params * tokens), 6 where FLOPs are counted so."""

    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    flops: np.ndarray
    budget: np.ndarray
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.params)

    @property
    def per_param_token(self) -> float:
        return float(np.exp(np.log(self.flops / (self.params * self.tokens)).mean()))

    def chosen(self, which: np.ndarray) -> Runs:
        """The runs of a mask or of places."""
        return Runs(self.params[which], self.tokens[which], self.loss[which], self.flops[which], self.budget[which], self.left_out)


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file as texts, and where each stands."""

    path: Path
    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    lines: list[int]

    def where(self, conditions: Mapping[str, str]) -> Table:
        """The rows that have these values. Raises TrainError for a column there is not, or where no row is left."""
        for column in conditions:
            self.require(column)
        kept = [place for place, row in enumerate(self.rows) if all(row[c] == v for c, v in conditions.items())]
        if not kept:
            wanted = ", ".join(f"{column}={value}" for column, value in conditions.items())
            raise TrainError(f"{self.path}: no row has {wanted}." if wanted else f"{self.path}: has no rows.")
        return Table(self.path, self.columns, [self.rows[place] for place in kept], [self.lines[place] for place in kept])

    def require(self, column: str) -> None:
        if column not in self.columns:
            raise TrainError(f"{self.path}: has no column {column!r}{did_you_mean(column, self.columns)}; it has {', '.join(self.columns)}.")

    def numbers(self, column: str, positive: bool = True) -> np.ndarray:
        """The column as float64, NaN where it is empty. Raises TrainError, with the line, for what is no (positive) number."""
        self.require(column)
        return np.array([self._number(row[column], line, column, positive) for row, line in zip(self.rows, self.lines)])

    def texts(self, column: str) -> list[str]:
        self.require(column)
        return [row[column] for row in self.rows]

    def _number(self, text: str, line: int, column: str, positive: bool) -> float:
        if text.strip().lower() in ("", "nan", "na", "null", "none"):
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if math.isinf(value) or (positive and value <= 0):
            raise TrainError(f"{self.path}:{line}: {column} is {text!r}, expected a number{' above 0' if positive else ''}.")
        return value


def read_table(path: Path) -> Table:
    """A CSV file with a header, or the same in gzip. Raises TrainError for one that cannot be read."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns, rows, lines = tuple(reader.fieldnames or ()), [], []
            for row in reader:
                if None in row or None in row.values():
                    raise TrainError(f"{path}:{reader.line_num}: has another number of fields than the header ({len(columns)}).")
                rows.append(row)
                lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError) as error:
        raise TrainError(f"{path}: is not a CSV file in UTF-8 ({error}).") from None
    if not rows:
        raise TrainError(f"{path}: has no rows. Expected a header such as params,tokens,loss and a row for each run.")
    return Table(path, columns, rows, lines)


def runs_of(table: Table, names: Mapping[str, str] | None = None) -> Runs:
    """The runs of a table; `names` maps our column names to the file's."""
    names = dict(names or {})
    for name in names:
        if name not in (*NEEDED, "flops", "budget"):
            raise TrainError(f"column {name!r} is none that runs have{did_you_mean(name, (*NEEDED, 'flops', 'budget'))}.")
    params, tokens, loss = (table.numbers(names.get(name, name)) for name in NEEDED)
    given = {name: table.numbers(names.get(name, name)) for name in ("flops", "budget") if names.get(name, name) in table.columns}
    flops = given.get("flops", given.get("budget", 6 * params * tokens))
    there = np.isfinite(params) & np.isfinite(tokens) & np.isfinite(loss) & np.isfinite(flops)
    if not there.any():
        raise TrainError(f"{table.path}: no row has params, tokens and loss.")
    budget = given["budget"][there] if "budget" in given else same_budgets(flops[there])
    return Runs(params[there], tokens[there], loss[there], flops[there], budget, int((~there).sum()))


def same_budgets(flops: np.ndarray) -> np.ndarray:
    """The budget of each run: runs whose FLOPs lie within 10 % of the next share the geometric mean of theirs."""
    order = np.argsort(flops)
    logs = np.log(flops[order])
    group = np.cumsum(np.diff(logs, prepend=logs[0]) > math.log(SAME_BUDGET))
    means = np.exp(np.bincount(group, logs) / np.bincount(group))
    budget = np.empty(len(flops))
    budget[order] = means[group]
    return budget


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """A CSV file, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)
