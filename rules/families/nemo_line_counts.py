"""Counts over lines and paragraphs as NeMo Curator's filters divide a text: one kernel.

    line       a piece of str.split("\\n") with a visible character
    paragraph  a piece of str.split("\\n\\n"), empty ones too; none in an empty text

Duplicates are found by 64-bit hashes, white space included. About 7 ns a byte, 12 bytes of memory a row.
"""

from __future__ import annotations

import numpy as np

from rules.families.nemo_boilerplate import FOUND_NOTICE, FOUND_PLACEHOLDER, automaton, find_notices
from rules.families.nemo_characters import BULLETS, ELLIPSIS_MARKS
from rules.measures.line_counts import breaks_in, first_visible, visible_end
from rules.text.decode import character_at, characters_in
from rules.text.hash_sets import SEED, bytes_hash, find_slot, slot_bits
from rules.text.kernels import inlined, int64, kernel, unowned
from rules.text.line_breaks import next_line_feed

NEMO_LINE_COUNTS = {
    "nemo_lines": "visible lines",
    "nemo_line_chars": "characters of the visible lines",
    "nemo_unique_lines": "different visible lines",
    "nemo_unique_line_chars": "characters of the different visible lines",
    "nemo_bullet_lines": "visible lines that start with one of twelve bullet signs",
    "nemo_open_lines": "visible lines that do not end in . ? ! \" or '",
    "nemo_ellipsis_lines": "visible lines that end in an ellipsis, -» or read more",
    "nemo_paragraphs": 'pieces of str.split("\\n\\n"); none in an empty text',
    "nemo_paragraph_chars": "characters of the paragraphs",
    "nemo_unique_paragraphs": "different paragraphs",
    "nemo_unique_paragraph_chars": "characters of the different paragraphs",
    "nemo_boilerplate_paragraphs": "paragraphs with a phrase of a policy notice; all of them if lorem ipsum occurs",
}
(
    LINES, LINE_CHARS, UNIQUE_LINES, UNIQUE_LINE_CHARS, BULLET_LINES, OPEN_LINES, ELLIPSIS_LINES, PARAGRAPHS, PARAGRAPH_CHARS,
    UNIQUE_PARAGRAPHS, UNIQUE_PARAGRAPH_CHARS, BOILERPLATE_PARAGRAPHS,
) = range(len(NEMO_LINE_COUNTS))  # fmt: skip

BULLET_CODES = np.array([ord(bullet) for bullet in BULLETS], np.int64)
ELLIPSIS_BYTES = np.frombuffer("".join(ELLIPSIS_MARKS).encode(), np.uint8)
ELLIPSIS_ENDS = np.cumsum([0, *(len(mark.encode()) for mark in ELLIPSIS_MARKS)])


