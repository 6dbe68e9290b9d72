"""The packing stage: clean shards -> tokenizer -> tokenised shards -> packed/, what a trainer reads.

    fit_tokenizer    one tokenizer, trained on a sample of the texts or copied from where the job says
    tokenise_shard   one clean shard as pieces of at most a sequence (pieces.py), kept in an Arrow file
    write_packed     a plan for all pieces (best_fit.py), rows shuffled, files written, manifest last

Nothing is dropped but documents without a token (an empty text), which are counted, and what a mixture or a budget leaves
out (mixture.py). The bytes written depend on the
documents, their order and the settings: not on shards, workers or interruptions. Encoding is most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from curation.best_fit import plan_best_fit
from curation.document import CLUSTER_SIZE
from curation.language_sample import LanguageSample, language_budgets, language_bytes
from curation.mixture import DocumentRates, RateColumns, copies_of_documents, repeated_refs
from curation.pack_settings import PackSettings
from curation.packed_files import RowLayout, shuffled, write_split
from curation.piece_list import SPLITS, PieceList, RowCutter, list_pieces, packing_statistics, split_plan
from curation.pieces import cut_documents, frame, measure, token_bytes
from curation.prepared_tokenizer import PreparedTokenizer, prepared_tokenizer
from curation.sampling import TextSample, is_held_out
from curation.shards import TEMPORARY, sync, whole_file
from curation.token_files import TokenFile, TokenFileError, carried_fields, piece_schema
from curation.tokenizer import (
    TokenizerError,
    TokenizerInfo,
    batches_of_bytes,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
)
from rules.text.buffers import large_strings
from train.handoff import DOCUMENTS_NAME, MANIFEST_NAME, TOKENIZER_NAME, Manifest, token_type, write_manifest

COLUMNS = ["id", "text", "source", "lang"]
BATCH_BYTES = 16 << 20
TRAIN = SPLITS[0]


# ---- the tokenizer


def fit_tokenizer(clean_files: Sequence[Path], settings: PackSettings, out: Path) -> TokenizerInfo:
    """Write the tokenizer of a job to `out`: a copy of the one named, else one trained on a sample of the texts.

    The sample is drawn by document id from all files (sampling.py), held-out documents included, so it does not depend
    on shards or on the split. Raises TokenizerError where the named one cannot be used.
    """
    if settings.tokenizer is not None:
        load_tokenizer(settings.tokenizer)
        with whole_file(out) as temporary:
            temporary.write_bytes(Path(settings.tokenizer).read_bytes())
    else:
        save_tokenizer(train_tokenizer(_texts_to_train(clean_files, settings), settings.vocab_size), out)
    tokenizer, info = load_tokenizer(out)
    _cutter(tokenizer, info, settings)  # fails now, not after all is encoded
    _warm_up(out, settings)
    return info


def _warm_up(tokenizer_file: Path, settings: PackSettings) -> None:
    """Compile the kernels once, or load them from the cache, before many workers would each do it."""
    prepared = prepared_tokenizer(tokenizer_file, settings.encoder)
    row = pa.table({name: [name] for name in COLUMNS})
    _piece_batch(row, prepared, replace(settings, columns=(), rehydrate=None))


def check_carried(clean_files: Sequence[Path], settings: PackSettings) -> None:
    """Raises TokenFileError where no document has a column that is to be carried along. Reads schemas alone."""
    there = dict.fromkeys(name for path in clean_files for name in pq.read_schema(path).names) if settings.carried else {}
    missing = [name for name in settings.carried if name not in there]
    if missing and clean_files:
        why = "; rehydrate needs exact or near in the job, which count duplicates" if CLUSTER_SIZE in missing else ""
        raise TokenFileError(f"pack: no document has a column {missing[0]!r}; they have {', '.join(there)}{why}")


def _texts_to_train(clean_files: Sequence[Path], settings: PackSettings) -> Iterator[pa.LargeStringArray]:
    """The sample of texts that a tokenizer is trained on."""
    if not settings.train_weights:
        sample = TextSample(settings.train_bytes)
        for documents in _all_documents(clean_files, ["id", "text"]):
            sample.add(documents["id"], documents["text"])
        return sample.batches()
    sizes = language_bytes(_all_documents(clean_files, ["text", "lang"]))
    budgets = language_budgets(sizes, settings.train_bytes, settings.train_weights)
    if not budgets:
        raise TokenizerError(f"pack: train_weights: no document is in {', '.join(settings.train_weights)}; they are in {', '.join(sizes) or 'no language'}")
    weighted = LanguageSample(budgets)
    for documents in _all_documents(clean_files, ["id", "text", "lang"]):
        weighted.add(documents)
    return (texts for _, texts in weighted.texts())


def _all_documents(clean_files: Sequence[Path], columns: list[str]) -> Iterator[pa.Table]:
    for path in clean_files:
        yield from _document_batches(path, columns)


def _document_batches(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """The documents of a clean shard in order, in tables of some 16 MB of text."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table, first = file.read_row_group(group, columns=columns), 0
            for texts in batches_of_bytes(large_strings(table["text"]), BATCH_BYTES):
                yield table.slice(first, len(texts))
                first += len(texts)


