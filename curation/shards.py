"""Write files so that they either exist whole or do not exist, and know their checksum.

Every file is written under a temporary name in the same folder, synced, and renamed. Tables go to Parquet (zstd),
row group by row group, so that memory holds one batch. The same rows in the same batches give the same bytes.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.plain_rows import values_of

TEMPORARY = ".tmp"
_NAMES = ("rule", "action", "signal", "comparison", "threshold")  # of hits: few are distinct, so that numbers of a dictionary are smaller
_DICTIONARIES = ["source", "lang", "stage", "reason", "verdict", "rule", *(f"hits.list.element.{name}" for name in _NAMES)]
_PARQUET = {"compression": "zstd", "compression_level": 1, "write_statistics": ["id"], "use_dictionary": _DICTIONARIES}
FAST = {"compression": "lz4", "compression_level": None}  # for .work/: a third more bytes, written in three quarters of the time and read in half of it
EDITS = {"column_encoding": {"line": "DELTA_BINARY_PACKED"}, "use_dictionary": ["id", "rule"]}  # line numbers ascend
PLAIN = {"compression": "none", "compression_level": None}  # for hashes, which no codec makes smaller


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to; on success it is synced and becomes `path`, on failure it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Together:
    """Files that come to exist when the block ends, all of them synced: each in a thread, while others are written and hashed."""

    def __init__(self) -> None:
        self._files: dict[Path, Path] = {}  # temporary -> final path
        self._threads: list[threading.Thread] = []
        self._errors: list[OSError] = []

    def add(self, temporary: Path, path: Path) -> None:
        self._files[temporary] = path
        thread = threading.Thread(target=self._sync, args=(temporary,))
        try:
            thread.start()
        except RuntimeError:  # no room for its stack
            self._sync(temporary)
        else:
            self._threads.append(thread)

    def _sync(self, path: Path) -> None:
        try:
            sync(path)
        except OSError as error:
            self._errors.append(error)

    def __enter__(self) -> Together:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        for thread in self._threads:
            thread.join()
        if failed:
            return
        if self._errors:
            raise self._errors[0]
        for temporary, path in self._files.items():
            os.replace(temporary, path)
        for folder in dict.fromkeys(path.parent for path in self._files.values()):
            sync(folder)


def json_bytes(data: Any) -> bytes:
    """What `write_json` writes."""
    return (json.dumps(data, indent=1, ensure_ascii=False, sort_keys=False) + "\n").encode()


def write_json(path: Path, data: Any) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(json_bytes(data))


class ShardWriter:
    """One Parquet file, written batch by batch; nothing exists at `path` until `close`.

    When a later batch has other columns (input whose schema drifts), what was written is rewritten under the union of
    both schemas; a column whose types cannot be joined becomes text. `options`: of Parquet, other than the usual ones. `schema`:
    what readers are told; numbers of dictionaries are written without looking texts up, where it says texts.
    """

    def __init__(self, path: Path, options: dict[str, Any] | None = None, schema: pa.Schema | None = None):
        self.path, self._told = path, schema
        self.options = _PARQUET | (options or {})
        self.rows = 0
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
        self._file: pa.OSFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._empty: pa.Table | None = None

    def write(self, table: pa.Table) -> None:
        """Add a row group. Without rows it is only remembered: a file that got nothing else has its columns."""
        if not len(table):
            self._empty = table if self._empty is None else self._empty
            return
        table = table.combine_chunks()  # how a batch was put together never shows in the bytes
        if self._writer is None:
            self._open(table.schema.remove_metadata())
        elif not table.schema.equals(self._schema):
            table = self._widen(table)
        assert self._writer is not None
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self.rows += len(table)

    def _open(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._temporary.parent.mkdir(parents=True, exist_ok=True)
        names = set(schema.names)
        options = {k: [n for n in v if n.split(".")[0] in names] if isinstance(v, list) else v for k, v in self.options.items()}
        options["write_statistics"] = options["write_statistics"] or False
        options["use_dictionary"] = options["use_dictionary"] or False
        self._file = pa.OSFile(str(self._temporary), "wb")  # a path costs Arrow as much as a small file: it looks for a file system
        self._writer = pq.ParquetWriter(self._file, schema, store_schema=self._told is None, **options)
        if self._told is not None:  # as Arrow itself stores a schema
            self._writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(self._told.serialize().to_pybytes()).decode()})

    def _widen(self, table: pa.Table) -> pa.Table:
        """Reopen under a schema that holds both what was written and `table`; returns `table` in that schema."""
        assert self._schema is not None and self._writer is not None
        wide = joined_schema(self._schema, table.schema.remove_metadata())
        if not wide.equals(self._schema):
            self._shut()
            old = self._temporary.with_name(self._temporary.name + ".old")
            os.replace(self._temporary, old)
            self._open(wide)
            with pq.ParquetFile(old) as file:
                for group in range(file.num_row_groups):
                    part = conform(file.read_row_group(group), wide)
                    self._writer.write_table(part, row_group_size=max(len(part), 1))
            old.unlink()
        return conform(table, wide)

    def close(self, others: Together | None = None) -> dict[str, Any] | None:
        """Sync and rename, together with `others` or alone; returns rows, bytes and sha256, or None when nothing was ever written."""
        if self._writer is None and self._empty is not None:
            self._open(self._empty.schema.remove_metadata())
        if self._writer is None:
            return None
        self._shut()
        with contextlib.nullcontext(others) if others else Together() as files:
            files.add(self._temporary, self.path)
            return {"rows": self.rows, "bytes": self._temporary.stat().st_size, "sha256": file_sha256(self._temporary)}

    def _shut(self) -> None:
        """Write the end of the file."""
        assert self._file is not None
        with self._file:
            if self._writer is not None:
                self._writer.close()

    def abandon(self) -> None:
        """Leave nothing behind; where there is no room, even closing fails."""
        if self._file is not None:
            with contextlib.suppress(OSError, pa.ArrowException):
                self._shut()
            for path in (self._temporary, self._temporary.with_name(self._temporary.name + ".old")):
                path.unlink(missing_ok=True)


def joined_schema(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """All columns of both, in first-seen order; types that cannot be joined become text."""
    fields = {field.name: field for field in first}
    for field in second:
        have = fields.get(field.name)
        fields[field.name] = field if have is None else pa.field(field.name, _joined_type(have.type, field.type))
    return pa.schema(list(fields.values()))


def _joined_type(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    if first.equals(second):
        return first
    try:
        wide = pa.unify_schemas([pa.schema([("x", first)]), pa.schema([("x", second)])], promote_options="permissive")
        return wide.field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.large_string()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with exactly the columns of `schema`; what it lacks is null, what cannot be cast becomes JSON text."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(len(table), field.type))
            continue
        column = table[field.name]
        try:
            columns.append(column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in values_of(column)]
            columns.append(pa.array(texts, pa.large_string()).cast(field.type))
    return pa.table(columns, schema=schema)
