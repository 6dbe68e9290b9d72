"""Tokenised shards between tokenising and packing: Arrow IPC files of pieces, mapped into memory.

One row is one piece: its tokens, and what documents.parquet says of it. The files are uncompressed, so that packing
reads the tokens of any piece in place; a mapped file needs no open file handle, however many shards there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from train.handoff import DOCUMENTS_SCHEMA, token_type

# What is known of a piece besides its tokens: documents.parquet without the last column, the number of tokens.
PIECE_COLUMNS = [field for field in DOCUMENTS_SCHEMA if field.name != "tokens"]


class TokenFileError(ValueError):
    """A tokenised shard that is damaged or was made for another tokenizer or sequence length."""


@dataclass(frozen=True)
class PieceBatch:
    """Pieces of one record batch; piece i is tokens[offsets[i]:offsets[i + 1]] of the file (`offsets` int64)."""

    offsets: np.ndarray
    columns: pa.RecordBatch


def piece_schema(vocab_size: int, tokenizer_sha256: str, sequence_length: int, carried: Sequence[pa.Field] = ()) -> pa.Schema:
    """The schema of a tokenised shard; its metadata say what the pieces were cut for, `carried` what comes along."""
    metadata = {"tokenizer_sha256": tokenizer_sha256, "sequence_length": str(sequence_length)}
    return pa.schema([("tokens", pa.list_(token_type(vocab_size))), *PIECE_COLUMNS, *carried], metadata)


def carried_fields(schema: pa.Schema, names: Sequence[str]) -> list[pa.Field]:
    """The columns `names` of documents as they are kept: whole numbers, numbers, truth values or strings; null where missing."""
    return [pa.field(name, _kept_type(schema.field(name).type) if name in schema.names else pa.null()) for name in names]


def _kept_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return kind
    if pa.types.is_integer(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_floating(kind) else pa.string()


def joined_fields(files: Sequence[TokenFile]) -> list[pa.Field]:
    """The carried columns of all files: of kinds that differ, numbers where both are, else strings; string if all null."""
    kinds: dict[str, set[pa.DataType]] = {}
    for file in files:
        for field in file.carried:
            kinds.setdefault(field.name, set()).add(field.type)
    return [pa.field(name, _joined_type(found - {pa.null()})) for name, found in kinds.items()]


def _joined_type(found: set[pa.DataType]) -> pa.DataType:
    if len(found) == 1:
        return next(iter(found))
    return pa.float64() if found == {pa.int64(), pa.float64()} else pa.string()


class TokenFile:
    """One tokenised shard. `tokens` is the whole file as an array of tokens, into which `batches` point."""

    def __init__(self, path: Path, schema: pa.Schema, carried: Sequence[str] = ()):
        self.path = path
        try:
            with pa.memory_map(str(path)) as file:
                buffer = file.read_buffer()
            self._reader = pa.ipc.open_file(pa.BufferReader(buffer))
        except (OSError, pa.ArrowException) as error:
            raise TokenFileError(f"{path}: is not a whole tokenised shard ({error}); remove it and run again") from None
        found = self._reader.schema
        fixed = pa.schema([found.field(k) for k in range(min(len(found), len(schema)))], found.metadata)
        self.carried = [found.field(k) for k in range(len(schema), len(found))]
        if not fixed.equals(schema, check_metadata=True) or [field.name for field in self.carried] != list(carried):
            raise TokenFileError(f"{path}: was made for another tokenizer or sequence length, or carries other columns; tokenise the shard again")
        self._first_address = buffer.address
        dtype = schema.field("tokens").type.value_type.to_pandas_dtype()
        self.tokens = np.frombuffer(buffer, dtype, buffer.size // np.dtype(dtype).itemsize)

    def batches(self) -> Iterator[PieceBatch]:
        """The pieces in order; batches without pieces are left out. No document spans two batches."""
        for number in range(self._reader.num_record_batches):
            batch = self._reader.get_batch(number)
            if len(batch):
                yield PieceBatch(self._offsets(batch["tokens"]), batch.drop_columns(["tokens"]))

    def _offsets(self, lists: pa.ListArray) -> np.ndarray:
        address = lists.values.buffers()[1].address
        first = (address - self._first_address) // self.tokens.itemsize + lists.values.offset
        return lists.offsets.to_numpy().astype(np.int64) + first
