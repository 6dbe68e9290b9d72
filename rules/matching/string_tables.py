"""Strings of patterns as the tables that a scan looks them up in (rules/matching/string_scan.py).

All strings are blurred (rules/matching/pattern_literals.py) and at most eight bytes long. Long ones are found by looking at every
fourth place only: each has four places whose next four bytes are its own, and one of those is looked at. Short ones are
looked for where their first four bytes may be (rules/matching/string_groups.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from rules.matching.pattern_literals import is_blurred
from rules.matching.string_groups import group_tables

STRIDE, GRAM = 4, 4  # bytes from one look to the next, and bytes looked at
LONG = STRIDE + GRAM - 1  # bytes of a string that every fourth look finds
MANY_STRINGS = 16  # long strings for which it pays to look at all places
HASH_BITS, BUCKET_BITS, WORDS_BITS = 26, 16, 12  # of a hash, of the strings' places, and of the words of bits (32 KiB)
HASH_SHIFT = np.uint64(32 - HASH_BITS)
HASH_FACTOR = np.uint64(0x9E3779B1)
WORD_BITS, IN_WORD, ONE = np.uint64(6), np.uint64(63), np.uint64(1)
_SOFT = bytes(byte | 0x20 for byte in range(256))
_MASKS = bytes(0xDF if is_blurred(byte) else 0xFF for byte in range(256))


class Table(NamedTuple):
    """Strings by the hash h of four of their bytes with bit 0x20 set, or by the number b of their first two."""

    gram_bits: np.ndarray  # uint64 [2 ** WORDS_BITS]: the bits of h are set where some string has four bytes of hash h
    pair_bits: np.ndarray  # uint64: bit b where the first two bytes of a string of fewer than four bytes are b
    gram_from: np.ndarray  # int32 [2 ** 16 + 1]: of bucket h >> 10: strings gram_from[bucket] to gram_from[bucket + 1] - 1
    pair_from: np.ndarray  # int32 [2 ** 16 + 1]: likewise the strings of b; one of a single byte stands at 256 places
    values: np.ndarray  # uint64 [strings]: the bytes, at most eight
    masks: np.ndarray  # uint64 [strings]: their bits that must be equal
    sizes: np.ndarray  # int64 [strings]
    places: np.ndarray  # int64 [strings]: where in the string the four bytes are
    patterns: np.ndarray  # int64 [strings]: whose string it is


class Strings(NamedTuple):
    """What one scan over a text looks for."""

    groups: np.ndarray  # uint8 [4, 2, 16]: where short strings may begin (rules/matching/string_groups.py)
    short: Table
    long: Table


def string_tables(sets: Iterable[frozenset[bytes]]) -> Strings:
    """The tables of the strings of each pattern."""
    pairs = [(text, pattern) for pattern, texts in enumerate(sets) for text in sorted(texts)]
    long = [pair for pair in pairs if len(pair[0]) >= LONG]
    if len(long) < MANY_STRINGS:
        long = []
    short = [pair for pair in pairs if len(pair[0]) < LONG] if long else pairs
    return Strings(group_tables(text for text, _ in short), table(short, range(1)), table(long, range(STRIDE)))


def table(pairs: Sequence[tuple[bytes, int]], places: range) -> Table:
    """Strings and the numbers of their patterns; each may be looked up at several of its places."""
    grams = sorted((_hash(text[place : place + GRAM]), text, pattern, place) for text, pattern in pairs if len(text) >= GRAM for place in places)
    shorter = sorted((two, text, pattern, 0) for text, pattern in pairs if len(text) < GRAM for two in _first_two(text))
    entries = grams + shorter
    return Table(
        gram_bits=_hash_bits([h for h, *_ in grams]),
        pair_bits=_bits([b for b, *_ in shorter], 1 << 16),
        gram_from=_first_of_each([h >> HASH_BITS - BUCKET_BITS for h, *_ in grams]),
        pair_from=_first_of_each([b for b, *_ in shorter]) + np.int32(len(grams)),
        values=np.array([int.from_bytes(text, "little") for _, text, _, _ in entries], np.uint64),
        masks=np.array([int.from_bytes(text.translate(_MASKS), "little") for _, text, _, _ in entries], np.uint64),
        sizes=np.array([len(text) for _, text, _, _ in entries], np.int64),
        places=np.array([place for *_, place in entries], np.int64),
        patterns=np.array([pattern for _, _, pattern, _ in entries], np.int64),
    )


def _first_of_each(buckets: list[int]) -> np.ndarray:
    """Where the strings of each of 2 ** 16 buckets begin, and at last their number (int32)."""
    first = np.zeros((1 << BUCKET_BITS) + 1, np.int32)
    np.cumsum(np.bincount(np.array(buckets, np.int64), minlength=1 << BUCKET_BITS), out=first[1:])
    return first


def _hash(text: bytes) -> int:
    return (int.from_bytes(text.translate(_SOFT), "little") * int(HASH_FACTOR) & 0xFFFFFFFF) >> int(HASH_SHIFT)


def _first_two(text: bytes) -> list[int]:
    """The numbers that the first two bytes may make; of one byte with any after it."""
    text = text.translate(_SOFT)
    seconds = [text[1]] if len(text) > 1 else range(256)
    return [text[0] | second << 8 for second in seconds]


def _bits(places: list[int], size: int) -> np.ndarray:
    bits = np.zeros(size, np.uint8)
    bits[places] = 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


def _hash_bits(hashes: list[int]) -> np.ndarray:
    words = np.zeros(1 << WORDS_BITS, np.uint64)
    h = np.array(hashes, np.uint64)
    np.bitwise_or.at(words, (h >> np.uint64(HASH_BITS - WORDS_BITS)).astype(np.int64), ONE << (h & IN_WORD) | ONE << (h >> WORD_BITS & IN_WORD))
    return words
