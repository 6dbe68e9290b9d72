"""What was measured of the documents that a report looks at: histograms of signals with the thresholds of rules, which
documents came nearest to a threshold, and hosts before and after.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.reports.documents import by_id
from curation.reports.shard_choice import ROWS, SHOWN, Shards, row_groups, shard_of

BINS = 40
HOSTS = 40
_HOLDS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal}


class Measured:
    """Signals of the documents looked at: verdict and numbers, at most `ROWS` documents."""

    def __init__(self, shards: Shards, columns: set[str]):
        tables, rows, names = [], 0, ["id", "verdict", *sorted(columns)]
        self._places: list[tuple[str, int]] = []
        for path in shards.paths("signals"):
            for _, table in row_groups(path, names):
                if rows < ROWS:
                    tables.append(table.slice(0, ROWS - rows))
                    rows += len(tables[-1])
                    self._places.append((shard_of(path.name), len(tables[-1])))
        self.table = pa.concat_tables(tables, promote_options="permissive").combine_chunks() if tables else pa.table({"id": [], "verdict": []})
        shown = np.array([shard in shards.shown for shard, _ in self._places], bool)
        self.shown = np.repeat(shown, [count for _, count in self._places])  # bool [documents]: is its text in a shard that texts are shown of?
        self._values: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.table)

    def values(self, column: str) -> np.ndarray | None:
        """float64 [documents], NaN where a signal is not defined; None where nothing was measured under this name."""
        if column not in self.table.column_names:
            return None
        if column not in self._values:
            self._values[column] = self.table[column].cast(pa.float64()).to_numpy()
        return self._values[column]

    @property
    def kept(self) -> np.ndarray:
        return np.array(pc.equal(self.table["verdict"], "kept"), bool)

    def ids(self, rows: np.ndarray) -> list[tuple[str, str]]:
        """Shard and id of documents."""
        ends = np.cumsum([count for _, count in self._places])
        shards = [self._places[int(np.searchsorted(ends, row, side="right"))][0] for row in rows]
        return list(zip(shards, self.table["id"].take(pa.array(rows)).to_pylist()))


def columns_of(rules: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By column of signals/, the rules that compare it: name of the rule -> comparisons."""
    found: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for name, forms in rules.items():
        for form in forms:
            for condition in form["drop_when"]:
                found[_column(name, condition)][name] += [{**c, "languages": form["languages"]} for c in condition["any_of"]]
    return found


def _column(rule: str, condition: dict[str, Any]) -> str:
    return f"{rule.partition('/')[0]}.{condition['signal']}"