def count_nemo_lines(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, NEMO_LINE_COUNTS])."""
    count_documents(offsets, data, classes, *automaton(), out)


@kernel
def count_documents(
    offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, columns: np.ndarray, following: np.ndarray,
    found: np.ndarray, out: np.ndarray,
) -> None:
    """`count_nemo_lines`, with the automaton of boilerplate phrases."""
    keys = np.empty(1024, np.uint64)
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        out[d] = 0
        if begin < end:
            bits = slot_bits(breaks_in(data, begin, end)[0] + 1)
            if 1 << bits > keys.size:
                keys = np.empty(2 << bits, np.uint64)
            count_lines(data, begin, end, classes, keys, bits, out[d])
            count_paragraphs(data, begin, end, columns, following, found, keys, bits, out[d])


@kernel
def count_lines(data: np.ndarray, begin: int, end: int, classes: np.ndarray, keys: np.ndarray, bits: int, out: np.ndarray) -> None:
    """The counts of lines; `keys` has room for a set of 1 << bits."""
    data, classes, keys, out, size = unowned(data), unowned(classes), unowned(keys), unowned(out), 1
    keys[: 1 << bits] = 0
    while size > 0:
        row_end, size = next_line_feed(data, begin, end)
        i = first_visible(data, begin, row_end, classes)
        if i < row_end:
            measure_line(data, i, visible_end(data, i, row_end, classes), out)
            chars = characters_in(data, begin, row_end)
            _, seen = find_slot(keys, bits, bytes_hash(data, begin, row_end))
            out[LINE_CHARS] += chars
            out[UNIQUE_LINES] += int64(not seen)
            out[UNIQUE_LINE_CHARS] += int64(not seen) * chars
        begin = row_end + size


@inlined
def measure_line(data: np.ndarray, i: int, end: int, out: np.ndarray) -> None:
    """Count a line by how it starts and ends; data[i:end] is what is visible of it."""
    code, _ = character_at(data, i, end)
    last = data[np.uint64(end - 1)]
    closed = last == 46 or last == 63 or last == 33 or last == 34 or last == 39  # . ? ! " '
    out[LINES] += 1
    out[BULLET_LINES] += int64(code >= 0x80 and is_bullet(code))
    out[OPEN_LINES] += int64(not closed)
    out[ELLIPSIS_LINES] += int64(ends_in_ellipsis(data, i, end))


@inlined
def is_bullet(code: int) -> bool:
    for k in range(BULLET_CODES.size):
        if BULLET_CODES[k] == code:
            return True
    return False


@inlined
def ends_in_ellipsis(data: np.ndarray, i: int, end: int) -> bool:
    """Does data[i:end] end in one of ELLIPSIS_MARKS, in either case?"""
    for mark in range(ELLIPSIS_ENDS.size - 1):
        k, at = ELLIPSIS_ENDS[mark + 1], end
        while k > ELLIPSIS_ENDS[mark] and at > i and lower_byte(data[np.uint64(at - 1)]) == ELLIPSIS_BYTES[k - 1]:
            k -= 1
            at -= 1
        if k == ELLIPSIS_ENDS[mark]:
            return True
    return False


@inlined
def lower_byte(byte: int) -> int:
    """An ASCII letter in lower case; any other byte as it is."""
    return byte + 32 if 65 <= byte <= 90 else byte


@kernel
def count_paragraphs(
    data: np.ndarray, begin: int, end: int, columns: np.ndarray, following: np.ndarray, found: np.ndarray,
    keys: np.ndarray, bits: int, out: np.ndarray,
) -> None:
    """The counts of paragraphs; `keys` has room for a set of 1 << bits."""
    data, columns, following, found = unowned(data), unowned(columns), unowned(following), unowned(found)
    keys, out, more, placeholder = unowned(keys), unowned(out), True, False
    keys[: 1 << bits] = 0
    while more:
        stop = next_double_feed(data, begin, end)
        more = stop < end
        seen = find_notices(data, begin, stop, columns, following, found)
        placeholder |= seen & FOUND_PLACEHOLDER != 0
        out[BOILERPLATE_PARAGRAPHS] += seen & FOUND_NOTICE
        count_paragraph(data, begin, stop, keys, bits, out)
        begin = stop + 2
    if placeholder:
        out[BOILERPLATE_PARAGRAPHS] = out[PARAGRAPHS]


@inlined
def next_double_feed(data: np.ndarray, i: int, end: int) -> int:
    """Where the next two line feeds of data[i:end] are, or `end`."""
    size, double = 1, False
    while size > 0 and not double:
        i, size = next_line_feed(data, i, end)
        double = i + 1 < end and data[np.uint64(i + 1)] == 10
        if size > 0 and not double:
            i += 1
    return i


@inlined
def count_paragraph(data: np.ndarray, i: int, end: int, keys: np.ndarray, bits: int, out: np.ndarray) -> None:
    """Count the paragraph data[i:end] and whether it is new."""
    chars = characters_in(data, i, end)
    _, seen = find_slot(keys, bits, bytes_hash(data, i, end) if i < end else SEED)
    out[PARAGRAPHS] += 1
    out[PARAGRAPH_CHARS] += chars
    out[UNIQUE_PARAGRAPHS] += int64(not seen)
    out[UNIQUE_PARAGRAPH_CHARS] += int64(not seen) * chars
