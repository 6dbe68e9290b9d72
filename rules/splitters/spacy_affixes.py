"""Chunks that need no spaCy: letters with at most one ASCII mark before and after them, special cases apart.

No affix rule of spaCy's finds anything in letters alone, of whatever script. A mark that the rules take off letters is
a token of its own, and so are the letters, unless what is left at some step is a special case, or the letters are part
of one. Which marks those are is tried out on spaCy's rules themselves.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import numpy as np

from rules.splitters.chunk_memo import Entries, Memo, find_entry
from rules.splitters.spacy_facts import AFTER_END, AFTER_OPEN, END, FACTS, FLAGS, HEAD, TAIL
from rules.text.characters import ALPHA, character_classes
from rules.text.decode import character_at
from rules.text.kernels import inlined, int64, kernel

# What is known of a mark before or after letters, in one number: its flags as a chunk of its own (HEAD or TAIL), its
# kind of token << KIND_BITS, and these.
SPLITS = 64  # the rules take it off letters
SPLITS_LOWER = 128  # if they end in one of a to z
KIND_BITS = 4

Search = Callable[[str], re.Match[str] | None]

LETTERS = ("ab", "AB", "aB", "éé", "жж", "ЖЖ", "漢字", "한국", "ךן", "नम")  # to try the rules on


def affix_table(prefix_search: Search, suffix_search: Search, facts: Callable[[str], int]) -> np.ndarray:
    """What is known of each ASCII character before letters, and after them: uint8 [2, 128]. `facts` adds to it."""
    table = np.zeros((2, 128), np.uint8)
    for mark in string.punctuation:
        before = all(_takes(prefix_search, mark + letters, 0, 1) for letters in LETTERS)
        after = all(_takes(suffix_search, letters + mark, len(letters), len(letters) + 1) for letters in LETTERS)
        lower = all(_takes(suffix_search, "x" + letter + mark, 2, 3) for letter in string.ascii_lowercase)
        table[0, ord(mark)] = facts(mark) | (SPLITS | SPLITS_LOWER if before else 0)
        table[1, ord(mark)] = facts(mark) | (SPLITS if after else 0) | (SPLITS_LOWER if lower else 0)
    return table


def _takes(search: Search, text: str, begin: int, end: int) -> bool:
    """Does a rule find text[begin:end]?"""
    match = search(text)
    return match is not None and match.span() == (begin, end)


@kernel
def find_cores(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, classes: np.ndarray, table: np.ndarray,
    memo: tuple[np.ndarray, int, np.ndarray, np.ndarray, int], cores: np.ndarray,
) -> None:
    """cores[k] = where the letters of chunk k, unknown to the memo, begin and end; the same where it needs spaCy.

    `memo` is slots, log2 of their number, rows and keys of a memo, and how many of its first entries are special cases
    and parts of them."""
    for k in range(begins.size):
        i, end = begins[k], ends[k]
        first, last = data[i], data[end - 1]
        begin = i + 1 if first < 128 and table[0, first] & SPLITS else i
        stop = end - 1 if last < 128 and table[1, last] & (SPLITS | SPLITS_LOWER) else end
        cores[k, 0] = cores[k, 1] = i
        if begin < stop and are_letters(data, begin, stop, classes) and splits_after(data, stop, end, table):
            if not (is_case(data, begin, stop, memo) or is_case(data, begin, end, memo) or is_case(data, i, stop, memo)):
                cores[k, 0], cores[k, 1] = begin, stop


@inlined
def splits_after(data: np.ndarray, stop: int, end: int, table: np.ndarray) -> bool:
    """Do the rules take data[stop:end], nothing or a mark, off the letter before it?"""
    if stop == end or table[1, data[stop]] & SPLITS:
        return True
    return ord("a") <= data[stop - 1] <= ord("z")


@inlined
def are_letters(data: np.ndarray, i: int, end: int, classes: np.ndarray) -> bool:
    """Is data[i:end] letters alone (str.isalpha)?"""
    flags = ALPHA
    while i < end and flags & ALPHA:
        code, size = character_at(data, i, end)
        flags = int64(classes[np.uint64(code)])
        i += size
    return flags & ALPHA != 0


@inlined
def is_case(data: np.ndarray, i: int, end: int, memo: tuple[np.ndarray, int, np.ndarray, np.ndarray, int]) -> bool:
    """Is data[i:end] a special case, or a token that one is made of?"""
    entry = int64(find_entry(data, i, end, memo[0], memo[1], memo[2], memo[3]))
    return 0 < entry < memo[4]


def plain_chunks(data: np.ndarray, begins: np.ndarray, ends: np.ndarray, table: np.ndarray, memo: Memo, cases: int) -> np.ndarray:
    """Where the letters of chunks data[begins[k]:ends[k]], unknown to `memo`, begin and end, int64 [chunks, 2].

    They end where they begin in a chunk that needs spaCy. The first `cases` entries of `memo` are special cases."""
    cores, bits = np.empty((len(begins), 2), np.int64), int(memo.slots.size).bit_length() - 1
    find_cores(data, begins, ends, character_classes(), table, (memo.slots, bits, memo.rows, memo.keys, cases), cores)
    return cores


def split_plain(data: np.ndarray, begins: np.ndarray, ends: np.ndarray, cores: np.ndarray, table: np.ndarray) -> Entries:
    """The tokens of chunks whose letters are data[cores[k, 0]:cores[k, 1]]."""
    return Entries(*write_plain(data, begins, ends, cores, table))


@kernel
def write_plain(
    data: np.ndarray, begins: np.ndarray, ends: np.ndarray, cores: np.ndarray, table: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of Entries."""
    out, offsets = np.empty((ends - begins).sum() + 2 * begins.size, np.uint8), np.zeros(begins.size + 1, np.int64)
    facts, position = np.zeros((begins.size, FACTS), np.uint32), 0
    for k in range(begins.size):
        before = after = 0
        if begins[k] < cores[k, 0]:
            before = int64(table[0, data[begins[k]]])
        if cores[k, 1] < ends[k]:
            after = int64(table[1, data[cores[k, 1]]])
        for i in range(begins[k], ends[k]):
            if (before and i == cores[k, 0]) or (after and i == cores[k, 1]):
                out[position] = 32
                position += 1
            out[position] = data[i]
            position += 1
        offsets[k + 1] = position
        fill_facts(facts, k, before, after)
    return out, offsets, facts


@inlined
def fill_facts(facts: np.ndarray, k: int, before: int, after: int) -> None:
    """The flags of a chunk and its steps of sentences, from what is known of the marks around its letters."""
    facts[k, FLAGS] = (before & HEAD) | (after & TAIL)
    ends = int64(after >> KIND_BITS & 3 == END)
    facts[k, AFTER_OPEN] = int64(before >> KIND_BITS & 3 == END) << 1 | ends
    facts[k, AFTER_END] = 1 << 1 | ends
