"""The main path of an ablation: from arms to a verdict.

    jobs of the arms -> clean documents -> shared, own and judged -> one tokenizer -> packed arms
      -> a model for each size, seed and arm -> losses document by document -> paired differences -> report, evidence

Every part is kept when it is done, so the same command goes on after an interruption and does again only what a change
touches; models in training go on from their last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from curation.ablate.arms import arm_jobs, find_rule, run_arms
from curation.ablate.compare import compare, losses, read_judged
from curation.ablate.models import JudgedSet, Judging, ModelRun, Training, plan_models, train_models
from curation.ablate.prepare import Prepared, prepare
from curation.ablate.report import dated, evidence_record, today, write_report
from curation.ablate.settings import Ablation
from curation.job import load_job
from curation.progress import Progress
from curation.run_lock import locked
from rules.format.evidence import Evidence
from rules.format.evidence_writing import EvidenceError, write_evidence
from train.handoff import read_manifest
from train.sizes import parameter_counts, training_flops


def ablate(
    ablation: Ablation,
    progress: Progress | None = None,
    training: Training | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run an ablation, or go on with it; returns its report.

    `training` opens what listens to the training of one model (number and count are given). Raises KeyboardInterrupt or
    train.loop.Stopped when asked to stop, TrainError and Problems for what the user can mend.
    """
    progress = progress or Progress()
    arm_jobs(ablation)  # mistakes are told before anything is written
    with locked(ablation.output):
        arms = run_arms(ablation, progress, should_stop)
        prepared = prepare(ablation, arms, most_tokens(ablation), progress, should_stop)
        runs = plan_models(ablation, prepared.arms)
        judging = Judging(tuple(JudgedSet(packed) for packed in prepared.judged), ablation.tasks, ablation.settings.judge)
        train_models(runs, judging, training, should_stop)
        report = dated(_report(ablation, arms, prepared, runs), ablation.output)
        report["evidence"] = _evidence(ablation, report)
        write_report(report, ablation.output)
    return report


def most_tokens(ablation: Ablation) -> int:
    """Tokens of the model that takes most."""
    return max(config.steps * config.batch_rows for config in ablation.sizes.values()) * ablation.settings.sequence_length


def _report(ablation: Ablation, arms: Any, prepared: Prepared, runs: list[ModelRun]) -> dict[str, Any]:
    sizes = [_size(ablation, prepared, name, [run for run in runs if run.size == name]) for name in ablation.sizes]
    rows = {arm.name: _rows(arm.packed) for arm in prepared.arms}
    wanted = most_tokens(ablation) / ablation.settings.sequence_length
    return {
        "schema_version": 1, "date": today(), "sha256": ablation.sha256, "data_sha256": prepared.sha256, "rule": ablation.settings.rule,
        "judged_on": prepared.judged_on, "seeds": len(ablation.settings.seed_list), "sizes": sizes,
        "flops": float(sum(size["flops"] for size in sizes)),
        "arms": {
            arm.name: {
                "job_sha256": job.job.sha256, "documents": arm.documents, "bytes": arm.text_bytes, "shared_frac": arm.shared_frac,
                "epochs": wanted / rows[arm.name], "kept": job.report["kept"], "removed": job.report["removed"],
            }
            for arm, job in zip(prepared.arms, arms, strict=True)
        },
    }  # fmt: skip


def _rows(packed: Path) -> int:
    return sum(entry.rows for entry in read_manifest(packed).splits["train"])


def _size(ablation: Ablation, prepared: Prepared, name: str, runs: list[ModelRun]) -> dict[str, Any]:
    judged = read_judged(runs)
    first, *others = ablation.settings.arm_names
    loss = losses(judged, prepared.judged_on)
    comparisons = []
    for other in others:
        found = compare(judged, first, other, prepared.judged_on, ablation.settings.judge.of_interest)
        found["losses"] = {"a": loss[first][prepared.judged_on], "b": loss[other][prepared.judged_on]}
        comparisons.append(found | {"same_data": any(run.arm == other and run.same_as == first for run in runs)})
    config, manifest = runs[0].config, read_manifest(runs[0].config.data)
    model = _whole(config.model, manifest.vocab_size, manifest.sequence_length)
    tokens = config.steps * config.batch_rows * manifest.sequence_length
    flops = training_flops(model, tokens, tokens * manifest.sequence_length / 2) * sum(run.same_as is None for run in runs)
    return {
        "name": name, "parameters": parameter_counts(model).total, "tokens": tokens, "steps": config.steps, "flops": flops, "losses": loss,
        "comparisons": comparisons, "runs": [{"arm": run.arm, "seed": run.seed, "folder": str(run.folder.relative_to(ablation.output))} for run in runs],
    }  # fmt: skip


def _whole(model: Any, vocab_size: int, context: int) -> Any:
    import dataclasses

    return dataclasses.replace(model, vocab_size=vocab_size, context=context)


def _evidence(ablation: Ablation, report: dict[str, Any]) -> dict[str, Any] | None:
    """Write what was found beside the rule; what came of that, in words."""
    settings = ablation.settings
    if not settings.rule or not settings.job:
        return None
    pack, rule = find_rule(load_job(ablation.path_of(settings.job)).packs, settings.rule, ablation)
    record = evidence_record(report, pack.rule_sha256(rule))
    if not settings.write_evidence or any(report["sha256"].startswith(old.ablation) and old.date == record["date"] for old in rule.evidence if old.ablation):
        return {"record": record, "file": None, "problem": None}
    try:
        return {"record": record, "file": str(write_evidence(rule, Evidence(**record))), "problem": None}
    except EvidenceError as error:
        return {"record": record, "file": None, "problem": str(error)}