def histograms(measured: Measured, rules: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A histogram of each signal that a rule compares: `edges` [bins + 1], `counts` [bins], thresholds in and out of sight."""
    found = []
    for column, compared in columns_of(rules).items():
        values = measured.values(column)
        values = np.array([]) if values is None else np.sort(values[np.isfinite(values)])
        if not len(values):
            continue
        thresholds = [{"rule": rule, **c} for rule, comparisons in compared.items() for c in comparisons]
        low, high = _range(values, [c["threshold"] for c in thresholds])
        edges = np.linspace(low, high, BINS + 1)
        counts = np.diff(np.searchsorted(values, edges[1:-1]), prepend=0, append=len(values))
        found.append({"signal": column, "documents": len(values), "edges": edges.tolist(), "counts": counts.tolist(), "median": float(np.median(values)), "least": float(values[0]), "most": float(values[-1]), "thresholds": thresholds})
    return found


def _range(values: np.ndarray, thresholds: list[float]) -> tuple[float, float]:
    """From where to where, of `values` in ascending order: all but the outermost hundredth of them (they fall into the last
    bins), and the thresholds that are not so far away that the values would be one bar."""
    low, high = np.quantile(values, [0.01, 0.99])
    reach = 3 * (high - low)
    near = [t for t in thresholds if high == low or low - reach <= t <= high + reach]
    low, high = min(low, *near, low), max(high, *near, high)
    margin = (high - low) * 0.04
    return (float(max(low - margin, min(values.min(), low))), float(high + margin)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def nearly_removed(shards: Shards, measured: Measured, rules: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """By rule, documents that the rules kept and that came nearest to it: by distance, in standard deviations of the signal.

    Only rules that compare signals, in the form for all languages, can be missed narrowly; a pattern hits or does not."""
    chosen: dict[str, list[tuple[str, str, list[dict[str, Any]]]]] = {}
    kept = measured.kept & measured.shown if len(measured) else np.array([], bool)
    for name, forms in rules.items():
        form = next((f for f in forms if not f["languages"] and f["drop_when"] and not f["other_tests"]), None)
        if form is not None:
            chosen[name] = _nearest(measured, name, form, kept)
    wanted: dict[str, set[str]] = defaultdict(set)
    for some in chosen.values():
        for shard, document_id, _ in some:
            wanted[shard].add(document_id)
    documents = by_id(shards, wanted)
    return {rule: [{**documents[i], "measured": said} for _, i, said in some if i in documents] for rule, some in chosen.items() if some}


def _nearest(measured: Measured, rule: str, form: dict[str, Any], kept: np.ndarray) -> list[tuple[str, str, list[dict[str, Any]]]]:
    columns = [measured.values(_column(rule, condition)) for condition in form["drop_when"]]
    if any(values is None for values in columns) or not len(kept):
        return []
    farthest, hit = np.zeros(len(kept)), np.ones(len(kept), bool)
    for values, condition in zip(columns, form["drop_when"]):
        distance, holds = _distance(values, condition)
        farthest, hit = np.maximum(farthest, distance), hit & holds
    rows = np.flatnonzero(kept & ~hit & np.isfinite(farthest))
    rows = rows[_least(farthest[rows], SHOWN)]
    said = [[{"signal": c["signal"], "value": float(v[row]), "any_of": c["any_of"]} for c, v in zip(form["drop_when"], columns)] for row in rows]
    return [(shard, name, what) for (shard, name), what in zip(measured.ids(rows), said)]


def _least(values: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` least values, the least first; of equals, those that come first."""
    if len(values) > count:
        near = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
        return near[np.argsort(values[near], kind="stable")[:count]]
    return np.argsort(values, kind="stable")


def _distance(values: np.ndarray, condition: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """How far each value is from fulfilling a condition (0: it does), and whether it does."""
    finite = values[np.isfinite(values)]
    scale = float(np.std(finite)) if len(finite) else 0.0
    away, holds = np.full(len(values), np.inf), np.zeros(len(values), bool)
    for comparison in condition["any_of"]:
        holds |= _HOLDS[comparison["operator"]](values, comparison["threshold"])
        away = np.fmin(away, np.abs(values - comparison["threshold"]) / (scale or 1.0))
    return np.where(holds, 0.0, np.where(np.isnan(values), np.inf, away)), holds


def hosts(shards: Shards) -> dict[str, Any]:
    """Documents and kept documents by host of the URL, of the shards looked into; the most frequent `HOSTS`."""
    kept, lost = (_host_counts(shards, folder) for folder in ("clean", "removed"))
    total = kept + lost
    rows = [{"host": host, "in": count, "kept": kept[host]} for host, count in sorted(total.items(), key=lambda item: (-item[1], item[0]))]
    return {"hosts": len(rows), "documents": sum(total.values()), "rows": rows[:HOSTS]}


def _host_counts(shards: Shards, folder: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in shards.paths(folder):
        for _, table in row_groups(path, ["url"]):
            found = pc.extract_regex(table["url"].cast(pa.string()), r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#:]+)")
            for item in pc.value_counts(pc.struct_field(found, "host")).to_pylist():
                if item["values"]:
                    counts[item["values"].lower()] += item["counts"]
    return counts
