"""Clean shards to packed/: every document comes back, the same bytes whatever the shards, whole or not there at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_best_fit import plain_best_fit
from test_pieces import FALLING_BACK, NORMALISING
from test_tokenizer import HARD_TEXTS, corpus

from curation import packed_files
from curation.document import DOCUMENT
from curation.sampling import is_held_out
from curation.stages.pack import PackSettings, fit_tokenizer, tokenise_shard, write_packed
from curation.token_files import TokenFileError
from curation.tokenizer import TokenizerError, load_tokenizer, save_tokenizer
from train import handoff
from train.verify_packed import verify

ROOT = Path(__file__).parents[1]
TEXTS = [*HARD_TEXTS, *corpus(), "word " * 900, "汉字🙂" * 200, "", "e\u0301" * 500]
SMALL = PackSettings(vocab_size=330, sequence_length=64, window=20, held_out=0.2, rows_per_file=7)
PACKINGS = ("best_fit", "concat")


def clean_table(texts: list[str]) -> pa.Table:
    """Documents as clean/ has them, with a column of the input's own."""
    count = len(texts)
    columns = {
        "id": [f"d{number}" for number in range(count)], "text": texts, "url": [None] * count,
        "source": [f"s{number % 3}" for number in range(count)],
        "lang": [(None, "en", "de")[number % 3] for number in range(count)], "lang_score": [None] * count,
    }  # fmt: skip
    return pa.table(columns, schema=DOCUMENT).append_column("stars", pa.array(range(count)))


