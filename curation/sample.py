"""A random sample of documents from files of any size: a few shards, chosen by seed, and some documents of each.

Parquet is read a row group at a time, JSON lines that are not compressed at many places of the file, other files from
their beginning, at most a few times the documents that are taken from each; of very many files, some are chosen by seed
first. Memory and time depend on the size of the sample,
not of the corpus. Empty documents are left out, as in a run. Which language a document gets, the caller says
(sample_languages.py); otherwise the vendored identifier does where no document has one.

A stratified sample takes as many documents of each source (or language) as there are, up to the same number of each;
it is chosen from four times as many documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.columns import without_a_job
from curation.inputs import InputError, InputFile, Shard, list_inputs, plan_shards
from curation.line_sample import sample_lines
from curation.readers import ReadSettings, read_shard
from curation.stages.empty import remove_empty
from curation.stages.language import LanguageSettings, identify, with_language
from curation.streams import open_binary

SAMPLE_DOCUMENTS = 20_000
_SHARD_BYTES = 4 << 20  # small, so that a sample can be made of many places
_MOST_SHARDS = 64
_MOST_FILES = 512  # of more, so many are chosen
_READ_FACTOR = 4  # documents looked at for each that is taken from a shard
_RECORD_BYTES = 1.2  # of a JSON record, for each byte of its text

Stratum = Literal["source", "lang"]


@dataclass
class Sample:
    """Documents, and how much they stand for."""

    documents: pa.Table
    files: int
    seed: int
    whole: bool  # every document of the files is in it
    total: int | None = None  # documents that the files have, as far as that is known
    exact: bool = True  # `total` was counted, not estimated
    unread: Counter[str] = field(default_factory=Counter)  # records that were met and could not be read, by cause


def draw_sample(
    patterns: Sequence[str],
    folder: Path,
    size: int = SAMPLE_DOCUMENTS,
    seed: int = 0,
    settings: ReadSettings | None = None,
    stratify: Stratum | None = None,
    label: Callable[[pa.Table], pa.Table] | None = None,
) -> Sample:
    """About `size` documents of the files that `patterns` match, the same for the same seed. `label` gives them languages, and
    may leave documents out.

    Raises InputError where there is nothing to read."""
    files = list_inputs(patterns, folder)
    rng = np.random.default_rng(seed)
    chosen = [files[i] for i in np.sort(rng.choice(len(files), _MOST_FILES, replace=False))] if len(files) > _MOST_FILES else files
    wanted = size * _READ_FACTOR if stratify else size
    unread: Counter[str] = Counter()
    try:
        documents, whole = _drawn(plan_shards(chosen, _SHARD_BYTES), wanted, rng, settings or ReadSettings(), unread)
    except InputError as error:
        raise (error if settings else without_a_job(error)) from None
    whole = whole and len(chosen) == len(files)
    total, exact = (len(documents), True) if whole else _total(chosen, len(files), documents)
    documents = (label or _labelled)(documents)
    if stratify and len(documents) > size:
        documents, whole = documents.take(pa.array(stratified_rows(documents[stratify], size, rng))), False
    return Sample(documents, len(files), seed, whole, total, exact, unread)


def _drawn(shards: list[Shard], size: int, rng: np.random.Generator, settings: ReadSettings, unread: Counter[str]) -> tuple[pa.Table, bool]:
    """About `size` documents of the shards, and whether they are all there are.

    What small shards lack, documents give that were read of others and not taken."""
    read: list[tuple[pa.Table, np.ndarray]] = []  # documents of a shard, shuffled row numbers
    taken: list[int] = []  # how many of each
    whole = True
    for visited, number in enumerate(rng.permutation(len(shards))):
        if sum(taken) >= size:
            whole = False
            break
        quota = -(-(size - sum(taken)) // max(1, min(len(shards), _MOST_SHARDS) - visited))
        table, complete = _read_some(shards[number], quota, settings, rng, unread)
        read.append((table, rng.permutation(len(table))))
        taken.append(min(quota, len(table)))
        whole = whole and complete
    left = np.array([len(table) - count for (table, _), count in zip(read, taken)], np.int64)
    more = rng.multivariate_hypergeometric(left, min(int(left.sum()), size - sum(taken)), method="marginals") if sum(taken) < size else np.zeros_like(left)
    parts = [table.take(pa.array(np.sort(order[: count + extra]))) for (table, order), count, extra in zip(read, taken, more)]
    return pa.concat_tables(parts, promote_options="permissive"), whole and sum(map(len, parts)) == sum(len(table) for table, _ in read)


def _read_some(shard: Shard, wanted: int, settings: ReadSettings, rng: np.random.Generator, unread: Counter[str]) -> tuple[pa.Table, bool]:
    """Documents of a shard, at least as many as are wanted, and whether they are all it has.

    The first ones, a few times as many as are wanted, but of JSON lines from all over the file where that can be."""
    if shard.file.format == "jsonl" and shard.file.size_bytes:
        documents, whole = sample_lines(shard.file, wanted, _READ_FACTOR * wanted, settings, rng, unread)
        return remove_empty(documents).kept, whole
    read = []
    for documents in _documents(shard, settings, unread):
        read.append(documents)
        if sum(map(len, read)) > _READ_FACTOR * wanted:
            return pa.concat_tables(read, promote_options="permissive"), False
    return pa.concat_tables(read, promote_options="permissive"), True


def _documents(shard: Shard, settings: ReadSettings, unread: Counter[str]) -> Iterator[pa.Table]:
    for batch in read_shard(shard, settings):
        unread.update(batch.quarantined["cause"].to_pylist())
        yield remove_empty(batch.documents).kept


def _labelled(documents: pa.Table) -> pa.Table:
    if documents["lang"].null_count < len(documents) or not len(documents):
        return documents
    return with_language(documents, *identify(documents["text"], LanguageSettings()))


def stratified_rows(strata: pa.Array | pa.ChunkedArray, size: int, rng: np.random.Generator) -> np.ndarray:
    """`size` rows (ascending, int64), as equally many of each value of `strata` ([n]) as there are; null is a value too."""
    codes = pc.fill_null(strata.cast(pa.string()), "").unique() if len(strata) else pa.array([], pa.string())
    of = pc.index_in(pc.fill_null(strata.cast(pa.string()), ""), codes).to_numpy(zero_copy_only=False)
    shuffled = rng.permutation(len(of))
    grouped = shuffled[np.argsort(of[shuffled], kind="stable")]
    counts = np.bincount(of, minlength=len(codes))
    rank = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(grouped[np.argsort(rank, kind="stable")[:size]])


# --- how many there are ------------------------------------------------------------------------------------


def _total(chosen: Sequence[InputFile], files: int, documents: pa.Table) -> tuple[int | None, bool]:
    """How many documents there are, and whether that was counted: Parquet says so, of JSON lines it is the size that tells.

    None where nothing tells (compressed files, archives)."""
    counts = [_parquet_rows(file) if file.format == "parquet" else None for file in chosen]
    if all(count is not None for count in counts):
        return round(sum(counts) * files / len(chosen)), files == len(chosen)
    mean = pc.mean(pc.binary_length(documents["text"])).as_py() or 0
    for i, file in enumerate(chosen):
        if counts[i] is None and file.format == "jsonl" and file.path.endswith((".jsonl", ".json", ".ndjson")) and file.size_bytes > 0 and mean:
            counts[i] = file.size_bytes / (_RECORD_BYTES * mean)
    if any(count is None for count in counts):
        return None, False
    return round(sum(counts) * files / len(chosen)), False


def _parquet_rows(file: InputFile) -> int | None:
    try:
        with open_binary(file.path) as raw:
            return pq.read_metadata(raw).num_rows
    except (pa.ArrowException, OSError):
        return None
