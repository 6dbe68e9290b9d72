"""Parquet files and Arrow IPC files and streams to batches of documents, without a Python object per document.

Parquet is read row group by row group and a few thousand rows at a time, so that memory depends on the batch and not on
the row group. A row group that cannot be read is quarantined record by record (its footer says how many it had); a file
without a readable footer, and the rest of a damaged Arrow file, as one record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from curation.batches import Batch, Losses, ReadSettings, Unreadable
from curation.columns import ColumnPlan, cut, documents_of, plan_columns
from curation.document import DOCUMENT
from curation.guard import Broken, Guard
from curation.inputs import Shard
from curation.patient_file import system_failed
from curation.streams import open_binary

MAX_ROWS = 8192  # of a batch: a dictionary may hold one long text for a million rows
MAX_LOST_ROWS = 1_000_000  # a damaged footer may promise any number of rows
_DAMAGE = (pa.ArrowException, OSError, UnicodeError, Unreadable)


def read_parquet(shard: Shard, settings: ReadSettings, batch_bytes: int, guard: Guard | None = None) -> Iterator[Batch]:
    """The row groups of `shard`. Raises InputError for missing columns."""
    losses = Losses(shard.file.name)
    try:
        _try_out(guard, _read_footer, shard.file.path, size=0)
        file = pq.ParquetFile(_source(shard.file.path), page_checksum_verification=True)
        schema = file.schema_arrow
    except _DAMAGE as error:
        _raise_if_the_system_failed(error)
        losses.quarantine(shard.first_record, -1, "parquet", str(error))
        yield losses.batch(DOCUMENT.empty_table())
        return
    with file:
        plan = plan_columns(schema, settings, shard.file.name)
        groups = range(file.num_row_groups) if shard.row_groups is None else shard.row_groups
        number = shard.first_record
        for group in groups:
            yield from _read_row_group(file, shard.file.path, group, number, plan, settings, losses, batch_bytes, guard)
            number += file.metadata.row_group(group).num_rows
        if not groups:
            yield losses.batch(plan.schema.empty_table())


def _read_row_group(
    file: pq.ParquetFile,
    path: str,
    group: int,
    first: int,
    plan: ColumnPlan,
    settings: ReadSettings,
    losses: Losses,
    batch_bytes: int,
    guard: Guard | None,
) -> Iterator[Batch]:
    footer = file.metadata.row_group(group)
    rows = max(1, min(MAX_ROWS, batch_bytes * footer.num_rows // max(1, footer.total_byte_size)))
    done = 0
    batches = file.iter_batches(batch_size=rows, row_groups=[group])
    while True:
        try:
            if not done:
                _try_out(guard, _decode_row_group, path, group, size=footer.total_byte_size)
            batch = next(batches, None)
            if batch is None:
                break
            table = pa.Table.from_batches([batch])
            documents = documents_of(table, plan, range(first + done, first + done + len(table)), settings, losses)
        except _DAMAGE as error:
            _raise_if_the_system_failed(error)
            for row in range(done, min(footer.num_rows, done + MAX_LOST_ROWS)):
                losses.quarantine(first + row, -1, "parquet", f"row group {group}: {error}")
            break
        done += len(table)
        yield from cut(documents, losses, batch_bytes)
    if losses.rows or not done:
        yield losses.batch(plan.schema.empty_table())


def read_arrow(shard: Shard, settings: ReadSettings, batch_bytes: int, guard: Guard | None = None) -> Iterator[Batch]:
    """An Arrow IPC file or stream (Feather 2 is an IPC file). Raises InputError for missing columns."""
    losses = Losses(shard.file.name)
    number = 0
    plan = None
    try:
        _try_out(guard, _decode_arrow, shard.file.path, size=max(shard.file.size_bytes, 0))
        schema, batches = _record_batches(_source(shard.file.path))
        plan = plan_columns(schema, settings, shard.file.name)
        for batch in batches:
            for start in range(0, len(batch), MAX_ROWS):
                table = pa.Table.from_batches([batch.slice(start, MAX_ROWS)])
                yield from _read_rows(table, number, plan, settings, losses, batch_bytes)
                number += len(table)
    except _DAMAGE as error:
        _raise_if_the_system_failed(error)
        losses.quarantine(number, -1, "arrow", f"after {number:,} records: {error}")
    yield losses.batch(plan.schema.empty_table() if plan else DOCUMENT.empty_table())


def _read_rows(
    table: pa.Table, first: int, plan: ColumnPlan, settings: ReadSettings, losses: Losses, batch_bytes: int
) -> Iterator[Batch]:
    try:
        documents = documents_of(table, plan, range(first, first + len(table)), settings, losses)
    except _DAMAGE as error:
        for number in range(first, first + len(table)):
            losses.quarantine(number, -1, "arrow", str(error))
    else:
        yield from cut(documents, losses, batch_bytes)


def _record_batches(source: pa.NativeFile) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    head = source.read(6)
    source.seek(0)
    if head == b"ARROW1":
        reader = ipc.open_file(source)
        return reader.schema, (reader.get_batch(index) for index in range(reader.num_record_batches))
    stream = ipc.open_stream(source)
    return stream.schema, iter(stream)


# --- trying out what may crash ----------------------------------------------------------------------------


def _try_out(guard: Guard | None, decode: Callable[..., None], *arguments: Any, size: int) -> None:
    """With care: decode once where a crash does no harm. Raises Unreadable where it breaks."""
    if guard is None or not guard.careful:
        return
    try:
        guard.call(decode, *arguments, size=size)
    except Broken as broken:
        if broken.kind != "failed":  # what is damaged is told apart below
            raise Unreadable(f"read-{broken.kind}", f"read-{broken.kind}: {broken}") from None


def _read_footer(path: str) -> None:
    pq.ParquetFile(_source(path), page_checksum_verification=True).close()


def _decode_row_group(path: str, group: int) -> None:
    with pq.ParquetFile(_source(path), page_checksum_verification=True) as file:
        for _ in file.iter_batches(batch_size=MAX_ROWS, row_groups=[group]):
            pass


def _decode_arrow(path: str) -> None:
    for batch in _record_batches(_source(path))[1]:
        batch.validate(full=True)


def _raise_if_the_system_failed(error: Exception) -> None:
    """What is damaged stays damaged and is quarantined; what could not be read now is read when the run goes on."""
    if system_failed(error):
        raise error


def _source(path: str) -> pa.NativeFile:
    return pa.PythonFile(open_binary(path), mode="r") if "://" in path else pa.memory_map(path)
