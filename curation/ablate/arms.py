"""The arms of an ablation as jobs: each is run, and its clean documents are found.

An arm with a job of its own is that job's run, in its own output, done only as far as it is not done yet. An arm that
changes the base job (other packs, or rules set to another action) is a run of its own below the ablation's output.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.ablate.settings import WITH, WITHOUT, Ablation, ArmSettings
from curation.job import LoadedJob, load_job, read_packs
from curation.job_settings import Job
from curation.manifest import Manifest
from curation.pack_settings import PackSettings
from curation.progress import Progress
from curation.run import run_job
from rules.places import KEY, Problems, did_you_mean, load
from rules.rule import Pack, Rule

ARMS = "arms"


@dataclass(frozen=True)
class Arm:
    """An arm that ran: its clean files with their checksums, and what its run reports."""

    name: str
    job: LoadedJob
    files: tuple[Path, ...]
    checksums: tuple[str, ...]
    report: dict[str, Any]


@dataclass(frozen=True)
class Workshop:
    """What preparing data works with: the settings, a folder, who listens and who may stop it."""

    ablation: Any  # an Ablation, a Probe or a Mix: has `path`, `folder` and settings with `workers`
    folder: Path
    progress: Progress
    should_stop: Callable[[], bool]


def read_as_they_are(shop: Workshop, name: str, inputs: tuple[str, ...], output: Path, pack: PackSettings | None = None) -> Arm:
    """Documents (files, globs) through a job that changes nothing, packed where `pack` says so."""
    settings = Job(input=list(inputs), output=str(output), pack=pack, workers=shop.ablation.settings.workers)
    job = LoadedJob(shop.ablation.path, settings, (), inputs, shop.ablation.folder, output, ())
    return finished_arm(name, job, run_job(job, settings.workers, shop.progress, shop.should_stop).report)


def arm_jobs(ablation: Ablation) -> dict[str, LoadedJob]:
    """The job of each arm. Raises Problems with what is wrong in any of them."""
    settings = ablation.settings
    base = load_job(ablation.path_of(settings.job)) if settings.job else None
    if settings.rule:
        assert base is not None
        pack, rule = find_rule(base.packs, settings.rule, ablation)
        on = rule.action if rule.action not in ("tag", "off") else "drop"
        return {name: _below(ablation, base, name, _with_action(base.packs, pack, rule, action)) for name, action in ((WITH, on), (WITHOUT, "off"))}
    jobs = {name: _job_of(ablation, base, name, arm) for name, arm in settings.arms.items()}
    _check_outputs(ablation, jobs)
    return jobs


def _check_outputs(ablation: Ablation, jobs: dict[str, LoadedJob]) -> None:
    """Different jobs in one folder would undo each other."""
    taken: dict[Path, str] = {}
    for name, job in jobs.items():
        other = taken.setdefault(job.output, name)
        if jobs[other].sha256 != job.sha256:
            message = f"its job has the output of arm {other}, {job.output}; give each job an output of its own"
            raise Problems([load(ablation.path).problem(("arms", name), "R103", message)])


def find_rule(packs: Sequence[Pack], name: str, ablation: Ablation, at: tuple = ("rule",)) -> tuple[Pack, Rule]:
    """The rule that is named pack/rule. Raises Problems."""
    pack_name, _, rule_name = name.rpartition("/")
    for pack in packs:
        if pack.name == pack_name and (rule := pack.rule(rule_name)):
            return pack, rule
    known = [f"{pack.name}/{rule.id}" for pack in packs for rule in pack.rules]
    raise Problems([load(ablation.path).problem(at, "R110", f"the packs of the job have no rule {name!r}{did_you_mean(name, known)}")])


def run_arms(ablation: Ablation, progress: Progress, should_stop: Callable[[], bool]) -> list[Arm]:
    """Run the arms' jobs, or go on with them."""
    arms = []
    for name, job in arm_jobs(ablation).items():
        progress.note(f"arm {name}: {job.output}")
        report = run_job(job, _workers(ablation, job), progress, should_stop).report
        arms.append(finished_arm(name, job, report))
    return arms


def finished_arm(name: str, job: LoadedJob, report: dict[str, Any]) -> Arm:
    """The clean files of a finished run, in order, with the checksums of its manifest."""
    manifest = Manifest(job.output)
    entries = [entry for unit in manifest.units() if (entry := manifest.read(unit)) is not None]
    files = {path: output["sha256"] for entry in entries for path, output in entry.outputs.items() if path.startswith("clean/")}
    return Arm(name, job, tuple(job.output / path for path in sorted(files)), tuple(files[path] for path in sorted(files)), report)


def _workers(ablation: Ablation, job: LoadedJob) -> Any:
    return ablation.settings.workers if ablation.settings.workers != "auto" else job.settings.workers


def _job_of(ablation: Ablation, base: LoadedJob | None, name: str, arm: ArmSettings) -> LoadedJob:
    own = load_job(ablation.path_of(arm.job)) if arm.job else base
    assert own is not None
    if arm.job and not arm.set:
        return own
    packs = own.packs if arm.packs is None else _packs(ablation, name)
    for rule_name, action in arm.set.items():
        pack, rule = find_rule(packs, rule_name, ablation, ("arms", name, "set", rule_name, KEY))
        if action == "tag" and rule.lines:
            raise Problems([load(ablation.path).problem(("arms", name, "set", rule_name), "R110", "a line rule changes lines or is off; it cannot be a tag")])
        packs = _with_action(packs, pack, rule, action)
    return _below(ablation, own, name, packs)


def _packs(ablation: Ablation, name: str) -> tuple[Pack, ...]:
    located, problems = load(ablation.path), []
    packs = read_packs(located.data["arms"][name]["packs"], located, ablation.folder, problems, ("arms", name, "packs"))
    if problems:
        raise Problems(problems)
    return packs


def _with_action(packs: Sequence[Pack], pack: Pack, rule: Rule, action: Any) -> tuple[Pack, ...]:
    rules = tuple(dataclasses.replace(each, action=action) if each.id == rule.id else each for each in pack.rules)
    return tuple(dataclasses.replace(each, rules=rules) if each is pack else each for each in packs)


def _below(ablation: Ablation, job: LoadedJob, name: str, packs: tuple[Pack, ...]) -> LoadedJob:
    """`job` with other packs, below the ablation's output, and without packing, which the ablation does itself."""
    stages = tuple(stage for stage in job.settings.order if stage in job.stages or stage == "rules" and packs)
    stages = tuple(stage for stage in stages if stage != "rules" or packs)
    settings = dataclasses.replace(job.settings, pack=None)
    return dataclasses.replace(job, settings=settings, packs=packs, output=ablation.output / ARMS / name, stages=stages)
