"""What a budget buys: FLOPs or device hours, the cost of a run, its batch and learning rate, and the smallest difference seen.

Nothing here trains, reads files or imports torch: numbers in, numbers out. Cost counts the attention really executed
(sizes.py), so a run's FLOPs are 6 * N * D and a little more, N being the weights that tokens are multiplied with.

Batch and learning rate follow the rules of OLMo's ladder (arXiv 2412.04403, appendix A): 2048 * 160 tokens and 0.0047 / 2 at
108 M non-embedding parameters, growing as N**(2/3) and falling as N**(-1/3). A run too short for LEAST_STEPS of such
batches takes smaller ones, and a learning rate smaller by the square root of that (arXiv 2405.14578).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from scipy import stats

from train.config import ModelConfig, TrainError
from train.sizes import parameter_counts, training_flops

LEAST_STEPS = 400
WARMUP_FRAC, MOST_WARMUP_STEPS = 0.1, 2000
REFERENCE_PARAMS, REFERENCE_BATCH_TOKENS, REFERENCE_RATE = 108e6, 2048 * 160, 0.0047 / 2
MOST_RATE = 0.01  # the rule was made for models of 190 M parameters and more; for tiny ones it would go on rising
CONFIDENCE, POWER = 0.95, 0.8
_BUDGET = re.compile(r"([0-9.]+(?:e[+-]?[0-9]+)?)[ _-]*(|flops?|(?:gpu|cpu|device)?[ _-]*h(?:ours?)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Budget:
    """FLOPs, or hours of one device: one of them is given."""

    flops: float | None = None
    device_hours: float | None = None

    def total_flops(self, device_flops: float) -> float:
        """FLOPs of the budget on devices that sustain `device_flops` FLOP/s each."""
        return self.flops if self.flops is not None else (self.device_hours or 0.0) * 3600 * device_flops


def parse_budget(text: str) -> Budget:
    """`3e18`, `3e18 flops`, `24 gpu-hours`, `1.5h`. Raises TrainError for anything else."""
    found = _BUDGET.fullmatch(text.strip())
    try:
        amount = float(found[1]) if found else 0.0
    except ValueError:
        amount = 0.0
    if not found or not 0 < amount < math.inf:
        raise TrainError(f"budget {text!r}: expected FLOPs, such as 3e18, or hours of one device, such as '24 gpu-hours' or 24h.")
    return Budget(device_hours=amount) if "h" in found[2].lower() else Budget(flops=amount)


@dataclass(frozen=True)
class DataFacts:
    """What of packed data decides costs. `pairs_per_token`: query-key pairs a token takes part in, as its query."""

    vocab_size: int
    context: int
    train_tokens: int
    tokens_per_row: float
    pairs_per_token: float
    held_out_documents: int


@dataclass(frozen=True)
class PlannedRun:
    """A run to be: `tokens` and `flops` are those of its whole steps. `params` are the weights of matrices (head included)."""

    model: ModelConfig
    params: int
    params_non_embedding: int
    params_total: int
    tokens: int
    steps: int
    batch_rows: int
    learning_rate: float
    warmup_steps: int
    flops: float

    def hours(self, device_flops: float) -> float:
        """Hours on one device that sustains `device_flops` FLOP/s."""
        return self.flops / device_flops / 3600


def flops_per_token(model: ModelConfig, facts: DataFacts) -> float:
    return training_flops(model, 1, facts.pairs_per_token)


def plan_run(model: ModelConfig, facts: DataFacts, flops: float | None = None, tokens: float | None = None) -> PlannedRun:
    """The run of `model` that spends `flops`, or reads `tokens`: whole steps of a batch that suits its size.

    Raises TrainError where that is less than a step.
    """
    counts, per_token = parameter_counts(model), flops_per_token(model, facts)
    non_embedding = counts.total - counts.embedding - counts.head
    wanted = tokens if tokens is not None else (flops or 0.0) / per_token
    batch_rows = _batch_rows(non_embedding, wanted, facts)
    steps = round(wanted / (batch_rows * facts.tokens_per_row))
    if steps < 1:
        raise TrainError(f"{wanted:.3g} tokens are less than one row of the packed data ({facts.tokens_per_row:.0f}). Raise the budget.")
    taken = steps * batch_rows * facts.tokens_per_row
    rate = learning_rate(non_embedding, batch_rows * facts.tokens_per_row)
    warmup = min(MOST_WARMUP_STEPS, round(steps * WARMUP_FRAC))
    return PlannedRun(model, counts.matrix, non_embedding, counts.total, round(taken), steps, batch_rows, rate, warmup, taken * per_token)


def batch_tokens(params_non_embedding: int) -> float:
    """The batch of the rule, in tokens."""
    return REFERENCE_BATCH_TOKENS * (params_non_embedding / REFERENCE_PARAMS) ** (2 / 3)


def learning_rate(params_non_embedding: int, tokens_of_a_batch: float) -> float:
    """The peak learning rate of the rule, at most MOST_RATE at the rule's batch and less for a smaller one; three figures."""
    smaller = min(1.0, tokens_of_a_batch / batch_tokens(params_non_embedding))
    rate = min(REFERENCE_RATE * (params_non_embedding / REFERENCE_PARAMS) ** (-1 / 3), MOST_RATE) * math.sqrt(smaller)
    return float(f"{rate:.3g}")


def _batch_rows(params_non_embedding: int, tokens: float, facts: DataFacts) -> int:
    """Rows of the rule's batch, of a shorter one where LEAST_STEPS would not fit; a power of two, so that parts fit it."""
    rows = min(batch_tokens(params_non_embedding), tokens / LEAST_STEPS) / facts.tokens_per_row
    return 2 ** max(0, math.floor(math.log2(max(rows, 1.0))))


def smallest_difference(deviation: float, seeds: int, known: bool = True) -> float:
    """The smallest true difference between two arms that a two-sided test at 5 % finds with a probability of 80 %.

    `deviation`: of the difference between the arms for one seed. `known`: it was measured before (normal test); else it
    is estimated from these seeds alone, by a paired t-test, which one seed does not allow (infinite).
    """
    error = deviation / math.sqrt(seeds)
    outside = (1 - CONFIDENCE) / 2
    if known:
        return error * float(stats.norm.ppf(1 - outside) + stats.norm.ppf(POWER))
    if seeds < 2:
        return math.inf
    return error * _noncentrality(seeds - 1, float(stats.t.ppf(1 - outside, seeds - 1)))


def _noncentrality(freedom: int, threshold: float) -> float:
    """The shift, in standard errors, at which Student's t passes `threshold` with probability POWER; by bisection."""
    low, high = 0.0, 100.0 * threshold
    for _ in range(100):
        middle = (low + high) / 2
        passes = float(stats.nct.sf(threshold, freedom, middle))
        low, high = (middle, high) if passes < POWER else (low, middle)
    return high
