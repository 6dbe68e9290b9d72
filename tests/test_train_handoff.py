"""The packed format: round trip, damage told in words, and the writer of small packed folders for the other tests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from train import handoff
from train.handoff import HandoffError
from train.verify_packed import verify

BOS, EOS, PAD = 256, 257, 258
BYTE_VOCABULARY = 259
Piece = tuple[np.ndarray, int]  # tokens, reference


def byte_tokenizer() -> Tokenizer:
    """One token per byte, and three special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {char: index for index, char in enumerate(alphabet)} | {"<bos>": BOS, "<eos>": EOS, "<pad>": PAD}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<bos>", "<eos>", "<pad>"])
    return tokenizer


def write_packed(folder: Path, splits: dict[str, list[str]], sequence_length: int, tokenizer: Tokenizer | None = None,
                 vocab_size: int = BYTE_VOCABULARY, batch_rows: int = 4) -> Path:  # fmt: skip
    """Texts as a packed folder: each split in one shard of record batches of `batch_rows` rows, first fit."""
    tokenizer = tokenizer or byte_tokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / handoff.TOKENIZER_NAME).write_text(tokenizer.to_str(), encoding="utf-8")
    ids = {name: tokenizer.token_to_id(f"<{name}>") for name in ("bos", "eos", "pad")}
    documents, entries = [], {}
    for split, texts in splits.items():
        rows: list[list[Piece]] = []
        for number, text in enumerate(texts):
            tokens = [ids["bos"], *tokenizer.encode(text, add_special_tokens=False).ids, ids["eos"]]
            pieces = [tokens[first : first + sequence_length] for first in range(0, len(tokens), sequence_length)]
            for part, piece in enumerate(pieces):
                _place(rows, (np.array(piece), len(documents)), sequence_length)
                text_bytes = len(text.encode()) * len(piece) // len(tokens)
                lang = "en" if number % 2 else "de"
                where = (f"{split}-{number}", "made", lang, split, part, len(pieces))
                documents.append((*where, 0, 0, text_bytes, len(piece)))
        entries[split] = [_write_shard(folder, split, rows, sequence_length, vocab_size, ids["pad"], batch_rows)]
    columns = [list(column) for column in zip(*documents, strict=True)]
    pq.write_table(pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, handoff.DOCUMENTS_SCHEMA, strict=True)],
        schema=handoff.DOCUMENTS_SCHEMA), folder / handoff.DOCUMENTS_NAME)  # fmt: skip
    handoff.write_manifest(folder, handoff.Manifest(
        tokenizer_sha256=_sha256(folder / handoff.TOKENIZER_NAME), vocab_size=vocab_size,
        sequence_length=sequence_length, pad_id=ids["pad"], bos_id=ids["bos"], eos_id=ids["eos"],
        job_sha256="0" * 64, packing="best_fit", seed=0, splits=entries, statistics={}))  # fmt: skip
    return folder


