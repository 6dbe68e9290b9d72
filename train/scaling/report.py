"""What the laws say, as records for report.json and as lines for the terminal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.config import TrainError
from train.durable import write_json
from train.scaling.isoflop import IsoFlop, Minima
from train.scaling.ladder import Ladder, Prediction, Target
from train.scaling.parametric import PARAMETERS, ParametricFit
from train.scaling.power_law import Interval, interval
from train.scaling.runs import Runs
from train.scaling.told import short

REPORT = "report.json"
SCHEMA_VERSION = 1
LAWS = ("isoflop", "parametric", "ladder")


def write_report(out: Path, law: str, record: dict[str, Any]) -> None:
    """Put `record` under `law` into OUT/report.json, beside what other laws have said."""
    path = out / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise TrainError(f"{path}: is not JSON. Delete it, and run the laws again.") from None
    if not isinstance(report, dict) or not all(name == "schema_version" or name.startswith(LAWS) for name in report):
        raise TrainError(f"{path}: is no report of scaling laws. Name another folder with --out.")
    write_json(path, finite({**report, "schema_version": SCHEMA_VERSION, law: record}))


def source_record(path: Path, names: dict[str, str], where: dict[str, str]) -> dict[str, Any]:
    """What the figures were made from."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "columns": names, "where": where}


def isoflop_record(found: IsoFlop, target: float | None) -> dict[str, Any]:
    return {
        "tokens": _minima_record(found.tokens, target, found.no_target),
        "params": _minima_record(found.params, target, found.no_target),
        "warnings": list(found.warnings),
    }


def _minima_record(minima: Minima, target: float | None, no_target: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "minima": [{"budget": budget, minima.size: curve.minimum, "loss": curve.least_loss, "inside": curve.inside}
                   for budget, curve in zip(minima.budgets.tolist(), minima.curves)],
        "coefficient": _figure(minima.law.coefficient, minima.within(minima.resampled.coefficient)),
        "exponent": _figure(minima.law.exponent, minima.within(minima.resampled.exponent)),
    }  # fmt: skip
    if target:
        record["at_target"] = {"flops": target, **({"refused": no_target} if no_target else _figure(*minima.at(target)))}
    return record


def isoflop_lines(found: IsoFlop, target: float | None) -> list[str]:
    lines = [f"{'budget':>9}  {'tokens*':>9}  {'params*':>9}  {'loss':>8}"]
    for budget, tokens, params in zip(found.tokens.budgets, found.tokens.curves, found.params.curves):
        lines.append(f"{budget:>9.2e}  {short(tokens.minimum):>9}  {short(params.minimum):>9}  {tokens.least_loss:>8.4f}")
    for minima, letter in ((found.tokens, "D"), (found.params, "N")):
        exponent = minima.within(minima.resampled.exponent)
        stated = f"   exponent {exponent.low:.3f} to {exponent.high:.3f}" if exponent else ""
        lines.append(f"{letter}*(C) = {minima.law.coefficient:.4g} C^{minima.law.exponent:.4f}{stated}")
    if not found.tokens.has_intervals:
        lines.append("no intervals: they need three budgets with a minimum, and more than three runs in some; the fit passes through fewer exactly")
    if target:
        lines += _target_lines(found, target)
    return [*lines, *(f"warning: {text}" for text in found.warnings)]


def _target_lines(found: IsoFlop, target: float) -> list[str]:
    if found.no_target:
        return [f"at {target:.3g} FLOPs: no answer; {found.no_target}"]
    lines = []
    for minima in (found.tokens, found.params):
        size, within = minima.at(target)
        stated = f" ({short(within.low)} to {short(within.high)})" if within else ""
        lines.append(f"at {target:.3g} FLOPs: {short(size)} {minima.size}{stated}")
    return lines


def parametric_record(runs: Runs, found: ParametricFit, target: float | None, isoflop: IsoFlop | None) -> dict[str, Any]:
    freedom, per = len(runs) - len(PARAMETERS), runs.per_param_token
    record: dict[str, Any] = {
        "law": {name: _figure(getattr(found.law, name), interval(getattr(found.resampled, name), freedom)) for name in PARAMETERS},
        "runs": len(runs),
        "flops_per_param_token": per,
        "mean_relative_error": found.relative_error,
        "exponent_of_tokens": _figure(float(found.law.tokens_law(per).exponent), interval(found.resampled.tokens_law(per).exponent, freedom)),
    }
    if not found.law.has_optimum:
        fixed = "params" if found.law.alpha < found.law.beta else "tokens"
        record["warnings"] = [f"in these runs the number of {fixed} makes no difference that the law can tell, so there is no best size: add runs, or seeds"]
        return record
    if target:
        best = {"params": (found.law.best_params, found.resampled.best_params), "tokens": (found.law.best_tokens, found.resampled.best_tokens)}
        record["at_target"] = {"flops": target} | {
            name: _figure(one(target, per), interval(many(target, per), freedom)) for name, (one, many) in best.items()
        }
        record["at_target"]["loss"] = float(found.law.loss(found.law.best_params(target, per), found.law.best_tokens(target, per)))
    if isoflop and not isoflop.no_target:
        record["beside_isoflop"] = _gap(found, isoflop, target, per)
    return record


