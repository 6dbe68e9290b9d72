"""Mixtures and probes: drawing and regression on planted laws, then both commands on a small corpus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from corpus import article
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ablate import MODEL
from test_train_config import write_config

from curation.ablate.mix_fit import best_mixture, capped, draw_mixtures, fit_mixtures
from curation.ablate.mix_groups import OTHER, Size, choose_groups
from curation.ablate.probe import load_probe
from curation.ablate_cli import mix, probe
from curation.job import load_job
from curation.run import run_job
from train.config import load_config
from train.handoff import open_split, read_documents
from train.loop import train
from train.trace import open_traced
from train.verify_packed import verify

torch.set_num_threads(1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=8), st.integers(0, 1000), st.floats(1.01, 4))
def test_mixtures_sum_to_one_and_keep_their_limits(shares, seed, room) -> None:
    natural = np.array(shares) / sum(shares)
    most = natural * room
    drawn = draw_mixtures(natural, most, 20, seed)
    assert np.allclose(drawn.sum(1), 1) and (drawn >= 0).all() and (drawn <= most + 1e-9).all()
    inside = capped(natural, most)
    assert np.allclose(inside, natural)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_law_is_found(seed) -> None:
    """Loss falls with the logarithms of two groups' weights; the third is useless."""
    random = np.random.default_rng(seed)
    natural, most = np.array([0.2, 0.3, 0.5]), np.array([1.0, 1.0, 1.0])
    law = lambda w: 3 - 0.2 * np.log(w[:, 0] + 0.02) - 0.1 * np.log(w[:, 1] + 0.02)  # noqa: E731
    tried = draw_mixtures(natural, most, 24, seed)
    found = fit_mixtures(tried, law(tried) + random.normal(0, 0.005, len(tried)))
    best = best_mixture(found, natural, most, 1)
    assert found.rank_correlation > 0.9 and found.error < 0.1
    assert best[0] > 0.45 and best[2] < 0.1 and law(best[None])[0] < law(tried).min() + 0.02
    noise = fit_mixtures(tried, random.normal(0, 1, len(tried)))
    assert noise.error > 0.6


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.builds(Size, st.integers(1, 99), st.integers(0, 3), st.integers(0, 3)), max_size=8), st.integers(2, 5))
def test_small_groups_are_one_or_left_out(sizes, most) -> None:
    chosen = choose_groups(sizes, most)
    named = [name for names in chosen.groups.values() for name in names]
    assert sorted([*named, *chosen.left_out]) == sorted(sizes) and len(chosen.groups) <= most
    for names in chosen.groups.values():
        assert sum(sizes[name].train for name in names) and sum(sizes[name].held_out for name in names)
    own = [sizes[name].bytes for name in chosen.groups if name != OTHER]
    assert own == sorted(own, reverse=True)
    assert not chosen.left_out or not all(any(getattr(sizes[name], part) for name in chosen.left_out) for part in ("train", "held_out"))
    if len(sizes) <= most and all(size.is_enough for size in sizes.values()):
        assert len(chosen.groups) == len(sizes)


def corpus(folder: Path) -> Path:
    import random

    rng = random.Random(5)
    kinds = {"town": lambda: article(rng, 6), "digits": lambda: " ".join(str(rng.randint(0, 9)) for _ in range(120)), "late": lambda: "zwölf müde mäuse " * 12 + article(rng, 3)}
    rows = [{"id": f"{name}-{n}", "text": make(), "source": name} for name, make in kinds.items() for n in range(40 if name != "late" else 25)]
    for name in ("base", "new"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if (row["source"] == "late") == (name == "new")))
    return folder


TRAIN = "{{model: {{{model}}}, batch_rows: 2, learning_rate: 0.01, warmup_steps: 1, eval_rows: 4, device: cpu, sample: {{tokens: 2}}}}".replace("{{", "{").replace("}}", "}")


