"""Evaluation items as n-grams of words: what must not be in training data, read from JSONL files.

Each line is one item. Its texts are the strings in the fields named (in depth; all strings where none are named), each on
its own; words are those of normalise.normalised, and n-grams are hashed as minhash.py hashes shingles. An n-gram belongs
to the first item that has it. Texts of fewer words than an n-gram cannot be looked for; items without any other are counted.
"""

from __future__ import annotations

import functools
import glob
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curation.normalise import character_table
from curation.shards import file_sha256
from curation.shingle_sets import fill_shingles
from curation.streams import open_binary
from curation.word_hashes import kernel_texts
from rules.text.kernels import kernel


class EvaluationError(ValueError):
    """An evaluation file cannot be used: which, where, and what to do."""


@dataclass(frozen=True)
class EvaluationItems:
    """Items and a hash table of their n-grams."""

    files: list[str]  # names
    file: np.ndarray  # int32 [items]: number of its file
    names: list[str]  # the item's id, or its line number from 1
    short: int  # items that cannot be looked for
    slots: np.ndarray  # uint64 [slots]: n-gram hashes, 0 where free
    owners: np.ndarray  # int64 [slots]: the item of the n-gram


def evaluation_files(patterns: str | list[str]) -> list[str]:
    """The files that paths or globs name, sorted. Raises EvaluationError for one that names none."""
    found: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = sorted(glob.glob(pattern, recursive=True)) if not Path(pattern).exists() else [pattern]
        if not matches:
            raise EvaluationError(f"no evaluation file {pattern!r}; check the path, or the pattern")
        if folders := [match for match in matches if Path(match).is_dir()]:
            raise EvaluationError(f"{folders[0]!r} is a folder; name its files, such as {str(Path(folders[0]) / '*.jsonl')!r}")
        found += matches
    return list(dict.fromkeys(found))


def files_identity(files: tuple[str, ...]) -> list[str]:
    """What the content of the files is."""
    return [_content(file, _stamp(file)) for file in files]


@functools.lru_cache(256)
def _content(file: str, stamp: tuple[int, int]) -> str:
    return file_sha256(Path(file))


def _stamp(file: str) -> tuple[int, int]:
    """What changes when a file does."""
    known = Path(file).stat()
    return known.st_size, known.st_mtime_ns


def load_items(files: tuple[str, ...], fields: tuple[str, ...], id_field: str | None, ngram: int) -> EvaluationItems:
    """All items, read once a process. Raises EvaluationError at the line of a record that is none, or without the fields."""
    return _loaded(files, tuple(map(_stamp, files)), fields, id_field, ngram)


@functools.lru_cache(2)
def _loaded(files: tuple[str, ...], stamps: tuple, fields: tuple[str, ...], id_field: str | None, ngram: int) -> EvaluationItems:
    texts, owners, names, numbers = [], [], [], []
    for number, file in enumerate(files):
        for line, record in _records(file):
            strings = list(_strings(record, fields))
            if fields and not strings:
                raise EvaluationError(f"{file}:{line}: no text in {', '.join(fields)}; its fields are {', '.join(map(str, record))}")
            texts += strings
            owners += [len(names)] * len(strings)
            names.append(str(record.get(id_field, line)) if id_field else str(line))
            numbers.append(number)
        if number not in numbers[-1:]:
            raise EvaluationError(f"{file}: holds no items")
    hashes, owner = _item_ngrams(texts, np.array(owners, np.int64), ngram)
    slots, slot_owners = gram_table(hashes, owner)
    short = len(names) - len(np.unique(owner))
    return EvaluationItems([Path(file).name for file in files], np.array(numbers, np.int32), names, short, slots, slot_owners)


def _records(file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 0
    with open_binary(file) as raw:
        stream = gzip.open(raw) if file.endswith(".gz") else raw
        try:
            for line, text in enumerate(io.TextIOWrapper(stream, encoding="utf-8", errors="replace"), 1):
                if text.strip():
                    yield line, _record(text, f"{file}:{line}")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise EvaluationError(f"{file}: no whole gzip file after line {line:,} ({error}); fetch it again") from None


def _record(text: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:  # no JSON, or such as Python does not read
        raise EvaluationError(f"{place}: not JSON: {error}") from None
    if not isinstance(record, dict):
        raise EvaluationError(f"{place}: expected an object, got {type(record).__name__}")
    return record


def _strings(value: Any, fields: tuple[str, ...] = ()) -> Iterator[str]:
    """Every string in `value`, in depth; of an object only in `fields`, where they are given."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not fields or name in fields:
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _item_ngrams(texts: list[str], owners: np.ndarray, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """The hash of every n-gram, and its item."""
    hashes, starts = ngram_hashes(pa.array(texts, pa.large_string()), ngram)
    return hashes, np.repeat(owners, np.diff(starts))


def ngram_hashes(texts: pa.Array | pa.ChunkedArray, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all word n-grams of texts, in order, and where each text's begin (int64 [texts + 1])."""
    offsets, data = kernel_texts(texts)
    starts = np.zeros(len(offsets), np.int64)
    fill_shingles(offsets, data, character_table(), False, ngram, starts, np.zeros(0, np.uint64))
    hashes = np.empty(int(starts.sum()), np.uint64)
    starts = np.cumsum(starts)
    if len(hashes):
        fill_shingles(offsets, data, character_table(), False, ngram, starts, hashes)
    return hashes, starts


def gram_table(hashes: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Open addressing: slots and the owner of each; of equal hashes the first."""
    size = 64
    while size < 4 * len(hashes):
        size *= 2
    slots, slot_owners = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    fill_grams(hashes, owners, slots, slot_owners)
    return slots, slot_owners


@kernel
def slot_of(slots, gram):
    """Where `gram` is, or the free slot where it would be."""
    mask = np.uint64(slots.size - 1)
    slot = gram & mask
    while slots[slot] != 0 and slots[slot] != gram:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def fill_grams(hashes, owners, slots, slot_owners):
    for k in range(hashes.size):
        gram = max(hashes[k], np.uint64(1))
        slot = slot_of(slots, gram)
        if slots[slot] == 0:
            slots[slot], slot_owners[slot] = gram, owners[k]


@kernel
def find_grams(hashes, slots, slot_owners, found):
    """found[k] = the item that has hashes[k], or -1."""
    for k in range(hashes.size):
        slot = slot_of(slots, max(hashes[k], np.uint64(1)))
        found[k] = slot_owners[slot] if slots[slot] != 0 else -1