# ---- tokenised shards


def tokenise_shard(clean_file: Path, tokenizer_file: Path, settings: PackSettings, out: Path) -> dict[str, int]:
    """Encode one clean shard, cut documents longer than a sequence, and write the pieces to `out`; returns counts."""
    prepared = prepared_tokenizer(tokenizer_file, settings.encoder)
    info = prepared.info
    carried = carried_fields(pq.read_schema(clean_file), settings.carried)
    schema = piece_schema(info.vocab_size, info.sha256, settings.sequence_length, carried)
    columns = COLUMNS + [field.name for field in carried if field.type != pa.null()]
    counts = dict.fromkeys(("documents", "empty_documents", "pieces", "tokens", "text_bytes"), 0)
    with whole_file(out) as temporary, pa.ipc.new_file(str(temporary), schema) as writer:
        for documents in _document_batches(clean_file, columns):
            batch = _piece_batch(documents, prepared, settings)
            writer.write_batch(batch.cast(schema))
            with_pieces = pc.sum(pc.equal(batch["part"], 0)).as_py() or 0
            counts["documents"] += len(documents)
            counts["empty_documents"] += len(documents) - with_pieces
            counts["pieces"] += len(batch)
            counts["tokens"] += len(batch["tokens"].values)
            counts["text_bytes"] += pc.sum(batch["text_bytes"]).as_py() or 0
    return counts


def _piece_batch(documents: pa.Table, prepared: PreparedTokenizer, settings: PackSettings) -> pa.RecordBatch:
    tokenizer, info, encoder, table = prepared
    texts = large_strings(documents["text"])
    dtype = np.dtype(token_type(info.vocab_size).to_pandas_dtype())
    offsets, tokens = frame(*encoder.encode(texts), info.bos_id, info.eos_id, dtype)
    measured = measure(tokenizer, table, texts, offsets, tokens, settings.sequence_length)
    pieces = cut_documents(offsets, measured, settings.sequence_length)
    list_offsets = np.append(pieces.first, len(tokens)).astype(np.int32)
    document = pa.array(pieces.document)
    split = pa.array(np.where(is_held_out(documents["id"], settings.held_out), SPLITS[1], SPLITS[0]), pa.string())
    columns = {
        "tokens": pa.ListArray.from_arrays(pa.array(list_offsets), pa.array(tokens)),
        "document": documents["id"].combine_chunks().take(document),
        "source": documents["source"].combine_chunks().take(document),
        "lang": documents["lang"].combine_chunks().take(document),
        "split": split.take(document),
    }
    for name in ("part", "parts"):
        columns[name] = pa.array(getattr(pieces, name).astype(np.int32))
    for name in ("char_start", "char_end", "text_bytes"):
        columns[name] = pa.array(getattr(pieces, name))
    for name in settings.carried:
        there = name in documents.column_names
        columns[name] = documents[name].combine_chunks().take(document) if there else pa.nulls(len(document))
    return pa.RecordBatch.from_pydict(columns)


# ---- packed/


