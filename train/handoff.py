"""The packed format: the contract between the curation that writes it and the training that reads it.

A packed folder holds `manifest.json`, `tokenizer.json`, `documents.parquet` and Arrow IPC shards named in the manifest.
One shard row is one sequence: `tokens` (fixed length), `doc_lengths` (the only truth about where documents begin and
end; nothing searches for an end token; what follows the last document is padding) and `doc_refs` (row numbers of
`documents.parquet`, one per length).

The shards are uncompressed, so a reader maps them into memory: opening costs one pass over the record batch headers,
reading a sequence is three slices and copies nothing. Opening checks schema, size and rows; verify_packed.py reads every
byte. This module imports no torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from train.durable import write_json

FORMAT = "gristmill-packed"
VERSION = 1
MANIFEST_NAME = "manifest.json"
TOKENIZER_NAME = "tokenizer.json"
DOCUMENTS_NAME = "documents.parquet"
UINT16_VOCABULARY = 65536

DOCUMENTS_SCHEMA = pa.schema(
    [
        ("document", pa.string()),
        ("source", pa.string()),
        ("lang", pa.string()),
        ("split", pa.string()),
        ("part", pa.int32()),
        ("parts", pa.int32()),
        ("char_start", pa.int64()),
        ("char_end", pa.int64()),
        ("text_bytes", pa.int64()),
        ("tokens", pa.int32()),
    ]
)


class HandoffError(ValueError):
    """A packed folder that is missing, damaged or of another version; the text says where and what to do."""


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One Arrow IPC file of a split: its name in the folder, how much it holds, and the sha256 of its bytes. `documents` are
    lengths in its rows: every piece of a document counts, and every copy."""

    file: str
    rows: int
    tokens: int
    documents: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a packed folder holds. `tokens` of an entry counts real tokens (padding excluded)."""

    tokenizer_sha256: str
    vocab_size: int
    sequence_length: int
    pad_id: int
    bos_id: int
    eos_id: int
    job_sha256: str
    packing: str
    seed: int
    splits: dict[str, list[ShardEntry]]
    statistics: dict[str, Any]


def token_type(vocab_size: int) -> pa.DataType:
    """The Arrow type of one token: uint16 where every id fits, else uint32."""
    return pa.uint16() if vocab_size <= UINT16_VOCABULARY else pa.uint32()


def sequence_schema(sequence_length: int, vocab_size: int) -> pa.Schema:
    """The schema of a shard; one row is one sequence of `sequence_length` tokens."""
    return pa.schema(
        [
            ("tokens", pa.list_(token_type(vocab_size), sequence_length)),
            ("doc_lengths", pa.list_(pa.int32())),
            ("doc_refs", pa.list_(pa.int64())),
        ]
    )


def write_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Write manifest.json so that it is either wholly there or not at all: temp file, fsync, rename. Write it last."""
    write_json(Path(folder) / MANIFEST_NAME, {"format": FORMAT, "version": VERSION, **dataclasses.asdict(manifest)})


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Read and check manifest.json. Raises HandoffError when it is missing, damaged, or of another version."""
    path = Path(folder) / MANIFEST_NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HandoffError(_not_packed(Path(folder))) from None
    except OSError as error:
        raise HandoffError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise HandoffError(f"{path}: is not JSON ({error}). Pack the data again.") from None
    return _manifest_of(record, path)


def _not_packed(folder: Path) -> str:
    """Why there is no manifest in `folder`: the mistakes are a wrong path, and the run directory around the packed folder."""
    if (folder / "packed" / MANIFEST_NAME).exists():
        return f"{folder}: is the output of a curation run. Its packed data lies inside, so name {folder / 'packed'}."
    if not folder.exists():
        return f"{folder}: does not exist. Pack the data first (`gristmill run` of a job with `pack` writes OUT/packed), or mend the path."
    return f"{folder / MANIFEST_NAME}: no such file. Pack the data first: `gristmill run` of a job with `pack` writes OUT/packed."


def manifest_sha256(folder: str | os.PathLike[str]) -> str:
    """The sha256 of manifest.json: it names every shard by checksum, so it identifies the packed data."""
    path = Path(folder) / MANIFEST_NAME
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise HandoffError(f"{path}: cannot be read ({error.strerror}).") from None


def read_documents(folder: str | os.PathLike[str], columns: list[str] | None = None) -> pa.Table:
    """The table that `doc_refs` points into: row r describes the piece with reference r.

    Columns that the packing carried along may be asked for by name; without names, all are read.
    """
    path = Path(folder) / DOCUMENTS_NAME
    try:
        table = pq.read_table(path, columns=columns)
        names = set(table.schema.names)
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise HandoffError(f"{path}: cannot be read ({error}). Pack the data again.") from None
    expected = [field for field in DOCUMENTS_SCHEMA if columns is None or field.name in columns]
    found = [table.schema.field(field.name) for field in expected if field.name in names]
    if found != expected or (columns is not None and not set(columns) <= names):
        raise HandoffError(f"{path}: has columns {table.schema.names}, not those of version {VERSION}. Pack again.")
    return table


def document_columns(folder: str | os.PathLike[str]) -> list[str]:
    """The columns of documents.parquet: those of every packed folder, and those that the job carried along."""
    path = Path(folder) / DOCUMENTS_NAME
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise HandoffError(f"{path}: cannot be read ({error}). Pack the data again.") from None
    return names


class PackedSplit:
    """The sequences of one split, mapped into memory. `len()` is the number of rows over all shards."""

    def __init__(self, folder: Path, split: str, manifest: Manifest) -> None:
        self.folder, self.split, self.manifest = folder, split, manifest
        self.blocks = [block for entry in manifest.splits[split] for block in _open_shard(folder, entry, manifest)]
        self._starts = np.cumsum([0] + [len(block.tokens) for block in self.blocks])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def max_documents(self) -> int:
        """The most documents any row holds; 0 for an empty split."""
        return max((int(np.diff(block.length_offsets).max(initial=0)) for block in self.blocks), default=0)

    def sequence(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row `index` as views: tokens [sequence_length], doc_lengths [documents], doc_refs [documents]."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)} in split {self.split!r}")
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.blocks[which].row(index - int(self._starts[which]))

    def references(self) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Blocks of rows: number of the first row, all doc_lengths, documents in each row, and all doc_refs."""
        for start, block in zip(self._starts, self.blocks):
            first, last = block.length_offsets[0], block.length_offsets[-1]
            refs = block.refs[block.ref_offsets[0] : block.ref_offsets[-1]]
            yield int(start), block.lengths[first:last], np.diff(block.length_offsets), refs


