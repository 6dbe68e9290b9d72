"""A random sample of documents from files of any size: a few shards, chosen by seed, and some documents of each.

Parquet is read a row group at a time, other files from their beginning, at most a few times the documents that are
taken from each. Memory and time depend on the size of the sample, not of the corpus. Empty documents are left out, as in a run. Documents without a language get
one from the vendored identifier, so that rules for single languages see what they will see in a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.inputs import Shard, list_inputs, plan_shards
from curation.passes import remove_empty
from curation.readers import ReadSettings, read_shard
from curation.stages.language import LanguageSettings, identify, with_language

SAMPLE_DOCUMENTS = 20_000
_SHARD_BYTES = 4 << 20  # small, so that a sample can be made of many places
_MOST_SHARDS = 64
_READ_FACTOR = 4  # documents looked at for each that is taken from a shard


@dataclass
class Sample:
    """Documents, and how much they stand for."""

    documents: pa.Table
    files: int
    seed: int
    whole: bool  # every document of the files is in it


def draw_sample(
    patterns: Sequence[str], folder: Path, size: int = SAMPLE_DOCUMENTS, seed: int = 0, settings: ReadSettings | None = None
) -> Sample:
    """About `size` documents of the files that `patterns` match, the same for the same seed.

    Raises InputError where there is nothing to read."""
    files = list_inputs(patterns, folder)
    shards = plan_shards(files, _SHARD_BYTES)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(shards))
    quota = -(-size // min(len(shards), _MOST_SHARDS))
    parts: list[pa.Table] = []
    taken, whole = 0, True
    for number in order:
        if taken >= size:
            whole = False
            break
        part, complete = _some(shards[number], min(quota, size - taken), rng, settings or ReadSettings())
        parts.append(part)
        taken, whole = taken + len(part), whole and complete
    documents = pa.concat_tables(parts, promote_options="permissive")
    return Sample(_labelled(documents), len(files), seed, whole)


def _some(shard: Shard, wanted: int, rng: np.random.Generator, settings: ReadSettings) -> tuple[pa.Table, bool]:
    """At most `wanted` documents of a shard, in order, and whether they are all it has."""
    read, complete = [], True
    for documents in _documents(shard, settings):
        read.append(documents)
        if sum(map(len, read)) > _READ_FACTOR * wanted:
            complete = False
            break
    table = pa.concat_tables(read, promote_options="permissive")
    if len(table) <= wanted:
        return table, complete
    rows = np.sort(rng.choice(len(table), wanted, replace=False))
    return table.take(pa.array(rows)), False


def _documents(shard: Shard, settings: ReadSettings) -> Iterator[pa.Table]:
    for batch in read_shard(shard, settings):
        yield remove_empty(batch.documents).kept


def _labelled(documents: pa.Table) -> pa.Table:
    if documents["lang"].null_count < len(documents) or not len(documents):
        return documents
    return with_language(documents, *identify(documents["text"], LanguageSettings()))