def write_packed(
    token_files: Sequence[Path], tokenizer_file: Path, settings: PackSettings, job_sha256: str, folder: Path, said: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plan, shuffle and write packed/ into `folder`; returns the statistics of the manifest, with what else is `said` in it.

    A packed folder that is there loses its manifest first, and the new manifest comes last, so that a folder with a
    manifest is always whole. Raises TokenFileError for a shard that was tokenised for something else.
    """
    tokenizer, info, encoder, _ = prepared_tokenizer(tokenizer_file, settings.encoder)
    _clear(folder)
    schema = piece_schema(info.vocab_size, info.sha256, settings.sequence_length)
    files = [TokenFile(path, schema, settings.carried) for path in token_files]
    rates = None if settings.packs_all_once else RateColumns(settings)
    pieces = list_pieces(files, _cutter(tokenizer, info, settings), folder / DOCUMENTS_NAME, rates)
    layout = RowLayout(settings.sequence_length, info.vocab_size, info.pad_id, settings.rows_per_file)
    entries, plans, mixed = {}, {}, {}
    for number, split in enumerate(SPLITS):
        refs = np.flatnonzero(pieces.split == number)
        if rates is not None and split == TRAIN:
            refs, mixed = _mixed(pieces, refs, rates, settings)
        row_of_piece, rows = _plan(pieces, refs, settings)
        plans[split] = split_plan(pieces, refs, row_of_piece, rows, settings.sequence_length)
        entries[split] = write_split(folder, split, [file.tokens for file in files], pieces.placed, refs, row_of_piece, rows, layout)
    with whole_file(folder / TOKENIZER_NAME) as temporary:
        temporary.write_bytes(Path(tokenizer_file).read_bytes())
    statistics = packing_statistics(plans, settings.sequence_length) | mixed | dict(said or {})
    statistics |= {"encoder": encoder.kind, "encoder_slow_because": encoder.slow_because}
    write_manifest(folder, Manifest(
        tokenizer_sha256=info.sha256, vocab_size=info.vocab_size, sequence_length=settings.sequence_length,
        pad_id=info.pad_id, bos_id=info.bos_id, eos_id=info.eos_id, job_sha256=job_sha256, packing=settings.packing,
        seed=settings.seed, splits=entries, statistics=statistics))  # fmt: skip
    return statistics


def _mixed(pieces: PieceList, refs: np.ndarray, rates: RateColumns, settings: PackSettings) -> tuple[np.ndarray, dict[str, Any]]:
    """The pieces of the training documents as often as each is to be packed, and what is said of that."""
    begins = np.flatnonzero(pieces.begins_document[refs])
    lengths = pieces.placed.length[refs]
    tokens = np.add.reduceat(lengths, begins) if len(begins) else lengths
    of_documents = DocumentRates(*(column[refs[begins]] for column in rates.rates()))
    copies, said = copies_of_documents(of_documents, tokens, rates.names, settings)
    return repeated_refs(refs, np.diff(begins, append=len(refs)), copies), said


def _clear(folder: Path) -> None:
    """Remove an earlier packed/: the manifest first and for good, then the files it named and what a crash left."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    sync(folder)
    for pattern in (*(f"{split}-*.arrow" for split in SPLITS), f".*{TEMPORARY}", f"{MANIFEST_NAME}.*"):
        for path in folder.glob(pattern):
            path.unlink()


def _cutter(tokenizer: Tokenizer, info: TokenizerInfo, settings: PackSettings) -> RowCutter | None:
    """What cuts documents at row ends, for concat alone; best fit takes the pieces as they are."""
    if settings.packing == "best_fit":
        return None
    table = token_bytes(tokenizer, info.vocab_size)
    if table is None:
        raise TokenizerError("packing: concat needs a byte-level tokenizer without a normaliser; use packing: best_fit")
    return RowCutter(table, settings.sequence_length)


def _plan(pieces: PieceList, refs: np.ndarray, settings: PackSettings) -> tuple[np.ndarray, int]:
    """The shuffled row of each piece in `refs` (int64) and the number of rows."""
    if settings.packing == "best_fit":
        row_of_piece, rows = plan_best_fit(pieces.placed.length[refs], settings.sequence_length, settings.window)
    else:
        row_of_piece = pieces.row[refs]
        rows = int(row_of_piece.max(initial=-1)) + 1
    return shuffled(rows, settings.seed)[row_of_piece], rows