def write_shards(table: pa.Table, folder: Path, shards: int, row_group: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    step = -(-len(table) // shards)
    paths = [folder / f"{number:05d}.parquet" for number in range(shards)]
    for number, path in enumerate(paths):
        pq.write_table(table.slice(number * step, step), path, row_group_size=row_group)
    return paths


def pack(shards: list[Path], folder: Path, pack_settings: PackSettings, tokenizer: Path | None = None) -> Path:
    """The whole way, as a run goes it; returns packed/."""
    if tokenizer is None:
        tokenizer = folder / "tokenizer.json"
        fit_tokenizer(shards, pack_settings, tokenizer)
    token_files = [folder / f"{path.stem}.arrow" for path in shards]
    for path, out in zip(shards, token_files):
        tokenise_shard(path, tokenizer, pack_settings, out)
    write_packed(token_files, tokenizer, pack_settings, "f" * 64, folder / "packed")
    return folder / "packed"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows_of(packed: Path) -> list[tuple[str, np.ndarray, list[tuple[int, np.ndarray]]]]:
    """Every row: its split, its tokens, and (reference, tokens) of each piece."""
    rows = []
    for split in handoff.read_manifest(packed).splits:
        opened = handoff.open_split(packed, split)
        for index in range(len(opened)):
            tokens, lengths, refs = opened.sequence(index)
            bounds = np.cumsum([0, *lengths])
            rows.append((split, tokens, [(int(ref), tokens[a:b]) for ref, a, b in zip(refs, bounds[:-1], bounds[1:])]))
    return rows


def check_round_trip(packed: Path, table: pa.Table, held_out: float, byte_level: bool = True) -> None:
    """Every document is in packed/ once, in its split, whole, with its columns; rows and padding are as defined."""
    verify(packed)
    manifest, documents = handoff.read_manifest(packed), handoff.read_documents(packed).to_pylist()
    tokenizer, _ = load_tokenizer(packed / handoff.TOKENIZER_NAME)
    pieces: dict[int, list[int]] = {}
    for split, tokens, row in rows_of(packed):
        assert (tokens[sum(len(piece) for _, piece in row) :] == manifest.pad_id).all()
        assert [ref for ref, _ in row] == sorted(ref for ref, _ in row)
        for ref, piece in row:
            assert ref not in pieces and documents[ref]["split"] == split and documents[ref]["tokens"] == len(piece)
            pieces[ref] = piece.tolist()
    assert sorted(pieces) == list(range(len(documents)))
    held = is_held_out(table["id"], held_out)
    refs = iter(range(len(documents)))
    for number, source in enumerate(table.to_pylist()):
        text, own = source["text"], []
        while text and (not own or documents[own[0]]["parts"] > len(own)):
            own.append(next(refs))
        if not text:
            continue
        tokens = [token for ref in own for token in pieces[ref]]
        assert tokens[0] == manifest.bos_id and tokens[-1] == manifest.eos_id
        assert not {manifest.bos_id, manifest.eos_id, manifest.pad_id} & set(tokens[1:-1])
        if byte_level:
            assert tokenizer.decode(tokens[1:-1], skip_special_tokens=False) == text
        end = 0
        for part, ref in enumerate(own):
            row = documents[ref]
            assert (row["document"], row["source"], row["lang"]) == (source["id"], source["source"], source["lang"])
            assert (row["part"], row["parts"], row["char_start"]) == (part, len(own), end)
            assert row["split"] == ("held_out" if held[number] else "train")
            end, piece_text = row["char_end"], text[row["char_start"] : row["char_end"]]
            assert row["text_bytes"] == len(piece_text.encode())
            if byte_level:
                assert tokenizer.decode(pieces[ref], skip_special_tokens=True) == piece_text
        assert end == len(text)
    assert next(refs, None) is None


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return clean_table(TEXTS)


@pytest.fixture(scope="module")
def packed_by(table, tmp_path_factory) -> dict[str, Path]:
    """packed/ of one shard, for each packing."""
    folders = {}
    for packing in PACKINGS:
        folder = tmp_path_factory.mktemp(packing)
        folders[packing] = pack(write_shards(table, folder / "clean", 1, 1000), folder, with_packing(packing))
    return folders


def with_packing(packing: str, **changes) -> PackSettings:
    return PackSettings(**{**vars(SMALL), "packing": packing, **changes})


# ---- round trips


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_document_comes_back(packed_by, table, packing):
    check_round_trip(packed_by[packing], table, SMALL.held_out)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=200) | st.sampled_from(HARD_TEXTS), max_size=12),
    packing=st.sampled_from(PACKINGS), length=st.integers(8, 40), shards=st.integers(1, 3),
)  # fmt: skip
def test_any_documents_come_back(packed_by, tmp_path, texts, packing, length, shards):
    table = clean_table(texts)
    tokenizer = packed_by["best_fit"] / handoff.TOKENIZER_NAME
    packed = pack(write_shards(table, tmp_path / "clean", shards, 5), tmp_path, with_packing(packing, sequence_length=length), tokenizer)
    check_round_trip(packed, table, SMALL.held_out)


@pytest.mark.parametrize("packing", PACKINGS)
def test_real_documents_come_back(shared_data, tmp_path, packing):
    table = pq.read_table(shared_data / "sample/part-0000.parquet").slice(0, 250)
    shards = write_shards(table, tmp_path / "clean", 2, 60)
    pack_settings = PackSettings(vocab_size=1000, train_bytes=300_000, sequence_length=512, held_out=0.1, packing=packing)
    check_round_trip(pack(shards, tmp_path, pack_settings), table, 0.1)


@pytest.mark.parametrize("tokenizer", [NORMALISING, FALLING_BACK], ids=["nfc", "byte_fallback"])
def test_documents_of_other_tokenizers_are_cut_on_whole_characters(tmp_path, tokenizer):
    save_tokenizer(tokenizer, tmp_path / "given.json")
    table = clean_table(["e\u0301" * 300, "the 汉字🙂 the " * 90, "", "short", "n\u0303" * 7])
    shards = write_shards(table, tmp_path / "clean", 1, 10)
    packed = pack(shards, tmp_path, with_packing("best_fit", tokenizer=str(tmp_path / "given.json")))
    check_round_trip(packed, table, SMALL.held_out, byte_level=False)
    assert (packed / handoff.TOKENIZER_NAME).read_bytes() == (tmp_path / "given.json").read_bytes()


