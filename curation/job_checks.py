"""What a job file says that is right by itself and does not go together, or names what is not there: problems at file:line:col."""

from __future__ import annotations

from pathlib import Path

from curation.job_settings import STAGES, Job, enabled, is_on, listed
from curation.memory import allowed_bytes
from curation.stages.language import check_model, is_named
from rules.places import KeyPath, Located, Problem, SettingError, did_you_mean


def job_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    """Every mistake in a job whose settings have the right names and types; `folder`: what its paths are relative to."""
    found = _file_problems(job, located, folder) + _model_problems(job, located, folder) + _tokenizer_problems(job, located, folder) + _evaluation_problems(job, located, folder)
    found += _against_problems(job, located, folder) + _order_problems(job, located)
    return found + _worker_problems(job, located) + _memory_problems(job, located) + _rehydrate_problems(job, located)


def _evaluation_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    if job.decontaminate is None:
        return []
    from curation.evaluation_items import EvaluationError, evaluation_files

    try:
        evaluation_files([str(folder / file) for file in listed(job.decontaminate.files)])
    except EvaluationError as error:
        return [located.problem(("decontaminate", "files"), "R103", str(error))]
    return []


def _against_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    names = [name for name in listed(job.against) if name]
    missing = [name for name in names if not (folder / name / "run.json").is_file()]
    problems = [located.problem(("against",), "R103", f"no run directory {str(folder / name)!r}") for name in missing]
    if names and job.exact is None and job.near is None:
        problems.append(located.problem(("against",), "R103", "against needs exact or near, which say what is compared"))
    return problems


def _file_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    """Files that the job names and that are not there."""
    named: list[tuple[KeyPath, str | Path | None]] = []
    if job.pack is not None:
        named.append((("pack", "tokenizer"), job.pack.tokenizer))
    if job.lines is not None:
        named.append((("lines", "allow_file"), job.lines.allow_file))
    if job.language is not None and not is_named(job.language.model):
        named.append((("language", "model"), job.language.model))
    return [located.problem(at, "R103", f"no file {str(folder / name)!r}") for at, name in named if name and not (folder / name).is_file()]


def _model_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    """A language model that is a file and no model; one by URL is seen when the run fetches it."""
    if job.language is None or is_named(job.language.model) or not (folder / job.language.model).is_file():
        return []
    try:
        check_model(str(folder / job.language.model))
    except (ValueError, OSError) as error:
        return [located.problem(("language", "model"), "R103", str(error))]
    return []


def _tokenizer_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    """A tokenizer that cannot be used: packing comes last, after hours of work."""
    if job.pack is None or not job.pack.tokenizer or not (folder / job.pack.tokenizer).is_file():
        return []
    from curation.tokenizer import TokenizerError, load_tokenizer

    try:
        load_tokenizer(folder / job.pack.tokenizer)
    except TokenizerError as error:
        return [located.problem(("pack", "tokenizer"), "R103", str(error))]
    return []


def nothing_given(located: Located) -> list[Problem]:
    """`near:` with nothing after it reads as "on" to people and as "off" to YAML; so it is neither."""
    data = located.data if isinstance(located.data, dict) else {}
    stages = ("language", "decontaminate", "exact", "near", "substrings", "lines", "pack")
    message = "nothing is set here; write `{key}: {{}}` for the defaults, or leave the line out to turn it off"
    return [located.problem((k,), "R103", message.format(key=k)) for k in stages if k in data and data[k] is None]


def _order_problems(job: Job, located: Located) -> list[Problem]:
    problems = []
    for index, name in enumerate(job.order):
        if name not in STAGES:
            message = f"unknown stage {name!r}{did_you_mean(name, STAGES)}; stages are {', '.join(STAGES)}"
            problems.append(located.problem(("order", index), "R103", message))
        elif name in job.order[:index]:
            problems.append(located.problem(("order", index), "R103", f"stage {name!r} is named twice"))
    for name in STAGES:
        if name not in job.order and is_on(job, name):
            problems.append(located.problem(("order",), "R103", f"{name} is set but missing from order"))
    return problems


def _worker_problems(job: Job, located: Located) -> list[Problem]:
    if isinstance(job.workers, int) and job.workers < 1:
        return [located.problem(("workers",), "R103", "workers is inline, auto, or a number from 1")]
    return []


def _memory_problems(job: Job, located: Located) -> list[Problem]:
    try:
        allowed_bytes(job.memory)
    except SettingError as error:
        return [located.problem(("memory",), "R103", str(error))]
    return []


def _rehydrate_problems(job: Job, located: Located) -> list[Problem]:
    """Removal rates by cluster size need rules that remove, and sizes that are known by then."""
    if job.pack is None or job.pack.rehydrate != "removal_rates":
        return []
    stages, message = enabled(job), ""
    if "rules" not in stages:
        message = "removal_rates are those of rules: name packs, or choose fineweb2 or a table"
    elif late := [stage for stage in stages[stages.index("rules") :] if stage in ("exact", "near")]:
        before = [stage for stage in job.order if stage not in ("rules", *late)]
        place = max((before.index(stage) + 1 for stage in ("language", "decontaminate", "exact", "near") if stage in before), default=0)
        order = ", ".join([*before[:place], *late, "rules", *before[place:]])
        message = f"removal_rates are by cluster size, which must be known when rules remove: {' and '.join(late)} must come before rules; write order: [{order}]"
    return [located.problem(("pack", "rehydrate"), "R103", message)] if message else []
