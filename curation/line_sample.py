"""Some documents of a JSONL file of any size.

Where the file is local and not compressed, they come from many places: it is cut into equal parts, and of each part the
lines that start in a stretch of bytes at random are read. The stretches are of one length, so that long lines are no
likelier than short ones. Where one cannot jump, the first lines are read. Nothing else of the file is: time and memory
depend on how many documents are wanted.

Which columns there are, and of which types, the lines that were read say. An id that would be made of the number of the
record is made of its offset where the number is not known: it is the same in every sample, but not that of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from curation.batches import Losses, ReadSettings
from curation.columns import documents_of, plan_columns
from curation.document import DOCUMENT
from curation.formats import file_codec
from curation.inputs import InputFile
from curation.json_lines import Line, LineReader
from curation.jsonl import kinds_of, object_of
from curation.streams import open_binary

_MOST_PLACES = 256
_LINES_PER_PLACE = 8  # at least: a place costs a read of a megabyte
_PROBES = 16  # places that tell how long lines are
_PROBE_BYTES = 64 << 10
_FIRST_BYTES = 512 << 20  # at most, where the first lines are read
_MORE = 1.25  # than wanted, since how long lines are is an estimate
_BATCH_ROWS = 4096


def sample_lines(file: InputFile, wanted: int, most: int, settings: ReadSettings, rng: np.random.Generator, unread: Counter[str]) -> tuple[pa.Table, bool]:
    """About `wanted` documents of a file that is not empty, or its first ones, at most `most`; and whether they are all there are.

    `unread` counts the lines that are none, by cause.
    Raises InputError where the text column is missing."""
    if _can_jump(file):
        line_bytes = _mean_line_bytes(file, settings, rng)
        if file.size_bytes > wanted * line_bytes:
            places = min(_MOST_PLACES, max(1, wanted // _LINES_PER_PLACE))
            lines = _lines_of_places(file, places, int(_MORE * wanted * line_bytes / places) + 1, settings, rng)
            return _documents(((-line.offset, line) for line in lines), file, settings, unread), False
    first, whole = _first_lines(file, most, settings)
    return _documents(((line.number, line) for line in first), file, settings, unread), whole


def _can_jump(file: InputFile) -> bool:
    if "://" in file.path:
        return False  # each jump would be a request
    with open_binary(file.path) as raw:
        return file_codec(raw, file.path, lambda head: head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{") is None and raw.seekable()


def _mean_line_bytes(file: InputFile, settings: ReadSettings, rng: np.random.Generator) -> float:
    found = sum(1 for _ in _lines_of_places(file, _PROBES, _PROBE_BYTES, settings, rng))
    return min(file.size_bytes, _PROBES * _PROBE_BYTES) / max(1, found)


def _first_lines(file: InputFile, most: int, settings: ReadSettings) -> tuple[list[Line], bool]:
    lines: list[Line] = []
    size = 0
    for line in LineReader(file, settings.max_record_bytes):
        if len(lines) >= most or size >= _FIRST_BYTES:
            return lines, False
        lines.append(line)
        size += len(line.data)
    return lines, True


def _lines_of_places(file: InputFile, places: int, stretch: int, settings: ReadSettings, rng: np.random.Generator) -> Iterator[Line]:
    """The lines that start in one stretch of bytes in each of equal parts of the file; in its order, none twice."""
    bounds = np.linspace(0, file.size_bytes, places + 1).astype(np.int64).tolist()
    for part, end in zip(bounds, bounds[1:]):
        start = part + int(rng.integers(0, max(0, end - part - stretch) + 1))
        for line in LineReader(file, settings.max_record_bytes, start):
            if line.offset >= min(end, start + stretch):
                break
            yield line


def _documents(lines: Iterator[tuple[int, Line]], file: InputFile, settings: ReadSettings, unread: Counter[str]) -> pa.Table:
    """The documents in `lines`, each with the number that its id is made of."""
    losses = Losses(file.name)
    numbers: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, line in lines:
        row = object_of(line, settings, losses)
        if row is not None:
            rows.append(row)
            numbers.append(number)
    kinds = kinds_of(rows, settings)
    if kinds is None:
        unread.update(row["cause"] for row in losses.rows)
        return DOCUMENT.empty_table()
    plan = plan_columns(kinds.schema(), settings, file.name)
    starts = range(0, len(rows), _BATCH_ROWS)
    documents = pa.concat_tables(
        documents_of(kinds.table(rows[i : i + _BATCH_ROWS]), plan, numbers[i : i + _BATCH_ROWS], settings, losses) for i in starts
    )
    unread.update(row["cause"] for row in losses.rows)
    return documents