def test_a_large_vocabulary_is_packed_as_uint32(packed_by, tmp_path):
    tokenizer, _ = load_tokenizer(packed_by["best_fit"] / handoff.TOKENIZER_NAME)
    record = json.loads(tokenizer.to_str())
    record["model"]["vocab"] |= {f"unused {number}": number for number in range(330, 70_000)}
    (tmp_path / "large.json").write_text(json.dumps(record))
    table = clean_table(TEXTS[:40])
    packed = pack(write_shards(table, tmp_path / "clean", 1, 10), tmp_path, with_packing("best_fit", tokenizer=tmp_path / "large.json"))
    assert handoff.open_split(packed, "train").sequence(0)[0].dtype == np.uint32
    check_round_trip(packed, table, SMALL.held_out)


# ---- the plan


def test_rows_are_the_best_fit_plan_shuffled(packed_by):
    packed = packed_by["best_fit"]
    documents = handoff.read_documents(packed).to_pylist()
    for split in ("train", "held_out"):
        refs = [ref for ref, row in enumerate(documents) if row["split"] == split]
        plan, rows = plain_best_fit([documents[ref]["tokens"] for ref in refs], SMALL.sequence_length, SMALL.window)
        expected = [[ref for ref, r in zip(refs, plan) if r == row] for row in range(rows)]
        found = [[ref for ref, _ in row] for s, _, row in rows_of(packed) if s == split]
        assert sorted(found) == sorted(expected) and len(expected) > 5
        assert found != expected, "rows are shuffled"


def test_only_documents_longer_than_a_sequence_are_cut(packed_by):
    documents = handoff.read_documents(packed_by["best_fit"])
    by_document: dict[str, list[int]] = {}
    for name, tokens in zip(documents["document"].to_pylist(), documents["tokens"].to_pylist()):
        by_document.setdefault(name, []).append(tokens)
    assert all(len(tokens) == 1 or sum(tokens) > SMALL.sequence_length for tokens in by_document.values())
    assert all(tokens[-1] > 1 for tokens in by_document.values()), "no end token alone"


def test_concat_rows_are_full_but_for_characters_that_would_be_cut(packed_by):
    rows = [row for split, _, row in rows_of(packed_by["concat"]) if split == "train"]
    filled = sorted(sum(len(piece) for _, piece in row) for row in rows)
    assert filled[1] > SMALL.sequence_length - 4, "a character has at most four bytes; the last row may be short"
    stream = [ref for row in sorted(rows, key=lambda row: row[0][0]) for ref, _ in row]
    assert stream == sorted(stream)


@pytest.mark.parametrize("packing", PACKINGS)
def test_statistics_by_brute_force(packed_by, table, packing):
    manifest = handoff.read_manifest(packed_by[packing])
    documents = handoff.read_documents(packed_by[packing]).to_pylist()
    for split in (None, "train", "held_out"):
        found = manifest.statistics if split is None else manifest.statistics["splits"][split]
        rows = [row for s, _, row in rows_of(packed_by[packing]) if split in (None, s)]
        own = [row for row in documents if split in (None, row["split"])]
        tokens = sum(row["tokens"] for row in own)
        names = {row["document"] for row in own}
        assert (found["rows"], found["pieces"], found["tokens"]) == (len(rows), len(own), tokens)
        assert found["padding_tokens"] == len(rows) * SMALL.sequence_length - tokens
        assert found["documents"] == len(names)
        assert found["documents_cut"] == len({row["document"] for row in own if row["parts"] > 1})
        assert found["text_bytes"] == sum(len(t["text"].encode()) for t in table.to_pylist() if t["id"] in names)
        attended = sum(n + 1 for row in own for n in range(row["tokens"]))
        assert found["context_mean_tokens"] == pytest.approx(attended / tokens)
    both = manifest.statistics["splits"].values()
    for name in ("rows", "documents_concat_would_cut", "documents_concat_would_cut_needlessly"):
        assert manifest.statistics[name] == sum(split[name] for split in both)


def test_concat_cuts_what_best_fit_says_it_would(packed_by):
    """Up to characters, which concat keeps whole and so drifts by a few tokens a row."""
    promised = handoff.read_manifest(packed_by["best_fit"]).statistics["documents_concat_would_cut"]
    cut = handoff.read_manifest(packed_by["concat"]).statistics["documents_cut"]
    assert abs(promised - cut) <= 0.1 * promised


