"""The shape of a model as a Hugging Face config.json says it, read and written.

What is read: config.json of any Llama, from transformers 3 to 5: `rope_parameters` (5), `rope_theta` and `rope_scaling`
with `rope_type` (4.43) or `type` (before), heads and head width said or implied. What is written can be read by all of
them: the old keys and the new ones stand side by side. Imports no torch.

Rotary scaling: `default` and `llama3` as they are; `linear` is `llama3` with every frequency counted among the slow ones;
`dynamic` changes nothing within the context it was made for, so it is read as `default`; others are refused.
"""

from __future__ import annotations

from typing import Any

from rules.places import SettingError
from train.config import ModelConfig, RopeScaling, TrainError

ARCHITECTURE = "LlamaForCausalLM"
ALL_SLOW = (1e9, 2e9)  # low and high frequency factors that make every frequency a slow one
# theirs: (ours, what a config.json means that does not say it); the defaults are those of transformers' LlamaConfig
SHAPE = {
    "num_hidden_layers": ("layers", 32),
    "hidden_size": ("dim", 4096),
    "num_attention_heads": ("query_heads", 32),
    "intermediate_size": ("ffn_dim", 11008),
    "rms_norm_eps": ("norm_eps", 1e-6),
    "vocab_size": ("vocab_size", 32000),
    "max_position_embeddings": ("context", 2048),
}


def hugging_face_config(config: ModelConfig, dtype: str) -> dict[str, Any]:
    """config.json of a model whose weights are stored as `dtype` ("float32", "bfloat16"); token ids are not in it."""
    shape = {theirs: getattr(config, ours) for theirs, (ours, _) in SHAPE.items()}
    scaling = _scaling_record(config.rope_scaling)
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "llama",
        **shape,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "tie_word_embeddings": config.tied_head,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "rope_parameters": {"rope_theta": config.rope_theta, **(scaling or {"rope_type": "default"})},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "pretraining_tp": 1,
        "use_cache": True,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def model_config(record: dict[str, Any], where: str, tied: bool) -> ModelConfig:
    """The ModelConfig that config.json `record` describes; `tied` holds where it does not say.

    Raises TrainError, with `where`, for what is no Llama or has what this model has not.
    """
    _check_architecture(record, where)
    shape = {ours: record.get(theirs, default) for theirs, (ours, default) in SHAPE.items()}
    kv_heads, width = record.get("num_key_value_heads"), record.get("head_dim")
    said = record.get("tie_word_embeddings")
    try:
        theta, scaling = _rope(record, where)
        config = ModelConfig(
            **shape,
            kv_heads=shape["query_heads"] if kv_heads is None else kv_heads,
            head_width=None if width in (None, shape["dim"] // shape["query_heads"]) else width,
            rope_theta=theta,
            rope_scaling=scaling,
            tied_head=tied if said is None else bool(said),
        )
    except (SettingError, TypeError, ZeroDivisionError) as error:
        raise TrainError(f"{where}: does not describe a model ({error}).") from None
    for name in ("vocab_size", "context"):
        if not getattr(config, name) > 0:
            raise TrainError(f"{where}: does not describe a model ({name} is {getattr(config, name)}).")
    return config


def _check_architecture(record: dict[str, Any], where: str) -> None:
    names = record.get("architectures") or [ARCHITECTURE]
    if record.get("model_type") != "llama" or ARCHITECTURE not in names:
        found = f"{record.get('model_type')!r} ({', '.join(map(str, names))})"
        raise TrainError(f"{where}: the model is {found}. Only Llama models (model_type 'llama') can be imported.")
    unknown = {"attention_bias": (None, False), "mlp_bias": (None, False), "hidden_act": (None, "silu", "swish")}
    for name, allowed in unknown.items():
        if record.get(name) not in allowed:
            raise TrainError(f"{where}: {name} is {record[name]!r}, which this model does not have.")
    if record.get("quantization_config"):
        raise TrainError(f"{where}: the weights are quantised. Import the model they were made from.")


def _rope(record: dict[str, Any], where: str) -> tuple[float, RopeScaling | None]:
    """Theta and scaling; `rope_parameters` of transformers 5 wins over the keys before it."""
    rope = {**(record.get("rope_scaling") or {}), **(record.get("rope_parameters") or {})}
    theta = float(rope.get("rope_theta", record.get("rope_theta") or 10_000.0))
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if rope.get("partial_rotary_factor", record.get("partial_rotary_factor")) not in (None, 1, 1.0):
        raise TrainError(f"{where}: only a part of each head is rotated, which this model does not do.")
    if kind in ("default", "dynamic"):
        return theta, None
    original = rope.get("original_max_position_embeddings", record.get("original_max_position_embeddings"))
    original = int(original or record.get("max_position_embeddings", SHAPE["max_position_embeddings"][1]))
    if kind not in ("linear", "llama3") or "factor" not in rope:
        raise TrainError(f"{where}: rotary scaling {kind!r} is not known; default, linear, dynamic and llama3 are.")
    factors = ALL_SLOW if kind == "linear" else (rope.get("low_freq_factor", 1.0), rope.get("high_freq_factor", 4.0))
    return theta, RopeScaling(float(rope["factor"]), float(factors[0]), float(factors[1]), original)


def _scaling_record(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    if (scaling.low_frequency_factor, scaling.high_frequency_factor) == ALL_SLOW:
        return {"rope_type": "linear", "type": "linear", "factor": scaling.factor}
    return {
        "rope_type": "llama3",
        "type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_frequency_factor,
        "high_freq_factor": scaling.high_frequency_factor,
        "original_max_position_embeddings": scaling.original_context,
    }
