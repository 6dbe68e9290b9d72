"""A grid of runs for a budget: which sizes on how many tokens, written as one training YAML each, with what they cost.

Two grids: `isoflop`, some budgets, each a multiple of the one below, with sizes around the expected optimum of each (for
IsoFLOP curves and the parametric law); and `ladder`, sizes that each see 1, 2, 5 and 10 times the optimal tokens (for the
two-stage prediction of tasks). The whole grid, seeds included, spends the budget.

    OUT/plan.json     the grid, what it costs, what it can detect; read by `run` and by the laws
    OUT/runs/NAME.yaml  a configuration for `gristmill train`; its run is OUT/runs/NAME
    OUT/results.csv   written by `run`: a row for each finished run
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import yaml

from train.config import ModelConfig, TrainError
from train.durable import write_json
from train.handoff import manifest_sha256, open_split, read_documents, read_manifest
from train.scaling.budget import DataFacts, PlannedRun, flops_per_token, plan_run, smallest_difference
from train.scaling.shapes import family, nearest
from train.sizes import parameter_counts

PLAN, RUNS = "plan.json", "runs"
SCHEMA_VERSION = 1
TOKENS_PER_PARAM = 20.0  # Hoffmann's optimum, in a grid the centre that is to be corrected
LADDER_MULTIPLES = (1, 2, 5, 10)
MOST_EPOCHS = 4.0  # repeated data is nearly as good as new up to here (arXiv 2305.16264)
PART_TOKENS = 16_384
SEED_DEVIATION = 0.003  # of the loss, between seeds of one small run: see docs/scaling-laws.md


@dataclass(frozen=True)
class Grid:
    """How the budget is laid out; `spread` is the ratio of the largest size of a budget to its centre."""

    kind: str = "isoflop"
    budgets: int = 4
    budget_ratio: float = 3.0
    sizes: int = 5
    spread: float = 3.0
    tokens_per_param: float = TOKENS_PER_PARAM
    seeds: int = 1


@dataclass(frozen=True)
class GridRun:
    """One run of the grid. `budget` is what it was to spend, `run.flops` what its whole steps do."""

    name: str
    budget: float
    seed: int
    run: PlannedRun


@dataclass(frozen=True)
class Plan:
    data: str
    packed_sha256: str
    grid: Grid
    facts: DataFacts
    runs: list[GridRun]
    device_flops: float
    seed_deviation: float = SEED_DEVIATION
    warnings: list[str] = field(default_factory=list)

    @property
    def flops(self) -> float:
        return sum(run.run.flops for run in self.runs)

    @property
    def device_hours(self) -> float:
        return self.flops / self.device_flops / 3600

    def smallest_difference_frac(self, seeds: int) -> float:
        """The smallest difference of two arms' losses that `seeds` pairs of runs show, as a share of the loss."""
        return smallest_difference(math.sqrt(2) * self.seed_deviation, seeds)