def test_a_mixture_from_documents_to_verdict(tmp_path) -> None:
    corpus(tmp_path)
    with open(tmp_path / "base.jsonl", "a") as file:
        file.write(json.dumps({"id": "single", "text": "One alone.", "source": "one"}) + "\n")
    model = ", ".join(f"{name}: {str(value).lower()}" for name, value in MODEL.items())
    path = tmp_path / "mix.yaml"
    path.write_text(
        f"output: out\ndocuments: [base.jsonl]\ntokens: 1024\nmixtures: 4\nseeds: 2\nsequence_length: 64\nvocab_size: 300\nworkers: inline\n"
        f"target: {{town: 1}}\njudge: {{held_out: 0.25}}\ntrain: {TRAIN.replace('{model}', model)}\n"
    )
    result = CliRunner().invoke(mix, [str(path), "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert set(report["best"]) == {"town", "digits"} and sum(report["best"].values()) == pytest.approx(1, abs=1e-3)
    assert len(report["tried"]) == 4 and report["tried"][0]["weights"] == report["natural"]
    assert report["comparison"]["seeds"] == 2 and report["comparison"]["documents"] >= 5
    for name, row in (("mix-01", report["tried"][1]), ("best", {"weights": report["best"]})):
        data = tmp_path / "out/data/mixtures" / name
        verify(data)
        refs = np.concatenate([open_split(data, "train").sequence(n)[2][:1] for n in range(16)])
        sources = read_documents(data)["source"].take(refs).to_pylist()
        assert sources.count("town") == pytest.approx(16 * row["weights"]["town"], abs=1)
    loss = pq.read_table(tmp_path / "out/runs/mix-01/seed-0/judged.parquet").to_pylist()
    town = [row for row in loss if row["kept_by"] == "town"]
    bits = sum(row["nats"] for row in town) / np.log(2) / sum(row["bytes"] for row in town)
    assert report["tried"][1]["loss"] == pytest.approx(bits)
    again = CliRunner().invoke(mix, [str(path)])
    assert again.exit_code == 0 and "best against natural" in again.stdout and "mixture: {by: source" in again.stdout
    assert report["left_out"] == {"one": 1} and "left out, with too few documents to train on and to hold out: one (1)" in again.stdout
    path.write_text(path.read_text().replace("{town: 1}", "{nowhere: 1}"))
    wrong = CliRunner().invoke(mix, [str(path)])
    assert wrong.exit_code == 2 and "there is no source 'nowhere'" in wrong.stderr


def test_a_probe_from_a_trunk_to_a_verdict(tmp_path) -> None:
    corpus(tmp_path)
    (tmp_path / "job.yaml").write_text("input: base.jsonl\noutput: base\npack: {vocab_size: 300, sequence_length: 64, held_out: 0.2}\nworkers: inline\n")
    run_job(load_job(tmp_path / "job.yaml"))
    config = load_config(write_config(tmp_path / "train.yaml", "base/packed", "trunk", steps=8, checkpoint_every=4, decay_frac=0.0))
    train(config)
    path = tmp_path / "probe.yaml"
    path.write_text("output: probe\ntrunk: trunk/checkpoints/step-4\nnew: new.jsonl\ntokens: 1280\nseeds: 2\nworkers: inline\njudge: {held_out: 0.3}\n".replace("step-4", sorted(p.name for p in (tmp_path / "trunk/checkpoints").iterdir())[0]))
    found = load_probe(path)
    assert found.trunk_step == 4 and found.config.learning_rate == 0.01 and found.config.steps == 5 and found.config.decay_frac == 1
    result = CliRunner().invoke(probe, [str(path), "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    (comparison,) = report["sizes"][0]["comparisons"]
    assert report["judged_on"] == "the base data" and comparison["seeds"] == 2 and "the new data" in comparison["kept_by_others"]
    assert comparison["kept_by_others"]["the new data"]["difference"] < 0  # who read some of it knows it better
    trunk = open_traced(tmp_path / "trunk")
    expected = {trunk.split.sequence(row)[0].tobytes() for step in range(5, 9) for row in trunk.rows(step)}  # steps count from 1
    base, new = (open_split(tmp_path / "probe/data/arms" / arm / "seed-0", "train") for arm in ("base", "new"))
    rows = {name: [split.sequence(n)[0].tobytes() for n in range(len(split))] for name, split in (("base", base), ("new", new))}
    assert len(rows["base"]) == len(rows["new"]) == 20 and expected <= set(rows["base"])
    assert sum(row in set(rows["base"]) for row in rows["new"]) >= 14
    rates = [json.loads(line)["learning_rate"] for line in (tmp_path / "probe/runs/model/new/seed-0/metrics.jsonl").read_text().splitlines() if '"step"' in line and "learning_rate" in line]
    assert rates[-1] < 0.01
    assert CliRunner().invoke(probe, [str(path)]).stdout.startswith("new against base: ")
    path.write_text(path.read_text() + "train: {model: 5m}\n")
    wrong = CliRunner().invoke(probe, [str(path)])
    assert wrong.exit_code == 2 and "model comes from the trunk" in wrong.stderr
