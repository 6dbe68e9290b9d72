"""The model against transformers, packed against separate documents, decoding against the full pass."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from test_train_batch import WIDTH, document_rows, rows_of

from train.attention import PLANS, PrefixPlan
from train.batch import packed_batch
from train.config import ModelConfig, RopeScaling
from train.loss import cross_entropy
from train.model import RMSNorm, Transformer, build_model, rotary_tables, rotate
from train.sizes import parameter_counts, training_flops

torch.set_num_threads(1)
TINY = ModelConfig(layers=2, dim=32, query_heads=4, kv_heads=2, ffn_dim=48, vocab_size=50, context=WIDTH)
VARIANTS = {
    "gqa": TINY,
    "mqa, tied": dataclasses.replace(TINY, kv_heads=1, tied_head=True),
    "mha": dataclasses.replace(TINY, kv_heads=4),
    "wide heads": dataclasses.replace(TINY, head_width=12),
    "llama 3.1 positions": dataclasses.replace(
        TINY, context=300, rope_theta=10_000.0, rope_scaling=RopeScaling(original_context=64)
    ),
}


def lively_model(config: ModelConfig, seed: int = 0) -> Transformer:
    """Weights large enough for attention and positions to matter."""
    model = build_model(config, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(12)
            else:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)) * 0.1)
    return model


def hugging_face_twin(model: Transformer):
    """transformers' LlamaForCausalLM with the same weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = model.config
    rope = {"rope_type": "default", "rope_theta": config.rope_theta}
    if config.rope_scaling:
        scaling = config.rope_scaling
        rope |= {"rope_type": "llama3", "factor": scaling.factor, "low_freq_factor": scaling.low_frequency_factor,
                 "high_freq_factor": scaling.high_frequency_factor,
                 "original_max_position_embeddings": scaling.original_context}  # fmt: skip
    twin = LlamaForCausalLM(LlamaConfig(
        vocab_size=config.vocab_size, hidden_size=config.dim, intermediate_size=config.ffn_dim,
        num_hidden_layers=config.layers, num_attention_heads=config.query_heads, num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        max_position_embeddings=config.context, rms_norm_eps=config.norm_eps, rope_parameters=rope,
        tie_word_embeddings=config.tied_head, attn_implementation="sdpa"))  # fmt: skip
    names = {"embedding": "model.embed_tokens", "final_norm": "model.norm", "head": "lm_head", "blocks": "model.layers",
             "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
             "attention.query": "self_attn.q_proj", "attention.key": "self_attn.k_proj",
             "attention.value": "self_attn.v_proj", "attention.output": "self_attn.o_proj",
             "ffn.gate": "mlp.gate_proj", "ffn.up": "mlp.up_proj", "ffn.down": "mlp.down_proj"}  # fmt: skip
    state = {}
    for name, tensor in model.state_dict().items():
        for ours, theirs in sorted(names.items(), key=lambda pair: -len(pair[0])):
            if f"{ours}." in f".{name}" and f".{ours}." in f".{name}.":
                name = f".{name}.".replace(f".{ours}.", f".{theirs}.", 1).strip(".")
        state[name] = tensor
    missing = twin.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert set(missing.missing_keys) <= ({"lm_head.weight"} if config.tied_head else set())
    return twin.eval()


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_logits_equal_transformers(config: ModelConfig) -> None:
    model = lively_model(config)
    twin = hugging_face_twin(model)
    ids = torch.randint(0, 50, (2, config.context), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(config.context).expand(2, -1)
    with torch.no_grad():
        ours = model.logits(model(ids, positions, PrefixPlan()))
        theirs = twin(ids, position_ids=positions, use_cache=False).logits
    assert ours.std() > 0.5
    assert (ours - theirs).abs().max() < 1e-4


def test_packed_logits_equal_transformers_with_restarting_positions() -> None:
    model = lively_model(TINY)
    batch = packed_batch(rows_of([[1, 9, 14], [24]]))
    with torch.no_grad():
        ours = model.logits(model(batch.input_ids, batch.positions, PLANS["loop"](batch)))
        theirs = hugging_face_twin(model)(batch.input_ids, position_ids=batch.positions, use_cache=False).logits
    assert (ours - theirs).abs().max() < 1e-4


def test_rotary_tables_equal_transformers() -> None:
    for config in (TINY, VARIANTS["llama 3.1 positions"]):
        embedding = hugging_face_twin(build_model(config, 0)).model.rotary_emb
        cosines, sines = embedding(torch.zeros(1), torch.arange(config.context)[None])
        ours = rotary_tables(config)
        half = config.head_dim // 2
        assert torch.allclose(ours[0], cosines[0, :, :half], atol=1e-6)
        assert torch.allclose(ours[1], sines[0, :, :half], atol=1e-6)


def test_rotation_equals_its_definition_and_so_does_its_gradient() -> None:
    random = torch.Generator().manual_seed(5)
    x = torch.randn(2, WIDTH, 3, 8, generator=random, requires_grad=True)
    positions = torch.arange(WIDTH).expand(2, -1)
    cosines, sines = (table[positions][:, :, None] for table in rotary_tables(TINY))
    halves = torch.complex(*x.double().chunk(2, -1)) * torch.complex(cosines.double(), sines.double())
    expected = torch.cat((halves.real, halves.imag), -1).float()
    found = rotate(x, (cosines, sines))
    assert torch.allclose(found, expected, atol=1e-6)
    weights = torch.randn(x.shape, generator=random)
    one, other = (torch.autograd.grad((out * weights).sum(), x, retain_graph=True)[0] for out in (found, expected))
    assert torch.allclose(one, other, atol=1e-6)


def test_norms_equal_pytorchs_and_so_do_their_gradients() -> None:
    random = torch.Generator().manual_seed(6)
    x = torch.randn(2, 5, 16, generator=random, requires_grad=True)
    norm = RMSNorm(16, 1e-5)
    torch.nn.init.normal_(norm.weight, generator=random)
    expected = torch.nn.functional.rms_norm(x, (16,), norm.weight, 1e-5)
    weights = torch.randn(x.shape, generator=random)
    assert torch.allclose(norm(x), expected, atol=1e-6)
    gradients = (torch.autograd.grad((out * weights).sum(), (x, norm.weight)) for out in (norm(x), expected))
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert norm(torch.zeros(1, 16)).abs().max() == 0


def loss_and_gradients(model: Transformer, batch, plan) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    hidden = model(batch.input_ids, batch.positions, plan)
    total, per_token = cross_entropy(hidden, model.head_weight, batch.labels, 7)
    return total, per_token, list(torch.autograd.grad(total, list(model.parameters())))


@settings(max_examples=20, deadline=None)
@given(document_rows(most_rows=2))
def test_packed_equals_separate_in_loss_and_all_gradients(lengths: list[list[int]]) -> None:
    model = lively_model(TINY)
    rows = rows_of(lengths)
    batch = packed_batch(rows)
    results = [loss_and_gradients(model, batch, PLANS[name](batch)) for name in ("loop", "dense")]
    alone, gradients = torch.zeros(()), [torch.zeros_like(parameter) for parameter in model.parameters()]
    for tokens, documents, _ in rows:
        first = 0
        for length in documents.tolist():
            document = tokens[first : first + length]
            whole = packed_batch([(document, np.array([length]), np.array([0]))])
            whole = dataclasses.replace(whole, labels=torch.tensor([[*document[1:].tolist(), -100]]))
            total, _, document_gradients = loss_and_gradients(model, whole, PrefixPlan())
            alone = alone + total
            gradients = [a + b for a, b in zip(gradients, document_gradients, strict=True)]
            first += length
    for total, _, packed_gradients in results:
        assert torch.allclose(total, alone, rtol=1e-5, atol=1e-5)
        for one, other in zip(packed_gradients, gradients, strict=True):
            assert (one - other).norm() <= 1e-5 * other.norm() + 1e-6


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_parameter_counts(config: ModelConfig) -> None:
    model = build_model(config, 0)
    counts = parameter_counts(config)
    assert counts.total == sum(parameter.numel() for parameter in model.parameters())
    assert counts.blocks == sum(parameter.numel() for parameter in model.blocks.parameters())
    multiplied = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "embedding" not in name)
    assert counts.matrix == multiplied + (model.embedding.weight.numel() if config.tied_head else 0)


