"""The loss of every token of packed rows under a saved model, computed as in training: documents apart, no logits whole."""

from __future__ import annotations

import torch
from torch import Tensor

from train.attention import PLANS, choose_backend
from train.batch import PackedBatch
from train.evaluate.held_out import TokenLosses
from train.loss import cross_entropy
from train.objective import autocast
from train.saved_model import SavedModel
from train.world import choose_dtype

CHUNK_TOKENS = 2048
TOKENS_AT_ONCE = 16_384


def model_losses(saved: SavedModel) -> TokenLosses:
    """From a batch to the NLL in nats of each token [B, S], 0 where nothing is predicted."""
    dtype = choose_dtype("auto", saved.device)
    planner = PLANS[choose_backend("auto", saved.device, dtype)]

    def losses(batch: PackedBatch) -> Tensor:
        with torch.no_grad():
            with autocast(saved.device, dtype):
                hidden = saved.model(batch.input_ids, batch.positions, planner(batch))
            return cross_entropy(hidden, saved.model.head_weight, batch.labels, CHUNK_TOKENS)[1]

    return losses


def rows_at_once(sequence_length: int) -> int:
    """How many rows make a batch of some 16,000 tokens."""
    return max(1, TOKENS_AT_ONCE // sequence_length)
