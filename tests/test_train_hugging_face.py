"""Exports and imports: the same logits and text in transformers, bitwise round trips, folders of every age, damage."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from test_train_handoff import BOS, BYTE_VOCABULARY, EOS, PAD, byte_tokenizer
from test_train_model import TINY, lively_model

from curation.trace_cli import trace
from train import export_check
from train.checkpoint import checkpoint_folders
from train.cli import model
from train.config import ModelConfig, RopeScaling, TrainError
from train.export_check import ExportMismatch, check_export
from train.hugging_face import export_model, import_model, read_config_and_weights, read_model
from train.hugging_face_cli import export, import_
from train.llama_config import hugging_face_config, model_config
from train.llama_weights import our_name, their_name
from train.model import build_model
from train.model_path import model_at
from train.open_model import open_model
from train.saved_model import SavedModel
from train.start import load_start

torch.set_num_threads(1)
CPU = torch.device("cpu")
BASE = dataclasses.replace(TINY, dim=64, query_heads=8, kv_heads=4, vocab_size=BYTE_VOCABULARY, context=64)
SHAPES = {
    "mha": dataclasses.replace(BASE, kv_heads=8),
    "gqa 2": BASE,
    "gqa 4": dataclasses.replace(BASE, kv_heads=2),
    "gqa 8": dataclasses.replace(BASE, dim=128, query_heads=16, kv_heads=2),
    "mqa": dataclasses.replace(BASE, kv_heads=1, head_width=12),
    "tied": dataclasses.replace(BASE, tied_head=True, rope_scaling=RopeScaling(4.0, 1.0, 4.0, 16)),
}


def saved_model(config: ModelConfig = BASE, seed: int = 0) -> SavedModel:
    return SavedModel(lively_model(config, seed).eval(), byte_tokenizer(), BOS, EOS, PAD)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """An export of a tied model with Llama 3.1 positions, checked."""
    out = tmp_path_factory.mktemp("exported") / "model"
    export_model(saved_model(SHAPES["tied"]), out, "float32", check_export)
    return out


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_transformers_loads_the_same_model_and_gives_it_back_bitwise(config: ModelConfig, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    saved = saved_model(config)
    found = export_model(saved, tmp_path / "out", "float32", check_export)
    assert found["logit_difference"] < 1e-4 and found["tokens_written"] >= 100
    AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).save_pretrained(tmp_path / "theirs")
    shutil.copyfile(tmp_path / "out" / "tokenizer.json", tmp_path / "theirs" / "tokenizer.json")
    for name in ("out", "theirs"):
        assert import_model(tmp_path / name, tmp_path / f"{name} again") == config
        again = open_model(tmp_path / f"{name} again", CPU)
        state = again.model.state_dict()
        assert state.keys() == saved.model.state_dict().keys()
        assert all(torch.equal(tensor, state[name]) for name, tensor in saved.model.state_dict().items())
        assert (again.bos_id, again.eos_id, again.pad_id, again.stop_ids) == (BOS, EOS, PAD, ())


def test_names_go_both_ways() -> None:
    names = build_model(BASE, 0).state_dict().keys()
    assert {our_name(their_name(name)) for name in names} == set(names)
    assert their_name("blocks.11.ffn.up.weight") == "model.layers.11.mlp.up_proj.weight"
    for unknown in ("model.layers.1.self_attn.q_proj.bias", "model.layers.x.mlp.up_proj.weight", "lm_head.bias", "lm_head"):
        assert our_name(unknown) is None


def test_bf16_exports_are_checked_as_what_they_are(tmp_path: Path) -> None:
    saved = saved_model()
    export_model(saved, tmp_path / "half", "bfloat16", check_export)
    config, tensors = read_config_and_weights(tmp_path / "half")
    assert config == BASE and {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"
    import_model(tmp_path / "half", tmp_path / "run")
    export_model(open_model(tmp_path / "run", CPU), tmp_path / "again", "bfloat16", None)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "half" / "model.safetensors").read_bytes()


def test_large_models_are_written_in_shards_with_an_index(tmp_path: Path) -> None:
    saved = saved_model()
    export_model(saved, tmp_path / "out", "float32", check_export, shard_bytes=50_000)
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    files = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 2 and sorted(set(index["weight_map"].values())) == files
    assert index["metadata"]["total_size"] == 4 * sum(tensor.numel() for tensor in saved.model.state_dict().values())
    for file in files:
        assert {index["weight_map"][name] for name in load_file(tmp_path / "out" / file)} == {file}


def test_checkpoints_of_sharded_runs_are_exported(exported: Path, tmp_path: Path) -> None:
    """As PyTorch's distributed checkpoint leaves them: files of parts, moments of the optimizer among them."""
    import torch.distributed.checkpoint as dcp

    import_model(exported, tmp_path / "run")
    (checkpoint,) = checkpoint_folders(tmp_path / "run")
    tensors = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    moments = {f"exp_avg.{name}": torch.ones_like(tensor) for name, tensor in tensors.items()}
    writer = dcp.HuggingFaceStorageWriter(str(checkpoint), save_distributed=True)
    dcp.save({**tensors, **moments}, storage_writer=writer, no_dist=True)
    assert not (checkpoint / "model.safetensors").exists() and list(checkpoint.glob("*.safetensors"))
    export_model(open_model(tmp_path / "run", CPU), tmp_path / "out", "float32", check_export)
    expected = load_file(exported / "model.safetensors")
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert found.keys() == expected.keys() and all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.parametrize("index", [False, True], ids=["one file", "indexed"])
def test_bin_files_are_read_but_never_run(exported: Path, tmp_path: Path, index: bool) -> None:
    folder = copy_without_weights(exported, tmp_path / "bin")
    tensors = load_file(exported / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)  # as transformers before 4.32 saved it
    name = "pytorch_model-00001-of-00001.bin" if index else "pytorch_model.bin"
    torch.save(tensors, folder / name)
    if index:
        record = {"metadata": {}, "weight_map": dict.fromkeys(tensors, name)}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(record))
    expected = read_model(exported).model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in read_model(folder).model.state_dict().items())
    torch.save({"lm_head.weight": Trap(tmp_path / "trapped")}, folder / name)
    with pytest.raises(TrainError, match="cannot be read"):
        read_model(folder)
    assert not (tmp_path / "trapped").exists()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def copy_without_weights(exported: Path, out: Path) -> Path:
    shutil.copytree(exported, out, ignore=shutil.ignore_patterns("*.safetensors"))
    return out


