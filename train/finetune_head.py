"""GPT-1's head: the hidden state of a text's last token, after dropout, through one linear layer (Radford et al. 2018).

classification    one text (or two in a row) -> a score for each class
similarity        two texts in both orders, their states added -> scores of classes, or a number
multiple_choice   the text with each choice -> a score for each, by one linear function

Numbers are standardised by the mean and deviation of the items trained on, so that the loss has the scale of a class's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.attention import PLANS, Planner, choose_backend
from train.batch import PackedBatch, empty_row, packed_batch
from train.finetune_items import Item, Items
from train.loss import cross_entropy
from train.model import INITIAL_DEVIATION, Transformer
from train.objective import autocast
from train.saved_model import SavedModel
from train.world import choose_dtype

CHUNK_TOKENS = 2048
PART_TOKENS = {"cpu": 4096, "cuda": 16_384}
WIDTH_STEP = 64


class Head(nn.Module):
    """Weights normal(0, 0.02), bias 0; `shift` and `scale` standardise numbers."""

    def __init__(self, dim: int, outputs: int, dropout: float, seed: int):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim, outputs)
        with torch.no_grad():
            self.linear.weight.normal_(0.0, INITIAL_DEVIATION, generator=torch.Generator().manual_seed(seed))
            self.linear.bias.zero_()

    def forward(self, states: Tensor) -> Tensor:
        return self.linear(self.dropout(states.float()))


@dataclass(frozen=True)
class Outcome:
    """Scores of items [items, outputs] (numbers: [items, 1]; of choices: -inf beyond the last), sums of losses."""

    scores: Tensor
    lm_nats: Tensor  # summed over tokens; 0 where it was not asked for


@dataclass(frozen=True)
class Reader:
    """How a model on a device reads sequences. `width`: pad to this many tokens; None: to the longest at hand."""

    model: Transformer
    device: torch.device
    dtype: torch.dtype
    planner: Planner
    width: int | None

    def states(self, sequences: Sequence[np.ndarray], with_lm: bool) -> tuple[Tensor, Tensor]:
        """The hidden states of last tokens [sequences, dim], and the summed NLL of the sequences (0 unless asked for)."""
        batch = self._batch(sequences)
        with autocast(self.device, self.dtype):
            hidden = self.model(batch.input_ids, batch.positions, self.planner(batch))
        last = torch.tensor([len(tokens) - 1 for tokens in sequences], device=self.device)
        states = hidden[torch.arange(len(sequences), device=self.device), last]
        if not with_lm:
            return states, torch.zeros((), device=self.device)
        return states, cross_entropy(hidden, self.model.head_weight, batch.labels, CHUNK_TOKENS)[0]

    def states_of(self, items: Sequence[Item]) -> Tensor:
        """The states of all sequences of all items [sequences, dim], those of an item together."""
        self.model.eval()
        with torch.no_grad():
            parts = self.parts_of(items)
            return torch.cat([self.states([tokens for index in part for tokens in items[index].sequences], False)[0].float() for part in parts])

    def parts_of(self, items: Sequence[Item]) -> list[list[int]]:
        """Places of items in parts that fit into memory, padding counted."""
        parts: list[list[int]] = []
        rows = longest = 0
        for index, item in enumerate(items):
            longest = max(longest, self.width or max(map(len, item.sequences)))
            rows += len(item.sequences)
            if not parts or rows * longest > PART_TOKENS[self.device.type]:
                parts.append([])
                rows, longest = len(item.sequences), self.width or max(map(len, item.sequences))
            parts[-1].append(index)
        return parts

    def _batch(self, sequences: Sequence[np.ndarray]) -> PackedBatch:
        """One sequence a row, padded at its end; at a fixed width, rows are a power of two, so that shapes are few."""
        width = self.width or max(map(len, sequences))
        rows = [(np.pad(tokens, (0, width - len(tokens))), np.array([len(tokens)], np.int32), np.zeros(1, np.int64)) for tokens in sequences]
        if self.width:
            rows += [empty_row(width)] * (2 ** (len(rows) - 1).bit_length() - len(rows))
        return packed_batch(rows, 2 * len(rows) + 1).to(self.device)


def open_reader(saved: SavedModel, parts: Sequence[Items]) -> Reader:
    """On CUDA all batches have one width, so that attention is compiled once."""
    dtype = choose_dtype("auto", saved.device)
    longest = max(len(tokens) for items in parts for item in items.items for tokens in item.sequences)
    width = min(-(-longest // WIDTH_STEP) * WIDTH_STEP, saved.model.config.context) if saved.device.type == "cuda" else None
    return Reader(saved.model, saved.device, dtype, PLANS[choose_backend("auto", saved.device, dtype)], width)


def scores_of(head: Head, states: Tensor, items: Sequence[Item], task: str) -> Tensor:
    """states [sequences of the items, dim] -> scores [items, outputs]."""
    if task == "similarity":
        return head(states.view(len(items), 2, -1).sum(1))
    if task == "classification":
        return head(states)
    counts = [len(item.sequences) for item in items]
    flat = head(states)[:, 0].split(counts)
    return nn.utils.rnn.pad_sequence(flat, batch_first=True, padding_value=float("-inf"))


def task_loss(scores: Tensor, labels: Tensor, target: str) -> Tensor:
    """The loss summed over items: cross entropy in nats, or half the square of standardised numbers."""
    if target == "number":
        return 0.5 * (scores[:, 0] - labels).square().sum()
    return F.cross_entropy(scores, labels.long(), reduction="sum")
