"""What models cost: published parameter counts, caches, memory; presets in a configuration; the `model` command."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from test_train_config import write_config
from test_train_model import TINY

from rules.places import Problems
from train.attention import PrefixPlan
from train.cli import model
from train.config import ModelConfig, load_config
from train.describe import describe
from train.model import KVCache, Transformer, build_model
from train.presets import PRESETS, preset_settings
from train.sizes import activation_bytes, parameter_counts, training_flops

PUBLISHED = {  # from the models' own safetensors indices
    "llama3-8b": 8_030_261_248,
    "llama3.1-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama3.1-70b": 70_553_706_496,
    "llama3.1-405b": 405_853_388_800,
    "llama3.2-1b": 1_235_814_400,
    "llama3.2-3b": 3_212_749_824,
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_parameters_their_names_say(name: str) -> None:
    counts = parameter_counts(PRESETS[name])
    with torch.device("meta"):
        whole = Transformer(PRESETS[name])
    assert counts.total == sum(parameter.numel() for parameter in whole.parameters())
    if name in PUBLISHED:
        assert counts.total == PUBLISHED[name]
    else:
        assert math.isclose(counts.total, float(name.removesuffix("m")) * 1e6, rel_tol=0.025)


def test_grouping_divides_the_cache_by_eight_at_70_billion() -> None:
    found = describe("llama3-70b", PRESETS["llama3-70b"])
    assert found.kv_cache_bytes_per_token == 2 * 80 * 8 * 128 * 2
    assert found.kv_cache_bytes_per_token_without_grouping == 8 * found.kv_cache_bytes_per_token


def test_the_cache_is_as_large_as_described() -> None:
    cache = KVCache(TINY, 3, 10, torch.device("cpu"), torch.bfloat16)
    found = describe("tiny", TINY).kv_cache_bytes_per_token
    assert cache.keys.nbytes + cache.values.nbytes == 30 * found


def test_flops_are_those_of_a_document_as_long_as_the_context() -> None:
    found = describe("tiny", TINY)
    pairs = TINY.context * (TINY.context + 1) // 2
    assert math.isclose(found.training_flops_per_token * TINY.context, training_flops(TINY, TINY.context, pairs))
    assert math.isclose(found.forward_flops_per_token * 3, found.training_flops_per_token)
    assert found.attention_flops_frac == 1 - training_flops(TINY, 1, 0) / found.training_flops_per_token


def test_memory_is_that_of_a_model_with_its_optimizer() -> None:
    built = build_model(TINY, 0)
    optimizer = torch.optim.AdamW(built.parameters())
    for parameter in built.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moments = [state[key] for state in optimizer.state.values() for key in ("exp_avg", "exp_avg_sq")]
    memory = describe("tiny", TINY).training_bytes
    assert memory["weights"] == memory["gradients"] == sum(p.nbytes for p in built.parameters())
    assert memory["adamw_moments"] == sum(moment.nbytes for moment in moments)


@pytest.mark.parametrize(
    "changes", [{}, {"layers": 3, "dim": 64}, {"ffn_dim": 112}, {"kv_heads": 4}, {"query_heads": 8, "head_width": 6}]
)
def test_activations_are_what_autograd_keeps(changes: dict) -> None:
    config = dataclasses.replace(TINY, **changes)
    built, tokens, kept = build_model(config, 0), 21, {}
    weights = {p.numel() * 2 for p in built.parameters() if p.dim() == 2}  # bf16 copies, gone after each product
    own = {p.untyped_storage().data_ptr() for p in built.parameters()}
    alive = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)  # so that no address is used twice
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and storage.nbytes() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        built(torch.zeros(1, tokens, dtype=torch.long), torch.arange(tokens)[None], PrefixPlan())
    assert math.isclose(sum(kept.values()) / tokens, activation_bytes(config), rel_tol=0.02)


def config_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(f"data: p\noutput: o\nsteps: 1\nbatch_rows: 1\nlearning_rate: 1e-3\n{text}\n")
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_may_name_a_preset(tmp_path: Path, name: str) -> None:
    built = load_config(config_with(tmp_path, f"model: {name}")).model
    assert built == dataclasses.replace(PRESETS[name], vocab_size=0, context=0)
    changed = load_config(config_with(tmp_path, f"model: {{preset: {name}, layers: 3, head_dim: 6}}")).model
    assert changed == dataclasses.replace(built, layers=3, head_width=6)
    assert "vocab_size" not in preset_settings(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: llama3-8", r"train.yaml:6:8: R103 no preset 'llama3-8', did you mean 'llama3-8b'"),
        ("model: {preset: x}", r"train.yaml:6:17: R103 no preset 'x' \(there are 5m, "),
        ("model: {preset: 5m, kv_heads: 3}", r"train.yaml:6:31: R103 must divide query_heads"),
        ("model: {preset: 5m, layer: 3}", r"train.yaml:6:21: R101 unknown key 'layer'"),
        ("model: 7", r"train.yaml:6:8: R103 no preset 7"),
        ("model: {preset: [5m]}", r"no preset \['5m'\]"),
    ],
)
def test_mistakes_with_presets_have_a_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Problems, match=words):
        load_config(config_with(tmp_path, text))


def test_heads_may_be_wider_than_their_share() -> None:
    config = ModelConfig(layers=1, dim=30, query_heads=4, kv_heads=2, ffn_dim=8, head_width=10, vocab_size=9, context=4)
    built = build_model(config, 0)
    assert built.blocks[0].attention.query.weight.shape == (40, 30)
    assert parameter_counts(config).total == sum(parameter.numel() for parameter in built.parameters())


def test_describe_prints_figures(tmp_path: Path) -> None:
    result = CliRunner().invoke(model, ["describe", "llama3-70b"])
    assert result.exit_code == 0
    assert "70,553,706,496" in result.stdout and "2,621,440 without grouping: 1/8" in result.stdout
    config = write_config(tmp_path / "train.yaml", "packed", "run")
    record = json.loads(CliRunner().invoke(model, ["describe", str(config), "--vocab", "300", "--context", "64", "--json"]).stdout)
    assert record["parameters"]["total"] == record["parameters"]["embedding"] + record["parameters"]["blocks"] + 32
    assert record["model"]["vocab_size"] == 300 and record["schema_version"] == 1
    assert all(name in CliRunner().invoke(model, ["presets"]).stdout for name in PRESETS)


def test_describe_mistakes_exit_2(tmp_path: Path) -> None:
    config = write_config(tmp_path / "train.yaml", "packed", "run")
    for name, words in (("nope", "is no preset"), (str(config), "--vocab"), (str(tmp_path), "is no preset")):
        result = CliRunner().invoke(model, ["describe", name])
        assert result.exit_code == 2 and words in result.stderr and result.stdout == ""
