"""The lines, or paragraphs, of texts and their hashes: what repeated lines are counted and found by.

Lines end at line feeds; a paragraph is a run of lines that hold something but white space. A unit (line or paragraph) is
its normalised words, folded to 64 bits as exact.py folds a document's (or its bytes, without white space at its ends),
mixed with the document's group. Two different units share a hash by chance in n**2 / 2**65 of cases.

About 300 MB/s a core.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.normalise import character_table
from curation.stages.exact import hash_bytes, hash_word_sequence
from curation.word_hashes import CHUNK_BYTES, ONE, absorb, kernel_texts, word_scratch
from rules.text.kernels import kernel

LINE_FEED, SPACE = np.uint8(10), np.uint8(32)
BLANK = -1


class TextLines(NamedTuple):
    """Every line of some texts, in order, and the unit it belongs to."""

    first_line: np.ndarray  # int64 [texts + 1]
    starts: np.ndarray  # int64 [lines]
    ends: np.ndarray  # int64 [lines]
    unit: np.ndarray  # int64 [lines]: number of its unit, or BLANK


class Units(NamedTuple):
    """Every unit of some texts, in order."""

    document: np.ndarray  # int64 [units]
    place: np.ndarray  # int64 [units]: 0 for the first of its document
    last: np.ndarray  # int64 [units]: `place` of the last of its document
    hashes: np.ndarray  # uint64 [units]
    words: np.ndarray  # int64 [units]


def find_units(texts: pa.Array | pa.ChunkedArray, paragraphs: bool, normalise: bool) -> tuple[TextLines, Units]:
    """The lines and units of texts. Blank lines are no units."""
    offsets, data = kernel_texts(texts)
    first_line = np.zeros(len(offsets), np.int64)
    count_lines(offsets, data, first_line)
    first_line = np.cumsum(first_line)
    lines = TextLines(first_line, *(np.empty(int(first_line[-1]), np.int64) for _ in range(3)))
    count = place_lines(offsets, data, paragraphs, lines.first_line, lines.starts, lines.ends, lines.unit)
    units = Units(*(np.zeros(count, np.int64) for _ in range(3)), np.zeros(count, np.uint64), np.zeros(count, np.int64))
    hash_units(data, lines.first_line, lines.starts, lines.ends, lines.unit, normalise, character_table(), *units)
    return lines, units


@kernel
def count_lines(offsets, data, counts):
    """counts[doc + 1] = lines of the text, one more than its line feeds."""
    for document in range(offsets.size - 1):
        counts[document + 1] = 1
        for i in range(offsets[document], offsets[document + 1]):
            counts[document + 1] += np.int64(data[i] == LINE_FEED)


@kernel
def is_blank(data, i, end):
    """Nothing but ASCII white space?"""
    for k in range(i, end):
        if data[k] > SPACE or (data[k] < np.uint8(9)):
            return False
    return True


@kernel
def place_lines(offsets, data, paragraphs, first_line, starts, ends, unit):
    """Fill starts, ends and unit of every line: how many units there are."""
    units = 0
    for document in range(offsets.size - 1):
        start, line, open_paragraph = offsets[document], first_line[document], False
        for i in range(offsets[document], offsets[document + 1] + 1):
            if i < offsets[document + 1] and data[i] != LINE_FEED:
                continue
            starts[line], ends[line] = start, i
            if is_blank(data, start, i):
                unit[line], open_paragraph = BLANK, False
            else:
                units += np.int64(not (paragraphs and open_paragraph))
                unit[line], open_paragraph = units - 1, True
            start, line = i + 1, line + 1
    return units


@kernel
def trimmed_hash(data, i, end):
    """A hash of data[i:end] without ASCII white space at its ends."""
    while i < end and data[i] <= SPACE:
        i += ONE
    while i < end and data[end - ONE] <= SPACE:
        end -= ONE
    first, _ = hash_bytes(data, i, end)
    return first


@kernel
def hash_units(data, first_line, starts, ends, unit, normalise, table, documents, places, lasts, hashes, words):
    """Fill what is known of every unit."""
    edges, carry = word_scratch()
    scratch = np.empty(CHUNK_BYTES, np.uint64)
    for document in range(first_line.size - 1):
        line, stop, first_unit, current = first_line[document], first_line[document + 1], np.int64(BLANK), np.int64(BLANK)
        while line < stop:
            begin, current_line = line, unit[line]
            line += 1
            if current_line == BLANK:
                continue
            while line < stop and unit[line] == current_line:
                line += 1
            current = current_line
            first_unit = current if first_unit == BLANK else first_unit
            i, end = np.uint64(starts[begin]), np.uint64(ends[line - 1])
            first, _, count = hash_word_sequence(data, i, end, table, edges, carry, scratch)
            documents[current], places[current], words[current] = document, current - first_unit, np.int64(count)
            hashes[current] = first if normalise else trimmed_hash(data, i, end)
        if current != BLANK:
            lasts[first_unit : current + 1] = current - first_unit


@kernel
def mix_group(hashes, documents, groups, keys):
    """keys[unit] = its hash and the group of its document (uint64 [documents])."""
    for unit in range(hashes.size):
        keys[unit] = absorb(absorb(hashes[unit], ONE), groups[documents[unit]])


@kernel
def join_lines(data, first_line, starts, ends, gone, offsets, out):
    """Write the lines of every text that are not `gone` (bool [lines]) with line feeds between them; fill `offsets`."""
    place = 0
    for document in range(first_line.size - 1):
        begin = place
        any_before = False
        for line in range(first_line[document], first_line[document + 1]):
            if gone[line]:
                continue
            if any_before:
                out[place] = LINE_FEED
                place += 1
            any_before = True
            for i in range(starts[line], ends[line]):
                out[place] = data[i]
                place += 1
        offsets[document], offsets[document + 1] = begin, place
