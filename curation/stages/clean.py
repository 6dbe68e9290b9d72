"""The rules stage: apply the job's packs to a batch; removed documents keep the text they came with.

All hits are recorded, of documents that stay as well as of those that go; signals/ gets every measured value. Texts
that rules changed are kept as they were for documents that stay, so that a later run can decide again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.book_counts import edit_sums
from curation.document import BEFORE, EDIT, numbered_edits
from curation.language_drops import drop_counts
from curation.outcome import Outcome, counted, edit_sizes, removed_table, without
from rules.engine import WORDS, Applied, apply
from rules.rule import Pack


def clean(documents: pa.Table, packs: Sequence[Pack], known: dict[str, np.ndarray] | None = None) -> Outcome:
    """Apply `packs` to `documents` in order; columns of signals that are `known` are not measured."""
    applied = apply(packs, documents["text"], documents["lang"], documents["url"], known)
    outcome = outcome_of(documents, applied, packs)
    outcome.edits = _edits(documents, applied)
    outcome.counts |= {"edits": edit_counts(outcome.edits)}
    return outcome


def outcome_of(documents: pa.Table, applied: Applied, packs: Sequence[Pack]) -> Outcome:
    gone = pa.array(applied.dropped)
    place = documents.column_names.index("text")
    kept = without(documents.set_column(place, "text", applied.texts), gone)
    removed = removed_table(documents.filter(gone), "rules", applied.reasons.filter(gone), applied.hits.filter(gone))
    before, after = edited_texts(documents, applied.texts, pc.invert(gone))
    counts = {"rules": _rule_counts(documents, applied, packs), "pack_languages": drop_counts(documents["lang"], applied, packs)}
    return Outcome(kept, removed, None, _signals(documents, applied), counts | edit_sizes(before, after), before, applied.seconds)


def edited_texts(documents: pa.Table, texts: pa.Array, stays: pa.Array) -> tuple[pa.Table, pa.Table]:
    """Of documents that stay and that rules changed: their rows and the texts they came with, and those they have now."""
    changed = pc.and_(pc.not_equal(documents["text"], texts), stays)
    rows = np.flatnonzero(changed.to_numpy(zero_copy_only=False))
    before, after = (column.filter(changed) for column in (documents["text"], pa.chunked_array([texts])))
    return pa.table([rows, before], schema=BEFORE), pa.table([rows, after], schema=BEFORE)


def _rule_counts(documents: pa.Table, applied: Applied, packs: Sequence[Pack]) -> dict[str, dict[str, int]]:
    """Per rule: documents it hit, documents no other rule that drops would have removed, documents it is the reason for."""
    if not applied.rule_hits:
        return {}
    drops = {f"{pack.name}/{rule.id}" for pack in packs for rule in pack.rules if rule.action == "drop"}
    names, masks = list(applied.rule_hits), np.stack(list(applied.rule_hits.values()))  # bool [rules, docs]
    dropping = np.array([name in drops for name in names])
    only = masks[dropping].sum(0) == 1
    sizes = pc.binary_length(documents["text"]).to_numpy(zero_copy_only=False)
    values = np.stack([np.ones(len(only)), only, applied.signals[WORDS].to_numpy(), sizes], axis=1)  # float64 [docs, 4]
    sums = (masks.astype(np.float64) @ values).astype(np.int64).tolist()  # whole numbers: exact, in any order
    reasons = counted(applied.reasons.drop_null())
    return {
        name: {"hits": hits, "only": only_one if drop else 0, "reason": reasons.get(name, 0), "words": words, "bytes": size}
        for name, drop, (hits, only_one, words, size) in zip(names, dropping, sums)
    }


def edit_counts(edits: pa.Table) -> dict[str, dict[str, int]]:
    """Per line rule of edits/, where edits of one document are together: lines it changed or removed, documents, and the words
    and bytes that went."""
    edits = numbered_edits(edits).combine_chunks()
    if not len(edits):
        return {}
    ids, rules = edits["id"].chunk(0), edits["rule"].chunk(0)
    return edit_sums(rules, ids.indices.cast(pa.int64()), edits["before"], edits["after"])


def _edits(documents: pa.Table, applied: Applied) -> pa.Table:
    """The edits as edits/ has them, with ids and names of rules as numbers of dictionaries: as texts they would be most of it."""
    found = {name: _in_one(applied.edits[name]) for name in applied.edits.column_names}
    rows = found["row"].to_numpy()
    firsts = np.concatenate([np.zeros(min(len(rows), 1), np.int64), np.flatnonzero(rows[1:] != rows[:-1]) + 1])
    number = np.repeat(np.arange(len(firsts), dtype=np.int32), np.diff(firsts, append=len(rows)))
    ids = pa.DictionaryArray.from_arrays(number, _in_one(documents["id"].take(pa.array(rows[firsts]))))
    return numbered_edits(pa.table([ids, *(found[name] for name in ("rule", "line", "before", "after"))], names=EDIT.names))


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, copied only where it lies in several."""
    chunks = [chunk for chunk in column.chunks if len(chunk)] or [pa.array([], column.type)]
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)


def _signals(documents: pa.Table, applied: Applied) -> pa.Table:
    verdict = pc.if_else(pa.array(applied.dropped), "removed", "kept")
    columns = {"id": documents["id"], "verdict": verdict, "reason": applied.reasons, "hits": applied.hits}
    for name in applied.signals.column_names:
        columns[name] = applied.signals[name]
    return pa.table(columns)