def test_flops_by_hand() -> None:
    # 3 passes (forward, two backward); 2 FLOPs per weight and token; 4 * D per pair, head and layer
    expected = 3 * (2 * parameter_counts(TINY).matrix * 100 + 4 * 8 * 4 * 2 * 1000)
    assert training_flops(TINY, 100, 1000) == expected


def test_initialisation_is_that_of_gpt2_scaled_by_depth() -> None:
    config = dataclasses.replace(TINY, dim=256, query_heads=8, ffn_dim=512, layers=8)
    model = build_model(config, 3)
    deviations = {name: p.detach().std().item() for name, p in model.named_parameters() if p.dim() == 2}
    for name, deviation in deviations.items():
        expected = 0.02 / 4 if name.endswith(("attention.output.weight", "ffn.down.weight")) else 0.02
        assert abs(deviation / expected - 1) < 0.05, name
    again = build_model(config, 3).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())
    assert not torch.equal(model.embedding.weight, build_model(config, 4).embedding.weight)


def test_autocast_stays_close() -> None:
    model = lively_model(TINY)
    batch = packed_batch(rows_of([[5, 19]]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        hidden = model(batch.input_ids, batch.positions, PLANS["loop"](batch))
    assert hidden.dtype == torch.bfloat16
    with torch.no_grad():
        exact = model(batch.input_ids, batch.positions, PLANS["loop"](batch))
    assert (hidden.float() - exact).norm() / exact.norm() < 0.05
