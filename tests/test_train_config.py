"""Training configuration: mistakes with their place, paths, resolution, hashes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rules.places import Problems
from train.config import TrainConfig, config_record, config_sha256, differences, load_config, model_of_record, resolve
from train.handoff import Manifest

MODEL = {"layers": 2, "dim": 32, "query_heads": 4, "kv_heads": 2, "ffn_dim": 48, "tied_head": True}
RUN = {"steps": 8, "batch_rows": 4, "learning_rate": 0.01, "warmup_steps": 2, "eval_every": 4, "eval_rows": 4,
       "checkpoint_every": 4, "log_every": 2, "device": "cpu"}  # fmt: skip
MANIFEST = Manifest("a", 300, 64, 0, 1, 2, "b", "best_fit", 0, {}, {})


def write_config(path: Path, data: Path | str, output: Path | str, model: dict | None = None, **changes) -> Path:
    """A small training YAML; `model` and `changes` override its settings."""
    settings = {"data": data, "output": output, **RUN, **changes}
    lines = [f"{name}: {value}" for name, value in settings.items()]
    lines += ["model:", *(f"  {name}: {value}" for name, value in (MODEL | (model or {})).items())]
    path.write_text("\n".join(lines).replace("True", "true").replace("False", "false") + "\n")
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    config = load_config(write_config(folder / "train.yaml", "../packed", "out"))
    assert config.data == str(tmp_path / "packed") and config.output == str(folder / "out")
    assert config.schedule == "wsd" and config.model.rope_theta == 500_000.0


@pytest.mark.parametrize(
    ("changes", "model", "words"),
    [
        ({"lerning_rate": 1}, {}, r"train.yaml:12:1: R101 unknown key 'lerning_rate', did you mean 'learning_rate'"),
        ({"steps": "many"}, {}, r"train.yaml:3:8: R103 expected a whole number"),
        ({"steps": 0}, {}, r"train.yaml:3:8: R103 must be above 0"),
        ({"schedule": "linear"}, {}, "expected one of wsd, cosine"),
        ({"batch_rows": 6, "accumulation": 4}, {}, "multiple of accumulation"),
        ({"warmup_steps": 9}, {}, "at most steps"),
        ({"betas": "[0.9, 1.0]"}, {}, "below 1"),
        ({"decay_frac": 1.5}, {}, "between 0 and 1"),
        ({"learning_rate": ".nan"}, {}, "must be above 0"),
        ({"learning_rate": ".inf"}, {}, "must be above 0"),
        ({"sample": "{top_p: 0}"}, {}, "top_p|must be above 0"),
        ({}, {"kv_heads": 3}, "must divide query_heads"),
        ({}, {"dim": 36}, "even multiple of query_heads"),
        ({}, {"vocab_size": 5}, "unknown key 'vocab_size'"),
        ({}, {"rope_scaling": "{low_frequency_factor: 5}"}, "below high_frequency_factor"),
    ],
)
def test_mistakes_have_a_place(tmp_path: Path, changes: dict, model: dict, words: str) -> None:
    path = write_config(tmp_path / "train.yaml", "packed", "out", model, **changes)
    with pytest.raises(Problems, match=words) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_vocabulary_and_context_come_from_the_data(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "train.yaml", "p", "o", {"rope_scaling": "{factor: 4}"}))
    model = resolve(config, MANIFEST).model
    assert (model.vocab_size, model.context) == (300, 64)
    assert model_of_record(config_record(resolve(config, MANIFEST))["model"]) == model


def test_the_hash_leaves_out_the_paths_alone(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "train.yaml", "p", "o"))
    assert config_sha256(config) == config_sha256(dataclasses.replace(config, data="/x", output="/y"))
    hashes = {config_sha256(config)}
    others = {"seed": 7, "schedule": "cosine", "compile": True, "peak_flops": 1.0, "steps": 9}
    for name, value in others.items():
        hashes.add(config_sha256(dataclasses.replace(config, **{name: value})))
    assert len(hashes) == 1 + len(others)
    assert all(field.name in config_record(config) for field in dataclasses.fields(TrainConfig))


def test_differences_name_what_changed(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "train.yaml", "p", "o"))
    other = dataclasses.replace(config, seed=5, output="/z", model=dataclasses.replace(config.model, layers=3))
    assert differences(config_record(config), config_record(other)) == ["model.layers: 2 -> 3", "seed: 0 -> 5"]
