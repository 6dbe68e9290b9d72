"""What line rules did, as a table of edits, and the texts put together again from the lines that are left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from rules.line_rules.line_state import GONE, Lines, copy_bytes, with_slack
from rules.text.buffers import string_buffers, strings_from
from rules.text.kernels import held, inlined, int64, kernel, kernel_bytes, unowned
from rules.text.masks import BLOCK

EDIT_ROWS = pa.schema(
    [("row", pa.int64()), ("rule", pa.int64()), ("line", pa.int64()), ("before", pa.large_string()), ("after", pa.large_string())]
)


def edit_table(lines: Lines) -> pa.Table:
    """All edits by line; of one line in the order in which they were made. Lines are numbered from 1 in each document."""
    if not lines.edits:
        return EDIT_ROWS.empty_table()
    numbers, before, after = (np.concatenate([getattr(e, name) for e in lines.edits]) for name in ("lines", "before", "after"))
    counts = np.cumsum([len(e.lines) for e in lines.edits])
    numbers, before, after, which, row, line = edits_by_line(numbers, before, after, counts, lines.document, lines.first_line)
    rule = np.array([e.rule for e in lines.edits])[which]
    columns = [row, rule, line, lines.texts_of(numbers, before), _after(lines, numbers, after)]
    return pa.table(columns, schema=EDIT_ROWS)


def _after(lines: Lines, numbers: np.ndarray, versions: np.ndarray) -> pa.LargeStringArray:
    """The texts of versions; null for lines that went."""
    texts = lines.texts_of(numbers, versions)
    there = pa.py_buffer(np.packbits(versions != GONE, bitorder="little"))
    return pa.Array.from_buffers(pa.large_string(), len(numbers), [there, *texts.buffers()[1:]])


def taken(names: Sequence[str], numbers: np.ndarray) -> pa.StringArray:
    """names[number] for each of `numbers` (int64), as pyarrow's `take` gives it, in half its time."""
    array = pa.array(names, pa.string())
    offsets, data = string_buffers(array)
    starts = starts_of(offsets, numbers)
    if starts[-1] >= 2**31:
        return array.take(pa.array(numbers))  # more than its offsets can say, which is for pyarrow to tell
    found = names_at(*kernel_bytes(offsets, np.concatenate([data, np.zeros(BLOCK, np.uint8)])), numbers, starts)
    return pa.Array.from_buffers(pa.string(), len(numbers), [None, pa.py_buffer(starts.astype(np.int32)), pa.py_buffer(found)])


def edited_documents(lines: Lines) -> np.ndarray:
    """bool [documents]: has it an edit?"""
    edited = np.zeros(len(lines.first_line) - 1, bool)
    for edits in lines.edits:
        edited[lines.document[edits.lines]] = True
    return edited


def joined_texts(lines: Lines, texts: pa.LargeStringArray, edited: np.ndarray) -> pa.LargeStringArray:
    """The texts after the edits of documents `edited` (bool [documents]); the same array if there were none."""
    if not lines.edits:
        return texts
    offsets, data = kernel_bytes(*string_buffers(texts))
    new_offsets, new_data = kernel_bytes(*string_buffers(lines.rewritten))
    places = (offsets, edited, lines.first_line, lines.starts, lines.ends, lines.alive, lines.version, new_offsets)
    out_offsets = joined_offsets(*places)
    return strings_from(out_offsets, joined_bytes(*places, data, new_data, out_offsets))


# ---- kernels
# A line is bytes starts[i]:ends[i]; up to the next start follows its separator, which a kept line brings along.


