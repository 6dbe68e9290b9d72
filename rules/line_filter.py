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
from rules.pattern_literals import blurred, is_blurred

HASH_BITS, BUCKET_BITS, WORDS_BITS = 26, 16, 14  # of a hash, of the strings' places, and of the words of bits (128 KiB)
HASH_SHIFT = np.uint64(32 - HASH_BITS)
HASH_FACTOR = np.uint64(0x9E3779B1)
LOW_32, LOW_16 = np.uint64(0xFFFFFFFF), np.uint64(0xFFFF)
WORD_BITS, IN_WORD, ONE = np.uint64(6), np.uint64(63), np.uint64(1)
IN_BUCKET = np.uint64(HASH_BITS - BUCKET_BITS)
HASH_TO_WORD = np.uint64(HASH_BITS - WORDS_BITS)
FIRST, LAST = 0, 1
_SOFT = bytes(byte | 0x20 for byte in range(256))
_MASKS = bytes(0xDF if is_blurred(byte) else 0xFF for byte in range(256))


class Strings(NamedTuple):
    """Blurred strings to look for. The scan sees bytes with bit 0x20 set: h is the hash of four, b the number of two."""

    long_bits: np.ndarray  # uint64: the bits of h are set where some string's first four bytes have hash h
    short_bits: np.ndarray  # uint64: bit b where the first two bytes of some shorter string are b
    long_from: np.ndarray  # int32 [2 ** 16 + 1]: of bucket h >> 10: strings long_from[bucket] to long_from[bucket + 1] - 1
    short_from: np.ndarray  # int32 [2 ** 16 + 1]: likewise the shorter strings of b; one of a single byte stands at 256 places
    values: np.ndarray  # uint64 [strings]: the bytes, at most eight
    masks: np.ndarray  # uint64 [strings]: their bits that must be equal
    sizes: np.ndarray  # int64 [strings]
    patterns: np.ndarray  # int64 [strings]: whose string it is