def test_files_hold_the_rows_they_were_asked_to(packed_by):
    for entries in handoff.read_manifest(packed_by["best_fit"]).splits.values():
        assert all(entry.rows == SMALL.rows_per_file for entry in entries[:-1]) and 0 < entries[-1].rows <= SMALL.rows_per_file
        assert len(entries) > 1


# ---- the same bytes


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(("shards", "row_group"), [(3, 11), (7, 1000), (40, 2)])
def test_the_bytes_do_not_depend_on_shards(packed_by, table, tmp_path, packing, shards, row_group):
    packed = pack(write_shards(table, tmp_path / "clean", shards, row_group), tmp_path, with_packing(packing))
    assert contents(packed) == contents(packed_by[packing])


def test_row_groups_of_documents_are_cut_anew(packed_by, table, tmp_path, monkeypatch):
    monkeypatch.setattr(packed_files, "DOCUMENTS_ROW_GROUP", 50)
    folders = [pack(write_shards(table, tmp_path / f"{n}/clean", n, 9), tmp_path / str(n), SMALL) for n in (1, 5)]
    assert contents(folders[0]) == contents(folders[1])
    with pq.ParquetFile(folders[0] / handoff.DOCUMENTS_NAME) as file:
        groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert len(groups) > 3 and set(groups[:-1]) == {50}
    assert handoff.read_documents(folders[0]).equals(handoff.read_documents(packed_by["best_fit"]))


SCRIPT = """
import os, sys
sys.path[:0] = ["tests", "."]
from pathlib import Path
from test_stage_pack import SMALL
from curation.stages.pack import tokenise_shard, write_packed
folder, work, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
replace = os.replace
def die_after_a_while(*paths):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    replace(*paths)
os.replace = die_after_a_while
tokenizer = folder / "tokenizer.json"
if work == "tokenise":
    for path in reversed(sorted((folder / "clean").iterdir())):
        tokenise_shard(path, tokenizer, SMALL, folder / f"{path.stem}.arrow")
else:
    write_packed(sorted(folder.glob("*.arrow")), tokenizer, SMALL, "f" * 64, folder / "packed")
"""


def run_script(folder: Path, work: str, left: int, **environment: str) -> int:
    command = [sys.executable, "-c", SCRIPT, str(folder), work, str(left)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True).returncode


def test_tokenised_shards_do_not_depend_on_process_or_threads(packed_by, table, tmp_path):
    shards = write_shards(table, tmp_path / "clean", 4, 9)
    packed = pack(shards, tmp_path, SMALL)
    here = {path.name: path.read_bytes() for path in tmp_path.glob("*.arrow")}
    assert run_script(tmp_path, "tokenise", 100, TOKENIZERS_PARALLELISM="false", PYTHONHASHSEED="3") == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.arrow")} == here
    assert contents(packed) == contents(packed_by["best_fit"])


