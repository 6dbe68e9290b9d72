"""Words as spaCy's English tokenizer splits them, which is what datatrove counts in English text.

`spacy_tokens` writes each text anew, its tokens with single spaces between them; what counts words between white space
then counts tokens. Each distinct chunk between white space goes through spaCy once a process (spacy_tokenizers.py), but for plain ones (spacy_affixes.py). All
stay in a memo (chunk_memo.py) of at most MOST_BYTES, which starts anew when it is full. Known chunks take
a hash and a copy.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from rules.splitters.chunk_memo import (
    PADDING,
    Entries,
    Memo,
    distinct_unknown,
    empty_memo,
    extended,
    find_entries,
    joined,
    joined_offsets,
    write_words,
)
from rules.splitters.chunks import ONE_SPACE, Chunks, chunks_of
from rules.splitters.spacy_affixes import plain_chunks, split_plain
from rules.splitters.spacy_facts import CHANGED, FACTS, FLAGS, HEAD, TAIL
from rules.splitters.spacy_tokenizers import gathered, split_chunks, tokenizers
from rules.text.buffers import strings_from
from rules.text.characters import character_classes
from rules.text.kernels import inlined, int64, kernel, kernel_texts

MOST_BYTES = 256 << 20  # of the memo
BLOCK_BYTES = 4 << 20  # of text that is read at once
SPLIT_BYTES = 1 << 20  # of chunks that spaCy reads at once

_lock = threading.Lock()  # one thread at a time adds to the memo; spaCy itself is not made for threads
_memo = empty_memo(FACTS)  # knows nothing, not even the special cases: `_learn` sees to that


class Read(NamedTuple):
    """Chunks of texts and the entry of each in a memo: NOTHING for one that an earlier entry covers, too."""

    chunks: Chunks
    found: np.ndarray  # uint32 [chunks]
    memo: Memo


def spacy_tokens(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The tokens of each text with single spaces between them."""
    offsets, data = kernel_texts(texts)
    pieces, ends = [], [np.zeros(1, np.int64)]
    for block in blocks(offsets):
        read = read_chunks(block, data)
        places = joined_offsets(read.chunks.counts, read.found, read.memo.rows)
        out = np.empty(places[-1] + PADDING, np.uint8)
        write_words(read.chunks.counts, read.found, read.memo.rows, read.memo.words, places, out)
        pieces.append(out[: places[-1]])
        ends.append(places[1:] + ends[-1][-1])
    return strings_from(np.concatenate(ends), np.concatenate(pieces) if pieces else np.empty(0, np.uint8))


def blocks(offsets: np.ndarray) -> list[np.ndarray]:
    """The offsets of runs of texts of about BLOCK_BYTES."""
    cuts = [0]
    while cuts[-1] < len(offsets) - 1:
        following = int(np.searchsorted(offsets, offsets[cuts[-1]] + BLOCK_BYTES, "right")) - 1
        cuts.append(max(following, cuts[-1] + 1))
    return [offsets[begin : end + 1] for begin, end in zip(cuts, cuts[1:])]


def read_chunks(offsets: np.ndarray, data: np.ndarray) -> Read:
    """The chunks of the texts data[offsets[d]:offsets[d + 1]], all of them in the memo."""
    chunks = chunks_of(offsets, data, character_classes())
    memo, found, marks = entries_of(_memo, data, chunks.begins, chunks.ends)
    firsts, lasts = linked_chunks(np.flatnonzero(marks & CHANGED), marks, chunks.gaps)
    if len(firsts):
        memo, linked, _ = entries_of(memo, data, chunks.begins[firsts], chunks.ends[lasts])
        cover(found, firsts, lasts, linked)
    return Read(chunks, found, memo)


