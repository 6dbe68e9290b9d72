"""JSONL to batches of documents, line by line, so that one bad line costs one line.

The file is read twice: once for the types of its fields, which hold for the whole file, and once for the data. Lines are
parsed by Python's json (240 MB/s per core on web text; everything together about 55 MB/s), which survives whatever a line
of hostile JSON holds, where a parser of whole blocks loses the block, or the process.

Repaired and counted: lone surrogates (become U+FFFD), bytes that are no UTF-8 (become U+FFFD), null or missing text.
Blank lines are no records. Quarantined: lines that are no JSON object, a torn last line, a text that is no string.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from curation.batches import Batch, Losses, ReadSettings, Unreadable
from curation.columns import cut, documents_of, plan_columns
from curation.document import DOCUMENT
from curation.inputs import InputFile
from curation.json_lines import Line, LineReader, parse_line
from curation.json_types import FileKinds


def read_jsonl(file: InputFile, settings: ReadSettings, batch_bytes: int, first: int = 0) -> Iterator[Batch]:
    """The lines of a file from record `first` on. Raises InputError where no line has the text column, or it never holds text."""
    kinds = file_kinds(file, settings)
    losses = Losses(file.name)
    if kinds is None:  # no line holds an object, so there are no columns to speak of
        for line in LineReader(file, settings.max_record_bytes):
            object_of(line, settings, losses)
        yield losses.batch(DOCUMENT.empty_table())
        return
    plan = plan_columns(kinds.schema(), settings, file.name)
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    size = 0
    for line in LineReader(file, settings.max_record_bytes):
        if line.number < first:
            continue
        row = object_of(line, settings, losses)
        if row is not None:
            rows.append(row)
            numbers.append(line.number)
        size += len(line.data)
        if size >= batch_bytes:
            yield from _followed(cut(documents_of(kinds.table(rows), plan, numbers, settings, losses), losses, batch_bytes), line.number + 1)
            rows, numbers, size = [], [], 0
    yield from cut(documents_of(kinds.table(rows), plan, numbers, settings, losses), losses, batch_bytes)


def _followed(batches: Iterator[Batch], number: int) -> Iterator[Batch]:
    """`batches`, the last of which says that record `number` follows."""
    last = next(batches)
    for batch in batches:
        yield last
        last = batch
    yield replace(last, next_record=number)


def file_kinds(file: InputFile, settings: ReadSettings) -> FileKinds | None:
    """The kinds of all fields of a file; None where it holds no object."""
    return kinds_of(_readable(file, settings), settings)


def _readable(file: InputFile, settings: ReadSettings) -> Iterator[dict[str, Any]]:
    for line in LineReader(file, settings.max_record_bytes):
        try:
            yield parse_line(line)[0]
        except Unreadable:
            continue


def kinds_of(rows: Iterable[dict[str, Any]], settings: ReadSettings) -> FileKinds | None:
    """The kinds of all fields of `rows`; None where there are none."""
    kinds = FileKinds((settings.text_column, settings.id_column, *DOCUMENT.names))
    objects = 0
    for row in rows:
        kinds.add(row)
        objects += 1
    if kinds.kinds.get(settings.text_column) == "json":
        kinds.kinds[settings.text_column] = "text"  # lines in which it is no string are quarantined one by one
    return kinds if objects else None


def object_of(line: Line, settings: ReadSettings, losses: Losses) -> dict[str, Any] | None:
    """The object in `line`; None, and a loss, where there is none that can be used."""
    try:
        row, repaired = parse_line(line)
        text = row.get(settings.text_column)
        if text is not None and not isinstance(text, str):
            raise Unreadable("text-type", f"{settings.text_column!r} holds {type(text).__name__}, not text")
    except Unreadable as problem:
        losses.quarantine(line.number, line.offset, problem.cause, f"line {line.line}: {problem.error}", line.data)
        return None
    for what in repaired:
        losses.repair(1, what)
    return row