OLD_LLAMA_3_1 = {"rope_theta": 1e4, "rope_scaling": {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16}}  # fmt: skip
AGES = {
    "3 and early 4": {"torch_dtype": "float32"},
    "4, theta": {"rope_theta": 5e5, "rope_scaling": None},
    "4, llama 3.1": OLD_LLAMA_3_1,
    "4, linear by its old name": {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "4, dynamic": {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    "5": {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}, "dtype": "float32"},
    "5, llama 3.1": {"rope_parameters": {"rope_theta": 1e4, **OLD_LLAMA_3_1["rope_scaling"]}},
    "5, linear": {"rope_parameters": {"rope_theta": 1e4, "rope_type": "linear", "factor": 4.0}},
}


@pytest.mark.parametrize("extra", AGES.values(), ids=AGES.keys())
def test_config_files_of_every_age_mean_what_transformers_takes_them_for(extra: dict, tmp_path: Path) -> None:
    """The oracle is transformers itself, given the same config.json and weights."""
    from transformers import AutoModelForCausalLM

    shape = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": BYTE_VOCABULARY,
             "max_position_embeddings": 64}  # fmt: skip
    folder = tmp_path / "model"
    export_model(saved_model(dataclasses.replace(BASE, kv_heads=8)), folder, "float32", None)
    (folder / "config.json").write_text(json.dumps(shape | extra))
    ours = read_model(folder)
    assert ours.model.config.norm_eps == 1e-6 and ours.model.config.kv_heads == 8
    twin = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        assert export_check._check_logits(ours, twin) < 1e-4
    again = hugging_face_config(ours.model.config, "float32")
    assert model_config(again, "again", tied=False) == ours.model.config


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("layout", ["one file", "indexed", "bin"])
def test_a_config_that_does_not_say_whether_the_head_is_tied_is_told_by_the_weights(tied: bool, layout: str, tmp_path: Path) -> None:
    folder, config = tmp_path / "model", dataclasses.replace(BASE, tied_head=tied)
    export_model(saved_model(config), folder, "float32", None, 50_000 if layout == "indexed" else 5_000_000)
    record = json.loads((folder / "config.json").read_text())
    del record["tie_word_embeddings"]
    (folder / "config.json").write_text(json.dumps(record))
    if layout == "bin":
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    assert model_at(folder).tied_head is read_model(folder).model.config.tied_head is tied
    load_start(build_model(config, 3), folder)  # as a run that starts from it