@kernel
def edits_by_line(
    numbers: np.ndarray, before: np.ndarray, after: np.ndarray, counts: np.ndarray, document: np.ndarray, first_line: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Edits of lines `numbers`, made in this order, counts[k] by the first k + 1 rules: by line, those of one line as they
    were made. Lines, versions before and after, which rule, document, and the line's number in it, from 1 (int64 each)."""
    placed, at = np.empty((6, numbers.size), np.int64), np.zeros(document.size + 1, np.uint32)
    numbers, before, after, document, first_line = unowned(numbers), unowned(before), unowned(after), unowned(document), unowned(first_line)
    line_of, before_of, after_of = unowned(placed[0]), unowned(placed[1]), unowned(placed[2])
    rule_of, document_of, number_of, nexts = unowned(placed[3]), unowned(placed[4]), unowned(placed[5]), unowned(at)
    for k in range(numbers.size):
        nexts[np.uint64(numbers[k] + 1)] += np.uint32(1)
    for k in range(1, nexts.size):
        nexts[k] += nexts[k - 1]
    first = 0
    for which in range(counts.size):
        for k in range(first, counts[which]):
            line = np.uint64(numbers[k])
            place, d = np.uint64(nexts[line]), document[line]
            nexts[line] = place + np.uint64(1)
            line_of[place], before_of[place], after_of[place], rule_of[place] = line, before[k], after[k], which
            document_of[place], number_of[place] = d, numbers[k] - first_line[np.uint64(d)] + 1
        first = counts[which]
    held(at)
    return placed[0], placed[1], placed[2], placed[3], placed[4], placed[5]


@kernel
def starts_of(offsets: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Where each of the names `numbers` begins when they are written on end, and where the last one ends (int64 [numbers + 1])."""
    starts = np.zeros(numbers.size + 1, np.int64)
    for k in range(numbers.size):
        number = np.uint64(numbers[k])
        starts[k + 1] = starts[k] + offsets[number + np.uint64(1)] - offsets[number]
    return starts


@kernel
def names_at(offsets: np.ndarray, data: np.ndarray, numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The bytes of the names `numbers`, each at its place in `starts`."""
    out = with_slack(starts[-1])
    offsets, data, numbers, starts, to = unowned(offsets), unowned(data), unowned(numbers), unowned(starts), unowned(out)
    for k in range(numbers.size):
        copy_bytes(data, offsets[np.uint64(numbers[k])], starts[k + 1] - starts[k], to, starts[k])
    return out[: starts[-1]]


@kernel
def lines_gone(first_line: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """How many lines of each document are not alive (int64 [documents])."""
    gone, alive = np.zeros(first_line.size - 1, np.int64), unowned(alive)
    for d in range(gone.size):
        for line in range(first_line[d], first_line[d + 1]):
            gone[d] += int64(not alive[np.uint64(line)])
    return gone


@kernel
def characters_of(offsets: np.ndarray, data: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Code points of the wanted documents, as pyarrow counts them: bytes that continue no character (int64 [documents])."""
    found = np.zeros(wanted.size, np.int64)
    for d in range(wanted.size):
        if wanted[d]:
            found[d] = leads_in(data, offsets[d], offsets[d + 1])
    return found


@kernel
def leads_in(data: np.ndarray, begin: int, end: int) -> int:
    data = unowned(data)
    found = 0
    for i in range(np.uint64(begin), np.uint64(end)):
        found += int64(np.int8(data[i]) > -65)
    return found


@inlined
def line_size(i: int, starts: np.ndarray, ends: np.ndarray, version: np.ndarray, new_offsets: np.ndarray) -> int:
    k = version[i]
    return new_offsets[k + 1] - new_offsets[k] if k >= 0 else ends[i] - starts[i]


@inlined
def separator_size(i: int, last: int, starts: np.ndarray, ends: np.ndarray, document_end: int) -> int:
    return (starts[i + 1] if i + 1 < last else document_end) - ends[i]


@inlined
def last_alive(first: int, last: int, alive: np.ndarray) -> int:
    while last > first and not alive[last - 1]:
        last -= 1
    return last - 1


@kernel
def joined_offsets(
    offsets: np.ndarray, edited: np.ndarray, first_line: np.ndarray, starts: np.ndarray, ends: np.ndarray,
    alive: np.ndarray, version: np.ndarray, new_offsets: np.ndarray,
) -> np.ndarray:
    """Offsets of the texts after the edits: kept lines, each with its separator, none after a cut-off end."""
    out = np.zeros(offsets.size, np.int64)
    starts, ends, alive, version, new_offsets = unowned(starts), unowned(ends), unowned(alive), unowned(version), unowned(new_offsets)
    for d in range(offsets.size - 1):
        size = offsets[d + 1] - offsets[d]
        if edited[d]:
            size = joined_size(first_line[d], first_line[d + 1], offsets[d + 1], starts, ends, alive, version, new_offsets)
        out[d + 1] = out[d] + size
    return out


@inlined
def joined_size(
    first: int, last: int, document_end: int, starts: np.ndarray, ends: np.ndarray, alive: np.ndarray,
    version: np.ndarray, new_offsets: np.ndarray,
) -> int:
    """Bytes of one document after the edits."""
    size, final = 0, last_alive(first, last, alive)
    for i in range(first, final + 1):
        if alive[i]:
            size += line_size(i, starts, ends, version, new_offsets)
            if i < final or final == last - 1:
                size += separator_size(i, last, starts, ends, document_end)
    return size


@kernel
def joined_bytes(
    offsets: np.ndarray, edited: np.ndarray, first_line: np.ndarray, starts: np.ndarray, ends: np.ndarray,
    alive: np.ndarray, version: np.ndarray, new_offsets: np.ndarray, data: np.ndarray, new_data: np.ndarray,
    out_offsets: np.ndarray,
) -> np.ndarray:
    """The bytes of the texts after the edits."""
    out = with_slack(out_offsets[-1])
    to, data, new_data, starts, ends = unowned(out), unowned(data), unowned(new_data), unowned(starts), unowned(ends)
    alive, version, new_offsets = unowned(alive), unowned(version), unowned(new_offsets)
    d = 0
    while d < edited.size:
        at, same = out_offsets[d], d
        while same < edited.size and not edited[same]:
            same += 1
        if same > d:  # documents that nothing changed are copied together
            copy_bytes(data, offsets[d], offsets[same] - offsets[d], to, at)
            d = same
        else:
            join(at, first_line[d], first_line[d + 1], offsets[d + 1], starts, ends, alive, version, new_offsets, data, new_data, to)
            d += 1
    return out[: out_offsets[-1]]


@inlined
def join(
    at: int, first: int, last: int, document_end: int, starts: np.ndarray, ends: np.ndarray, alive: np.ndarray,
    version: np.ndarray, new_offsets: np.ndarray, data: np.ndarray, new_data: np.ndarray, out: np.ndarray,
) -> None:
    """Write the kept lines of one document to `out` from `at` on; original lines one after the other are copied together."""
    final, i = last_alive(first, last, alive), first
    while i <= final:
        k, begin, size, same = version[i], starts[i], 0, i
        while same <= final and alive[same] and version[same] < 0:
            same += 1
        if same > i:
            size = (ends[final] if same > final else starts[same]) - begin
            at = copy_bytes(data, begin, size, out, at)
        elif alive[i]:
            at = copy_bytes(new_data, new_offsets[k], new_offsets[k + 1] - new_offsets[k], out, at)
            if i < final:
                at = copy_bytes(data, ends[i], separator_size(i, last, starts, ends, document_end), out, at)
        i = max(same, i + 1)
    if final == last - 1 and final >= first:
        copy_bytes(data, ends[final], separator_size(final, last, starts, ends, document_end), out, at)
