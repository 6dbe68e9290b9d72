"""The lines of the sample's original texts, and which rule in force removes each of them.

Edits number lines as their pack found them. Going through the packs in order, the lines that are left are numbered again,
so every removal is put down to the line of the original text that it was. A few passes over arrays of lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.line_rules.line_signals import split_lines
from rules.rule import Pack
from rules.text.buffers import string_buffers

NOBODY = -1


@dataclass
class LineTable:
    """Lines (l of them) of n texts: line i is bytes starts[i]:ends[i] of rules.text.buffers.string_buffers(texts)."""

    texts: pa.LargeStringArray  # [n]
    starts: np.ndarray  # int64 [l]
    ends: np.ndarray  # int64 [l]
    first: np.ndarray  # int64 [n + 1]: text d has lines first[d] to first[d + 1] - 1
    document: np.ndarray  # int64 [l]
    removed_by: np.ndarray  # int32 [l]: which of `rules` removes it; NOBODY
    rules: list[str]  # pack/id

    def number(self, rows: np.ndarray, lines: np.ndarray, pack: Pack) -> np.ndarray:
        """Lines of this table that a pack, given these texts, calls `lines` (from 1) of documents `rows`."""
        if pack.line_breaks == "newline":
            return self.first[rows] + lines - 1
        pieces = self.pieces()
        begins = np.concatenate([[0], np.cumsum(pieces)])
        return np.searchsorted(begins, begins[self.first[rows]] + lines - 1, "right") - 1

    def pieces(self) -> np.ndarray:
        """int64 [l]: how many lines each line is, where every line break that Unicode knows ends one."""
        starts, _, _ = split_lines(self.texts, "unicode")
        return np.bincount(np.searchsorted(self.starts, starts, "right") - 1, minlength=len(self.starts))

    def removed(self, besides: str = "") -> np.ndarray:
        """bool [l]: a rule in force, other than `besides`, removes the line."""
        gone = self.removed_by != NOBODY
        return gone & (self.removed_by != self.rules.index(besides)) if besides in self.rules else gone

    def place(self, line: int) -> tuple[int, int]:
        """The document (row) and the number in it (from 1) of a line of this table."""
        row = int(self.document[line])
        return row, int(line - self.first[row]) + 1

    def text(self, line: int) -> str:
        """The text of a line of this table."""
        _, data = string_buffers(self.texts)
        return data[self.starts[line] : self.ends[line]].tobytes().decode("utf-8", "replace")


def line_table(texts: pa.LargeStringArray, packs: list[Pack], edits: pa.Table) -> LineTable:
    """The lines of `texts` ([n]) and who removes them: `edits` as the engine gives them for `packs`."""
    starts, ends, first = split_lines(texts)
    document = np.repeat(np.arange(len(texts)), np.diff(first))
    table = LineTable(texts, starts, ends, first, document, np.full(len(starts), NOBODY, np.int32), [])
    if not len(edits):
        return table
    gone = edits.filter(pc.is_null(edits["after"])).select(["row", "rule", "line"])
    encoded = gone["rule"].combine_chunks().dictionary_encode()
    table.rules = encoded.dictionary.to_pylist()
    rules, rows, lines = encoded.indices.to_numpy(), gone["row"].to_numpy(), gone["line"].to_numpy()
    owner = np.array([name.rpartition("/")[0] for name in table.rules])
    alive = np.arange(len(starts))
    for pack in packs:
        mine = (owner == pack.name)[rules]
        if mine.any():
            alive = _without(table, alive, pack, rows[mine], lines[mine], rules[mine])
    return table


def _without(table: LineTable, alive: np.ndarray, pack: Pack, rows: np.ndarray, lines: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """The lines that are left of `alive` when a pack has removed `lines` (from 1, as it finds them) of `rows`; noted in the table."""
    pieces = table.pieces() if pack.line_breaks == "unicode" else np.ones(len(table.starts), np.int64)
    found = np.repeat(alive, pieces[alive])
    first = np.searchsorted(table.document[found], np.arange(len(table.first)))
    hit = found[np.minimum(first[rows] + lines - 1, len(found) - 1)]
    counts = np.bincount(hit, minlength=len(table.starts))
    whole = counts[hit] >= pieces[hit]
    table.removed_by[hit[whole]] = rules[whole]
    return alive[table.removed_by[alive] == NOBODY]
