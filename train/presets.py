"""Model shapes by name, from 5 million parameters to 405 billion: `model: llama3-8b`, or `model: {preset: 124m, layers: 6}`.

The small ones are named after their parameters with a vocabulary of 32,768 and a tied head; those of Meta are the published
shapes of Llama 3, 3.1 and 3.2 (arXiv 2407.21783, table 3), with their own vocabulary. In training, vocabulary and context
come from the packed data; those given here serve `gristmill model describe`. Imports no torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from rules.places import Located, Problems, did_you_mean
from train.config import ModelConfig, RopeScaling

SMALL_VOCABULARY, LLAMA_VOCABULARY = 32_768, 128_256


def _small(layers: int, dim: int, query_heads: int, kv_heads: int, ffn_dim: int) -> ModelConfig:
    return ModelConfig(layers=layers, dim=dim, query_heads=query_heads, kv_heads=kv_heads, ffn_dim=ffn_dim,
                       tied_head=True, vocab_size=SMALL_VOCABULARY, context=2048)  # fmt: skip


def _llama(layers: int, dim: int, query_heads: int, ffn_dim: int, **changes: Any) -> ModelConfig:
    return ModelConfig(layers=layers, dim=dim, query_heads=query_heads, kv_heads=8, ffn_dim=ffn_dim,
                       **{"vocab_size": LLAMA_VOCABULARY, "context": 8192} | changes)  # fmt: skip


LONG: dict[str, Any] = {"rope_scaling": RopeScaling(factor=8.0), "context": 131_072}
SMALL_LONG: dict[str, Any] = {"rope_scaling": RopeScaling(factor=32.0), "context": 131_072, "tied_head": True}

PRESETS: dict[str, ModelConfig] = {
    "5m": _small(4, 128, 4, 2, 384),
    "15m": _small(8, 256, 8, 4, 768),
    "33m": _small(12, 384, 6, 2, 1152),
    "60m": _small(14, 512, 8, 4, 1536),
    "124m": _small(12, 768, 12, 4, 2880),
    "350m": _small(24, 1024, 16, 8, 3264),
    "llama3.2-1b": _llama(16, 2048, 32, 8192, **SMALL_LONG),
    "llama3.2-3b": _llama(28, 3072, 24, 8192, **SMALL_LONG),
    "llama3-8b": _llama(32, 4096, 32, 14_336),
    "llama3.1-8b": _llama(32, 4096, 32, 14_336, **LONG),
    "llama3-70b": _llama(80, 8192, 64, 28_672),
    "llama3.1-70b": _llama(80, 8192, 64, 28_672, **LONG),
    "llama3.1-405b": _llama(126, 16_384, 128, 53_248, **LONG),
}


def with_preset(located: Located) -> Located:
    """A training configuration whose `model` names a preset, with the preset's settings filled in below its own.

    Raises Problems for a name that is none.
    """
    model = located.data.get("model") if isinstance(located.data, dict) else None
    name = model.get("preset") if isinstance(model, dict) else model
    if name is None:
        return located
    if not isinstance(name, str) or name not in PRESETS:
        message = f"no preset {name!r}{did_you_mean(name, PRESETS)} (there are {', '.join(PRESETS)})"
        at = ("model", "preset") if isinstance(model, dict) else ("model",)
        raise Problems([located.problem(at, "R103", message)])
    own = {key: value for key, value in model.items() if key != "preset"} if isinstance(model, dict) else {}
    return dataclasses.replace(located, data={**located.data, "model": preset_settings(name) | own})


def preset_settings(name: str) -> dict[str, Any]:
    """What a YAML file would say to mean the preset: every setting that may be set."""
    settings = dataclasses.asdict(PRESETS[name])
    del settings["vocab_size"], settings["context"]
    settings["head_dim"] = settings.pop("head_width")
    return settings