def entries_of(memo: Memo, data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[Memo, np.ndarray, np.ndarray]:
    """The entries (uint32) and marks (uint8) of data[begins[k]:ends[k]] in `memo` or one that grew out of it."""
    found, marks = np.empty(len(begins), np.uint32), np.empty(len(begins), np.uint8)
    unknown = find_entries(data, begins, ends, memo.slots, memo.rows, memo.keys, found, marks)
    if unknown:
        firsts, kinds = distinct_unknown(data, begins, ends, found, unknown)
        memo, entries = _learn(memo, data, begins[firsts], ends[firsts])
        new = found == 0
        found[new] = entries[kinds]
        marks[new] = memo.facts[found[new], FLAGS]
    return memo, found, marks


def _learn(memo: Memo, data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[Memo, np.ndarray]:
    """`memo` with the distinct chunks data[begins[k]:ends[k]], and their entries.

    It becomes the memo of all threads unless it is too large or theirs is another one by now."""
    global _memo
    with _lock:
        if _memo.entries == 1:
            _memo = _starting_memo()
        shared = memo.lineage is _memo.lineage or memo.entries == 1
        memo = _memo if shared else memo
        found, marks = np.empty(len(begins), np.uint32), np.empty(len(begins), np.uint8)
        if find_entries(data, begins, ends, memo.slots, memo.rows, memo.keys, found, marks):
            new = found == 0
            order, made = _made(memo, data, begins[new], ends[new])
            new = np.flatnonzero(new)[order]
            found[new] = np.arange(memo.entries, memo.entries + len(new))
            memo = extended(memo, data, begins[new], ends[new], made, copy=not shared)
            if shared:
                _memo = memo if memo.bytes <= MOST_BYTES else empty_memo(FACTS)
        return memo, found


def _starting_memo() -> Memo:
    """A memo of spaCy's special cases."""
    offsets, data = kernel_texts(pa.array(tokenizers().cases))
    return extended(empty_memo(FACTS), data, offsets[:-1], offsets[1:], joined(_split(data, offsets[:-1], offsets[1:])))


def _made(memo: Memo, data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, Entries]:
    """What spaCy makes of chunks data[begins[k]:ends[k]], new to `memo`, and the order in which it is given."""
    table, cases = tokenizers().affixes, len(tokenizers().cases) + 1
    cores = plain_chunks(data, begins, ends, table, memo, cases)
    plain = cores[:, 0] < cores[:, 1]
    order, count = np.argsort(~plain, kind="stable"), int(plain.sum())
    begins, ends = begins[order], ends[order]
    first = split_plain(data, begins[:count], ends[:count], cores[order[:count]], table)
    return order, joined([first, *_split(data, begins[count:], ends[count:])])


def _split(data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> list[Entries]:
    """What spaCy makes of chunks data[begins[k]:ends[k]], a portion at a time."""
    portions = _portions(np.cumsum(ends - begins))
    return [split_chunks(gathered(data, begins[i:j], ends[i:j]).tobytes()) for i, j in portions]


def _portions(sizes: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of chunks of about SPLIT_BYTES, given the bytes up to the end of each chunk."""
    cuts = [0]
    while cuts[-1] < len(sizes):
        before = int(sizes[cuts[-1] - 1]) if cuts[-1] else 0
        cuts.append(max(int(np.searchsorted(sizes, before + SPLIT_BYTES, "right")), cuts[-1] + 1))
    return list(zip(cuts, cuts[1:]))


@kernel
def linked_chunks(changed: np.ndarray, marks: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and last chunk of each run of chunks that spaCy may split otherwise together than one by one.

    `changed` are the chunks marked CHANGED."""
    firsts, lasts, runs, free = np.empty(changed.size, np.int64), np.empty(changed.size, np.int64), 0, 0
    for k in changed:
        if k >= free:
            first = last = k
            while are_linked(marks, gaps, first):
                first -= 1
            while are_linked(marks, gaps, last + 1):
                last += 1
            free = last + 1
            firsts[runs], lasts[runs] = first, last
            runs += int64(first < last)
    return firsts[:runs], lasts[:runs]


@inlined
def are_linked(marks: np.ndarray, gaps: np.ndarray, k: int) -> bool:
    """May a special case go on from chunk k - 1 to chunk k?"""
    return 0 < k < marks.size and gaps[k] == ONE_SPACE and marks[k - 1] & TAIL != 0 and marks[k] & HEAD != 0


@kernel
def cover(found: np.ndarray, firsts: np.ndarray, lasts: np.ndarray, entries: np.ndarray) -> None:
    """Put entry entries[r] in the place of the chunks from firsts[r] to lasts[r]."""
    for r in range(firsts.size):
        found[firsts[r] : lasts[r] + 1] = 0
        found[firsts[r]] = entries[r]
