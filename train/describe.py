"""What a model costs, told from its configuration alone: parameters, KV cache, FLOPs, memory to train. Imports no torch.

Training keeps fp32 weights, fp32 gradients and the optimizer's fp32 moments: 16 bytes a parameter with AdamW, 12 for the
matrices that Muon moves. Sharding (`parallel: shard`) divides these by the number of devices. Activations are those of one
row; the loss takes a chunk of logits and the gradient of the head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train.config import ModelConfig, TrainConfig, TrainError, load_config, resolve
from train.handoff import read_manifest
from train.model_path import is_hugging_face, model_at, run_of
from train.presets import PRESETS
from train.run_folder import CONFIG, read_run
from train.sizes import activation_bytes, kv_cache_bytes, parameter_counts, training_flops

FP32_BYTES, BF16_BYTES = 4, 2
CHUNK_TOKENS = TrainConfig.loss_chunk_tokens


@dataclass(frozen=True)
class Description:
    """The figures of a model, for documents that fill the context. Memory to train is that of one row at a time."""

    name: str
    model: dict[str, Any]
    parameters: dict[str, int]
    kv_cache_bytes_per_token: int  # bf16, KV heads only
    kv_cache_bytes_per_token_without_grouping: int
    training_flops_per_token: float
    forward_flops_per_token: float
    attention_flops_frac: float
    training_bytes: dict[str, int]

    def record(self) -> dict[str, Any]:
        return {"schema_version": 1, **asdict(self)}


def describe(name: str, config: ModelConfig, loss_chunk_tokens: int = 2048) -> Description:
    """Raises TrainError when the vocabulary or the context is not known."""
    if not config.vocab_size or not config.context:
        raise TrainError(f"{name}: vocabulary and context are not known. Say them: --vocab 128256 --context 8192.")
    counts = parameter_counts(config)
    pairs = (config.context + 1) / 2  # of each token, in a document as long as the context
    training = training_flops(config, 1, pairs)
    return Description(
        name=name,
        model=asdict(config),
        parameters=asdict(counts),
        kv_cache_bytes_per_token=kv_cache_bytes(config, config.kv_heads, BF16_BYTES),
        kv_cache_bytes_per_token_without_grouping=kv_cache_bytes(config, config.query_heads, BF16_BYTES),
        training_flops_per_token=training,
        forward_flops_per_token=training / 3,
        attention_flops_frac=1 - training_flops(config, 1, 0) / training,
        training_bytes={
            "weights": FP32_BYTES * counts.total,
            "gradients": FP32_BYTES * counts.total,
            "adamw_moments": 2 * FP32_BYTES * counts.total,
            "activations_of_a_row": activation_bytes(config) * config.context,
            "loss": loss_chunk_tokens * config.vocab_size * (FP32_BYTES + BF16_BYTES)
            + FP32_BYTES * config.vocab_size * config.dim,
        },
    )


def find_model(name: str) -> tuple[ModelConfig, int]:
    """The model of a preset, a training YAML or a folder with a model, and the tokens of a loss chunk there."""
    if name in PRESETS:
        return PRESETS[name], CHUNK_TOKENS
    path = Path(name)
    run = run_of(path) or path
    if (run / CONFIG).exists():
        record = {} if is_hugging_face(run) else read_run(run)["config"]  # imported models have no settings of training
        return model_at(path), record.get("loss_chunk_tokens", CHUNK_TOKENS)
    if not path.exists() or path.is_dir():
        raise TrainError(f"{name}: is no preset, training YAML or folder of a model. Presets: {', '.join(PRESETS)}.")
    config = load_config(path)
    if Path(config.data, "manifest.json").exists():
        config = resolve(config, read_manifest(config.data))
    return config.model, config.loss_chunk_tokens


def description_text(description: Description) -> str:
    """The figures for people: a line each."""
    model, counts, memory = description.model, description.parameters, description.training_bytes
    grouped, whole = description.kv_cache_bytes_per_token, description.kv_cache_bytes_per_token_without_grouping
    share = model["query_heads"] // model["kv_heads"]
    lines = {
        "parameters": f"{counts['total']:,} ({counts['blocks']:,} in blocks, {counts['embedding']:,} embedding, "
        + (f"{counts['head']:,} head)" if counts["head"] else "head tied)"),
        "attention": f"{model['query_heads']} query heads, {model['kv_heads']} KV heads: {_group(share)}",
        "KV cache": f"{grouped:,} bytes a token in bf16, {whole:,} without grouping"
        + (f": 1/{share}" if share > 1 else ""),
        "  full context": f"{_bytes(grouped * model['context'])} for {model['context']:,} tokens",
        "FLOPs a token": f"{description.training_flops_per_token:.3e} to train, "
        f"{description.forward_flops_per_token:.3e} forward; "
        f"{description.attention_flops_frac:.0%} attention when a document fills the context",
        "memory to train": f"{_bytes(sum(memory.values()))}: "
        + ", ".join(f"{name.replace('_', ' ')} {_bytes(size)}" for name, size in memory.items()),
    }
    return "\n".join([description.name, *(f"{name:<17}{text}" for name, text in lines.items())])


def preset_lines() -> list[str]:
    """The presets as a table."""
    header = f"{'preset':<15}{'parameters':>16}  layers    dim  heads  KV heads  vocabulary  context"
    rows = [
        f"{name:<15}{parameter_counts(m).total:>16,}  {m.layers:>6}{m.dim:>7}{m.query_heads:>7}{m.kv_heads:>10}"
        f"{m.vocab_size:>12,}{m.context:>9,}"
        for name, m in PRESETS.items()
    ]
    return [header, *rows]


def _group(share: int) -> str:
    return "every query head has its own" if share == 1 else f"{share} query heads share one"


def _bytes(size: float) -> str:
    """Three figures in the unit that suits them, as 1 GB = 10^9 bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
