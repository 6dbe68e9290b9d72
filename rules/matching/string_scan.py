"""Which lines have strings of which patterns: one scan over a text, 64 bytes at a time, in numba.

The tables are in rules/matching/string_tables.py. Lines play no part until a string is found: then its line is looked up, and it
counts if all of it is there.
"""

from __future__ import annotations

import numpy as np

from rules.matching.string_groups import places_of_groups
from rules.matching.string_tables import (
    BUCKET_BITS,
    HASH_BITS,
    HASH_FACTOR,
    HASH_SHIFT,
    IN_WORD,
    ONE,
    STRIDE,
    WORD_BITS,
    WORDS_BITS,
    Strings,
    Table,
)
from rules.text.decode import CASE_BITS, eight_at, load_eight
from rules.text.kernels import inlined, kernel, unowned
from rules.text.masks import ALL, BLOCK, first_bits, lowest_one, without_lowest

LOW_32, LOW_16 = np.uint64(0xFFFFFFFF), np.uint64(0xFFFF)
IN_BUCKET, HASH_TO_WORD = np.uint64(HASH_BITS - BUCKET_BITS), np.uint64(HASH_BITS - WORDS_BITS)
PAST_BLOCK = BLOCK + 8  # bytes after the start of a block that are looked at without a check


@kernel
def find_strings(
    data: np.ndarray, begin: int, end: int, starts: np.ndarray, ends: np.ndarray, strings: Strings, seen: np.ndarray,
    pairs: np.ndarray,
) -> tuple[int, int]:
    """Fill `pairs` (pattern, line) with the strings in data[begin:end], from block to block until there is no more room.

    Lines data[starts[i]:ends[i]] ascend. Returns where to go on and how many pairs there are; a pair is there once for
    each time that the scan comes to the line. `seen` (int64 [patterns], -1): the last line noted for each pattern."""
    data, starts, ends, seen, pairs = unowned(data), unowned(starts), unowned(ends), unowned(seen), unowned(pairs)
    short, long, groups = unowned_table(strings.short), unowned_table(strings.long), unowned(strings.groups)
    filled, here, line, other = 0, 0, 0, 0
    while begin < end:
        if short.values.size:
            places = places_of_groups(data, begin, groups) if begin + PAST_BLOCK <= data.size else ALL
            if end - begin < BLOCK:
                places &= first_bits(end - begin)
            filled, line = check_places(data, begin, end, places, short, starts, ends, line, seen, pairs, filled)
        if long.values.size:
            filled, other = check_strides(data, begin, end, long, starts, ends, other, seen, pairs, filled)
        if filled > pairs.shape[1]:
            return begin, here
        begin, here = begin + BLOCK, filled
    return end, filled


@inlined
def unowned_table(table: Table) -> Table:
    """All arrays of a table without an owner."""
    return Table(
        unowned(table.gram_bits), unowned(table.pair_bits), unowned(table.gram_from), unowned(table.pair_from), unowned(table.values),
        unowned(table.masks), unowned(table.sizes), unowned(table.places), unowned(table.patterns),
    )  # fmt: skip


@inlined
def check_places(
    data: np.ndarray, begin: int, end: int, places: np.uint64, table: Table, starts: np.ndarray, ends: np.ndarray,
    line: int, seen: np.ndarray, pairs: np.ndarray, filled: int,
) -> tuple[int, int]:
    """Note the strings that begin at the places of a block; `line` is that of the last one found."""
    while places:
        i = begin + lowest_one(places)
        places = without_lowest(places)
        soft = eight_at(data, i, end) | CASE_BITS
        h, b = hash_of(soft), soft & LOW_16
        if has_bits(table.gram_bits, h):
            bucket = h >> IN_BUCKET
            filled, line = compare(data, i, end, table, table.gram_from, bucket, starts, ends, line, seen, pairs, filled)
        if is_set(table.pair_bits, b):
            filled, line = compare(data, i, end, table, table.pair_from, b, starts, ends, line, seen, pairs, filled)
    return filled, line


@inlined
def check_strides(
    data: np.ndarray, begin: int, end: int, table: Table, starts: np.ndarray, ends: np.ndarray, line: int,
    seen: np.ndarray, pairs: np.ndarray, filled: int,
) -> tuple[int, int]:
    """Note the strings that have four of their bytes at every fourth place of a block."""
    if begin + PAST_BLOCK <= min(end, data.size):
        for i in range(begin, begin + BLOCK, STRIDE):
            h = hash_of(load_eight(data, i) | CASE_BITS)
            if has_bits(table.gram_bits, h):
                filled, line = compare(data, i, end, table, table.gram_from, h >> IN_BUCKET, starts, ends, line, seen, pairs, filled)
    else:
        for i in range(begin, min(begin + BLOCK, end), STRIDE):
            h = hash_of(eight_at(data, i, end) | CASE_BITS)
            if has_bits(table.gram_bits, h):
                filled, line = compare(data, i, end, table, table.gram_from, h >> IN_BUCKET, starts, ends, line, seen, pairs, filled)
    return filled, line


@inlined
def hash_of(soft: np.uint64) -> np.uint64:
    return ((soft & LOW_32) * HASH_FACTOR & LOW_32) >> HASH_SHIFT


@inlined
def has_bits(bits: np.ndarray, h: np.uint64) -> bool:
    """Are both bits of a hash set? A word holds those of all hashes with the same upper bits."""
    word = bits[h >> HASH_TO_WORD]
    return word >> (h & IN_WORD) & word >> (h >> WORD_BITS & IN_WORD) & ONE != 0


@inlined
def is_set(bits: np.ndarray, place: np.uint64) -> bool:
    return bits[place >> WORD_BITS] >> (place & IN_WORD) & ONE != 0


@inlined
def compare(
    data: np.ndarray, i: int, end: int, table: Table, from_bucket: np.ndarray, bucket: np.uint64, starts: np.ndarray,
    ends: np.ndarray, line: int, seen: np.ndarray, pairs: np.ndarray, filled: int,
) -> tuple[int, int]:
    """Note the patterns of the strings of a bucket that stand at data[i], each less its place, within a line."""
    for k in range(from_bucket[bucket], from_bucket[bucket + ONE]):
        first = i - table.places[k]
        if first >= 0 and (eight_at(data, first, end) ^ table.values[k]) & table.masks[k] == 0:
            line = line_at(ends, first, line)
            if line < ends.size and starts[line] <= first and first + table.sizes[k] <= ends[line]:
                filled = note(table.patterns[k], line, seen, pairs, filled)
    return filled, line


@inlined
def note(pattern: int, line: int, seen: np.ndarray, pairs: np.ndarray, filled: int) -> int:
    """Add a pair unless the last one of the pattern was the same; count it even if there is no room."""
    if seen[pattern] != line:
        seen[pattern] = line
        if filled < pairs.shape[1]:
            pairs[0, filled], pairs[1, filled] = pattern, line
        filled += 1
    return filled


@inlined
def line_at(ends: np.ndarray, place: int, line: int) -> int:
    """The first line that ends after a place, not far from `line`."""
    while line > 0 and ends[line - 1] > place:
        line -= 1
    while line < ends.size and ends[line] <= place:
        line += 1
    return line
