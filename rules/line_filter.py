"""Which lines a pattern may match: one scan over the text for the strings of all patterns of a pack at once.

What to look for is in rules/line_conditions.py. The scan reads every byte once, looks the four bytes from there up in a
table of bits, and compares the strings of the few places where the bit is set. RE2 then gets only the lines found.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rules.decode import CASE_BITS, character_at, eight_at, load_eight
from rules.first_words import skipped_characters
from rules.kernels import inlined, kernel, unowned
from rules.line_conditions import Plan, plan

HASH_BITS = 17
HASH_SHIFT = np.uint64(32 - HASH_BITS)
HASH_FACTOR = np.uint64(0x9E3779B1)
LOW_32, LOW_16, LOW_8 = np.uint64(0xFFFFFFFF), np.uint64(0xFFFF), np.uint64(0xFF)
WORD_BITS, IN_WORD, ONE = np.uint64(6), np.uint64(63), np.uint64(1)
FIRST, LAST = 0, 1


class Strings(NamedTuple):
    """Blurred strings to look for, in order of their first four bytes; shorter ones by their first byte, after them."""

    long_bits: np.ndarray  # uint64: bit h is set where some string's first four bytes have hash h
    short_bits: np.ndarray  # uint64: bit b where the first two bytes of some shorter string are b
    long_from: np.ndarray  # int64 [2 ** HASH_BITS + 1]: the strings of hash h are long_from[h]:long_from[h + 1]
    short_from: np.ndarray  # int64 [257]: likewise of a first byte
    values: np.ndarray  # uint64 [strings]: the bytes, at most eight
    sizes: np.ndarray  # int64 [strings]
    patterns: np.ndarray  # int64 [strings]: whose string it is


class LineFilter:
    """Finds the lines that patterns may match."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.plans = [plan(pattern) for pattern in patterns]
        self._heads = _strings([one.heads for one in self.plans])
        self._strings = _strings([one.strings for one in self.plans])
        self._edge_patterns, self._edge_bytes = _edges(self.plans)

    def candidates(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray | None]:
        """For each pattern the lines (ascending) that it may match; None for all.

        Line i is data[starts[i]:ends[i]]; arrays as rules.kernels.kernel_bytes makes them."""
        pairs = self._pairs(data, starts, ends)
        order = np.argsort(pairs[0], kind="stable")
        bounds = np.searchsorted(pairs[0][order], np.arange(len(self.plans) + 1))
        lines = pairs[1][order]
        found = [lines[bounds[i] : bounds[i + 1]] for i in range(len(self.plans))]
        return [None if one.every_line else lines for one, lines in zip(self.plans, found)]

    def _pairs(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Pattern and line (int64 [2, pairs]) of each candidate, by line."""
        parts, line = [np.empty((2, 0), np.int64)], 0
        if not self._heads.values.size + self._strings.values.size + self._edge_patterns.size:
            return parts[0]
        seen = np.full(len(self.plans), -1)
        while line < starts.size:
            pairs = np.empty((2, max(starts.size // 4, 16 * len(self.plans), 1 << 12)), np.int64)
            line, filled = find_candidates(
                data, starts, ends, line, skipped_characters(), self._heads, self._strings, self._edge_patterns, self._edge_bytes, seen, pairs
            )  # fmt: skip
            parts.append(pairs[:, :filled])
        return np.concatenate(parts, axis=1)


@functools.lru_cache(64)
def line_filter(patterns: tuple[str, ...]) -> LineFilter:
    return LineFilter(patterns)


def _strings(sets: Iterable[frozenset[bytes]]) -> Strings:
    """The table of the strings of each pattern."""
    pairs = [(text, pattern) for pattern, texts in enumerate(sets) for text in sorted(texts)]
    long_pairs = sorted((pair for pair in pairs if len(pair[0]) >= 4), key=lambda pair: _hash(pair[0]))
    short_pairs = sorted((pair for pair in pairs if len(pair[0]) < 4), key=lambda pair: pair[0][0])
    ordered = long_pairs + short_pairs
    long_from = np.searchsorted([_hash(text) for text, _ in long_pairs], np.arange((1 << HASH_BITS) + 1))
    short_from = np.searchsorted([text[0] for text, _ in short_pairs], np.arange(257)) + len(long_pairs)
    firsts = [first for text, _ in short_pairs for first in _first_two(text)]
    values = np.array([int.from_bytes(text, "little") for text, _ in ordered], np.uint64)
    numbers = [np.array([f(pair) for pair in ordered], np.int64) for f in (lambda pair: len(pair[0]), lambda pair: pair[1])]
    return Strings(
        _bits([_hash(text) for text, _ in long_pairs], 1 << HASH_BITS), _bits(firsts, 1 << 16), long_from, short_from, values, *numbers
    )  # fmt: skip


def _hash(text: bytes) -> int:
    return (int.from_bytes(text[:4], "little") * int(HASH_FACTOR) & 0xFFFFFFFF) >> int(HASH_SHIFT)


def _first_two(text: bytes) -> list[int]:
    """The numbers that the first two bytes may make; of one byte with any after it."""
    seconds = [text[1]] if len(text) > 1 else range(256)
    return [text[0] | second << 8 for second in seconds]


def _bits(places: list[int], size: int) -> np.ndarray:
    table = np.zeros(size, np.uint8)
    table[places] = 1
    return np.packbits(table, bitorder="little").view(np.uint64)


def _edges(plans: list[Plan]) -> tuple[np.ndarray, np.ndarray]:
    """The patterns with a condition on first or last bytes (int64 [k]), and which bytes (bool [k, 2, 256])."""
    patterns = [number for number, one in enumerate(plans) if one.first or one.last]
    table = np.zeros((len(patterns), 2, 256), bool)
    for row, number in enumerate(patterns):
        for side, texts in ((FIRST, plans[number].first), (LAST, plans[number].last)):
            table[row, side, [text[0] for text in texts]] = True
    return np.array(patterns, np.int64), table


# ---- kernels


@kernel
def find_candidates(data, starts, ends, line, skipped, heads, strings, edge_patterns, edge_bytes, seen, pairs):
    """Fill `pairs` (pattern, line) from `line` on, each pair once, until there may be no more room for a whole line.

    Returns the line to go on with and how many pairs there are. `seen`: the last line noted for each pattern."""
    filled = 0
    while line < starts.size and filled + seen.size <= pairs.shape[1]:
        start, end = starts[line], ends[line]
        if start < end:
            filled = check_edges(data, start, end, edge_patterns, edge_bytes, line, seen, pairs, filled)
            if heads.values.size:
                filled = check_head(data, start, end, skipped, heads, line, seen, pairs, filled)
            if strings.values.size:
                filled = check_strings(data, start, end, strings, line, seen, pairs, filled)
        line += 1
    return line, filled


@kernel
def check_edges(data, start, end, edge_patterns, edge_bytes, line, seen, pairs, filled):
    """Note the patterns that the first or the last byte of the line allows."""
    data, edge_patterns, edge_bytes, seen, pairs = unowned(data), unowned(edge_patterns), unowned(edge_bytes), unowned(seen), unowned(pairs)
    first, last = data[np.uint64(start)] | 0x20, data[np.uint64(end - 1)] | 0x20
    for k in range(edge_patterns.size):
        if edge_bytes[k, FIRST, first] or edge_bytes[k, LAST, last]:
            filled = note(edge_patterns[k], line, seen, pairs, filled)
    return filled


@kernel
def check_head(data, start, end, skipped, heads, line, seen, pairs, filled):
    """Note the patterns whose strings the line's first word begins with."""
    data, skipped = unowned(data), unowned(skipped)
    while start < end:
        code, size = character_at(data, start, end)
        if not skipped[code]:
            return compare(eight_at(data, start, end) | CASE_BITS, end - start, heads, line, seen, pairs, filled)
        start += size
    return filled


@kernel
def check_strings(data, start, end, strings, line, seen, pairs, filled):
    """Note the patterns that have a string in the line."""
    data, long_bits, short_bits = unowned(data), unowned(strings.long_bits), unowned(strings.short_bits)
    whole = min(end, data.size - 7)  # from here on eight bytes would reach past the data
    for i in range(start, end):
        eight = (load_eight(data, i) if i < whole else eight_at(data, i, end)) | CASE_BITS
        if is_set(long_bits, hash_of(eight)) or is_set(short_bits, eight & LOW_16):
            filled = compare(eight, end - i, strings, line, seen, pairs, filled)
    return filled


@inlined
def hash_of(eight):
    return ((eight & LOW_32) * HASH_FACTOR & LOW_32) >> HASH_SHIFT


@inlined
def is_set(bits, place):
    return bits[place >> WORD_BITS] >> (place & IN_WORD) & ONE != 0


@kernel
def compare(eight, left, strings, line, seen, pairs, filled):
    """Note the patterns of the strings that `eight`, with `left` bytes to the end of the line, begins with."""
    values, sizes, patterns = unowned(strings.values), unowned(strings.sizes), unowned(strings.patterns)
    long_from, short_from, seen, pairs = unowned(strings.long_from), unowned(strings.short_from), unowned(seen), unowned(pairs)
    h, b = hash_of(eight), eight & LOW_8
    for k in range(long_from[h], long_from[h + ONE]):
        if begins(eight, left, values[k], sizes[k]):
            filled = note(patterns[k], line, seen, pairs, filled)
    for k in range(short_from[b], short_from[b + ONE]):
        if begins(eight, left, values[k], sizes[k]):
            filled = note(patterns[k], line, seen, pairs, filled)
    return filled


@inlined
def begins(eight, left, value, size):
    """Is `value` (of `size` bytes) what `eight` begins with, before the line ends?"""
    return size <= left and (eight ^ value) << np.uint64(64 - 8 * size) == 0


@inlined
def note(pattern, line, seen, pairs, filled):
    """Add a pair that is not there yet."""
    if seen[pattern] != line:
        seen[pattern] = line
        pairs[0, filled], pairs[1, filled] = pattern, line
        filled += 1
    return filled