class LineFilter:
    """Finds the lines that patterns may match."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.plans = [plan(pattern) for pattern in patterns]
        self._heads = _strings([one.heads for one in self.plans])
        self._strings = _strings([one.strings for one in self.plans])
        self._runs = [(number, one) for number, one in enumerate(self.plans) if one.run]
        self._edge_patterns, self._edge_bytes = _edges(self.plans)

    def candidates(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray | None]:
        """For each pattern the lines (ascending) that it may match; None for all.

        Line i is data[starts[i]:ends[i]]; arrays as rules.kernels.kernel_bytes makes them."""
        found = self.found(data, starts, ends)
        nothing = np.empty(0, np.int64)
        return [None if one.every_line else found.get(i, nothing) for i, one in enumerate(self.plans)]

    def found(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> dict[int, np.ndarray]:
        """As `candidates`, only of the patterns that have some: number of the pattern -> lines."""
        pairs = self._pairs(data, starts, ends)
        order = np.argsort(pairs[0].astype(np.uint16) if len(self.plans) <= 1 << 16 else pairs[0], kind="stable")  # few bits sort faster
        patterns, lines = pairs[0][order], pairs[1][order]
        bounds = np.concatenate([[0], np.flatnonzero(np.diff(patterns)) + 1, [len(patterns)]]) if len(patterns) else [0]
        found = {int(patterns[a]): lines[a:b] for a, b in zip(bounds[:-1], bounds[1:])}
        for i, one in self._runs:
            having = np.flatnonzero(have_run(data, starts, ends, _byte_table(one.run), one.run_bytes))
            if len(having):
                found[i] = having
        return found

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
    long_places = sorted((_hash(text), text, pattern) for text, pattern in pairs if len(text) >= 4)
    short_places = sorted((two, text, pattern) for text, pattern in pairs if len(text) < 4 for two in _first_two(text))
    long_from = _first_of_each([h >> HASH_BITS - BUCKET_BITS for h, _, _ in long_places])
    short_from = _first_of_each([b for b, _, _ in short_places]) + len(long_places)
    texts = [text for _, text, _ in long_places + short_places]
    return Strings(
        long_bits=_hash_bits([h for h, _, _ in long_places]),
        short_bits=_bits([b for b, _, _ in short_places], 1 << 16),
        long_from=long_from,
        short_from=short_from,
        values=np.array([int.from_bytes(text, "little") for text in texts], np.uint64),
        masks=np.array([int.from_bytes(_mask(text), "little") for text in texts], np.uint64),
        sizes=np.array([len(text) for text in texts], np.int64),
        patterns=np.array([pattern for _, _, pattern in long_places + short_places], np.int64),
    )


def _first_of_each(buckets: list[int]) -> np.ndarray:
    """Where the strings of each of 2 ** 16 buckets begin, and at last their number (int32)."""
    first = np.zeros((1 << BUCKET_BITS) + 1, np.int32)
    np.cumsum(np.bincount(np.array(buckets, np.int64), minlength=1 << BUCKET_BITS), out=first[1:])
    return first


def _hash(text: bytes) -> int:
    return (int.from_bytes(_soft(text[:4]), "little") * int(HASH_FACTOR) & 0xFFFFFFFF) >> int(HASH_SHIFT)


def _soft(text: bytes) -> bytes:
    """As the scan sees a text."""
    return text.translate(_SOFT)


def _mask(text: bytes) -> bytes:
    return text.translate(_MASKS)


def _first_two(text: bytes) -> list[int]:
    """The numbers that the first two bytes may make; of one byte with any after it."""
    text = _soft(text)
    seconds = [text[1]] if len(text) > 1 else range(256)
    return [text[0] | second << 8 for second in seconds]


def _bits(places: list[int], size: int) -> np.ndarray:
    table = np.zeros(size, np.uint8)
    table[places] = 1
    return np.packbits(table, bitorder="little").view(np.uint64)


def _hash_bits(hashes: list[int]) -> np.ndarray:
    table = np.zeros(1 << WORDS_BITS, np.uint64)
    h = np.array(hashes, np.uint64)
    np.bitwise_or.at(table, (h >> np.uint64(HASH_BITS - WORDS_BITS)).astype(np.int64), ONE << (h & IN_WORD) | ONE << (h >> WORD_BITS & IN_WORD))
    return table


def _byte_table(wanted: frozenset[int]) -> np.ndarray:
    """bool [256]."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    return table


def _edges(plans: list[Plan]) -> tuple[np.ndarray, np.ndarray]:
    """The patterns with a condition on first or last bytes (int64 [k]), and which bytes (bool [k, 2, 256])."""
    patterns = [number for number, one in enumerate(plans) if one.first or one.last]
    table = np.zeros((len(patterns), 2, 256), bool)
    for row, number in enumerate(patterns):
        for side, texts in ((FIRST, plans[number].first), (LAST, plans[number].last)):
            table[row, side, [byte for byte in range(256) if blurred(bytes([byte])) in texts]] = True
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
def have_run(data, starts, ends, wanted, least):
    """Which lines have `least` bytes of the table `wanted` in a row (bool [lines]): one byte in so many is looked at."""
    found = np.zeros(starts.size, np.bool_)
    for line in range(starts.size):
        if ends[line] - starts[line] >= least:
            found[line] = has_run(data, starts[line], ends[line], wanted, least)
    return found


@kernel
def has_run(data, begin, end, wanted, least):
    """Has data[begin:end] `least` wanted bytes in a row? Looks backwards from where such a row would end."""
    data, wanted = unowned(data), unowned(wanted)
    while end - begin >= least:
        i = begin + least - 1
        while i >= begin and wanted[data[np.uint64(i)]]:
            i -= 1
        if i < begin:
            return True
        begin = i + 1
    return False


