"""What each pack drops of each language: where rules that fit one language do harm in another, it shows here.

A pack for the web may rightly drop half of everything. A language of which it drops far more than of all others is the
sign of thresholds that do not fit; so is a pack for single languages that drops much of one, if the documents are good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.engine import Applied
from rules.rule import Pack

FLAGGED = 0.15  # share of a language's documents from which a pack is pointed out
OUT_OF_LINE = 2.0  # times the share of all languages, from which it is warned of
FEWEST = 20  # documents of a language that a share says anything about


def drop_counts(languages: pa.ChunkedArray | pa.Array, applied: Applied, packs: Sequence[Pack]) -> dict[str, dict[str, dict[str, int]]]:
    """Pack -> language (empty: unknown) -> documents that the pack is about, and how many of them it drops.

    A pack that names languages is about these, and about documents without one."""
    codes, numbers = _numbered(languages)
    found: dict[str, dict[str, dict[str, int]]] = {}
    for pack in packs:
        dropped = np.zeros(len(numbers), bool)
        for rule in pack.rules:
            if rule.action == "drop":
                dropped |= applied.rule_hits.get(f"{pack.name}/{rule.id}", False)
        counts = [np.bincount(numbers[rows], minlength=len(codes)).tolist() for rows in (slice(None), dropped)]
        about = {*pack.languages, ""} if pack.languages else set(codes)
        found[pack.name] = {code: {"documents": all_, "dropped": gone} for code, all_, gone in sorted(zip(codes, *counts)) if code in about}
    return found


def _numbered(languages: pa.ChunkedArray | pa.Array) -> tuple[list[str], np.ndarray]:
    """The distinct languages, and which of them each document has (int [docs])."""
    codes = pc.fill_null(languages.cast(pa.string()), "")
    found = pa.concat_arrays(codes.chunks) if isinstance(codes, pa.ChunkedArray) and codes.num_chunks else pa.array(codes, pa.string())
    found = found.dictionary_encode()
    return found.dictionary.to_pylist(), found.indices.to_numpy()


def drop_rows(counts: Mapping[str, Mapping[str, Mapping[str, int]]], limited: Collection[str] = ()) -> list[dict[str, Any]]:
    """One row for a pack and a language with enough documents: the share dropped, whether it is flagged, whether it is out of
    line with what the pack drops of all other languages, and whether the pack is one of `limited`, those that name languages."""
    rows = []
    for pack, languages in counts.items():
        documents, dropped = (sum(one[key] for one in languages.values()) for key in ("documents", "dropped"))
        for code, one in sorted(languages.items()):
            if one["documents"] >= FEWEST:
                share = one["dropped"] / one["documents"]
                others = (dropped - one["dropped"]) / (documents - one["documents"]) if documents > one["documents"] else None
                flagged = share > FLAGGED
                out_of_line = flagged and others is not None and share > OUT_OF_LINE * others
                rows.append({"pack": pack, "language": code, **one, "share": share, "others": others, "flagged": flagged, "out_of_line": out_of_line, "limited": pack in limited})
    return rows


def drop_warnings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Languages of which a pack drops far more than of the others, and those that a pack names and yet drops much of."""
    return [_warning(row) for row in rows if row["out_of_line"] or (row["flagged"] and row["limited"])]


def _warning(row: Mapping[str, Any]) -> str:
    said = f"{row['share']:.0%} of {row['documents']:,} documents in {row['language'] or 'no known language'}"
    others = f", and {row['others']:.0%} of all others" if row["out_of_line"] else ""
    if row["limited"]:
        return f"pack {row['pack']} is made for single languages and drops {said}{others}: if they are good, fit its thresholds to texts like them (gristmill fit-thresholds)"
    return f"pack {row['pack']} drops {said}{others}: its thresholds may not fit the language (gristmill fit-thresholds)"
