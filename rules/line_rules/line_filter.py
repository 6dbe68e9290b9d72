"""Which lines a pattern may match: one scan over the text for the strings of all patterns of a pack at once.

What to look for is in rules/matching/line_conditions.py. Strings anywhere in a line are found by rules/matching/string_scan.py; first words
and first and last bytes by a look at each line. RE2 then gets only the lines found.
"""

from __future__ import annotations

import functools

import numpy as np

from rules.line_rules.filter_tables import FIRST, LAST, filter_tables
from rules.matching.first_words import skipped_characters
from rules.matching.kept_automata import automata
from rules.matching.pattern_automaton import Automaton
from rules.matching.string_scan import IN_BUCKET, LOW_16, find_strings, has_bits, hash_of, note, unowned_table
from rules.matching.string_tables import ONE, Table
from rules.text.decode import CASE_BITS, HIGH_BITS, bytes_before, character_at, eight_at, letter_bytes
from rules.text.kernels import inlined, kernel, unowned

NO_PAIRS = np.empty((2, 0), np.int64)


class LineFilter:
    """Finds the lines that patterns may match."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns, self.tables = patterns, filter_tables(patterns)
        tables, self.plans = self.tables, self.tables.plans
        self._heads, self._strings = tables.heads, tables.strings
        self._edge_patterns, self._edge_bytes = tables.edge_patterns, tables.edge_bytes
        self._runs = sorted({(one.run_bytes, one.run) for one in self.plans if one.run}, key=lambda run: (run[0], sorted(run[1])))

    @functools.cached_property
    def automata(self) -> list[Automaton | None]:
        """Of each pattern, for a second look at its lines."""
        return automata(self.patterns)

    def candidates(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray | None]:
        """For each pattern the lines (ascending) that it may match; None for all.

        Line i is data[starts[i]:ends[i]], and lines ascend; arrays as rules.text.kernels.kernel_bytes makes them."""
        found = self.found(data, starts, ends)
        nothing = np.empty(0, np.int64)
        return [None if one.every_line else found.get(i, nothing) for i, one in enumerate(self.plans)]

    def found(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, new_strings: bool = True) -> dict[int, np.ndarray]:
        """As `candidates`, only of the patterns that have some: number of the pattern -> lines.

        Without `new_strings`, strings are not looked for but at the ends of lines."""
        pairs = [self._in_lines(data, starts, ends)] + ([self._anywhere(data, starts, ends)] if new_strings else [])
        found = _by_pattern(np.concatenate(pairs, axis=1), len(self.plans))
        for size, run in self._runs if new_strings else []:
            having = np.flatnonzero(have_run(data, starts, ends, _byte_table(run), size))
            for i in [i for i, one in enumerate(self.plans) if (one.run_bytes, one.run) == (size, run) and len(having)]:
                found[i] = np.union1d(found[i], having) if i in found else having
        return found

    def _in_lines(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Pattern and line (int64 [2, pairs]) of each candidate by first words and by first and last bytes."""
        parts, line = [NO_PAIRS], 0
        seen = np.full(len(self.plans), -1)
        while line < starts.size and self._heads.values.size + self._edge_patterns.size:
            pairs = np.empty((2, max(starts.size // 4, 16 * len(self.plans), 1 << 12)), np.int64)
            line, filled = find_in_lines(data, starts, ends, line, skipped_characters(), self._heads, self._edge_patterns, self._edge_bytes, seen, pairs)
            parts.append(pairs[:, :filled])
        return np.concatenate(parts, axis=1)

    def _anywhere(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Likewise by strings; a pair may be there several times."""
        parts, room = [NO_PAIRS], max(starts.size // 4, 1 << 12)
        begin, end = (starts[0], ends[-1]) if starts.size else (0, 0)
        while begin < end and self._strings.short.values.size + self._strings.long.values.size:
            pairs, seen = np.empty((2, room), np.int64), np.full(len(self.plans), -1)
            begin, filled = find_strings(data, begin, end, starts, ends, self._strings, seen, pairs)
            parts.append(pairs[:, :filled])
            room *= 2
        return np.concatenate(parts, axis=1)


@functools.lru_cache(64)
def line_filter(patterns: tuple[str, ...]) -> LineFilter:
    return LineFilter(patterns)


def _by_pattern(pairs: np.ndarray, patterns: int) -> dict[int, np.ndarray]:
    """Pattern -> its lines, each once, ascending."""
    bounds, lines = sorted_by_pattern(pairs, patterns)
    found = {}
    for i in np.flatnonzero(np.diff(bounds)).tolist():
        own = lines[bounds[i] : bounds[i + 1]]
        found[i] = own if (own[1:] > own[:-1]).all() else _each_once(np.sort(own))
    return found


def _each_once(ascending: np.ndarray) -> np.ndarray:
    first = np.concatenate([[True], ascending[1:] != ascending[:-1]])
    return np.compress(first, ascending)


def _byte_table(wanted: frozenset[int]) -> np.ndarray:
    """bool [256]."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    return table


# ---- kernels


@kernel
def sorted_by_pattern(pairs: np.ndarray, patterns: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the lines of each pattern begin (int64 [patterns + 1]), and the lines of all, as ordered as the pairs were."""
    bounds, lines = np.zeros(patterns + 1, np.int64), np.empty(pairs.shape[1], np.int64)
    for k in range(pairs.shape[1]):
        bounds[pairs[0, k] + 1] += 1
    bounds = np.cumsum(bounds)
    at = bounds.copy()
    for k in range(pairs.shape[1]):
        pattern = pairs[0, k]
        lines[at[pattern]] = pairs[1, k]
        at[pattern] += 1
    return bounds, lines


@kernel
def find_in_lines(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, line: int, skipped: np.ndarray, heads: Table,
    edge_patterns: np.ndarray, edge_bytes: np.ndarray, seen: np.ndarray, pairs: np.ndarray,
) -> tuple[int, int]:
    """Fill `pairs` (pattern, line) from `line` on, each pair once, until there may be no more room for a whole line.

    Returns the line to go on with and how many pairs there are. `seen`: the last line noted for each pattern."""
    data, starts, ends, skipped, heads = unowned(data), unowned(starts), unowned(ends), unowned(skipped), unowned_table(heads)
    edge_patterns, edge_bytes, seen, pairs = unowned(edge_patterns), unowned(edge_bytes), unowned(seen), unowned(pairs)
    filled = 0
    while line < starts.size and filled + seen.size <= pairs.shape[1]:
        start, end = starts[line], ends[line]
        if start < end:
            filled = check_edges(data, start, end, edge_patterns, edge_bytes, line, seen, pairs, filled)
            if heads.values.size:
                filled = check_head(data, start, end, skipped, heads, line, seen, pairs, filled)
        line += 1
    return line, filled


@kernel
def have_run(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, wanted: np.ndarray, least: int) -> np.ndarray:
    """Which lines have `least` bytes of the table `wanted` in a row (bool [lines]): one byte in so many is looked at."""
    data, starts, ends, wanted, found = unowned(data), unowned(starts), unowned(ends), unowned(wanted), np.zeros(starts.size, np.bool_)
    for line in range(starts.size):
        if ends[line] - starts[line] >= least:
            found[line] = has_run(data, starts[line], ends[line], wanted, least)
    return found


@inlined
def has_run(data: np.ndarray, begin: int, end: int, wanted: np.ndarray, least: int) -> bool:
    """Has data[begin:end] `least` wanted bytes in a row? Looks backwards from where such a row would end."""
    while end - begin >= least:
        i = begin + least - 1
        while i >= begin and wanted[data[np.uint64(i)]]:
            i -= 1
        if i < begin:
            return True
        begin = i + 1
    return False


@inlined
def check_edges(
    data: np.ndarray, start: int, end: int, edge_patterns: np.ndarray, edge_bytes: np.ndarray, line: int,
    seen: np.ndarray, pairs: np.ndarray, filled: int,
) -> int:
    """Note the patterns that the first or the last byte of the line allows."""
    first, last = data[np.uint64(start)], data[np.uint64(end - 1)]
    for k in range(edge_patterns.size):
        if edge_bytes[k, FIRST, first] or edge_bytes[k, LAST, last]:
            filled = note(edge_patterns[k], line, seen, pairs, filled)
    return filled


@inlined
def check_head(
    data: np.ndarray, start: int, end: int, skipped: np.ndarray, heads: Table, line: int, seen: np.ndarray,
    pairs: np.ndarray, filled: int,
) -> int:
    """Note the patterns whose strings the line's first word begins with."""
    while start < end:
        eight = eight_at(data, start, end)
        told = letter_bytes(eight) | eight & HIGH_BITS  # all other ASCII is skipped
        start += bytes_before(told) if told else 8
        if told:
            code, size = character_at(data, start, end)
            if not skipped[code]:
                eight = eight_at(data, start, end)
                soft = eight | CASE_BITS
                h = hash_of(soft)
                if has_bits(heads.gram_bits, h):
                    filled = begins(eight, end - start, heads, heads.gram_from, h >> IN_BUCKET, line, seen, pairs, filled)
                return begins(eight, end - start, heads, heads.pair_from, soft & LOW_16, line, seen, pairs, filled)
            start += size
    return filled


@inlined
def begins(
    eight: np.uint64, left: int, heads: Table, from_bucket: np.ndarray, bucket: np.uint64, line: int, seen: np.ndarray,
    pairs: np.ndarray, filled: int,
) -> int:
    """Note the patterns of the strings of a bucket that `eight`, with `left` bytes to the end of the line, begins with."""
    for k in range(from_bucket[bucket], from_bucket[bucket + ONE]):
        if heads.sizes[k] <= left and (eight ^ heads.values[k]) & heads.masks[k] == 0:
            filled = note(heads.patterns[k], line, seen, pairs, filled)
    return filled
