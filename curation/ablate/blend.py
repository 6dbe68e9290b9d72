"""Packed folders put together from rows of others: what an ablation, a probe or a mixture trains on.

Rows are copied whole, so documents never come apart, and a row that two folders have in common is the same in both, byte
for byte. The folders must speak one language: the same tokenizer and sequence length. Everything is written whole, the
manifest last. Memory is one record batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.packed_files import DocumentsWriter
from curation.shards import file_sha256, whole_file
from train.handoff import (
    DOCUMENTS_NAME,
    DOCUMENTS_SCHEMA,
    MANIFEST_NAME,
    TOKENIZER_NAME,
    HandoffError,
    Manifest,
    ShardEntry,
    manifest_sha256,
    read_manifest,
    sequence_schema,
    write_manifest,
)

TRAIN, HELD_OUT = "train", "held_out"


@dataclass(frozen=True)
class Rows:
    """Rows (int64, in any order; one may be named more than once) of a split of a packed folder; None: all, once."""

    folder: Path
    numbers: np.ndarray | None = None
    split: str = TRAIN

    def sorted(self) -> np.ndarray:
        if self.numbers is not None:
            return np.sort(self.numbers)
        return np.arange(sum(entry.rows for entry in read_manifest(self.folder).splits[self.split]))


def blend(folder: Path, train: Sequence[Rows], held_out: Sequence[Rows]) -> Manifest:
    """Write a packed folder with these rows, or leave the one that is there where it is made of the same.

    Raises HandoffError where they do not go together.
    """
    sources = {TRAIN: [rows for rows in train if len(rows.sorted())], HELD_OUT: [rows for rows in held_out if len(rows.sorted())]}
    first = _one_language([rows for parts in sources.values() for rows in parts])
    identity = _identity(sources)
    if (folder / MANIFEST_NAME).exists() and (there := read_manifest(folder)).job_sha256 == identity:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    offsets = _write_documents(folder / DOCUMENTS_NAME, sources)
    manifest = read_manifest(first)
    entries = {split: [_write_rows(folder / f"{split}-00000.arrow", parts, offsets[split], manifest)] if parts else [] for split, parts in sources.items()}
    with whole_file(folder / TOKENIZER_NAME) as temporary:
        temporary.write_bytes((first / TOKENIZER_NAME).read_bytes())
    made = Manifest(
        tokenizer_sha256=manifest.tokenizer_sha256, vocab_size=manifest.vocab_size, sequence_length=manifest.sequence_length,
        pad_id=manifest.pad_id, bos_id=manifest.bos_id, eos_id=manifest.eos_id, job_sha256=identity, packing=manifest.packing,
        seed=manifest.seed, splits=entries, statistics={})  # fmt: skip
    write_manifest(folder, made)
    return made


def _one_language(rows: Sequence[Rows]) -> Path:
    """The first folder. Raises HandoffError unless all have its tokenizer and sequence length."""
    if not rows:
        raise HandoffError("there is not a single row to train on: all documents were removed")
    first, *others = [(part.folder, read_manifest(part.folder)) for part in rows]
    for folder, manifest in others:
        for name in ("tokenizer_sha256", "sequence_length", "vocab_size"):
            if getattr(manifest, name) != getattr(first[1], name):
                raise HandoffError(f"{folder}: has another {name} than {first[0]}. Pack both with the same tokenizer and sequence_length.")
    return first[0]


def _identity(sources: dict[str, list[Rows]]) -> str:
    digest = hashlib.sha256()
    for split, parts in sources.items():
        for rows in parts:
            digest.update(f"{split} {manifest_sha256(rows.folder)} {rows.split} ".encode())
            digest.update(rows.sorted().astype(np.int64).tobytes())
    return digest.hexdigest()


def _write_documents(path: Path, sources: dict[str, list[Rows]]) -> dict[str, list[int]]:
    """documents.parquet of all sources one after the other; returns where those of each begin."""
    offsets: dict[str, list[int]] = {}
    begin = 0
    with whole_file(path) as temporary, DocumentsWriter(temporary) as writer:
        for split, parts in sources.items():
            for rows in parts:
                offsets.setdefault(split, []).append(begin)
                with pq.ParquetFile(rows.folder / DOCUMENTS_NAME) as file:
                    for group in range(file.num_row_groups):
                        table = file.read_row_group(group, columns=DOCUMENTS_SCHEMA.names)
                        column = pa.array([split] * len(table))
                        writer.write(table.set_column(table.column_names.index("split"), "split", column))
                        begin += len(table)
    return offsets | {split: [] for split in sources if split not in offsets}


def _write_rows(path: Path, parts: Sequence[Rows], offsets: Sequence[int], manifest: Manifest) -> ShardEntry:
    schema = sequence_schema(manifest.sequence_length, manifest.vocab_size)
    rows = tokens = documents = 0
    with whole_file(path) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        for part, offset in zip(parts, offsets, strict=True):
            for batch in _batches(part):
                lengths = batch["doc_lengths"]
                refs = batch["doc_refs"]
                moved = pa.ListArray.from_arrays(_offsets(refs), pc.add(refs.flatten(), offset), type=schema.field("doc_refs").type)
                writer.write_batch(pa.RecordBatch.from_arrays([batch["tokens"], lengths, moved], schema=schema))
                rows, documents = rows + len(batch), documents + len(refs.flatten())
                tokens += pc.sum(lengths.flatten()).as_py() or 0
    return ShardEntry(path.name, rows, tokens, documents, file_sha256(path))


def _offsets(lists: pa.ListArray) -> pa.Array:
    return pa.array((lists.offsets.to_numpy() - lists.offsets[0].as_py()).astype(np.int32))


def _batches(part: Rows) -> Iterator[pa.RecordBatch]:
    """The rows of `part`, batch by batch as they lie in its files."""
    numbers, before = part.sorted(), 0
    for entry in read_manifest(part.folder).splits[part.split]:
        with pa.memory_map(str(part.folder / entry.file), "r") as mapped:
            reader = pa.ipc.open_file(mapped)
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                inside = numbers[np.searchsorted(numbers, before) : np.searchsorted(numbers, before + len(batch))]
                if len(inside):
                    yield batch.take(pa.array(inside - before))
                before += len(batch)
