"""A packed folder checked byte by byte: checksums, boundaries, references, token ids. Imports no torch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from train.handoff import (
    DOCUMENTS_NAME,
    TOKENIZER_NAME,
    Block,
    HandoffError,
    Manifest,
    PackedSplit,
    read_documents,
    read_manifest,
)


def verify(folder: str | os.PathLike[str]) -> None:
    """Read every byte: checksums of all shards and of the tokenizer, boundaries, references and token ids.

    Raises HandoffError with all that is wrong, one per line. Costs one read of the folder.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    documents = read_documents(folder, ["document"]).num_rows
    problems = _checksum_problems(folder, manifest)
    if not problems:
        for split in manifest.splits:
            for block in PackedSplit(folder, split, manifest).blocks:
                problems += _block_problems(block, manifest, documents)
    if problems:
        raise HandoffError("\n".join(problems) + "\nThe packed folder is damaged: pack the data again.")


def _checksum_problems(folder: Path, manifest: Manifest) -> list[str]:
    expected = {TOKENIZER_NAME: manifest.tokenizer_sha256}
    expected |= {entry.file: entry.sha256 for entries in manifest.splits.values() for entry in entries}
    problems = []
    for name, sha256 in expected.items():
        try:
            with open(folder / name, "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            problems.append(f"{folder / name}: cannot be read ({error.strerror}).")
            continue
        if found != sha256:
            problems.append(f"{folder / name}: sha256 is {found[:12]}..., the manifest says {sha256[:12]}...")
    return problems


def _block_problems(block: Block, manifest: Manifest, documents: int) -> list[str]:
    problems = []
    if not np.array_equal(np.diff(block.length_offsets), np.diff(block.ref_offsets)):
        problems.append(f"{block.path}: doc_lengths and doc_refs have different lengths.")
    first, last = int(block.length_offsets[0]), int(block.length_offsets[-1])
    ends = np.concatenate([[0], np.cumsum(block.lengths[first:last], dtype=np.int64)])
    row_tokens = np.diff(ends[block.length_offsets - first])
    if np.any(block.lengths[first:last] <= 0) or np.any(row_tokens > manifest.sequence_length):
        problems.append(f"{block.path}: doc_lengths are not positive or exceed {manifest.sequence_length} in a row.")
    refs = block.refs[block.ref_offsets[0] : block.ref_offsets[-1]]
    if refs.size and (refs.min() < 0 or refs.max() >= documents):
        problems.append(f"{block.path}: doc_refs point outside the {documents} rows of {DOCUMENTS_NAME}.")
    if block.tokens.size and block.tokens.max() >= manifest.vocab_size:
        problems.append(f"{block.path}: token {block.tokens.max()} is outside the vocabulary of {manifest.vocab_size}.")
    return problems
