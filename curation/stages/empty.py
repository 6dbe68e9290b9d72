"""Documents without a single visible character, which have nothing to keep: the first stage of every run.

Most texts begin with a visible ASCII character, which is looked at in Arrow's bytes; only the others are trimmed.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.outcome import Outcome, removed_table, single_hits, without
from rules.text.buffers import string_buffers

DELETE = 0x7F  # above it, bytes of characters that are no ASCII


def remove_empty(documents: pa.Table) -> Outcome:
    """Remove the documents whose text is nothing but white space."""
    blank = pa.array(is_blank(documents["text"]))
    gone = documents.filter(blank)
    chars = pc.utf8_length(gone["text"]).to_numpy()
    hits = single_hits(["extract/empty"] * len(gone), "visible_chars", chars * 0.0, "==", 0.0)
    reasons = pa.array(["extract/empty"] * len(gone), pa.string())
    return Outcome(without(documents, blank), removed_table(gone, "extract", reasons, hits))


def is_blank(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Which texts have nothing but white space, bool [docs]; none of `texts` is null."""
    offsets, data = string_buffers(texts)
    blank = offsets[1:] == offsets[:-1]
    if blank.all():
        return blank
    first = data[np.where(blank, 0, offsets[:-1])]
    unclear = ~blank & ((first <= ord(" ")) | (first >= DELETE))
    trimmed = pc.utf8_trim_whitespace(texts.filter(pa.array(unclear)))
    blank[unclear] = pc.equal(pc.binary_length(trimmed), 0).to_numpy(zero_copy_only=False)
    return blank
