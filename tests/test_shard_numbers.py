"""Numbers of shards: kept, never given twice; and runs that grow under any names come to what a fresh run of all comes to."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_duplicates import clusters, copies

from curation import duplicates, passes
from curation.inputs import InputFile, Shard
from curation.job import load_job
from curation.manifest import Manifest
from curation.run import run_job
from curation.shard_numbers import NUMBERS_FILE, number_shards, read_numbers
from curation.verify import verify

DEFAULT = "packs: [gopher_repetition]\nexact: {keep: longest}\nnear: {}\nlines: {max_repeats: 30}"
FIRST_NEAR = f"{DEFAULT.replace('longest', 'first')}\nsubstrings: {{min_words: 40}}\norder: [exact, near, rules, substrings, lines]"
PACK = "pack: {vocab_size: 300, sequence_length: 64, held_out: 0.2}\nworkers: inline"
GROUPS = st.sampled_from([None, (0, 1), (2,)])


def shards_of(names: list[tuple[str, tuple[int, ...] | None]]) -> list[Shard]:
    return [Shard(place, InputFile(f"/in/{name}", name, 1, 0.0, "jsonl"), groups, 0) for place, (name, groups) in enumerate(names)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.tuples(st.sampled_from("abcdefg"), GROUPS), max_size=8), max_size=5))
def test_a_number_is_kept_and_never_given_to_another_shard(inputs):
    owners: dict[int, tuple] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, names in enumerate(inputs):
            ordered = sorted(names, key=repr)
            found = number_shards(shards_of(ordered), Path(folder))
            assert [(shard.file.name, shard.row_groups) for shard in found] == ordered, "the order is that of the input"
            assert len({shard.number for shard in found}) == len(found)
            assert all(owners.setdefault(shard.number, name) == name for shard, name in zip(found, ordered))
            assert sorted(owners) == list(range(len(owners))) and read_numbers(Path(folder)) == {name: n for n, name in owners.items()}
            if number == 0:
                assert [shard.number for shard in found] == list(range(len(found)))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"shards": 3}', '{"shards": [{"file": "a"}]}', '{"shards": [{"file": "a", "row_groups": null, "number": 0}, {"file": "b", "row_groups": null, "number": 0}]}'])
def test_numbers_that_cannot_be_read_are_given_anew(tmp_path, text):
    (tmp_path / NUMBERS_FILE).write_text(text)
    assert [shard.number for shard in number_shards(shards_of([("b", None), ("c", None)]), tmp_path)] == [0, 1]


def write(folder: Path, parts: dict[str, list[dict]], stages: str) -> Path:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        (folder / f"in/{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "job.yaml").write_text(f"input: in\noutput: out\n{stages}\n{PACK}\n")
    return folder / "job.yaml"


def by_input(output: Path) -> dict[str, bytes]:
    """Every data file, with the name of what was read in place of the number of its shard."""
    names = {f"{number:05d}": file for (file, _), number in read_numbers(output).items()}
    found = {}
    for folder in ("clean", "removed", "edits", "signals", "clusters", "packed"):
        for path in (output / folder).rglob("*"):
            stem, number = path.stem[:-5], path.stem[-5:]
            found[f"{folder}/{stem}{names.get(number, number) if folder != 'packed' else number}"] = path.read_bytes()
    return found


def divided(seed: int) -> list[tuple[dict[str, list[dict]], dict[str, list[dict]]]]:
    """Two parts of a corpus, divided over files whose names are drawn: the first is run before the second is added."""
    rng = random.Random(seed)
    rows, names = rng.sample(copies(), 60), rng.sample("abcdefghij", 6)
    parts = {name: rows[place::6] for place, name in enumerate(names)}
    return [({name: parts[name] for name in names[:count]}, {name: parts[name] for name in names[count:]}) for count in (2, 4)]


@pytest.mark.parametrize(("stages", "seed"), [(DEFAULT, 1), (DEFAULT, 2), (FIRST_NEAR, 3)])
def test_files_added_under_any_names_give_what_a_fresh_run_gives_and_old_ones_are_not_read_again(tmp_path, monkeypatch, stages, seed):
    read, signed = Counter(), Counter()
    read_shard, near_keys = passes.read_shard, duplicates.near_keys
    monkeypatch.setattr(passes, "read_shard", lambda shard, given, **more: read.update([shard.file.name]) or read_shard(shard, given, **more))
    monkeypatch.setattr(duplicates, "near_keys", lambda texts, given: signed.update(texts.to_pylist()) or near_keys(texts, given))
    old, new = divided(seed)[seed % 2]
    run_job(load_job(write(tmp_path / "grown", old, stages)))
    read.clear(), signed.clear()
    run_job(load_job(write(tmp_path / "grown", new, stages)))
    assert read == Counter(f"{name}.jsonl" for name in new), "the input of the first run is not read"
    assert sum(signed.values()) <= sum(map(len, new.values())), "no document of the first run is signed again"
    run_job(load_job(write(tmp_path / "fresh", old | new, stages)))
    grown, fresh = tmp_path / "grown/out", tmp_path / "fresh/out"
    assert by_input(grown) == by_input(fresh)
    assert read_numbers(grown) != read_numbers(fresh) and not verify(grown).problems
    assert all(clusters(grown, stage) == clusters(fresh, stage) for stage in ("exact", "near")) and clusters(grown, "near")


def test_what_a_grown_run_kept_is_the_same_to_a_run_against_it(tmp_path):
    old, new = divided(4)[1]
    for folder, steps in (("grown", [old, new]), ("fresh", [old | new])):
        for parts in steps:
            run_job(load_job(write(tmp_path / folder, parts, DEFAULT)))
        run_job(load_job(write(tmp_path / f"later-{folder}", {"x": copies(4)}, f"{DEFAULT}\nagainst: ../{folder}/out")))
    grown, fresh = (by_input(tmp_path / f"later-{folder}/out") for folder in ("grown", "fresh"))
    assert grown.pop("packed/manifest") != fresh.pop("packed/manifest"), "it has the job's hash, and that the name of the earlier run"
    assert grown == fresh


def test_rules_after_the_duplicates_do_not_measure_again_what_is_there(tmp_path, monkeypatch):
    """Of old shards other documents go now and the rest stand for more, but their signals are known."""
    measured = Counter()
    clean = passes.clean
    monkeypatch.setattr(passes, "clean", lambda documents, packs, known=None: (known is None and measured.update(documents["id"].to_pylist())) or clean(documents, packs, known))
    old, new = divided(6)[1]
    stages = "packs: [web_chrome, gopher_repetition, gopher_quality]\nexact: {}\nnear: {}\norder: [exact, near, rules]"
    run_job(load_job(write(tmp_path / "grown", old, stages)))
    before = {path.name: path.read_bytes() for path in (tmp_path / "grown/out/clean").iterdir()}
    assert measured
    measured.clear()
    run_job(load_job(write(tmp_path / "grown", new, stages)))
    assert set(measured) <= {row["id"] for rows in new.values() for row in rows} and measured
    assert any((tmp_path / "grown/out/clean" / name).read_bytes() != data for name, data in before.items())
    run_job(load_job(write(tmp_path / "fresh", old | new, stages)))
    assert by_input(tmp_path / "grown/out") == by_input(tmp_path / "fresh/out") and not verify(tmp_path / "grown/out").problems


def test_a_shard_that_the_added_ones_say_nothing_about_is_left_as_it_is(tmp_path, monkeypatch):
    """Its rules come after the duplicates, and yet they are not even asked about it."""
    measured = []
    clean = passes.clean
    monkeypatch.setattr(passes, "clean", lambda documents, packs, known=None: measured.extend(documents["id"].to_pylist()) or clean(documents, packs, known))
    rng = random.Random(5)
    rows = [{"id": f"{k}", "text": " ".join(str(rng.random()) for _ in range(30))} for k in range(9)]
    stages = "packs: [gopher_repetition]\nexact: {keep: longest}\nnear: {}\norder: [exact, near, rules]"
    run_job(load_job(write(tmp_path, {"m": rows[:3], "n": rows[3:6]}, stages)))
    measured.clear()
    run_job(load_job(write(tmp_path, {"a": [*rows[6:], {"id": "copy", "text": rows[4]["text"] + "!!!"}]}, stages)))
    assert sorted(measured) == ["3", "5", "6", "7", "8", "copy"], "the shard m is not; of n, one went for its copy"


def test_a_file_that_is_gone_and_comes_back_has_its_number_again(tmp_path):
    parts = {name: copies()[place::3] for place, name in enumerate("abc")}
    job = load_job(write(tmp_path, parts, DEFAULT))
    run_job(job)
    (tmp_path / "in/b.jsonl").unlink()
    run_job(job)
    output = tmp_path / "out"
    assert [path.name for path in sorted((output / "clean").iterdir())] == ["00000.parquet", "00002.parquet"] and not verify(output).problems
    write(tmp_path, {"aa": [{"id": "one", "text": "a text of some words that is like no other"}], "b": parts["b"]}, DEFAULT)
    run_job(load_job(tmp_path / "job.yaml"))
    assert read_numbers(output) == {("a.jsonl", None): 0, ("b.jsonl", None): 1, ("c.jsonl", None): 2, ("aa.jsonl", None): 3}
    assert Manifest(output).read("pass0/00003").input["file"] == "aa.jsonl"
    (output / NUMBERS_FILE).unlink()
    assert [problem.split(":")[0] for problem in verify(output).problems] == [NUMBERS_FILE]