def test_a_kill_leaves_no_manifest_and_the_same_bytes_after_a_rerun(packed_by, table, tmp_path):
    packed = pack(write_shards(table, tmp_path / "clean", 2, 50), tmp_path, SMALL)
    whole = contents(packed)
    writes = len(whole)
    assert whole == contents(packed_by["best_fit"]) and writes > 6
    for left in (0, writes // 2, writes - 1):
        assert run_script(tmp_path, "pack", left) == -9
        with pytest.raises(handoff.HandoffError):
            handoff.open_split(packed, "train")
        if left:
            continue  # the next run finds what this one left
        write_packed(sorted(tmp_path.glob("*.arrow")), tmp_path / "tokenizer.json", SMALL, "f" * 64, packed)
        assert contents(packed) == whole
    write_packed(sorted(tmp_path.glob("*.arrow")), tmp_path / "tokenizer.json", SMALL, "f" * 64, packed)
    assert contents(packed) == whole, "and nothing temporary is left"


def test_packing_again_with_other_settings_leaves_no_file_of_before(table, tmp_path):
    shards = write_shards(table, tmp_path / "clean", 2, 50)
    pack(shards, tmp_path / "one", SMALL)
    pack(shards, tmp_path / "one", with_packing("best_fit", rows_per_file=1000, seed=5))
    pack(shards, tmp_path / "two", with_packing("best_fit", rows_per_file=1000, seed=5))
    assert contents(tmp_path / "one/packed") == contents(tmp_path / "two/packed")
    assert len(list((tmp_path / "one/packed").glob("train-*"))) == 1


def test_the_seed_orders_rows_and_changes_nothing_else(packed_by, table, tmp_path):
    packed = pack(write_shards(table, tmp_path / "clean", 1, 50), tmp_path, with_packing("best_fit", seed=1))
    ours, theirs = ([[ref for ref, _ in row] for _, _, row in rows_of(p)] for p in (packed, packed_by["best_fit"]))
    assert ours != theirs and sorted(ours) == sorted(theirs)


def test_the_split_is_by_id_whatever_else_is_there(packed_by, table, tmp_path):
    fewer = table.filter(pa.array(np.arange(len(table)) % 3 > 0))
    packed = pack(write_shards(fewer, tmp_path / "clean", 2, 50), tmp_path, with_packing("best_fit", seed=9))

    def split_of(folder: Path) -> dict[str, str]:
        documents = handoff.read_documents(folder)
        return dict(zip(documents["document"].to_pylist(), documents["split"].to_pylist()))

    assert split_of(packed).items() <= split_of(packed_by["best_fit"]).items() and len(split_of(packed)) > 50


# ---- edges and mistakes


def test_counts_of_a_shard(table, tmp_path):
    shard = write_shards(table, tmp_path / "clean", 1, 50)[0]
    fit_tokenizer([shard], SMALL, tmp_path / "tokenizer.json")
    counts = tokenise_shard(shard, tmp_path / "tokenizer.json", SMALL, tmp_path / "tokens.arrow")
    rows = pa.ipc.open_file(tmp_path / "tokens.arrow").read_all()
    assert counts == {
        "documents": len(TEXTS), "empty_documents": TEXTS.count(""), "pieces": len(rows),
        "tokens": sum(map(len, rows["tokens"].to_pylist())), "text_bytes": sum(len(text.encode()) for text in TEXTS),
    }  # fmt: skip


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("texts", [[], ["", ""]], ids=["no documents", "only empty ones"])
def test_nothing_to_pack_makes_an_empty_packed_folder(tmp_path, packing, texts):
    packed = pack(write_shards(clean_table(texts), tmp_path / "clean", 1, 50), tmp_path, with_packing(packing))
    verify(packed)
    assert len(handoff.open_split(packed, "train")) == 0 and handoff.read_documents(packed).num_rows == 0
    assert handoff.read_manifest(packed).splits == {"train": [], "held_out": []}


def test_a_shard_of_another_tokenizer_is_refused(table, tmp_path):
    shards = write_shards(table, tmp_path / "clean", 1, 50)
    packed = pack(shards, tmp_path, SMALL)
    files = list(tmp_path.glob("*.arrow"))
    with pytest.raises(TokenFileError, match="another tokenizer or sequence length"):
        write_packed(files, tmp_path / "tokenizer.json", with_packing("best_fit", sequence_length=65), "f" * 64, packed)
    files[0].write_bytes(files[0].read_bytes()[:-50])
    with pytest.raises(TokenFileError, match="not a whole tokenised shard"):
        write_packed(files, tmp_path / "tokenizer.json", SMALL, "f" * 64, packed)


def test_concat_refuses_a_tokenizer_it_cannot_cut_for_before_anything_is_encoded(tmp_path):
    save_tokenizer(FALLING_BACK, tmp_path / "given.json")
    with pytest.raises(TokenizerError, match="concat needs a byte-level tokenizer"):
        fit_tokenizer([], with_packing("concat", tokenizer=tmp_path / "given.json"), tmp_path / "out.json")