def _gap(found: ParametricFit, isoflop: IsoFlop, target: float | None, per: float) -> dict[str, Any]:
    """Both methods' answers, and how far apart they are (parametric over isoflop)."""
    at = target or float(isoflop.tokens.budgets.max())
    gap: dict[str, Any] = {"flops": at, "exponent_of_tokens": [found.law.tokens_law(per).exponent, isoflop.tokens.law.exponent]}
    for name, ours, theirs in (("params", found.law.best_params(at, per), isoflop.params.law.at(at)),
                               ("tokens", found.law.best_tokens(at, per), isoflop.tokens.law.at(at))):  # fmt: skip
        gap[name] = {"parametric": float(ours), "isoflop": float(theirs), "ratio": float(ours / theirs)}
    return gap


def parametric_lines(record: dict[str, Any]) -> list[str]:
    lines = [f"L(N, D) = E + A / N^alpha + B / D^beta, {record['runs']} runs, mean error {record['mean_relative_error']:.2%}"]
    lines += [f"{name:<6}{value['value']:>12.5g}   {value['low']:.5g} to {value['high']:.5g}" for name, value in record["law"].items()]
    if at := record.get("at_target"):
        sizes = ", ".join(f"{short(at[name]['value'])} {name} ({short(at[name]['low'])} to {short(at[name]['high'])})" for name in ("params", "tokens"))
        lines.append(f"at {at['flops']:.3g} FLOPs: {sizes}, loss {at['loss']:.4f}")
    if gap := record.get("beside_isoflop"):
        lines.append(f"{'at ' + format(gap['flops'], '.3g') + ' FLOPs':<20}{'parametric':>12}{'isoflop':>12}{'ratio':>8}")
        for name in ("params", "tokens"):
            pair = gap[name]
            lines.append(f"{'best ' + name:<20}{short(pair['parametric']):>12}{short(pair['isoflop']):>12}{pair['ratio']:>8.2f}")
        ours, theirs = gap["exponent_of_tokens"]
        lines.append(f"{'exponent of tokens':<20}{ours:>12.4f}{theirs:>12.4f}{ours - theirs:>+8.3f}")
    return [*lines, *(f"warning: {text}" for text in record.get("warnings", ()))]


def ladder_record(ladder: Ladder, predictions: dict[str, tuple[Target, Prediction]], measured: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """One task. `measured`: NLL and accuracy of targets that were trained."""
    record: dict[str, Any] = {
        "stage_one": {"mean_relative_error": ladder.first.relative_error, "runs": len(ladder.first.ends.nll)},
        "stage_two": dict(zip(("a", "k", "x0", "b"), ladder.second.parameters.tolist())),
        "held_out_error": ladder.held_out_error,
        "held_out": [vars(one) for one in ladder.held_out],
        "targets": {},
    }
    for name, (target, found) in predictions.items():
        entry = {**vars(target), "nll": _figure(found.nll, found.nll_within), "accuracy": _figure(found.accuracy, found.accuracy_within)}
        if name in measured:
            entry |= {"measured_nll": measured[name][0], "measured_accuracy": measured[name][1], "error": found.accuracy - measured[name][1]}
        record["targets"][name] = entry
    return record


def ladder_lines(records: dict[str, dict[str, Any]]) -> list[str]:
    """A line for each task and target. The error told first is that for the largest size, predicted without it."""
    width = max(map(len, records))
    lines = [f"{'task':<{width}}  stage one  left out  {'target':<14}  {'NLL':>6}  accuracy  95 % of resamplings  measured   error"]
    for task, record in records.items():
        left_out = f"{record['held_out_error']:.1%}" if np.isfinite(record["held_out_error"]) else "-"
        start = f"{task:<{width}}  {record['stage_one']['mean_relative_error']:>9.2%}  {left_out:>8}"
        for name, found in record["targets"].items():
            accuracy = found["accuracy"]
            known = f"{found['measured_accuracy']:>8.1%}  {100 * found['error']:>+6.1f}" if "error" in found else ""
            lines.append(f"{start}  {name:<14}  {found['nll']['value']:>6.3f}  {accuracy['value']:>8.1%}  {accuracy['low']:>8.1%} to {accuracy['high']:>7.1%}  {known}".rstrip())
        if not record["targets"]:
            lines.append(start)
    return lines


def rank_lines(ranks: Sequence[dict[str, Any]], by: str) -> list[str]:
    """Datasets from the best to the worst."""
    lines = [f"{by:<20}{'runs':>6}{'loss':>9}{'error':>9}"]
    return lines + [f"{one['name']:<20}{one['runs']:>6}{one['loss']:>9.4f}" + (f"{one['error']:>9.2%}" if "error" in one else "") for one in ranks]


def _figure(value: float, within: Interval | None) -> dict[str, float | None]:
    return {"value": float(value), **(within.record() if within else {"low": None, "high": None})}


def finite(record: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(record, dict):
        return {name: finite(value) for name, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [finite(value) for value in record]
    if isinstance(record, (float, np.floating)):
        return float(record) if np.isfinite(record) else None
    return record
