"""How many rows each step takes: the batch size, and smaller ones before it (`batch_ramp`).

Early on the gradient noise scale is small, so large batches waste tokens; Llama 3 began with 4 M tokens and went up to 16 M
(arXiv 2407.21783, section 3.4.1). Rows before a step are counted from the configuration alone, so resuming takes the step.
"""

from __future__ import annotations

from dataclasses import dataclass

from train.config import RampStage


@dataclass(frozen=True)
class BatchPlan:
    """`stages` in order, each until its step, then `batch_rows`."""

    batch_rows: int
    stages: tuple[RampStage, ...] = ()

    def rows_at(self, step: int) -> int:
        """The rows of optimizer step `step` (from 0)."""
        return next((stage.batch_rows for stage in self.stages if step < stage.until_step), self.batch_rows)

    def rows_before(self, step: int) -> int:
        """The rows of all steps before `step`."""
        rows, first = 0, 0
        for stage in self.stages:
            last = min(stage.until_step, step)
            rows, first = rows + max(last - first, 0) * stage.batch_rows, max(first, last)
        return rows + (step - first) * self.batch_rows