def made_up_texts(count: int, seed: int, longest: int = 60) -> list[str]:
    """Texts that repeat a few words, so that a tiny model learns something quickly."""
    random = np.random.default_rng(seed)
    words = ["grist", "mill", "stone", "water", "wheel", "mehl", "und", "the", "a", "ça"]
    return [" ".join(random.choice(words, random.integers(1, longest // 5))) for _ in range(count)]


def _place(rows: list[list[Piece]], piece: Piece, sequence_length: int) -> None:
    for row in rows:
        if sum(len(tokens) for tokens, _ in row) + len(piece[0]) <= sequence_length:
            row.append(piece)
            return
    rows.append([piece])


def _write_shard(folder, split, rows, sequence_length, vocab_size, pad, batch_rows) -> handoff.ShardEntry:
    path = folder / f"{split}-00000.arrow"
    schema = handoff.sequence_schema(sequence_length, vocab_size)
    with pa.ipc.new_file(str(path), schema) as writer:
        for first in range(0, len(rows), batch_rows):
            writer.write_batch(_record_batch(rows[first : first + batch_rows], schema, sequence_length, pad))
    pieces = [piece for row in rows for piece in row]
    tokens = sum(len(tokens) for tokens, _ in pieces)
    return handoff.ShardEntry(path.name, len(rows), tokens, len(pieces), _sha256(path))


def _record_batch(rows: list[list[Piece]], schema: pa.Schema, sequence_length: int, pad: int) -> pa.RecordBatch:
    flat = np.full((len(rows), sequence_length), pad)
    for index, row in enumerate(rows):
        joined = np.concatenate([tokens for tokens, _ in row])
        flat[index, : len(joined)] = joined
    tokens = pa.array(flat.reshape(-1), schema.field("tokens").type.value_type)
    lengths = [[len(tokens) for tokens, _ in row] for row in rows]
    refs = [[ref for _, ref in row] for row in rows]
    arrays = [pa.FixedSizeListArray.from_arrays(tokens, sequence_length)]
    arrays += [pa.array(lengths, schema.field("doc_lengths").type), pa.array(refs, schema.field("doc_refs").type)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    texts = made_up_texts(40, seed=1)
    return write_packed(tmp_path / "packed", {"train": texts, "held_out": texts[:7]}, sequence_length=64)


def test_every_document_comes_back(packed: Path) -> None:
    split = handoff.open_split(packed, "train")
    documents = handoff.read_documents(packed)
    tokenizer = Tokenizer.from_file(str(packed / handoff.TOKENIZER_NAME))
    found = {}
    for index in range(len(split)):
        tokens, lengths, refs = split.sequence(index)
        assert tokens.shape == (64,) and tokens.dtype == np.uint16 and len(lengths) == len(refs)
        for ref, piece in zip(refs, np.split(tokens, np.cumsum(lengths)), strict=False):
            found[int(ref)] = tokenizer.decode([token for token in piece if token < BOS])
    texts = {}
    for ref in sorted(found):
        name = documents["document"][ref].as_py()
        texts[name] = texts.get(name, "") + found[ref]
    assert texts == {f"train-{number}": text for number, text in enumerate(made_up_texts(40, seed=1))}
    assert split.max_documents == max(len(split.sequence(index)[1]) for index in range(len(split)))


def test_manifest_round_trip_and_verify(packed: Path) -> None:
    manifest = handoff.read_manifest(packed)
    handoff.write_manifest(packed, manifest)
    assert handoff.read_manifest(packed) == manifest
    assert not list(packed.glob("*.tmp"))
    verify(packed)


def test_rows_are_not_copied(packed: Path) -> None:
    before = pa.total_allocated_bytes()
    split = handoff.open_split(packed, "train")
    tokens = split.sequence(0)[0]
    assert not tokens.flags.owndata and not tokens.flags.writeable
    assert pa.total_allocated_bytes() - before < tokens.nbytes


def test_large_vocabularies_use_uint32() -> None:
    assert handoff.token_type(65536) == pa.uint16() and handoff.token_type(65537) == pa.uint32()


def test_row_numbers_outside_the_split_are_errors(packed: Path) -> None:
    split = handoff.open_split(packed, "train")
    for index in (-1, len(split)):
        with pytest.raises(IndexError):
            split.sequence(index)


def _edit_manifest(packed: Path, **changes) -> None:
    path = packed / handoff.MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "version 2, this gristmill reads version 1"),
        ({"format": "other"}, "is not a gristmill-packed manifest"),
        ({"vocab_size": "many"}, "'vocab_size' is missing or is not int"),
        ({"vocab_size": True}, "'vocab_size' is missing or is not int"),
        ({"sequence_length": 0}, "must be at least 1"),
        ({"sequence_length": 63}, "another schema"),
        ({"splits": {"train": 5}}, "'train' is missing or is not list"),
        ({"splits": {"train": [{"file": "x"}]}}, "'rows' is missing"),
        ({"splits": {"held_out": []}}, "no split 'train'"),
    ],
)
def test_wrong_manifests_are_told_in_words(packed: Path, changes: dict, words: str) -> None:
    _edit_manifest(packed, **changes)
    with pytest.raises(HandoffError, match=words) as caught:
        handoff.open_split(packed, "train")
    assert str(packed) in str(caught.value)


def test_shards_may_not_lie_outside_the_folder(packed: Path) -> None:
    manifest = handoff.read_manifest(packed)
    entry = dataclasses.replace(manifest.splits["train"][0], file="../train-00000.arrow")
    handoff.write_manifest(packed, dataclasses.replace(manifest, splits={"train": [entry]}))
    with pytest.raises(HandoffError, match="not a plain file name"):
        handoff.open_split(packed, "train")


def test_missing_files(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(HandoffError, match="does not exist.*gristmill run"):
        handoff.read_manifest(tmp_path / "nowhere")
    (packed / "train-00000.arrow").unlink()
    with pytest.raises(HandoffError, match="no such file, but the manifest names it"):
        handoff.open_split(packed, "train")
    with pytest.raises(HandoffError, match=r"train-00000.arrow: cannot be read"):
        verify(packed)


@pytest.mark.parametrize("kept_frac", [0.0, 0.3, 0.97])
def test_truncated_shards(packed: Path, kept_frac: float) -> None:
    shard = packed / "train-00000.arrow"
    content = shard.read_bytes()
    shard.write_bytes(content[: int(len(content) * kept_frac)])
    with pytest.raises(HandoffError, match="need at least|not a whole Arrow file"):
        handoff.open_split(packed, "train")


def test_lists_that_end_before_they_begin(packed: Path) -> None:
    """Checked when a shard is opened: what follows such offsets reads whatever lies there."""
    path = packed / "train-00000.arrow"
    with pa.ipc.open_file(path) as reader:
        schema, batches = reader.schema, [reader.get_batch(index) for index in range(reader.num_record_batches)]
    tokens, lengths, refs = batches[0].columns
    offsets = lengths.offsets.to_numpy().copy()
    offsets[1] = 1 << 30
    lying = pa.Array.from_buffers(lengths.type, len(lengths), [None, pa.py_buffer(offsets)], children=[lengths.values])
    with pa.ipc.new_file(packed / "lying.arrow", schema) as writer:
        for batch in (pa.RecordBatch.from_arrays([tokens, lying, refs], schema=schema), *batches[1:]):
            writer.write_batch(batch)
    (packed / "lying.arrow").replace(path)
    with pytest.raises(HandoffError, match="train-00000.arrow: is damaged"):
        handoff.open_split(packed, "train")


def test_wrong_row_count(packed: Path) -> None:
    manifest = handoff.read_manifest(packed)
    entry = manifest.splits["train"][0]
    handoff.write_manifest(
        packed, dataclasses.replace(manifest, splits={"train": [dataclasses.replace(entry, rows=entry.rows - 1)]})
    )
    with pytest.raises(HandoffError, match=f"holds {entry.rows} rows, the manifest says {entry.rows - 1}"):
        handoff.open_split(packed, "train")


def test_verify_sees_one_changed_byte(packed: Path) -> None:
    shard = packed / "train-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(HandoffError, match="sha256"):
        verify(packed)


@pytest.mark.parametrize(
    ("lengths", "refs", "token", "words"),
    [
        ([5, 4], [0, 0], 1, "exceed 8"),
        ([3, 0], [0, 0], 1, "not positive"),
        ([3], [0, 0], 1, "different lengths"),
        ([3], [1], 1, "point outside the 1 rows"),
        ([3], [0], 259, "token 259 is outside the vocabulary"),
    ],
)
def test_verify_sees_wrong_content(tmp_path: Path, lengths: list, refs: list, token: int, words: str) -> None:
    packed = write_packed(tmp_path / "packed", {"train": ["a"]}, sequence_length=8)
    manifest = handoff.read_manifest(packed)
    schema = handoff.sequence_schema(8, BYTE_VOCABULARY)
    shard = packed / "train-00000.arrow"
    columns = [pa.array([[token] * 8], schema.field(0).type), pa.array([lengths], schema.field(1).type),
               pa.array([refs], schema.field(2).type)]  # fmt: skip
    with pa.ipc.new_file(str(shard), schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    entry = dataclasses.replace(manifest.splits["train"][0], sha256=_sha256(shard))
    handoff.write_manifest(packed, dataclasses.replace(manifest, splits={"train": [entry]}))
    with pytest.raises(HandoffError, match=words):
        verify(packed)


def test_reading_packed_data_needs_no_trainer() -> None:
    code = (
        "import sys, train, train.handoff, train.config, train.run_folder\n"
        "found = {'torch', 'ray', 'fasttext', 'textual', 'click', 'rich', 'numba'} & sys.modules.keys()\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
