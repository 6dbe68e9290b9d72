"""The rules stage: apply the job's packs to a batch; removed documents keep the text they came with.

All hits are recorded, of documents that stay as well as of those that go; signals/ gets every measured value. Texts
that rules changed are kept as they were for documents that stay, so that a later run can decide again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import BEFORE, EDIT
from curation.language_drops import drop_counts
from curation.outcome import Outcome, counted, edit_sizes, removed_table, without
from rules.engine import WORDS, Applied, apply
from rules.measures.signals import measure
from rules.rule import Pack


def clean(documents: pa.Table, packs: Sequence[Pack], known: dict[str, np.ndarray] | None = None) -> Outcome:
    """Apply `packs` to `documents` in order; columns of signals that are `known` are not measured."""
    applied = apply(packs, documents["text"], languages_of(documents), documents["url"], known)
    outcome = outcome_of(documents, applied, packs)
    outcome.edits = _edits(documents, applied)
    outcome.counts |= {"edits": edit_counts(applied.edits)}
    return outcome


def outcome_of(documents: pa.Table, applied: Applied, packs: Sequence[Pack]) -> Outcome:
    gone = pa.array(applied.dropped)
    place = documents.column_names.index("text")
    kept = without(documents.set_column(place, "text", applied.texts), gone)
    removed = removed_table(documents.filter(gone), "rules", applied.reasons.filter(gone), applied.hits.filter(gone))
    before, after = edited_texts(documents, applied.texts, pc.invert(gone))
    counts = {"rules": _rule_counts(documents, applied, packs), "pack_languages": drop_counts(documents["lang"], applied, packs)}
    return Outcome(kept, removed, None, _signals(documents, applied), counts | edit_sizes(before, after), before, applied.seconds)


def languages_of(documents: pa.Table) -> pa.ChunkedArray | None:
    """The documents' languages; None when nobody said any."""
    return documents["lang"] if documents["lang"].null_count < len(documents) else None


def edited_texts(documents: pa.Table, texts: pa.Array, stays: pa.Array) -> tuple[pa.Table, pa.Table]:
    """Of documents that stay and that rules changed: their rows and the texts they came with, and those they have now."""
    changed = pc.and_(pc.not_equal(documents["text"], texts), stays)
    rows = np.flatnonzero(changed.to_numpy(zero_copy_only=False))
    before, after = (column.filter(changed) for column in (documents["text"], pa.chunked_array([texts])))
    return pa.table([rows, before], schema=BEFORE), pa.table([rows, after], schema=BEFORE)


def _rule_counts(documents: pa.Table, applied: Applied, packs: Sequence[Pack]) -> dict[str, dict[str, int]]:
    """Per rule: documents it hit, documents no other rule that drops would have removed, documents it is the reason for."""
    drops = {f"{pack.name}/{rule.id}" for pack in packs for rule in pack.rules if rule.action == "drop"}
    votes = np.zeros(len(documents), np.int64)
    for name, mask in applied.rule_hits.items():
        votes += mask if name in drops else 0
    sizes = pc.binary_length(documents["text"]).to_numpy(zero_copy_only=False)
    words = applied.signals[WORDS].to_numpy()
    reasons = counted(applied.reasons.drop_null())
    return {
        name: {
            "hits": int(mask.sum()),
            "only": int((mask & (votes == 1)).sum()) if name in drops else 0,
            "reason": reasons.get(name, 0),
            "words": int(words[mask].sum()),
            "bytes": int(sizes[mask].sum()),
        }
        for name, mask in applied.rule_hits.items()
    }


def edit_counts(edits: pa.Table) -> dict[str, dict[str, Any]]:
    """Per line rule: lines it changed or removed, documents, and the words and bytes that went."""
    if not len(edits):
        return {}
    after = pc.fill_null(edits["after"], "")
    words = [measure(column, [WORDS], "space")[WORDS] for column in (edits["before"], after)]
    sizes = [pc.binary_length(column).to_numpy() for column in (edits["before"], after)]
    table = pa.table({"rule": edits["rule"], "row": edits["row"], "words": words[0] - words[1], "bytes": sizes[0] - sizes[1]})
    sums = table.group_by("rule").aggregate([("row", "count"), ("row", "count_distinct"), ("words", "sum"), ("bytes", "sum")])
    names = {"row_count": "lines", "row_count_distinct": "documents", "words_sum": "words", "bytes_sum": "bytes"}
    rows = sorted(sums.to_pylist(), key=lambda row: row["rule"])
    return {row["rule"]: {name: int(row[column]) for column, name in names.items()} for row in rows}


def _edits(documents: pa.Table, applied: Applied) -> pa.Table:
    ids = documents["id"].take(applied.edits["row"])
    columns = [ids, *(applied.edits[name] for name in ("rule", "line", "before", "after"))]
    return pa.table(columns, schema=EDIT)


def _signals(documents: pa.Table, applied: Applied) -> pa.Table:
    verdict = pc.if_else(pa.array(applied.dropped), "removed", "kept")
    columns = {"id": documents["id"], "verdict": verdict, "reason": applied.reasons, "hits": applied.hits}
    for name in applied.signals.column_names:
        columns[name] = applied.signals[name]
    return pa.table(columns)