@kernel
def check_edges(data, start, end, edge_patterns, edge_bytes, line, seen, pairs, filled):
    """Note the patterns that the first or the last byte of the line allows."""
    data, edge_patterns, edge_bytes, seen, pairs = unowned(data), unowned(edge_patterns), unowned(edge_bytes), unowned(seen), unowned(pairs)
    first, last = data[np.uint64(start)], data[np.uint64(end - 1)]
    for k in range(edge_patterns.size):
        if edge_bytes[k, FIRST, first] or edge_bytes[k, LAST, last]:
            filled = note(edge_patterns[k], line, seen, pairs, filled)
    return filled


@kernel
def check_head(data, start, end, skipped, heads, line, seen, pairs, filled):
    """Note the patterns whose strings the line's first word begins with."""
    data, skipped = unowned(data), unowned(skipped)
    long_from, short_from, seen, pairs = unowned(heads.long_from), unowned(heads.short_from), unowned(seen), unowned(pairs)
    long_bits = unowned(heads.long_bits)
    values, masks, sizes, patterns = unowned(heads.values), unowned(heads.masks), unowned(heads.sizes), unowned(heads.patterns)
    while start < end:
        code, size = character_at(data, start, end)
        if not skipped[code]:
            eight = eight_at(data, start, end)
            soft = eight | CASE_BITS
            h, b, left = hash_of(soft), soft & LOW_16, end - start
            if has_bits(long_bits, h):
                filled = compare(eight, left, values, masks, sizes, patterns, long_from, h >> IN_BUCKET, line, seen, pairs, filled)
            return compare(eight, left, values, masks, sizes, patterns, short_from, b, line, seen, pairs, filled)
        start += size
    return filled


@kernel
def check_strings(data, start, end, strings, line, seen, pairs, filled):
    """Note the patterns that have a string in the line."""
    data, long_bits, short_bits = unowned(data), unowned(strings.long_bits), unowned(strings.short_bits)
    long_from, short_from, seen, pairs = unowned(strings.long_from), unowned(strings.short_from), unowned(seen), unowned(pairs)
    values, masks, sizes, patterns = unowned(strings.values), unowned(strings.masks), unowned(strings.sizes), unowned(strings.patterns)
    whole = min(end, data.size - 7)  # from here on eight bytes would reach past the data
    for i in range(start, end):
        eight = load_eight(data, i) if i < whole else eight_at(data, i, end)
        soft = eight | CASE_BITS
        h, b = hash_of(soft), soft & LOW_16
        if has_bits(long_bits, h):
            filled = compare(eight, end - i, values, masks, sizes, patterns, long_from, h >> IN_BUCKET, line, seen, pairs, filled)
        if is_set(short_bits, b):
            filled = compare(eight, end - i, values, masks, sizes, patterns, short_from, b, line, seen, pairs, filled)
    return filled


@inlined
def hash_of(eight):
    return ((eight & LOW_32) * HASH_FACTOR & LOW_32) >> HASH_SHIFT


@inlined
def has_bits(bits, h):
    """Are both bits of a hash set? A word holds those of all hashes with the same upper bits."""
    word = bits[h >> HASH_TO_WORD]
    return word >> (h & IN_WORD) & word >> (h >> WORD_BITS & IN_WORD) & ONE != 0


@inlined
def is_set(bits, place):
    return bits[place >> WORD_BITS] >> (place & IN_WORD) & ONE != 0


@inlined
def compare(eight, left, values, masks, sizes, patterns, from_bucket, bucket, line, seen, pairs, filled):
    """Note the patterns of the strings of a bucket that `eight`, with `left` bytes to the end of the line, begins with."""
    for k in range(from_bucket[bucket], from_bucket[bucket + ONE]):
        if sizes[k] <= left and (eight ^ values[k]) & masks[k] == 0:
            filled = note(patterns[k], line, seen, pairs, filled)
    return filled


@inlined
def note(pattern, line, seen, pairs, filled):
    """Add a pair that is not there yet."""
    if seen[pattern] != line:
        seen[pattern] = line
        pairs[0, filled], pairs[1, filled] = pattern, line
        filled += 1
    return filled
