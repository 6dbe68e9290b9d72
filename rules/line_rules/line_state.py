"""The lines of a batch while rules act on them: where they lie in the texts, and what has become of them.

A line is bytes of the original texts until a rule rewrites it; its new text goes to the end of `rewritten`. Nothing is
copied but the lines that somebody asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from rules.line_rules.line_bounds import first_words_in
from rules.line_rules.line_signals import measure_spans
from rules.text.buffers import string_buffers, strings_from
from rules.text.kernels import inlined, kernel, kernel_bytes, unowned
from rules.text.masks import BLOCK, load_block, store_block

MANY_LINES = 8  # one line in so many is worth measuring all
LONG_COPY = 1024  # bytes from which a call of memcpy is cheaper than a loop
ORIGINAL, GONE = -1, -2  # versions of a line that are no numbers of rewritten texts


@dataclass
class Edits:
    """What one rule did to some lines: their versions before and after (int64 [edits] each)."""

    rule: int
    lines: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass
class Lines:
    """All lines of a batch. `data`, `starts`, `ends` and `first_line` are as `split_lines` gives them."""

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    first_line: np.ndarray
    document: np.ndarray  # int64 [lines]
    alive: np.ndarray  # bool [lines]
    version: np.ndarray  # int64 [lines]: ORIGINAL, or which of `rewritten`
    signal_names: tuple[str, ...]  # the line signals that rules of the pack look at
    rewritten: pa.LargeStringArray = field(default_factory=lambda: pa.array([], pa.large_string()))
    edits: list[Edits] = field(default_factory=list)
    measured: dict[str, np.ndarray] = field(default_factory=dict)  # signals of all lines as they were, once asked for

    def texts(self, numbers: np.ndarray, tail_bytes: int = 0) -> pa.LargeStringArray:
        """Lines `numbers` as they are now; only their last bytes if `tail_bytes` is not 0."""
        return self.texts_of(numbers, self.version[numbers], tail_bytes)

    def texts_of(self, numbers: np.ndarray, versions: np.ndarray, tail_bytes: int = 0) -> pa.LargeStringArray:
        """Lines `numbers` in other versions than now's."""
        new_offsets, new_data = kernel_bytes(*string_buffers(self.rewritten))
        begins, offsets = places(self.starts, self.ends, numbers, versions, new_offsets, tail_bytes)
        return strings_from(offsets, gathered(self.data, new_data, begins, versions, offsets))

    def parts(self, begins: np.ndarray, ends: np.ndarray) -> pa.LargeStringArray:
        """Parts of the original texts."""
        offsets = np.concatenate([[0], np.cumsum(ends - begins)])
        return strings_from(offsets, gathered(self.data, self.data, begins, np.full(len(begins), ORIGINAL), offsets))

    def tails(self, numbers: np.ndarray, tail_bytes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Where the last bytes of lines `numbers` are: the texts' bytes, those of rewritten lines, and for each line where
        its tail begins, its version, and offsets of all tails on end."""
        new_offsets, new_data = kernel_bytes(*string_buffers(self.rewritten))
        versions = self.version[numbers]
        begins, offsets = places(self.starts, self.ends, numbers, versions, new_offsets, tail_bytes)
        return self.data, new_data, begins, versions, offsets

    def drop(self, rule: int, numbers: np.ndarray) -> None:
        if len(numbers):
            self.alive[numbers] = False
            self.edits.append(Edits(rule, numbers, self.version[numbers], np.full(len(numbers), GONE)))

    def rewrite(self, rule: int, numbers: np.ndarray, after: pa.LargeStringArray) -> None:
        if len(numbers):
            versions = len(self.rewritten) + np.arange(len(numbers))
            self.edits.append(Edits(rule, numbers, self.version[numbers], versions))
            self.rewritten = pa.concat_arrays([self.rewritten, after])
            self.version[numbers] = versions

    def _originals(self, names: list[str], numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Line signals as the lines were; those of all lines are measured once where many are asked for."""
        if not self.measured and MANY_LINES * len(numbers) < len(self.starts):
            return measure_spans(self.data, self.starts[numbers], self.ends[numbers], names)
        if not self.measured:
            self.measured = measure_spans(self.data, self.starts, self.ends, self.signal_names)
        return {name: self.measured[name][numbers] for name in names}

    def signals(self, names: list[str], numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Line signals of lines `numbers` as they are now (float64 [numbers] each); `names` are of `signal_names`."""
        values = {name: column.astype(np.float64) for name, column in self._originals(names, numbers).items()}
        changed = np.flatnonzero(self.version[numbers] != ORIGINAL)
        if len(changed):
            offsets, data = kernel_bytes(*string_buffers(self.texts(numbers[changed])))
            for name, fresh in measure_spans(data, offsets[:-1], offsets[1:], names).items():
                values[name][changed] = fresh
        return values

    def first_words(self, numbers: np.ndarray, most: int) -> np.ndarray:
        """As signal line_words, but no more than `most`: what comes after so many words is not looked at."""
        words: np.ndarray = first_words_in(self.data, self.starts, self.ends, numbers, most).astype(np.float64)
        changed = np.flatnonzero(self.version[numbers] != ORIGINAL)
        if len(changed):
            words[changed] = np.minimum(self.signals(["line_words"], numbers[changed])["line_words"], most)
        return words


# ---- kernels


@kernel
def places(
    starts: np.ndarray, ends: np.ndarray, numbers: np.ndarray, versions: np.ndarray, new_offsets: np.ndarray,
    tail_bytes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Where each line begins in its data (int64 [lines]), and offsets for all of them on end ([lines + 1])."""
    begins, offsets = np.empty(numbers.size, np.int64), np.zeros(numbers.size + 1, np.int64)
    starts, ends, numbers, versions, new_offsets = unowned(starts), unowned(ends), unowned(numbers), unowned(versions), unowned(new_offsets)
    for k in range(numbers.size):
        version = versions[k]
        begin, end = starts[numbers[k]], ends[numbers[k]]
        if version >= 0:
            begin, end = new_offsets[version], new_offsets[version + 1]
        elif version == GONE:
            end = begin
        if 0 < tail_bytes < end - begin:
            begin = end - tail_bytes
        begins[k] = begin
        offsets[k + 1] = offsets[k] + end - begin
    return begins, offsets


@kernel
def gathered(data: np.ndarray, new_data: np.ndarray, begins: np.ndarray, versions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The bytes of lines, from the original texts or the rewritten."""
    out = with_slack(offsets[-1])
    data, new_data, begins, versions, offsets, to = unowned(data), unowned(new_data), unowned(begins), unowned(versions), unowned(offsets), unowned(out)
    for k in range(begins.size):
        if versions[k] >= 0:
            copy_bytes(new_data, begins[k], offsets[k + 1] - offsets[k], to, offsets[k])
        else:
            copy_bytes(data, begins[k], offsets[k + 1] - offsets[k], to, offsets[k])
    return out[: offsets[-1]]


@inlined
def with_slack(size: int) -> np.ndarray:
    """Room for `size` bytes, and for what `copy_bytes` writes after them."""
    return np.empty(size + BLOCK, np.uint8)


@inlined
def copy_bytes(source: np.ndarray, begin: int, size: int, out: np.ndarray, at: int) -> int:
    """Copy `size` bytes, and perhaps up to 63 more to where others will be written; returns the place after them."""
    if begin + size + BLOCK <= source.size and size < LONG_COPY:
        for k in range(0, size, BLOCK):
            store_block(load_block(source, np.uint64(begin + k)), out, np.uint64(at + k))
    else:
        out[at : at + size] = source[begin : begin + size]
    return at + size
