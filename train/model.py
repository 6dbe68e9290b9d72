"""The Llama 3 decoder: pre-norm RMSNorm, rotary positions, grouped-query attention, SwiGLU (arXiv 2407.21783).

Tensor names in comments: B rows, S tokens, Hq query heads, Hkv key-value heads, D width of a head, V vocabulary.
Rotary pairs are half-split (dimension i turns with i + D/2), as in the checkpoints of Hugging Face, so export needs no
permutation. Weights start as in GPT-2: normal(0, 0.02), and the projections that write to the residual stream are
scaled down by sqrt(2 * layers). Norms and rotations compute in fp32 whatever the autocast type.

`forward` returns hidden states; logits are the loss's business, since they must never exist whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from train.attention import Plan, attend
from train.config import ModelConfig
from train.kv_cache import KVCache

INITIAL_DEVIATION = 0.02
Rotation = tuple[Tensor, Tensor]  # cosines and sines, each [B, S, 1, D / 2]


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in fp32."""

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if lean(x):
            return _RMSNorm.apply(x, self.weight, self.eps)
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps).to(x.dtype)


class _RMSNorm(torch.autograd.Function):
    """The same with half the passes over memory, forward and backward."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        inverse = mean_square.add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return torch.mul(x, inverse).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight, inverse = ctx.saved_tensors
        normed = x * inverse
        grad_weight = (grad * normed).flatten(0, -2).sum(0)
        grad = grad * weight
        along = (grad * normed).mean(-1, keepdim=True)
        return grad.sub_(normed.mul_(along)).mul_(inverse), grad_weight, None


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int):
        super().__init__()
        self.config, self.layer = config, layer
        self.attend = attend  # an attribute, so that compilation can leave it out
        query_dim, kv_dim = config.query_heads * config.head_dim, config.kv_heads * config.head_dim
        self.query = nn.Linear(config.dim, query_dim, bias=False)
        self.key = nn.Linear(config.dim, kv_dim, bias=False)
        self.value = nn.Linear(config.dim, kv_dim, bias=False)
        self.output = nn.Linear(query_dim, config.dim, bias=False)

    def forward(self, x: Tensor, rotation: Rotation, plan: Plan, cache: KVCache | None) -> Tensor:
        heads = (*x.shape[:2], -1, self.config.head_dim)
        query = rotate(self.query(x).view(heads), rotation)
        key = rotate(self.key(x).view(heads), rotation)
        value = self.value(x).view(heads)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        return self.output(self.attend(query, key, value, plan).flatten(2))


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)) (arXiv 2002.05202)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.gate = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.up = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.down = nn.Linear(config.ffn_dim, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int):
        super().__init__()
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.attention = Attention(config, layer)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)
        self.ffn = SwiGLU(config)

    def forward(self, x: Tensor, rotation: Rotation, plan: Plan, cache: KVCache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotation, plan, cache)
        return x + self.ffn(self.ffn_norm(x))


class Transformer(nn.Module):
    """The decoder. `head_weight` [V, dim] is the embedding itself where the head is tied."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.final_norm = RMSNorm(config.dim, config.norm_eps)
        self.head = None if config.tied_head else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.register_buffer("cosines", torch.empty(config.context, config.head_dim // 2), persistent=False)
        self.register_buffer("sines", torch.empty(config.context, config.head_dim // 2), persistent=False)
        self.fill_tables()

    def fill_tables(self) -> None:
        """Compute the rotary tables; once more where the memory of the model was given anew."""
        for buffer, values in zip((self.cosines, self.sines), rotary_tables(self.config), strict=True):
            buffer.copy_(values)

    @property
    def head_weight(self) -> Tensor:
        return self.embedding.weight if self.head is None else self.head.weight

    def forward(self, input_ids: Tensor, positions: Tensor, plan: Plan, cache: KVCache | None = None) -> Tensor:
        """input_ids and positions [B, S] -> hidden states after the last norm [B, S, dim].

        With a cache, `plan` is what its `fill` or `at` returned.
        """
        x = self.embedding(input_ids)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        rotation = (self.cosines[positions][:, :, None], self.sines[positions][:, :, None])
        for block in self.blocks:
            x = block(x, rotation, plan, cache)
        return self.final_norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., dim] -> [..., V], fp32. For generation and tests; training never makes all logits at once."""
        return F.linear(hidden, self.head_weight.to(hidden.dtype)).float()


def build_model(config: ModelConfig, seed: int) -> Transformer:
    """A freshly initialised model on the CPU; the same weights for the same seed, whatever the device it moves to."""
    model = Transformer(config)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, values in initial_weights(config, seed):
            parameters[name].copy_(values)
    return model


def initial_weights(config: ModelConfig, seed: int) -> Iterator[tuple[str, Tensor]]:
    """The weights a run starts from, one parameter at a time, so that a model larger than memory can be filled."""
    with torch.device("meta"):
        shapes = {name: parameter.shape for name, parameter in Transformer(config).named_parameters()}
    generator = torch.Generator().manual_seed(seed)
    residual_deviation = INITIAL_DEVIATION / math.sqrt(2 * config.layers)
    for name, shape in shapes.items():
        if len(shape) == 2:
            writes_residual = name.endswith(("attention.output.weight", "ffn.down.weight"))
            deviation = residual_deviation if writes_residual else INITIAL_DEVIATION
            yield name, torch.empty(shape).normal_(0.0, deviation, generator=generator)
        else:
            yield name, torch.ones(shape)


def compile_blocks(model: Transformer, backend: str) -> None:
    """Compile each block by itself: the same code for all layers, and short compilations.

    The document loop stays outside of the compiled code, since its shapes are others in every batch.
    """
    for block in model.blocks:
        if backend == "loop":
            block.attention.attend = torch.compiler.disable(attend)
        block.compile(dynamic=False)


def lean(x: Tensor) -> bool:
    """Whether to take operations written for few passes over memory: on a CPU, where nothing fuses them otherwise."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn each pair (i, i + D/2) of x [B, S, H, D] by the angle of its position (RoFormer, arXiv 2104.09864)."""
    if lean(x):
        return _Rotate.apply(x, *rotation)
    cosines, sines = rotation
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), -1).to(x.dtype)


class _Rotate(torch.autograd.Function):
    """The same with four passes over memory instead of nine; the gradient is the rotation by the opposite angle."""

    @staticmethod
    def forward(ctx, x, cosines, sines):
        ctx.save_for_backward(cosines, sines)
        return _rotated(x, cosines, sines, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        cosines, sines = ctx.saved_tensors
        return _rotated(grad, cosines, sines, -1), None, None


def _rotated(x: Tensor, cosines: Tensor, sines: Tensor, sign: int) -> Tensor:
    turned = torch.empty_like(x, memory_format=torch.contiguous_format)
    (first, second), (first_turned, second_turned) = x.chunk(2, -1), turned.chunk(2, -1)
    torch.mul(first, cosines, out=first_turned).addcmul_(second, sines, value=-sign)
    torch.mul(second, cosines, out=second_turned).addcmul_(first, sines, value=sign)
    return turned


def rotary_tables(config: ModelConfig) -> Rotation:
    """Cosines and sines of position times frequency, each [context, D / 2], fp32."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    frequencies = _scaled(1.0 / config.rope_theta**exponents, config)
    angles = torch.outer(torch.arange(config.context, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def _scaled(frequencies: Tensor, config: ModelConfig) -> Tensor:
    """Llama 3.1: frequencies that turn rarely within the original context are divided by `factor`, quick ones kept."""
    scaling = config.rope_scaling
    if scaling is None:
        return frequencies
    turns = scaling.original_context * frequencies / (2 * math.pi)
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    kept_frac = ((turns - low) / (high - low)).clamp(0, 1)
    return kept_frac * frequencies + (1 - kept_frac) * frequencies / scaling.factor
