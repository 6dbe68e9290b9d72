"""The columns of an input table as the columns of a document.

Text, id, url, source, lang and lang_score are ours where the input has them in a usable type; every other column passes
through, in a type that can be kept (kept_columns.py), under `input_<name>` where its name is taken, by these or by what removed/
adds. Data stays in Arrow. Ids are made one by one where the input has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import Batch, Losses, ReadSettings
from curation.document import DOCUMENT, RAW_LIMIT_BYTES, REMOVAL, record_id
from curation.inputs import InputError
from curation.kept_columns import as_bytes, is_string, plain_values, text_of, valid
from curation.kept_types import NoPlace, kept_type

SET_TEXT_COLUMN = "Set read.text_column to the one that holds the text"
RENAME_COLUMN = "Without a job, the column text is read: rename the column that holds it, or give the folder of a run whose job sets read.text_column"


@dataclass(frozen=True)
class ColumnPlan:
    """Which column of the input (by number) becomes which column of a document."""

    own: dict[str, int]
    extra: tuple[tuple[str, int], ...]  # output name, number of the input column
    schema: pa.Schema  # of the documents


def without_a_job(error: InputError) -> InputError:
    """What to do where no job is read, whose settings could name another column."""
    return InputError(str(error).replace(SET_TEXT_COLUMN, RENAME_COLUMN))


def plan_columns(schema: pa.Schema, settings: ReadSettings, name: str) -> ColumnPlan:
    """Raises InputError where the columns named in `settings` are missing or of a type that cannot be used."""
    wanted = {"text": (settings.text_column, _is_text), "id": (settings.id_column, _is_scalar)}
    wanted |= {column: (column, is_string) for column in ("url", "source", "lang")}
    wanted["lang_score"] = ("lang_score", _is_number)
    own: dict[str, int] = {}
    for column, (input_name, is_usable) in wanted.items():
        index = schema.get_all_field_indices(input_name)
        if index and index[0] not in own.values() and is_usable(_plain(schema.field(index[0]).type)):
            own[column] = index[0]
    _check_columns(schema, settings, own, name)
    extra = tuple(_extra_names(schema, set(own.values())))
    fields = [pa.field(output, _kept_type(schema.field(index), name)) for output, index in extra]
    return ColumnPlan(own, extra, pa.schema([*DOCUMENT, *fields]))


def _check_columns(schema: pa.Schema, settings: ReadSettings, own: dict[str, int], name: str) -> None:
    columns = ", ".join(schema.names) or "none"
    if settings.text_column not in schema.names:
        problem = f"{name} has no column {settings.text_column!r}; its columns are: {columns}"
        raise InputError(f"{problem}. {SET_TEXT_COLUMN}")
    if "text" not in own:
        found = schema.field(schema.get_all_field_indices(settings.text_column)[0]).type
        problem = f"column {settings.text_column!r} of {name} holds {found}, not text; its columns are: {columns}"
        raise InputError(f"{problem}. {SET_TEXT_COLUMN}")
    if settings.id_column != "id" and settings.id_column not in schema.names:
        problem = f"{name} has no column {settings.id_column!r}; its columns are: {columns}"
        raise InputError(f"{problem}. Set read.id_column to the one that holds the id, or leave it out")


def _kept_type(field: pa.Field, name: str) -> pa.DataType:
    try:
        return kept_type(_plain_extension(field.type))
    except NoPlace as error:
        raise InputError(f"column {field.name!r} of {name} holds {error}, which Parquet has no place for: write it as text, or leave it out") from None


def _extra_names(schema: pa.Schema, used: set[int]) -> Iterator[tuple[str, int]]:
    others = [index for index in range(len(schema)) if index not in used]
    taken = {*DOCUMENT.names, *(name for name, _ in REMOVAL)}
    kept = {schema.field(index).name for index in others} - taken
    for index in others:
        name = schema.field(index).name
        while name in taken or (name != schema.field(index).name and name in kept):
            name = f"input_{name}"
        taken.add(name)
        yield name, index


def _plain(data_type: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary or extension type."""
    data_type = _plain_extension(data_type)
    return data_type.value_type if pa.types.is_dictionary(data_type) else data_type


def _plain_extension(data_type: pa.DataType) -> pa.DataType:
    return data_type.storage_type if isinstance(data_type, pa.BaseExtensionType) else data_type


def _is_binary(data_type: pa.DataType) -> bool:
    return any(test(data_type) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view))


def _is_text(data_type: pa.DataType) -> bool:
    return is_string(data_type) or _is_binary(data_type) or pa.types.is_null(data_type)


