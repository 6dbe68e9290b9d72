"""From judged models to verdicts: each arm against the first, size by size, and where they differ.

Reads what models.py wrote and computes; writes nothing. All figures are bits per byte unless they say otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.ablate.models import JUDGED_RECORD, JUDGED_TABLE, ModelRun
from curation.ablate.paired import Difference, Interval, Verdict, judge, paired_difference

GROUPED_BY = ("source", "lang")
MOST_GROUPS = 30
NONE = "(none)"


@dataclass(frozen=True)
class Judged:
    """The judged documents of all models of a size. `bits` by arm: [seeds, documents]; the rest [documents]."""

    bits: dict[str, np.ndarray]
    bytes: np.ndarray
    documents: pa.Table  # document, source, lang, kept_by
    tasks: dict[str, dict[str, np.ndarray]]  # task, then arm: bits per byte of right answers [seeds, items]

    def where(self, column: str, value: str | None) -> np.ndarray:
        return np.array([found == value for found in self.documents[column].to_pylist()], bool)


def read_judged(runs: Sequence[ModelRun]) -> Judged:
    """What the models of one size lose."""
    arms = list(dict.fromkeys(run.arm for run in runs))
    tables = {(run.arm, run.seed): pq.read_table(run.folder / JUDGED_TABLE) for run in runs}
    first = next(iter(tables.values()))
    counted = first["bytes"].to_numpy() > 0
    bits = {arm: np.stack([table["nats"].to_numpy()[counted] / math.log(2) for (name, _), table in tables.items() if name == arm]) for arm in arms}
    documents = first.select(["document", *GROUPED_BY, "kept_by"]).filter(pa.array(counted))
    return Judged(bits, first["bytes"].to_numpy()[counted], documents, _tasks(runs, arms))


def _tasks(runs: Sequence[ModelRun], arms: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    found: dict[str, dict[str, list]] = {}
    for run in runs:
        for task, figures in json.loads((run.folder / JUDGED_RECORD).read_text(encoding="utf-8"))["tasks"].items():
            if "gold_bits_per_byte" in figures:
                found.setdefault(task, {arm: [] for arm in arms})[run.arm].append(figures["gold_bits_per_byte"])
    return {task: {arm: np.array(rows) for arm, rows in by_arm.items()} for task, by_arm in found.items()}


def compare(judged: Judged, a: str, b: str, judged_on: str, of_interest: float) -> dict[str, Any]:
    """Arm `a` against arm `b` on the documents whose `kept_by` is `judged_on`; then by groups, on others, and by tasks."""
    chosen = judged.where("kept_by", judged_on)
    difference = _difference(judged, a, b, chosen)
    verdict = judge(difference, of_interest)
    others = [name for name in dict.fromkeys(judged.documents["kept_by"].to_pylist()) if name != judged_on]
    return {
        "a": a, "b": b, "verdict": in_words(verdict, a, b), "outcome": verdict.outcome, "why": verdict.why, "more_seeds": verdict.more_seeds,
        **difference_record(difference),
        "smallest_distinguishable": difference.smallest(),
        "by": {column: _by(judged, a, b, chosen, column) for column in GROUPED_BY},
        "kept_by_others": {name: _row(judged, a, b, judged.where("kept_by", name)) for name in others},
        "tasks": {task: difference_record(paired_difference(bits[a], bits[b], np.ones(bits[a].shape[1]))) | {"items": bits[a].shape[1]} for task, bits in judged.tasks.items()},
    }  # fmt: skip


def in_words(verdict: Verdict, a: str, b: str) -> str:
    if verdict.outcome in ("A better", "B better"):
        return f"{a if verdict.outcome == 'A better' else b} better"
    return verdict.outcome


def difference_record(difference: Difference) -> dict[str, Any]:
    of_seeds = [interval_record(one) for one in difference.of_seeds]
    return {
        "difference": difference.value, "interval": [difference.interval.low, difference.interval.high], "of_seeds": of_seeds,
        "seeds": difference.seeds, "seed_sd": difference.seed_sd, "documents": difference.documents,
    }  # fmt: skip


def interval_record(interval: Interval) -> dict[str, Any]:
    return {**dataclasses.asdict(interval), "off_zero": interval.off_zero()}


def losses(judged: Judged, judged_on: str) -> dict[str, dict[str, float | None]]:
    """Loss of each arm on what it was judged on, on all else by who keeps it; the seeds averaged."""
    names = list(dict.fromkeys([judged_on, *judged.documents["kept_by"].to_pylist()]))
    chosen = {name: judged.where("kept_by", name) for name in names}
    return {arm: {name: _loss(judged, arm, chosen[name]) for name in names} for arm in judged.bits}


def _loss(judged: Judged, arm: str, chosen: np.ndarray) -> float | None:
    size = judged.bytes[chosen].sum()
    return float(judged.bits[arm][:, chosen].sum(1).mean() / size) if size else None


def _difference(judged: Judged, a: str, b: str, chosen: np.ndarray) -> Difference:
    return paired_difference(judged.bits[a][:, chosen], judged.bits[b][:, chosen], judged.bytes[chosen])


def _row(judged: Judged, a: str, b: str, chosen: np.ndarray) -> dict[str, Any]:
    record = difference_record(_difference(judged, a, b, chosen))
    return {"a": _loss(judged, a, chosen), "b": _loss(judged, b, chosen), "bytes": int(judged.bytes[chosen].sum()), **record}


def _by(judged: Judged, a: str, b: str, chosen: np.ndarray, column: str) -> dict[str, Any]:
    """The groups with most bytes, largest first."""
    values = judged.documents[column].to_pylist()
    sizes: dict[Any, float] = {}
    for value, size, is_chosen in zip(values, judged.bytes.tolist(), chosen.tolist(), strict=True):
        if is_chosen:
            sizes[value] = sizes.get(value, 0.0) + size
    largest = sorted(sizes, key=lambda value: (-sizes[value], str(value)))[:MOST_GROUPS]
    is_value: Callable[[Any], np.ndarray] = lambda value: np.array([found == value for found in values], bool)  # noqa: E731
    return {NONE if value is None else value: _row(judged, a, b, chosen & is_value(value)) for value in largest}
