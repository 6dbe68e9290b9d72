"""Substrings repeated across the corpus: stretches of `min_words` words or more that stand somewhere before, cut out of texts.

The result is that of a suffix array over words (Lee et al. 2022, Deduplicating Training Data Makes Language Models
Better: 50 tokens), found by hashing: every window of `min_words` words has a 64-bit hash, and a window whose hash stands
earlier in the corpus is repeated. Windows that follow each other make one stretch, so a repeat of any length is found
whole. The first occurrence stays, all others go; a repeat that overlaps its own first occurrence loses what is after it.
Two different windows share a hash by chance in n**2 / 2**65 of cases: three in a billion windows of ten billion.

Cuts are at whole words: from the beginning of a word to the beginning of the word after the stretch. Every stretch is told in edits/.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.document import EDIT
from curation.outcome import NOT_EDITED, Outcome, edit_sizes, removed_table, single_hits
from curation.word_hashes import kernel_texts
from curation.word_places import WordPlaces, word_places
from rules.places import SettingError

RULE, EMPTY = "substrings/repeated", "substrings/empty"


@dataclass(frozen=True)
class SubstringsSettings:
    """`min_words`: the least length of a repeat."""

    min_words: int = 50

    def __post_init__(self) -> None:
        if not 5 <= self.min_words <= 1000:
            raise SettingError("min_words", f"min_words must be 5 to 1000, got {self.min_words}")


def window_counts(places: WordPlaces, words: int) -> np.ndarray:
    """How many windows each text has (int64 [texts])."""
    return np.maximum(np.diff(places.first) - words + 1, 0)


def repeated_words(own: np.ndarray, earlier: np.ndarray, count: int, words: int) -> np.ndarray:
    """Which of the `count` words of a text go (bool). `own`: its repeated windows, from 0; `earlier`: the window each repeats,
    negative where that is in another text."""
    begins = np.where(earlier >= 0, np.maximum(own, earlier + words), own)  # not into its own first occurrence
    ends = own + words
    holds = begins < ends
    steps = np.zeros(count + 1, np.int64)
    np.add.at(steps, begins[holds], 1)
    np.add.at(steps, ends[holds], -1)
    return np.cumsum(steps[:-1]) > 0


def cut_substrings(documents: pa.Table, repeated: np.ndarray, first_window: int, settings: SubstringsSettings) -> tuple[Outcome, int]:
    """Cut repeated stretches out of a batch; also the number of the first window after it.

    `repeated`: int64 [windows, 2] of the whole shard, sorted: a repeated window and the one it repeats, both numbered
    from the shard's first. Texts of which nothing is left are removed as they were.
    """
    places = word_places(documents["text"])
    bounds = first_window + np.concatenate([[0], np.cumsum(window_counts(places, settings.min_words))])
    cuts = np.searchsorted(repeated[:, 0], bounds)
    rows = np.flatnonzero(np.diff(cuts))
    if not len(rows):
        return Outcome(documents, counts=NOT_EDITED | {"edits": {}}), int(bounds[-1])
    _, data = kernel_texts(documents["text"])
    offsets, _ = kernel_texts(documents["text"])
    texts, edits, empty = {}, [], []
    for row in rows.tolist():
        windows = repeated[cuts[row] : cuts[row + 1]] - bounds[row]
        word = slice(int(places.first[row]), int(places.first[row + 1]))
        gone = repeated_words(windows[:, 0], windows[:, 1], word.stop - word.start, settings.min_words)
        stretches = _stretches(gone)
        begin, end = int(offsets[row]), int(offsets[row + 1])
        text, found = _cut_text(data, begin, end, places.starts[word], places.ends[word], stretches)
        name = documents["id"][row].as_py()
        if stretches and not text.strip():
            empty.append(row)
        elif stretches:
            texts[row] = text
            edits += [(name, RULE, line, before, "") for line, before in found]
    return _outcome(documents, texts, edits, np.array(empty, np.int64)), int(bounds[-1])


def _stretches(gone: np.ndarray) -> list[tuple[int, int]]:
    """Runs of words that go: from, to."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8)))
    return list(zip(turns[::2].tolist(), turns[1::2].tolist()))


def _cut_text(data: np.ndarray, begin: int, end: int, starts: np.ndarray, ends: np.ndarray, stretches: list[tuple[int, int]]) -> tuple[str, list[tuple[int, str]]]:
    """data[begin:end] without the stretches, and the line and text of each."""
    raw, parts, found, at = data[begin:end].tobytes(), [], [], 0
    for first, last in stretches:
        start, stop = int(starts[first]) - begin, int(ends[last - 1]) - begin
        found.append((raw.count(b"\n", 0, start) + 1, raw[start:stop].decode("utf-8", "replace")))
        parts.append(raw[at:start])
        at = int(starts[last]) - begin if last < len(starts) else stop
    return b"".join([*parts, raw[at:]]).decode("utf-8", "replace"), found


def _outcome(documents: pa.Table, texts: dict[int, str], edits: list[tuple], empty: np.ndarray) -> Outcome:
    from curation.stages.clean import edit_counts

    whole = documents["text"].to_pylist()
    for row, text in texts.items():
        whole[row] = text
    stays = np.ones(len(documents), bool)
    stays[empty] = False
    edited = documents.set_column(documents.column_names.index("text"), "text", pa.array(whole, pa.large_string()))
    kept = edited.filter(pa.array(stays))
    gone = documents.filter(pa.array(~stays))
    hits = single_hits([EMPTY] * len(gone), "visible_chars", np.zeros(len(gone)), "==", 0.0)
    removed = removed_table(gone, "substrings", pa.array([EMPTY] * len(gone), pa.string()), hits)
    table = pa.table([list(column) for column in zip(*edits)], schema=EDIT) if edits else EDIT.empty_table()
    counts = edit_sizes(documents.filter(pa.array(stays)), kept) | {"edits": edit_counts(table)}
    return Outcome(kept, removed, table, counts=counts)