REFUSED = {
    "another architecture": ({"model_type": "mistral", "architectures": ["MistralForCausalLM"]}, "Only Llama models"),
    "biases": ({"attention_bias": True}, "attention_bias is True"),
    "yarn": ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "rotary scaling 'yarn' is not known"),
    "another activation": ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    "quantised": ({"quantization_config": {"bits": 4}}, "are quantised"),
    "a shape that is none": ({"num_key_value_heads": 3}, "must divide query_heads"),
    "text for a number": ({"hidden_size": "wide"}, "does not describe a model"),
    "another width": ({"intermediate_size": 50}, r"mlp.down_proj.weight has shape \[64, 48\], config.json says \[64, 50\]"),
    "more layers": ({"num_hidden_layers": 3}, "model.layers.2.input_layernorm.weight is missing"),
    "untied": ({"tie_word_embeddings": False}, "lm_head.weight is missing"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_imported_is_told_in_words(exported: Path, tmp_path: Path, change: dict, words: str) -> None:
    folder = shutil.copytree(exported, tmp_path / "model")
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(record | change))
    with pytest.raises(TrainError, match=words):
        import_model(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_damaged_folders_are_told_in_words(exported: Path, tmp_path: Path) -> None:
    folder = copy_without_weights(exported, tmp_path / "model")
    with pytest.raises(TrainError, match="holds no weights"):
        read_model(folder)
    (folder / "model.safetensors").write_bytes((exported / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(TrainError, match="model.safetensors: cannot be read"):
        read_model(folder)
    for file, words in (("../model.safetensors", "is not a plain file name"), ("gone.safetensors", "no such file")):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": file}}))
        with pytest.raises(TrainError, match=words):
            read_model(folder)
    shutil.copyfile(exported / "model.safetensors", folder / "model.safetensors")
    (folder / "model.safetensors.index.json").unlink()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(TrainError, match="AutoTokenizer.from_pretrained"):
        read_model(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(TrainError, match="config.json: cannot be read"):
        open_model(folder, CPU)


def test_an_export_that_transformers_reads_as_another_model_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("train.hugging_face.hugging_face_config", lambda config, dtype: {
        **hugging_face_config(config, dtype), "rope_parameters": {"rope_theta": 20.0, "rope_type": "default"},
        "rope_theta": 20.0, "rope_scaling": None})  # fmt: skip
    saved = saved_model()
    (tmp_path / "wrong").mkdir()

    def check_against_the_original(folder: Path, _: SavedModel) -> dict:
        return check_export(folder, saved)

    with pytest.raises(ExportMismatch, match="the logits of transformers differ by"):
        export_model(saved, tmp_path / "wrong", "float32", check_against_the_original)
    assert [path.name for path in tmp_path.iterdir()] == ["wrong"] and not list((tmp_path / "wrong").iterdir())


def test_other_text_or_other_tokens_are_seen(exported: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    saved = read_model(exported)
    twin = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32).eval()
    with torch.no_grad():
        twin.lm_head.weight.data = twin.lm_head.weight.data.roll(1, 0)
        with pytest.raises(ExportMismatch, match="after 0 tokens transformers writes"):
            export_check._check_text(saved, twin)
    with pytest.raises(ExportMismatch, match="transformers encodes"):
        export_check._check_tokens(dataclasses.replace(saved, bos_id=None), AutoTokenizer.from_pretrained(exported))


def test_what_lies_there_is_never_overwritten(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    for write in (lambda out: export_model(saved_model(), out, "float32", None), lambda out: import_model(exported, out)):
        with pytest.raises(TrainError, match="is there already"):
            write(tmp_path / "full")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_several_tokens_may_end_a_text(exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [EOS, 7, 9]}))
    import_model(folder, tmp_path / "run")
    saved = open_model(tmp_path / "run", CPU)
    assert (saved.eos_id, saved.stop_ids) == (EOS, (7, 9))
    export_model(saved, tmp_path / "out", "float32", check_export)
    assert open_model(tmp_path / "out", CPU).stop_ids == (7, 9)


def test_the_layout_is_what_vllm_looks_for(exported: Path) -> None:
    """Names that its Llama loader stacks (q, k, v and gate, up), and keys of the configuration that it reads."""
    names = load_file(exported / "model.safetensors").keys()
    inner = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
             "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"}  # fmt: skip
    assert {name.split(".", 3)[3].removesuffix(".weight") for name in names if ".layers." in name} == inner
    record = json.loads((exported / "config.json").read_text())
    for key in ("architectures", "hidden_size", "num_key_value_heads", "head_dim", "rms_norm_eps", "vocab_size",
                "max_position_embeddings", "hidden_act", "tie_word_embeddings", "bos_token_id", "eos_token_id"):  # fmt: skip
        assert record[key] is not None
    assert record["rope_parameters"]["rope_type"] == record["rope_scaling"]["rope_type"] == "llama3"
    assert record["rope_theta"] == record["rope_parameters"]["rope_theta"]


def test_the_commands(exported: Path, tmp_path: Path, monkeypatch) -> None:
    result = CliRunner().invoke(import_, [str(exported), str(tmp_path / "run")])
    assert result.exit_code == 0 and "model: {layers: 2, dim: 64" in result.stdout
    for folder in (exported, tmp_path / "run", *checkpoint_folders(tmp_path / "run")):
        result = CliRunner().invoke(model, ["describe", str(folder)])
        assert result.exit_code == 0 and "8 query heads, 4 KV heads" in result.stdout and "head tied" in result.stdout
    result = CliRunner().invoke(trace, [str(exported), "--step", "1"])
    assert result.exit_code == 2 and "config.json: is not that of a training run" in result.stderr
    result = CliRunner().invoke(export, [str(tmp_path / "run"), str(tmp_path / "out"), "--json"])
    record = json.loads(result.stdout)
    assert result.exit_code == 0 and record["checked"] and record["logit_difference"] < 1e-4
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == load_file(exported / "model.safetensors").keys()
    result = CliRunner().invoke(export, [str(tmp_path / "run"), str(tmp_path / "out")])
    assert result.exit_code == 2 and "is there already" in result.stderr and result.stdout == ""
    monkeypatch.setattr(export_check, "has_transformers", lambda: False)
    result = CliRunner().invoke(export, [str(tmp_path / "run"), str(tmp_path / "unchecked")])
    assert result.exit_code == 1 and "NOT CHECKED" in result.stderr
    assert (tmp_path / "unchecked" / "model.safetensors").exists()