def open_split(folder: str | os.PathLike[str], split: str) -> PackedSplit:
    """Open the split named `split` ("train", "held_out"). Raises HandoffError with the file and what is wrong."""
    manifest = read_manifest(folder)
    if split not in manifest.splits:
        raise HandoffError(f"{Path(folder) / MANIFEST_NAME}: no split {split!r}; it has {sorted(manifest.splits)}.")
    return PackedSplit(Path(folder), split, manifest)


@dataclasses.dataclass(frozen=True)
class Block:
    """One record batch as numpy views; offsets [rows+1] delimit the lists of lengths and of references."""

    path: Path
    tokens: np.ndarray
    length_offsets: np.ndarray
    lengths: np.ndarray
    ref_offsets: np.ndarray
    refs: np.ndarray

    def row(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = self.lengths[self.length_offsets[index] : self.length_offsets[index + 1]]
        refs = self.refs[self.ref_offsets[index] : self.ref_offsets[index + 1]]
        return self.tokens[index], lengths, refs


def _open_shard(folder: Path, entry: ShardEntry, manifest: Manifest) -> list[Block]:
    path = folder / entry.file
    reader = _open_reader(path, entry, manifest)
    schema = sequence_schema(manifest.sequence_length, manifest.vocab_size)
    if not reader.schema.equals(schema):
        raise HandoffError(f"{path}: has another schema than the manifest says; expected\n{schema}\nPack again.")
    try:
        blocks = [_block(path, reader.get_batch(index)) for index in range(reader.num_record_batches)]
    except (pa.ArrowException, OSError) as error:
        raise HandoffError(f"{path}: is damaged ({error}). Pack the data again.") from None
    rows = sum(len(block.tokens) for block in blocks)
    if rows != entry.rows:
        raise HandoffError(f"{path}: holds {rows} rows, the manifest says {entry.rows}. Pack the data again.")
    return blocks


def _open_reader(path: Path, entry: ShardEntry, manifest: Manifest) -> pa.ipc.RecordBatchFileReader:
    token_bytes = token_type(manifest.vocab_size).bit_width // 8
    least_bytes = entry.rows * manifest.sequence_length * token_bytes
    try:
        size_bytes = path.stat().st_size
        if size_bytes < least_bytes:
            raise HandoffError(
                f"{path}: has {size_bytes} bytes, its {entry.rows} rows need at least {least_bytes}. Pack again."
            )
        return pa.ipc.open_file(pa.memory_map(str(path), "r"))
    except FileNotFoundError:
        raise HandoffError(f"{path}: no such file, but the manifest names it. Pack the data again.") from None
    except (pa.ArrowException, OSError) as error:
        raise HandoffError(f"{path}: is not a whole Arrow file ({error}). Pack the data again.") from None


def _block(path: Path, batch: pa.RecordBatch) -> Block:
    batch.validate(full=True)  # of the buffers as the file says they are; no token is looked at
    tokens, lengths, refs = batch.columns
    if tokens.null_count or lengths.null_count or refs.null_count:
        raise HandoffError(f"{path}: has null rows. Pack the data again.")
    width = tokens.type.list_size
    return Block(
        path,
        tokens.flatten().to_numpy(zero_copy_only=True).reshape(-1, width),
        lengths.offsets.to_numpy(zero_copy_only=True),
        lengths.values.to_numpy(zero_copy_only=True),
        refs.offsets.to_numpy(zero_copy_only=True),
        refs.values.to_numpy(zero_copy_only=True),
    )


_FIELD_TYPES = {"tokenizer_sha256": str, "vocab_size": int, "sequence_length": int, "pad_id": int, "bos_id": int,
                "eos_id": int, "job_sha256": str, "packing": str, "seed": int, "splits": dict,
                "statistics": dict}  # fmt: skip
_ENTRY_TYPES = {"file": str, "rows": int, "tokens": int, "documents": int, "sha256": str}


def _manifest_of(record: Any, path: Path) -> Manifest:
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise HandoffError(f"{path}: is not a {FORMAT} manifest. Point `data` at a packed/ folder.")
    if record.get("version") != VERSION:
        raise HandoffError(
            f"{path}: is version {record.get('version')!r}, this gristmill reads version {VERSION}. Pack again."
        )
    values = _typed(record, _FIELD_TYPES, path)
    if values["vocab_size"] < 1 or values["sequence_length"] < 1:
        raise HandoffError(f"{path}: vocab_size and sequence_length must be at least 1. Pack the data again.")
    _typed(values["splits"], dict.fromkeys(values["splits"], list), path)
    splits = {split: [_entry_of(entry, path) for entry in entries] for split, entries in values.pop("splits").items()}
    return Manifest(splits=splits, **values)


def _entry_of(entry: Any, path: Path) -> ShardEntry:
    values = _typed(entry if isinstance(entry, dict) else {}, _ENTRY_TYPES, path)
    if values["file"] != os.path.basename(values["file"]) or values["file"] in ("", ".", ".."):
        raise HandoffError(f"{path}: shard name {values['file']!r} is not a plain file name. Pack the data again.")
    return ShardEntry(**values)


def _typed(record: dict[str, Any], types: dict[str, type], path: Path) -> dict[str, Any]:
    for name, kind in types.items():
        if type(record.get(name)) is not kind:
            raise HandoffError(f"{path}: {name!r} is missing or is not {kind.__name__}. Pack the data again.")
    return {name: record[name] for name in types}
