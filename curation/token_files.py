"""Tokenised shards between tokenising and packing: Arrow IPC files of pieces, mapped into memory.

One row is one piece: its tokens, and what documents.parquet says of it. The files are uncompressed, so that packing
reads the tokens of any piece in place; a mapped file needs no open file handle, however many shards there are.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def piece_schema(vocab_size: int, tokenizer_sha256: str, sequence_length: int) -> pa.Schema:
    """The schema of a tokenised shard; its metadata say what the pieces were cut for."""
    metadata = {"tokenizer_sha256": tokenizer_sha256, "sequence_length": str(sequence_length)}
    return pa.schema([("tokens", pa.list_(token_type(vocab_size))), *PIECE_COLUMNS], metadata)


class TokenFile:
    """One tokenised shard. `tokens` is the whole file as an array of tokens, into which `batches` point."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path = path
        try:
            with pa.memory_map(str(path)) as file:
                buffer = file.read_buffer()
            self._reader = pa.ipc.open_file(pa.BufferReader(buffer))
        except (OSError, pa.ArrowException) as error:
            raise TokenFileError(f"{path}: is not a whole tokenised shard ({error}); remove it and run again") from None
        if not self._reader.schema.equals(schema, check_metadata=True):
            raise TokenFileError(f"{path}: was made for another tokenizer or sequence length; tokenise the shard again")
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