def _is_number(data_type: pa.DataType) -> bool:
    return pa.types.is_integer(data_type) or pa.types.is_floating(data_type)


def _is_scalar(data_type: pa.DataType) -> bool:
    return _is_text(data_type) or pa.types.is_primitive(data_type) or pa.types.is_decimal(data_type)


# --- data -------------------------------------------------------------------------------------------------


def documents_of(
    table: pa.Table, plan: ColumnPlan, numbers: Sequence[int], settings: ReadSettings, losses: Losses
) -> pa.Table:
    """The rows of `table` as documents. `numbers` are their record numbers in the file.

    Texts above max_record_bytes are quarantined; null texts become empty, broken UTF-8 is replaced, both counted.
    Raises Unreadable where the buffers of the table are damaged; nothing is counted then.
    """
    found = Losses(losses.source)
    numbers = np.asarray(numbers, np.int64)
    text = _text_column(table, plan.own["text"], pa.large_string(), found)
    found.repair(text.null_count, "null-text")
    columns = {"id": _ids(table, plan, numbers, found), "text": pc.fill_null(text, ""), "lang_score": _scores(table, plan)}
    for name in ("url", "source", "lang"):
        index = plan.own.get(name)
        columns[name] = (
            pa.nulls(len(table), pa.string()) if index is None else _text_column(table, index, pa.string(), found)
        )
    columns["source"] = pc.fill_null(columns["source"], losses.source)
    arrays = [columns[name] for name in DOCUMENT.names]
    arrays += [_extra_column(table, index, plan.schema.field(name).type, found) for name, index in plan.extra]
    documents = _without_large(pa.Table.from_arrays(arrays, schema=plan.schema), numbers, settings, found)
    losses.absorb(found)
    return documents


def _without_large(documents: pa.Table, numbers: np.ndarray, settings: ReadSettings, losses: Losses) -> pa.Table:
    sizes = pc.binary_length(documents["text"]).to_numpy()
    large = sizes > settings.max_record_bytes
    for row in np.flatnonzero(large):
        error = f"the text has {sizes[row]:,} bytes; max_record_bytes is {settings.max_record_bytes:,}"
        raw = documents["text"][row].as_buffer().slice(0, RAW_LIMIT_BYTES).to_pybytes()
        losses.quarantine(int(numbers[row]), -1, "record-too-large", error, raw)
    return documents.filter(pa.array(~large)) if large.any() else documents


def _ids(table: pa.Table, plan: ColumnPlan, numbers: np.ndarray, losses: Losses) -> pa.Array | pa.ChunkedArray:
    if "id" not in plan.own:
        return pa.array([record_id(losses.source, number) for number in numbers.tolist()], pa.string())
    column = _decoded(table.column(plan.own["id"]))
    ids = text_of(column, pa.string(), losses) if _is_text(column.type) else column.cast(pa.string())
    if ids.null_count == 0:
        return ids
    made = [
        record_id(losses.source, number) if missing else None
        for number, missing in zip(numbers.tolist(), ids.is_null().to_pylist())
    ]
    return pc.coalesce(ids, pa.array(made, pa.string()))


def _scores(table: pa.Table, plan: ColumnPlan) -> pa.Array | pa.ChunkedArray:
    if "lang_score" not in plan.own:
        return pa.nulls(len(table), pa.float32())
    return _decoded(table.column(plan.own["lang_score"])).cast(pa.float32(), safe=False)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Checked, without dictionary and extension types, with bytes where text is."""
    column = _storage(column)
    return plain_values(column) if pa.types.is_dictionary(column.type) else as_bytes(column)


def _storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without extension types."""
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def _extra_column(table: pa.Table, index: int, target: pa.DataType, losses: Losses) -> pa.ChunkedArray:
    return valid(_storage(table.column(index)), target, losses)


def _text_column(table: pa.Table, index: int, target: pa.DataType, losses: Losses) -> pa.ChunkedArray:
    """A column as valid UTF-8 text of type `target`."""
    return text_of(_decoded(table.column(index)), target, losses)


def cut(documents: pa.Table, losses: Losses, batch_bytes: int) -> Iterator[Batch]:
    """Batches of about `batch_bytes` of text; the losses go with the first."""
    ends = np.cumsum(pc.binary_length(documents["text"]).to_numpy())
    start = 0
    while True:
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + batch_bytes, "right")), start + 1)
        yield losses.batch(documents.slice(start, stop - start))
        start = stop
        if start >= len(documents):
            return