def data_facts(folder: str | os.PathLike[str]) -> DataFacts:
    """What of the packed `folder` decides costs. Raises HandoffError where it cannot be read."""
    manifest, split = read_manifest(folder), open_split(folder, "train")
    if not len(split):
        raise TrainError(f"{folder}: the train split is empty. Pack more documents.")
    tokens = pairs = 0
    for _, lengths, _, _ in split.references():
        lengths = lengths.astype(np.int64)
        tokens += int(lengths.sum())
        pairs += int((lengths * (lengths + 1) // 2).sum())
    documents = read_documents(folder, ["document", "split"])
    held_out = len(documents.filter(pc.equal(documents["split"], "held_out"))["document"].unique())
    return DataFacts(manifest.vocab_size, manifest.sequence_length, tokens, tokens / len(split), pairs / tokens, held_out)


def make_plan(data: str | os.PathLike[str], flops: float, grid: Grid, device_flops: float, seed_deviation: float = SEED_DEVIATION) -> Plan:
    """The grid that spends `flops` on the packed folder `data`. Raises TrainError for a budget too small for one."""
    facts = data_facts(data)
    cells = _cells(flops, grid, facts)
    if cells is None:
        raise TrainError(_too_small(flops, grid, facts))
    runs = [GridRun(_name(number, budget, run, seed), budget, seed, run)
            for number, (budget, run) in enumerate(cells) for seed in range(grid.seeds)]  # fmt: skip
    plan = Plan(str(Path(data).resolve()), manifest_sha256(data), grid, facts, runs, device_flops, seed_deviation)
    return dataclasses.replace(plan, warnings=_warnings(plan))


def write_plan(plan: Plan, out: Path, eval_rows: int = 256, changes: dict[str, Any] | None = None) -> None:
    """Write OUT/plan.json and OUT/runs/*.yaml; `changes` go into every configuration.

    A plan already there must be the same one. Raises TrainError where it is another, or where OUT holds other files.
    """
    record = plan_record(plan) | {"eval_rows": eval_rows, "changes": changes or {}}
    if (out / PLAN).exists():
        if _deciding(read_record(out)) != _deciding(json.loads(json.dumps(record))):
            raise TrainError(f"{out}: holds another plan. Choose another folder, or delete that one to plan anew.")
    elif out.exists() and any(out.iterdir()):
        raise TrainError(f"{out}: holds other files. Choose an empty or new folder.")
    (out / RUNS).mkdir(parents=True, exist_ok=True)
    for run in plan.runs:
        settings = train_settings(plan, run, out, eval_rows) | (changes or {})
        text = f"# {run.name}: one run of the grid in ../{PLAN}\n" + yaml.safe_dump(settings, sort_keys=False)
        (out / RUNS / f"{run.name}.yaml").write_text(text, encoding="utf-8")
    write_json(out / PLAN, record)  # last: with it the folder is a plan


def train_settings(plan: Plan, run: GridRun, out: Path, eval_rows: int) -> dict[str, Any]:
    """What the YAML of a run says; Llama 3's schedule, cosine to a tenth (arXiv 2407.21783, section 3.2.1)."""
    planned, folder = run.run, (out / RUNS).resolve()
    model = {key: getattr(planned.model, key) for key in ("layers", "dim", "query_heads", "kv_heads", "ffn_dim", "tied_head")}
    return {
        "data": os.path.relpath(plan.data, folder),
        "output": run.name,
        "model": model,
        "steps": planned.steps,
        "batch_rows": planned.batch_rows,
        "accumulation": _accumulation(planned.batch_rows, plan.facts.context),
        "learning_rate": planned.learning_rate,
        "warmup_steps": planned.warmup_steps,
        "schedule": "cosine",
        "final_learning_rate_frac": 0.1,
        "seed": run.seed,
        "eval_every": planned.steps,
        "eval_rows": eval_rows,
        "checkpoint_every": max(planned.steps // 10, 200),
        "log_every": max(planned.steps // 100, 1),
    }


def plan_record(plan: Plan) -> dict[str, Any]:
    """plan.json: everything, and the totals."""
    totals = {"flops": plan.flops, "device_hours": plan.device_hours, "smallest_difference_frac": plan.smallest_difference_frac(plan.grid.seeds)}
    return {"schema_version": SCHEMA_VERSION, **asdict(plan), **totals}


def read_record(out: Path) -> dict[str, Any]:
    """plan.json as it is. Raises TrainError where there is none."""
    try:
        record = json.loads((out / PLAN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainError(f"{out}: has no {PLAN}. Plan first: gristmill scale plan PACKED {out} --budget 1e18") from None
    except ValueError as error:
        raise TrainError(f"{out / PLAN}: is not JSON ({error}). Plan again into another folder.") from None
    if not isinstance(record, dict) or not isinstance(record.get("runs"), list):
        raise TrainError(f"{out / PLAN}: is not the plan of a grid. Plan again into another folder.")
    return record


def _deciding(record: dict[str, Any]) -> dict[str, Any]:
    """What of plan.json decides the runs: not what this device or these seeds are thought to do."""
    return {name: record.get(name) for name in ("packed_sha256", "runs", "eval_rows", "changes")}


def _cells(flops: float, grid: Grid, facts: DataFacts) -> list[tuple[float, PlannedRun]] | None:
    """Each run of one seed with the budget it is to spend; None where `flops` are too few for the smallest shapes."""
    return {"isoflop": _isoflop, "ladder": _ladder}[grid.kind](flops / grid.seeds, grid, facts)


def _too_small(flops: float, grid: Grid, facts: DataFacts) -> str:
    enough = flops
    while enough < 1e30 and _cells(enough, grid, facts) is None:
        enough *= 1.2
    smallest = parameter_counts(family(facts.vocab_size, facts.context)[0]).matrix
    return (
        f"a budget of {flops:.3g} FLOPs does not fit this grid: its smallest models would be too small to differ (the least there is has {smallest:.3g} "
        f"weights in matrices, with a vocabulary of {facts.vocab_size:,}). Raise --budget to {enough:.2g}, lower "
        f"--budgets, --sizes or --tokens-per-param, or pack with a smaller vocabulary."
    )


def _isoflop(flops: float, grid: Grid, facts: DataFacts) -> list[tuple[float, PlannedRun]] | None:
    shares = grid.budget_ratio ** np.arange(grid.budgets, dtype=np.float64)
    budgets = (flops / grid.sizes * shares / shares.sum()).tolist()
    models = [_sizes(budget, grid, facts) for budget in budgets]
    if not all(models):
        return None
    return [(budget, plan_run(model, facts, flops=budget)) for budget, sizes in zip(budgets, models) for model in sizes]


def _sizes(budget: float, grid: Grid, facts: DataFacts) -> list[ModelConfig]:
    """Different shapes around the one whose tokens are `tokens_per_param` times its parameters; none where they do not fit."""
    shapes = family(facts.vocab_size, facts.context)
    costs = [flops_per_token(model, facts) * grid.tokens_per_param * parameter_counts(model).matrix for model in shapes]
    sizes = [parameter_counts(model).matrix for model in shapes]
    centre = math.exp(np.interp(math.log(budget), np.log(costs), np.log(sizes)))
    ratios = grid.spread ** np.linspace(-1, 1, grid.sizes) if grid.sizes > 1 else np.ones(1)
    if not sizes[0] <= centre * ratios[0] <= centre * ratios[-1] <= sizes[-1]:
        return []
    chosen = []
    for ratio in ratios:  # each the nearest of those that are left, so that all differ
        chosen.append(nearest([model for model in shapes if model not in chosen], centre * ratio))
    return sorted(chosen, key=lambda model: model.dim)


def _ladder(flops: float, grid: Grid, facts: DataFacts) -> list[tuple[float, PlannedRun]] | None:
    """Sizes each twice the one below; the largest is as large as the budget allows."""
    shapes = family(facts.vocab_size, facts.context)

    def cost(model: ModelConfig) -> float:
        return flops_per_token(model, facts) * sum(_ladder_tokens(model, multiple, grid) for multiple in LADDER_MULTIPLES)

    def whole(largest: ModelConfig) -> list[ModelConfig]:
        size = parameter_counts(largest).matrix
        return list({model.dim: model for model in (nearest(shapes, size / 2**step) for step in range(grid.sizes))}.values())

    grids = [models for models in map(whole, shapes) if len(models) == grid.sizes and sum(map(cost, models)) <= flops]
    if not grids:
        return None
    runs = [(model, multiple) for model in reversed(grids[-1]) for multiple in LADDER_MULTIPLES]
    planned = [plan_run(model, facts, tokens=_ladder_tokens(model, multiple, grid)) for model, multiple in runs]
    return [(run.flops, run) for run in planned]


def _ladder_tokens(model: ModelConfig, multiple: int, grid: Grid) -> float:
    return multiple * grid.tokens_per_param * parameter_counts(model).matrix


def _name(number: int, budget: float, run: PlannedRun, seed: int) -> str:
    return f"{number:03d}-c{budget:.1e}-n{run.params:.1e}-s{seed}".replace("+", "")


def _accumulation(batch_rows: int, context: int) -> int:
    """Parts of a batch that fit into memory; batch_rows is a power of two."""
    parts = 1
    while batch_rows // parts * context > PART_TOKENS and parts < batch_rows:
        parts *= 2
    return parts


def _warnings(plan: Plan) -> list[str]:
    found = []
    epochs = max(run.run.tokens for run in plan.runs) / plan.facts.train_tokens
    if epochs > MOST_EPOCHS:
        found.append(f"the longest run reads the data {epochs:.3g} times; above {MOST_EPOCHS:.0f} repeated tokens count for less, and the laws are bent. Pack more data.")
    if plan.facts.held_out_documents < 100:
        found.append(f"{plan.facts.held_out_documents} held-out documents tell a loss only roughly. Hold out more.")
    return found
