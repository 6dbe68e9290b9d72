"""Shares of sources, epochs, copies by cluster size and budgets: as asked, to within a document, the same every time."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_stage_pack import SMALL, clean_table, contents, pack, rows_of, write_shards

from curation.inputs import InputError
from curation.job import load_job
from curation.mixture import (
    DocumentRates,
    copies_of_documents,
    copies_of_sizes,
    copies_within,
    repeated_refs,
)
from curation.pack_settings import FINEWEB2, MixtureSettings, PackSettings
from curation.run import run_job
from curation.stages.pack import check_carried, fit_tokenizer
from curation.token_files import TokenFileError
from curation.tokenizer import TokenizerError, load_tokenizer
from rules.places import Problems, SettingError, build, loads
from train import handoff
from train.verify_packed import verify


def documents(sizes: dict[str, int], seed: int = 0) -> tuple[DocumentRates, np.ndarray, list[str]]:
    """So many documents of each group, of 1 to 99 tokens."""
    random, names = np.random.default_rng(seed), list(sizes)
    group = np.repeat(np.arange(len(names), dtype=np.int32), list(sizes.values()))
    random.shuffle(group)
    ones = np.ones(len(group), np.float32)
    return DocumentRates(group, ones, 1.0 - random.random(len(group))), random.integers(1, 100, len(group)), names


def tokens_of(rates: DocumentRates, tokens: np.ndarray, copies: np.ndarray, names: list[str]) -> dict[str, int]:
    return dict(zip(names, np.bincount(rates.group, copies * tokens, len(names)).astype(int).tolist()))


def with_mixture(**changes) -> PackSettings:
    mixture = {key: changes.pop(key) for key in ("by", "weights", "epochs") if key in changes}
    return PackSettings(mixture=MixtureSettings(**mixture) if mixture else None, **changes)


def test_weights_are_shares_of_the_budget_to_within_a_document():
    rates, tokens, names = documents({"web": 3000, "wiki": 400, "code": 100})
    copies, said = copies_of_documents(rates, tokens, names, with_mixture(weights={"web": 5, "wiki": 3, "code": 2}, token_budget=50_000))
    found = tokens_of(rates, tokens, copies, names)
    for name, share in (("web", 0.5), ("wiki", 0.3), ("code", 0.2)):
        assert 50_000 * share - 99 <= found[name] <= 50_000 * share
    groups = said["mixture"]["groups"]
    assert {name: group["tokens"] for name, group in groups.items()} == found and not said["mixture_warnings"]
    assert groups["code"]["epochs"] == pytest.approx(10_000 / groups["code"]["tokens_there"], rel=0.02) and groups["code"]["epochs"] > 1
    assert said["documents_distinct"] == (copies > 0).sum() and said["documents_left_out"] == (copies == 0).sum()


def test_a_weight_repeats_no_more_than_max_epochs_and_says_so():
    rates, tokens, names = documents({"web": 3000, "rare": 10})
    copies, said = copies_of_documents(rates, tokens, names, with_mixture(weights={"web": 1, "rare": 1}, max_epochs=2))
    found = said["mixture"]["groups"]
    assert copies.max() == 2 and found["rare"]["epochs"] <= 2.0 and (copies[rates.group == 1] >= 1).all()
    assert any("'rare' is" in warning and "max_epochs" in warning for warning in said["mixture_warnings"])
    assert found["web"]["tokens"] + found["rare"]["tokens"] <= tokens.sum()


def test_groups_without_a_weight_are_left_out_and_told_unless_there_is_a_star():
    rates, tokens, names = documents({"a": 100, "b": 100, "c": 100})
    copies, said = copies_of_documents(rates, tokens, names, with_mixture(weights={"a": 1, "z": 1}))
    assert copies[rates.group > 0].sum() == 0 and len([w for w in said["mixture_warnings"] if "left out" in w]) == 2
    assert any("no training document has source 'z'" in warning for warning in said["mixture_warnings"])
    copies, said = copies_of_documents(rates, tokens, names, with_mixture(weights={"a": 1, "*": 2}, token_budget=3000))
    found = tokens_of(rates, tokens, copies, names)
    assert 901 <= found["a"] <= 1000 and 1901 <= found["b"] + found["c"] <= 2000


def test_weights_that_no_document_has_are_a_mistake():
    rates, tokens, names = documents({"news": 10, "wiki": 10})
    with pytest.raises(InputError, match=r"no training document has a source with a weight \('nws'\); there are 'news', 'wiki'"):
        copies_of_documents(rates, tokens, names, with_mixture(weights={"nws": 6}))
    _, said = copies_of_documents(rates, tokens, names, with_mixture(weights={"nws": 6, "wiki": 6}))
    assert any("no training document has source 'nws', did you mean 'news'?" in warning for warning in said["mixture_warnings"])
    assert not any("'nws' is" in warning for warning in said["mixture_warnings"]), "no budget would bring it nearer"


def test_many_small_groups_under_a_star_are_one():
    """A share that is less than a document for each of them is met by some of them."""
    rates, tokens, names = documents({"a": 500} | {f"rare{k}": 1 for k in range(200)})
    copies, said = copies_of_documents(rates, tokens, names, with_mixture(weights={"a": 1, "*": 1}, token_budget=2000))
    found = tokens_of(rates, tokens, copies, names)
    assert 901 <= found.pop("a") <= 1000 and 901 <= sum(found.values()) <= 1000 and not said["mixture_warnings"]


def test_epochs_repeat_and_thin_out():
    rates, tokens, names = documents({"a": 2000, "b": 2000, "c": 2000})
    copies, _ = copies_of_documents(rates, tokens, names, with_mixture(epochs={"a": 3, "b": 0.25}))
    of = [copies[rates.group == number] for number in range(3)]
    assert (of[0] == 3).all() and set(of[1]) == {0, 1} and of[1].mean() == pytest.approx(0.25, abs=0.04) and (of[2] == 1).all()


def test_more_of_a_group_is_the_same_documents_and_some_more():
    rates, tokens, names = documents({"a": 500})
    before = np.zeros(500, np.int64)
    for epochs in (0.1, 0.4, 1, 1.7, 3):
        copies, _ = copies_of_documents(rates, tokens, names, with_mixture(epochs={"a": epochs}))
        assert (copies >= before).all()
        before = copies


@settings(max_examples=100, deadline=None)
@given(data=st.data(), count=st.integers(0, 30), budget=st.integers(0, 3000))
def test_a_budget_is_never_exceeded_and_missed_by_less_than_a_document(data, count, budget):
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    rates, chance, tokens = random.random(count) * 3, 1.0 - random.random(count), random.integers(1, 50, count)
    everything = np.floor(rates + 1 - chance).astype(np.int64) @ tokens
    spent = int(copies_within(rates, chance, tokens, budget) @ tokens)
    assert spent <= budget and (spent == everything if everything <= budget else spent > budget - 50)


def test_copies_by_cluster_size_are_those_of_the_largest_size_below():
    sizes = np.array([1, 2, 3, 4, 5, 99, 100, 999, 1000, 50_000])
    assert copies_of_sizes(sizes, FINEWEB2).tolist() == [1, 2, 3, 3, 5, 5, 8, 8, 1, 1]
    assert copies_of_sizes(np.array([1, 9, 10]), {10: 0.5}).tolist() == [1, 1, 0.5]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=10))
def test_documents_are_repeated_whole_in_passes(shapes):
    parts, copies = np.array([p for p, _ in shapes], np.int64), np.array([c for _, c in shapes], np.int64)
    refs = np.arange(parts.sum())
    begins = np.cumsum(parts) - parts
    expected = [r for n in range(5) for k in range(len(shapes)) if copies[k] > n for r in range(begins[k], begins[k] + parts[k])]
    assert repeated_refs(refs, parts, copies).tolist() == expected


# ---- through the stage


def table_with_sizes(count: int = 120) -> pa.Table:
    texts = ["the mill grinds grain " * (1 + k % 30) for k in range(count)]
    return clean_table(texts).append_column("cluster_size", pa.array([(1, 2, None, 100)[k % 4] for k in range(count)], pa.int64()))


def copies_in(packed) -> dict[str, int]:
    names, found = handoff.read_documents(packed)["document"].to_pylist(), {}
    parts = handoff.read_documents(packed)["parts"].to_pylist()
    for split, _, row in rows_of(packed):
        for ref, _ in row if split == "train" else []:
            found[names[ref]] = found.get(names[ref], 0) + 1 / parts[ref]
    return {name: round(number, 6) for name, number in found.items()}


def test_rehydrated_documents_are_packed_so_often_and_their_sizes_are_carried(tmp_path):
    table = table_with_sizes()
    changed = PackSettings(**{**vars(SMALL), "rehydrate": "fineweb2", "columns": ("stars",)})
    packed = pack(write_shards(table, tmp_path / "clean", 3, 9), tmp_path, changed)
    verify(packed)
    rows = {row["id"]: row for row in table.to_pylist()}
    found = copies_in(packed)
    assert found and all(number == {1: 1, 2: 2, None: 1, 100: 8}[rows[name]["cluster_size"]] for name, number in found.items())
    for row in handoff.read_documents(packed).to_pylist():
        assert (row["cluster_size"], row["stars"]) == (rows[row["document"]]["cluster_size"], rows[row["document"]]["stars"])
    statistics = handoff.read_manifest(packed).statistics
    assert statistics["copies_most"] == 8 and statistics["documents_left_out"] == 0 and statistics["documents_distinct"] == len(found)
    assert statistics["splits"]["train"]["tokens"] == sum(len(piece) for split, _, row in rows_of(packed) if split == "train" for _, piece in row)


def test_held_out_documents_are_packed_once_whatever_the_mixture_and_the_bytes_do_not_depend_on_shards(tmp_path):
    changed = PackSettings(**{**vars(SMALL), "mixture": MixtureSettings(epochs={"s0": 2.5, "s1": 0.3}), "token_budget": 3_000})
    packed = [pack(write_shards(table_with_sizes(), tmp_path / f"{n}/clean", n, 7), tmp_path / str(n), changed) for n in (1, 4)]
    assert contents(packed[0]) == contents(packed[1])
    held = [ref for split, _, row in rows_of(packed[0]) for ref, _ in row if split == "held_out"]
    assert len(held) == len(set(held)) and {1, 2} <= set(copies_in(packed[0]).values()) <= {1, 2, 3}
    assert 2_800 < handoff.read_manifest(packed[0]).statistics["splits"]["train"]["tokens"] <= 3_000


def test_columns_that_differ_from_shard_to_shard_are_carried_as_one_kind(tmp_path):
    tables = [clean_table(["one two"] * 3).drop_columns(["stars"]) for _ in range(4)]
    tables[0] = tables[0].append_column("score", pa.array([1, 2, 3])).append_column("note", pa.array(["a", None, "c"]))
    tables[1] = tables[1].append_column("score", pa.array([0.5, None, 2.5])).append_column("note", pa.array([True, False, True]))
    tables[2] = tables[2].append_column("score", pa.nulls(3))
    paths = [tmp_path / f"clean/{number}.parquet" for number in range(4)]
    paths[0].parent.mkdir()
    for path, part in zip(paths, tables):
        pq.write_table(part, path)
    packed = pack(paths, tmp_path, PackSettings(**{**vars(SMALL), "columns": ("score", "note")}))
    found = handoff.read_documents(packed)
    assert found["score"].to_pylist() == [1.0, 2.0, 3.0, 0.5, None, 2.5] + [None] * 6
    assert found["note"].to_pylist() == ["a", None, "c", "true", "false", "true"] + [None] * 6


def test_a_column_that_no_document_has_is_refused_before_anything_is_encoded(tmp_path):
    shards = write_shards(clean_table(["a"]), tmp_path / "clean", 1, 10)
    for changes, says in (({"columns": ("nope",)}, "no document has a column 'nope'; they have id, text"), ({"rehydrate": "fineweb2"}, "needs exact or near")):
        with pytest.raises(TokenFileError, match=says):
            check_carried(shards, PackSettings(**{**vars(SMALL), **changes}))


def test_a_misspelt_column_is_refused_in_a_job_that_was_packed_before(tmp_path):
    (tmp_path / "in.jsonl").write_text("".join(f'{{"id": "{k}", "text": "text number {k} of the mill"}}\n' for k in range(9)))
    job = tmp_path / "job.yaml"
    job.write_text("input: in.jsonl\noutput: out\nworkers: inline\npack: {vocab_size: 300, sequence_length: 64}\n")
    run_job(load_job(job))
    job.write_text(job.read_text().replace("64}", "64, columns: [topik]}"))
    with pytest.raises(TokenFileError, match="no document has a column 'topik'; they have id, text"):
        run_job(load_job(job))


def test_a_job_rehydrates_from_its_own_duplicates(tmp_path):
    rows = [{"id": f"{k}", "text": f"text number {k if k > 3 else 0} of the mill", "source": "s"} for k in range(40)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    (tmp_path / "job.yaml").write_text(
        "input: in.parquet\noutput: out\nexact: {}\nworkers: inline\n"
        "pack: {vocab_size: 300, sequence_length: 64, held_out: 0, rehydrate: {2: 3}}\n"
    )
    run_job(load_job(tmp_path / "job.yaml"))
    found = copies_in(tmp_path / "out/packed")
    assert found.pop("0") == 3 and set(found.values()) == {1} and len(found) == 36


# ---- settings


def test_settings_are_read_from_yaml():
    text = "mixture: {by: language, weights: {en: 3, '*': 1}}\nrehydrate: {1: 1, 10: 2.5}\ntoken_budget: 1000\ncolumns: [stars]\n"
    found = build(PackSettings, loads(text))
    assert found == PackSettings(mixture=MixtureSettings("language", {"en": 3.0, "*": 1.0}), rehydrate={1: 1.0, 10: 2.5}, token_budget=1000, columns=("stars",))
    assert build(PackSettings, loads("rehydrate: fineweb2")).copies_by_size == FINEWEB2
    with pytest.raises(Problems, match="expected one of fineweb2"):
        build(PackSettings, loads("rehydrate: fineweb3"))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"rehydrate": {0: 1.0}}, "rehydrate"), ({"rehydrate": {"x": 1.0}}, "rehydrate"), ({"rehydrate": {2: -1.0}}, "rehydrate"),
        ({"token_budget": 0}, "token_budget"), ({"token_budget": 5, "packing": "concat"}, "packing"), ({"columns": ("source",)}, "columns"),
        ({"columns": ("a", "a")}, "columns"), ({"max_epochs": 0.5}, "max_epochs"), ({"train_weights": {"en": -1.0}}, "train_weights"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_by_key(changes, key):
    with pytest.raises(SettingError) as caught:
        PackSettings(**changes)
    assert caught.value.key == key


@pytest.mark.parametrize("changes", [{}, {"weights": {"a": 1.0}, "epochs": {"a": 1.0}}, {"weights": {"a": -1.0}}, {"epochs": {"a": float("inf")}}, {"weights": {"a": 0.0}}])
def test_a_mixture_has_weights_or_epochs_that_are_numbers(changes):
    with pytest.raises(SettingError):
        MixtureSettings(**changes)


# ---- what a run says


def write_job(folder, pack_lines: str):
    rows = [{"id": f"{k}", "text": f"the mill grinds grain number {k} " * (1 + k % 5), "source": "ab"[k % 2], "lang": ("en", "de")[k % 2]} for k in range(60)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "in.parquet")
    (folder / "job.yaml").write_text(f"input: in.parquet\noutput: out\nworkers: inline\npack: {{vocab_size: 300, sequence_length: 64, {pack_lines}}}\n")
    return run_job(load_job(folder / "job.yaml")).report


def test_the_report_warns_of_a_mixture_that_could_not_be_had_and_of_a_slow_encoder(tmp_path):
    report = write_job(tmp_path, "mixture: {weights: {a: 1, b: 20}}, max_epochs: 1")
    assert any("source 'a' is" in warning for warning in report["warnings"])
    assert report["packed"]["statistics"]["mixture"]["groups"]["b"]["epochs"] == 1.0
    record = json.loads((tmp_path / "out/packed/tokenizer.json").read_text())
    (tmp_path / "nfc.json").write_text(json.dumps(record | {"normalizer": {"type": "NFC"}}))
    report = write_job(tmp_path, "tokenizer: nfc.json")
    assert any("reference encoder" in warning and "NFC" in warning for warning in report["warnings"])
    assert write_job(tmp_path, "encoder: reference, held_out: 0.2")["warnings"] == []


def test_the_report_warns_of_an_empty_split_that_nobody_asked_for(tmp_path):
    assert [warning for warning in write_job(tmp_path, "held_out: 0.0001")["warnings"] if "no document is held out" in warning and "higher held_out" in warning]
    assert [warning for warning in write_job(tmp_path, "held_out: 0.9999")["warnings"] if "no document is left to train on" in warning]
    assert write_job(tmp_path, "held_out: 0")["warnings"] == []


def test_a_job_trains_its_tokenizer_on_the_languages_it_names(tmp_path):
    texts = ["the mill grinds the grain " * 4, "мельница мелет муку " * 4] * 20
    table = clean_table(texts).set_column(4, "lang", pa.array(["en", "ru"] * 20))
    shards = write_shards(table, tmp_path / "clean", 2, 7)
    for weights, there, missing in (({"ru": 1.0}, "Ð¼", "the"), ({"en": 1.0}, "the", "Ð¼")):
        fit_tokenizer(shards, PackSettings(vocab_size=300, train_weights=weights), tmp_path / "t.json")
        vocabulary = load_tokenizer(tmp_path / "t.json")[0].get_vocab()
        assert there in vocabulary and missing not in vocabulary
    with pytest.raises(TokenizerError, match="train_weights.*no document is in fr; they are in en, ru"):
        fit_tokenizer(shards, PackSettings(train_weights={"fr": 1.0}), tmp_path / "t.json")
