"""The rules stage: apply the job's packs to a batch; removed documents keep the text they came with.

All hits are recorded, of documents that stay as well as of those that go; signals/ gets every measured value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import EDIT
from curation.outcome import Outcome, counted, removed_table, text_bytes
from rules.engine import Applied, apply
from rules.rule import Pack


def clean(documents: pa.Table, packs: Sequence[Pack]) -> Outcome:
    """Apply `packs` to `documents` in order."""
    langs = documents["lang"] if documents["lang"].null_count < len(documents) else None
    applied = apply(packs, documents["text"], langs)
    gone = pa.array(applied.dropped)
    stays = pc.invert(gone)
    texts = documents.column_names.index("text")
    kept = documents.set_column(texts, "text", applied.texts).filter(stays)
    removed = removed_table(documents.filter(gone), "rules", applied.reasons.filter(gone), applied.hits.filter(gone))
    counts = {
        "rules": _rule_counts(documents, applied, packs),
        "edits": counted(applied.edits["rule"]),
        "edited_bytes": text_bytes(documents.filter(stays)) - text_bytes(kept),
    }
    return Outcome(kept, removed, _edits(documents, applied), _signals(documents, applied), counts)


def _rule_counts(documents: pa.Table, applied: Applied, packs: Sequence[Pack]) -> dict[str, dict[str, int]]:
    """Per rule: documents it hit, documents no other rule that drops would have removed, documents it is the reason for."""
    drops = {f"{pack.name}/{rule.id}" for pack in packs for rule in pack.rules if rule.action == "drop"}
    votes = np.zeros(len(documents), np.int64)
    for name, mask in applied.rule_hits.items():
        votes += mask if name in drops else 0
    sizes = pc.binary_length(documents["text"]).to_numpy(zero_copy_only=False)
    reasons = counted(applied.reasons.drop_null())
    return {
        name: {
            "hits": int(mask.sum()),
            "only": int((mask & (votes == 1)).sum()) if name in drops else 0,
            "reason": reasons.get(name, 0),
            "bytes": int(sizes[mask].sum()),
        }
        for name, mask in applied.rule_hits.items()
    }


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
