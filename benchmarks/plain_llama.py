"""Two yardsticks of the trainer: a plain torch loop of the same model, and transformers' Llama with a 4D mask.

Both train as people train who write the loop by hand: whole logits, F.cross_entropy, clipping, fused AdamW. The plain
model attends each document by itself, as gristmill does on a CPU; transformers takes a boolean mask [B, 1, S, S], which
is how a Trainer keeps packed documents apart without CUDA. Weights are those of a gristmill model, so all must agree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.batch import PackedBatch
from train.config import ModelConfig
from train.model import Transformer

IGNORED = -100
NAMES = {"embedding": "model.embed_tokens", "final_norm": "model.norm", "head": "lm_head", "blocks": "model.layers",
         "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "query": "q_proj",
         "key": "k_proj", "value": "v_proj", "output": "o_proj", "attention": "self_attn", "gate": "gate_proj",
         "up": "up_proj", "down": "down_proj", "ffn": "mlp"}  # fmt: skip


class PlainBlock(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.width = config.head_dim
        heads, groups = config.query_heads * self.width, config.kv_heads * self.width
        self.attention_norm, self.ffn_norm = (nn.RMSNorm(config.dim, config.norm_eps) for _ in range(2))
        self.query, self.key, self.value, self.output = (
            nn.Linear(inputs, outputs, bias=False)
            for inputs, outputs in (
                (config.dim, heads),
                (config.dim, groups),
                (config.dim, groups),
                (heads, config.dim),
            )
        )
        self.gate, self.up = (nn.Linear(config.dim, config.ffn_dim, bias=False) for _ in range(2))
        self.down = nn.Linear(config.ffn_dim, config.dim, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, spans: list[tuple[int, int]]) -> Tensor:
        normed = self.attention_norm(x)
        query, key, value = (
            project(normed).view(1, x.shape[1], -1, self.width).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        query, key = rotated(query, cosines, sines), rotated(key, cosines, sines)
        outs = [
            F.scaled_dot_product_attention(
                query[:, :, start:end],
                key[:, :, start:end],
                value[:, :, start:end],
                is_causal=True,
                enable_gqa=True,
            )
            for start, end in spans
        ]
        x = x + self.output(torch.cat(outs, 2).transpose(1, 2).flatten(2))
        normed = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


class PlainLlama(nn.Module):
    """The textbook Llama; parameters are named as gristmill's without their folders."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(PlainBlock(config) for _ in range(config.layers))
        self.final_norm = nn.RMSNorm(config.dim, config.norm_eps)
        exponents = torch.arange(0, config.head_dim, 2) / config.head_dim
        angles = torch.outer(torch.arange(config.context), config.rope_theta**-exponents).repeat(1, 2)
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(self, input_ids: Tensor, positions: Tensor, spans: list[tuple[int, int]]) -> Tensor:
        x = self.embedding(input_ids)
        cosines, sines = self.cosines[positions][:, None], self.sines[positions][:, None]
        for block in self.blocks:
            x = block(x, cosines, sines, spans)
        return F.linear(self.final_norm(x), self.embedding.weight)


def rotated(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cosines + torch.cat((-second, first), -1) * sines


def plain_loss(model: Transformer, batch: PackedBatch) -> tuple[nn.Module, Callable[[], Tensor]]:
    """A plain model with the weights of `model`, and its mean loss on `batch`."""
    plain = PlainLlama(model.config)
    names = {name: name.replace("attention.", "").replace("ffn.", "") for name in model.state_dict()}
    plain.load_state_dict({names[name]: tensor for name, tensor in model.state_dict().items()})
    ends = torch.tensor(batch.lengths).cumsum(0).tolist()
    spans = list(zip([0, *ends[:-1]], ends, strict=True))

    def loss() -> Tensor:
        logits = plain(batch.input_ids, batch.positions, spans)
        return F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED)

    return plain, loss


def transformers_loss(model: Transformer, batch: PackedBatch) -> tuple[nn.Module, Callable[[], Tensor]]:
    """transformers' LlamaForCausalLM with the weights of `model`, and its mean loss on `batch`."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = model.config
    twin = LlamaForCausalLM(LlamaConfig(
        vocab_size=config.vocab_size, hidden_size=config.dim, intermediate_size=config.ffn_dim,
        num_hidden_layers=config.layers, num_attention_heads=config.query_heads, num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.context, rms_norm_eps=config.norm_eps, use_cache=False,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tied_head, attn_implementation="sdpa"))  # fmt: skip
    twin.load_state_dict({their_name(name): tensor for name, tensor in model.state_dict().items()}, strict=False)
    places = torch.arange(config.context)
    mask = (places >= batch.doc_starts[:, :, None]) & (places <= places[:, None])
    shifted = batch.labels.roll(1, 1)  # transformers shifts labels to the left again

    def loss() -> Tensor:
        return twin(batch.input_ids, attention_mask=mask[:, None], position_ids=batch.positions, labels=shifted).loss

    return twin, loss


def their_name(name: str) -> str:
    return ".".join(NAMES.get(part, part) for part in name.split("."))
