"""Two jobs on one sample: which documents change their verdict, and why. `gristmill diff` prints this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.checking import is_pack
from curation.job import LoadedJob, load_job
from curation.preview import BATCH_DOCUMENTS
from curation.sample_languages import SeenLanguages, seen_by
from rules.engine import Applied, apply
from rules.format.pack import load_pack
from rules.rule import Pack
from rules.visible import excerpt, visible


@dataclass
class Change:
    """One document that the jobs see differently."""

    id: str
    kind: str  # dropped: A keeps it and B does not; restored: the other way; edited: both keep it, with other texts
    reason: str  # of the job that drops it
    hits: list[dict[str, Any]]  # of that job
    text: str
    texts: tuple[str, str] | None = None  # edited: the text under A and under B


@dataclass
class Comparison:
    """What changes between job A and job B."""

    documents: int
    kept_a: int
    kept_b: int
    changes: list[Change] = field(default_factory=list)

    def counts(self) -> dict[str, dict[str, int]]:
        """Kind -> rule -> documents; edited documents have no rule."""
        found: dict[str, Counter[str]] = {}
        for change in self.changes:
            found.setdefault(change.kind, Counter())[change.reason] += 1
        return {kind: dict(counter.most_common()) for kind, counter in sorted(found.items())}

    def as_dict(self) -> dict[str, Any]:
        plain = {"documents": self.documents, "kept_a": self.kept_a, "kept_b": self.kept_b, "counts": self.counts()}
        return {"schema_version": 1, **plain, "changes": [vars(change) for change in self.changes]}


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: a job with its packs, or a pack alone."""

    packs: Sequence[Pack]
    job: LoadedJob | None


def load_side(path: Path) -> Side:
    """The job or the pack of a file. Raises Problems where it has mistakes."""
    if is_pack(path):
        return Side([load_pack(path)], None)
    job = load_job(path)
    return Side(job.packs, job)


def seen_by_sides(a: Side, b: Side) -> list[SeenLanguages]:
    """What the rules of each side see of the languages: a pack beside a job sees what the job's rules see."""
    job = b.job or a.job
    alone = seen_by(job) if job else SeenLanguages([], False)
    return [seen_by(side.job) if side.job else replace(alone, packs=side.packs, notes=[]) for side in (a, b)]


def compare(documents: pa.Table, packs_a: Sequence[Pack], packs_b: Sequence[Pack], seen_a: SeenLanguages | None = None, seen_b: SeenLanguages | None = None) -> Comparison:
    """Apply both lists of packs to `documents`, with the languages that each side sees (without them, those that documents have)."""
    found = Comparison(len(documents), 0, 0)
    seen = [one.each(documents) if one else (documents, None) for one in (seen_a, seen_b)]
    for start in range(0, len(documents), BATCH_DOCUMENTS):
        batch = documents.slice(start, BATCH_DOCUMENTS)
        a, b = (_judged(packs, labelled, gone, start) for packs, (labelled, gone) in zip((packs_a, packs_b), seen))
        found.kept_a += int((~a.dropped).sum())
        found.kept_b += int((~b.dropped).sum())
        found.changes += _changes(batch, a, b)
    return found


def _judged(packs: Sequence[Pack], documents: pa.Table, gone: pa.ChunkedArray | None, start: int) -> Applied:
    """What one side does to the batch from `start`: what its language stage removes, `gone` names, and rules never see it."""
    batch = documents.slice(start, BATCH_DOCUMENTS)
    applied = apply(packs, batch["text"], batch["lang"], batch["url"])
    if gone is None or gone.null_count == len(gone):
        return applied
    reasons = gone.slice(start, BATCH_DOCUMENTS).combine_chunks()
    by_language = reasons.is_valid()
    hits = pc.if_else(by_language, pa.scalar([], applied.hits.type), applied.hits)
    return replace(applied, dropped=applied.dropped | by_language.to_numpy(zero_copy_only=False), reasons=pc.coalesce(reasons, applied.reasons), hits=hits)


def _changes(batch: pa.Table, a: Applied, b: Applied) -> list[Change]:
    other = pc.not_equal(a.texts, b.texts).to_numpy(zero_copy_only=False)
    found = []
    for row in ((a.dropped != b.dropped) | (~a.dropped & ~b.dropped & other)).nonzero()[0].tolist():
        text, name = batch["text"][row].as_py(), batch["id"][row].as_py()
        if a.dropped[row] == b.dropped[row]:
            found.append(Change(name, "edited", "", [], text, (a.texts[row].as_py(), b.texts[row].as_py())))
        else:
            by = b if b.dropped[row] else a
            hits = [hit for hit in by.hits[row].as_py() if hit["action"] == "drop"]
            found.append(Change(name, "dropped" if b.dropped[row] else "restored", by.reasons[row].as_py(), hits, text))
    return found


def comparison_lines(found: Comparison, show: int = 20) -> list[str]:
    """The comparison to read: numbers, then `show` documents of each kind."""
    counts = found.counts()
    lines = [f"{found.documents:,} {'document' if found.documents == 1 else 'documents'}: A keeps {found.kept_a:,}, B keeps {found.kept_b:,}"]
    titles = {"dropped": "B drops what A keeps", "restored": "B keeps what A drops", "edited": "both keep, with other texts"}
    for kind, rules in counts.items():
        lines += ["", f"{titles[kind]}: {sum(rules.values()):,}"]
        lines += [f"  {count:,}  {visible(rule)}" for rule, count in rules.items() if rule]
        for change in [c for c in found.changes if c.kind == kind][:show]:
            lines += _change_lines(change)
    return lines if counts else [*lines, "no difference"]


def _change_lines(change: Change) -> list[str]:
    lines = [f"  {visible(change.id)}: {excerpt(change.text, 100)}"]
    for hit in change.hits:
        lines.append(f"    {hit['rule']}: {hit['signal']} is {hit['value']:.6g}, rule says {hit['comparison']} {hit['threshold']:g}")
    if change.texts:
        a, b = (text.split("\n") for text in change.texts)
        gone, new = [x for x in a if x not in set(b)], [x for x in b if x not in set(a)]
        lines += [f"    - {excerpt(x, 100)}" for x in gone[:3]] + [f"    + {excerpt(x, 100)}" for x in new[:3]]
    return lines
