"""The gradient noise scale: how many tokens a batch needs before averaging more of them stops helping (arXiv 1812.06162).

B_noise = tr(Sigma) / |G|^2, from the gradients of a part (b tokens) and of the whole step (B tokens) of the same batch:

    |G|^2     = (B |g_B|^2 - b |g_b|^2) / (B - b)
    tr(Sigma) = (|g_b|^2 - |g_B|^2) / (1/b - 1/B)

Both are averaged over about 100 steps before they are divided, for the quotient of averages is the estimate, not the average
of quotients. Tokens are those that carry loss. It needs parts: accumulation, or several devices; it costs one pass over the
gradients a step and never waits for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

DECAY = 0.99


class NoiseScale:
    """Running averages of signal |G|^2 and scatter tr(Sigma), on the device."""

    def __init__(self, device: torch.device, signal: float = 0.0, scatter: float = 0.0):
        self.signal = torch.tensor(signal, dtype=torch.float64, device=device)
        self.scatter = torch.tensor(scatter, dtype=torch.float64, device=device)

    def add(self, part_tokens: Tensor | float, tokens: float, part_square: Tensor, square: Tensor, skipped: Tensor) -> None:
        """The squared norms of the mean gradients of `part_tokens` and of all `tokens` of a step."""
        part_square, square = part_square.double(), square.double()
        signal = (tokens * square - part_tokens * part_square) / (tokens - part_tokens)
        scatter = (part_square - square) / (1 / part_tokens - 1 / tokens)
        usable = torch.isfinite(signal) & torch.isfinite(scatter) & (skipped == 0)
        weight = (1 - DECAY) * usable
        self.signal.lerp_(torch.where(usable, signal, 0.0), weight)
        self.scatter.lerp_(torch.where(usable, scatter, 0.0), weight)

    def tokens(self) -> float | None:
        """The noise scale, or None while there is no estimate. Waits for the device."""
        signal, scatter = float(self.signal), float(self.scatter)
        return scatter / signal if signal > 0 and scatter > 0 else None

    def drowns(self) -> bool:
        """Whether all that is seen of the gradient is noise: the scale is too large to measure with this batch."""
        return float(self.scatter) > 0 >= float(self.signal)

    def record(self) -> dict[str, float]:
        return {"signal": float(self.signal), "scatter": float(self.scatter)}


def advice(noise_tokens: float | None, batch_tokens: float, drowns: bool = False) -> str | None:
    """One line about the batch size. A batch as large as the noise scale takes twice the fewest steps and tokens."""
    if drowns:
        return f"gradient noise drowns the signal in batches of {batch_tokens:,.0f} tokens: larger ones take fewer steps"
    if noise_tokens is None:
        return None
    share = batch_tokens / noise_tokens
    facts = f"gradient noise scale {noise_tokens:,.0f} tokens, batch {batch_tokens:,.0f}"
    if share > 2:
        return f"{facts}: {share:.1f} times; a smaller batch (more steps) learns more from the same tokens"
    if share < 0.5:
        return f"{facts}: {share:.2f} times; a larger batch learns nearly as much from each token, in fewer steps"
    return f"{facts}: {share:.1f} times; about right"

