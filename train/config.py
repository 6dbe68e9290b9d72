"""The configuration of a training run: frozen dataclasses read from YAML, checked, hashed and written down.

    config = load_config("train.yaml")            # every mistake at once, as file:line:col
    config = resolve(config, read_manifest(...))  # vocabulary and context come from the packed data, never from YAML

Relative paths are relative to the folder of the YAML file. The hash of a configuration names what decides the result;
it leaves out the two paths (the packed data is identified by its own checksum), so a project may be moved, and what
may change from one session of a run to the next: how it is spread over devices, and where metrics go.
Imports no torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rules.places import SettingError, build, load

if TYPE_CHECKING:
    from train.handoff import Manifest

PATHS = ("data", "output")
NOT_DECIDING = (*PATHS, "log_to", "parallel")  # what may change while a run goes on
FROM_MANIFEST = {"internal": True}


class TrainError(ValueError):
    """A mistake the user can mend; the text says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3.1's stretching of slow rotary frequencies, as in its reference code and in transformers' `llama3`."""

    factor: float = 8.0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 4.0
    original_context: int = 8192

    def __post_init__(self) -> None:
        if not 0 < self.low_frequency_factor < self.high_frequency_factor:
            raise SettingError("low_frequency_factor", "must be above 0 and below high_frequency_factor")
        _need_positive(self, "factor", "original_context")


@dataclass(frozen=True)
class ModelConfig:
    """A Llama-3-style decoder. `query_heads / kv_heads` query heads share one key-value head (1 = MHA, all = MQA).

    The width of a head is dim / query_heads, unless `head_dim` (here: head_width) says otherwise.
    """

    layers: int
    dim: int
    query_heads: int
    ffn_dim: int
    kv_heads: int = 8
    rope_theta: float = 500_000.0
    rope_scaling: RopeScaling | None = None
    norm_eps: float = 1e-5
    tied_head: bool = False
    head_width: int | None = field(default=None, metadata={"yaml": "head_dim"})
    vocab_size: int = field(default=0, metadata=FROM_MANIFEST)
    context: int = field(default=0, metadata=FROM_MANIFEST)

    def __post_init__(self) -> None:
        _need_positive(self, "layers", "dim", "query_heads", "ffn_dim", "kv_heads", "rope_theta", "norm_eps")
        if self.query_heads % self.kv_heads:
            raise SettingError("kv_heads", f"must divide query_heads ({self.query_heads}), got {self.kv_heads}")
        if self.head_width is not None and (self.head_width < 2 or self.head_width % 2):
            raise SettingError("head_dim", f"must be even and above 0, got {self.head_width}")
        if self.head_width is None and (self.dim % self.query_heads or self.head_dim % 2):
            raise SettingError("dim", f"must be an even multiple of query_heads ({self.query_heads}), got {self.dim}")

    @property
    def head_dim(self) -> int:
        return self.head_width or self.dim // self.query_heads


@dataclass(frozen=True)
class SampleConfig:
    """The continuation sampled at the end of a run."""

    prompt: str = "The"
    tokens: int = 48
    temperature: float = 0.8
    top_p: float = 0.95

    def __post_init__(self) -> None:
        _need_positive(self, "tokens")
        check_sampling(self.temperature, self.top_p)


@dataclass(frozen=True)
class RampStage:
    """Steps before `until_step` (and after the stage before) take `batch_rows` rows."""

    until_step: int
    batch_rows: int

    def __post_init__(self) -> None:
        _need_positive(self, "until_step", "batch_rows")


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run needs. `batch_rows` counts the rows of one optimizer step over all devices.

    `accumulation` splits those rows into parts that fit in memory; the learning rate of `wsd` falls linearly over the
    last `decay_frac` of the steps; a `peak_flops` of null looks the device up, and reports no MFU where it is unknown.
    Held-out loss is told by the columns `eval_by` of documents.parquet, whatever the packing carried.
    `optimizer: muon` moves the matrices of blocks by Muon, all else by AdamW, at one learning rate. `z_loss` is a weight,
    1e-4 where it is used. `batch_ramp` lists smaller batches for the first steps, each a multiple of the rows of a part.
    `parallel` says whether several devices each hold the whole model (replicate) or a share of it (shard); `auto` shards
    what would fill more than half of a GPU. `log_to` sends metrics to TensorBoard or W&B as well.
    `row_order: by_content` draws the order of rows from what is in them, so that folders which share rows have these in
    the same order (train/row_order.py). `start_from` is a model (a run, a checkpoint, a Llama folder) whose weights the first step begins with.
    """

    data: str
    output: str
    model: ModelConfig
    steps: int
    batch_rows: int
    learning_rate: float
    accumulation: int = 1
    warmup_steps: int = 0
    schedule: Literal["wsd", "cosine"] = "wsd"
    decay_frac: float = 0.2
    final_learning_rate_frac: float = 0.0
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    adam_eps: float = 1e-8
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_momentum: float = 0.95
    z_loss: float = 0.0
    batch_ramp: tuple[RampStage, ...] = ()
    clip_norm: float = 1.0
    seed: int = 0
    row_order: Literal["shuffled", "by_content"] = "shuffled"
    start_from: str | None = None
    eval_every: int = 500
    eval_rows: int = 64
    eval_by: tuple[str, ...] = ("source", "lang")
    checkpoint_every: int = 500
    log_every: int = 10
    device: Literal["auto", "cuda", "cpu"] = "auto"
    attention: Literal["auto", "flex", "varlen", "loop", "dense"] = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = False
    parallel: Literal["auto", "replicate", "shard"] = "auto"
    cross_entropy: Literal["auto", "chunked", "liger"] = "auto"
    loss_chunk_tokens: int = 2048
    peak_flops: float | None = None
    log_to: tuple[Literal["tensorboard", "wandb"], ...] = ()
    sample: SampleConfig = field(default_factory=SampleConfig)

    def __post_init__(self) -> None:
        _need_positive(self, "steps", "batch_rows", "accumulation", "learning_rate", "adam_eps", "clip_norm")
        _need_positive(self, "eval_every", "eval_rows", "checkpoint_every", "log_every", "loss_chunk_tokens")
        _need_fraction(self, "decay_frac", "final_learning_rate_frac")
        _need_range(self, 0, "warmup_steps", "weight_decay", "seed", "z_loss")
        if self.batch_rows % self.accumulation:
            raise SettingError("batch_rows", f"must be a multiple of accumulation ({self.accumulation})")
        if self.warmup_steps > self.steps:
            raise SettingError("warmup_steps", f"must be at most steps ({self.steps}), got {self.warmup_steps}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise SettingError("betas", "must both be at least 0 and below 1")
        if not 0 <= self.muon_momentum < 1:
            raise SettingError("muon_momentum", f"must be at least 0 and below 1, got {self.muon_momentum}")
        if self.peak_flops is not None:
            _need_positive(self, "peak_flops")
        self._check_ramp()

    def _check_ramp(self) -> None:
        part_rows = self.batch_rows // self.accumulation
        steps = [stage.until_step for stage in self.batch_ramp]
        if steps != sorted(set(steps)):
            raise SettingError("batch_ramp", f"each until_step must be above the one before, got {steps}")
        for stage in self.batch_ramp:
            if stage.batch_rows % part_rows:
                raise SettingError(
                    "batch_ramp",
                    f"{stage.batch_rows} rows are no multiple of batch_rows / accumulation ({part_rows}), the rows of a part",
                )


def check_sampling(temperature: float, top_p: float) -> None:
    """Raises SettingError unless 0 <= temperature and 0 < top_p <= 1."""
    if not temperature >= 0:
        raise SettingError("temperature", f"must be at least 0 (0 takes the most likely token), got {temperature}")
    if not 0 < top_p <= 1:
        raise SettingError("top_p", f"must be above 0 and at most 1, got {top_p}")


def load_config(path: str | Path) -> TrainConfig:
    """Read a training YAML. Paths in it become absolute. Raises rules.places.Problems with every mistake found."""
    from train.model_path import with_started_model  # both of these import this module
    from train.presets import with_preset

    folder = Path(path).resolve().parent
    config = build(TrainConfig, with_preset(with_started_model(load(path), folder)))
    names = [name for name in (*PATHS, "start_from") if getattr(config, name) is not None]
    return dataclasses.replace(config, **{name: str((folder / getattr(config, name)).resolve()) for name in names})


def resolve(config: TrainConfig, manifest: Manifest) -> TrainConfig:
    """The configuration with the model's vocabulary and context taken from the packed data."""
    model = dataclasses.replace(config.model, vocab_size=manifest.vocab_size, context=manifest.sequence_length)
    return dataclasses.replace(config, model=model)


def config_record(config: TrainConfig) -> dict[str, Any]:
    """The configuration as plain JSON data."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def config_sha256(config: TrainConfig) -> str:
    """The hash of every setting that decides the result."""
    record = {name: value for name, value in config_record(config).items() if name not in NOT_DECIDING}
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def model_of_record(record: dict[str, Any]) -> ModelConfig:
    """The ModelConfig that `config_record` wrote."""
    scaling = record["rope_scaling"]
    return ModelConfig(**{**record, "rope_scaling": RopeScaling(**scaling) if scaling else None})


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """What changed between two configuration records, as lines such as `learning_rate: 0.001 -> 0.002`."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{name}.")
        elif before != after and f"{prefix}{name}" not in NOT_DECIDING:
            lines.append(f"{prefix}{name}: {json.dumps(before)} -> {json.dumps(after)}")
    return lines


def _need_positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 < value < float("inf"):
            raise SettingError(name, f"must be above 0, got {value}")


def _need_range(config: Any, low: float, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not low <= value < float("inf"):
            raise SettingError(name, f"must be at least {low}, got {value}")


def _need_fraction(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise SettingError(name, f"must be between 0 and 1, got {value}")
