"""A job: what `gristmill run job.yaml` reads. Every setting, its default, and what it means.

Relative paths are relative to the folder of the job file. Unknown keys and wrong values are errors at file:line:col.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curation.former_names import FORMER_IN_JOBS
from curation.limits import Limits
from curation.memory import allowed_bytes
from curation.object_store import is_url, workspace_of
from curation.pack_settings import PackSettings
from curation.ray_start import RaySettings
from curation.readers import ReadSettings
from curation.stages.decontaminate import DecontaminateSettings
from curation.stages.exact import ExactSettings
from curation.stages.language import LanguageSettings, check_model, is_named
from curation.stages.lines import LinesSettings
from curation.stages.near import NearSettings
from curation.stages.substrings import SubstringsSettings
from rules.format.pack import SHIPPED, find_pack, load_pack
from rules.identity import column_identities, texts_identity
from rules.places import (
    KEY,
    KeyPath,
    Located,
    Problem,
    Problems,
    SettingError,
    build,
    did_you_mean,
    load,
    with_names_of_today,
)
from rules.rule import Pack

STAGES = ("language", "decontaminate", "rules", "exact", "near", "substrings", "lines")
BARRIERS = ("exact", "near", "substrings", "lines")  # stages that must see every document before they can decide about one


@dataclass(frozen=True)
class ExtractChoice:
    """How HTML becomes text."""

    html: Literal["resiliparse", "trafilatura"] = "resiliparse"
    main_content: bool = True  # leave out menus, banners and footers


@dataclass(frozen=True)
class PackUse:
    """A pack with some of its rules set to another action, without touching the pack."""

    use: str
    set: dict[str, Literal["drop", "tag", "off"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """The whole of one run."""

    input: str | list[str]  # paths, globs, folders or fsspec URLs
    output: str  # the run directory
    read: ReadSettings = ReadSettings()
    extract: ExtractChoice = ExtractChoice()
    language: LanguageSettings | None = None  # absent: languages are what the input says
    decontaminate: DecontaminateSettings | None = None  # absent: evaluation data in documents stays
    packs: tuple[str | PackUse, ...] = ()  # shipped packs by name, your own by path
    exact: ExactSettings | None = None  # absent: exact duplicates stay
    near: NearSettings | None = None  # absent: near duplicates stay
    substrings: SubstringsSettings | None = None  # absent: stretches of text that stand elsewhere stay
    lines: LinesSettings | None = None  # absent: lines repeated across documents stay
    partition: Literal["none", "language", "source"] = "none"  # write clean documents also by language or source, a folder for each
    pack: PackSettings | None = None  # absent: no tokenizer and no packed/
    order: tuple[str, ...] = STAGES
    against: str | list[str] = ""  # run directories of earlier runs: what they kept stays, what is like it goes
    workspace: Path | None = None  # with output in object storage: the local folder to work in; absent: in gristmill's cache
    memory: str | int = "auto"  # for deciding about duplicates, such as 8GB; auto: half of what is free
    workers: Literal["auto", "inline"] | int = "auto"
    ray: RaySettings = RaySettings()  # where workers are; unused with workers: inline
    limits: Limits = Limits()  # of one record: what takes more is quarantined


@dataclass(frozen=True)
class LoadedJob:
    """A job ready to run: settings, packs, and absolute paths."""

    path: Path
    settings: Job
    packs: tuple[Pack, ...]
    inputs: tuple[str, ...]
    folder: Path
    output: Path
    stages: tuple[str, ...]  # the enabled stages in order
    against: tuple[str, ...] = ()  # run directories, absolute
    store: str | None = None  # the URL of an output in object storage; `output` is then the folder to work in
    warnings: tuple[Problem, ...] = ()  # settings that have another name today

    @property
    def read_settings(self) -> ReadSettings:
        return dataclasses.replace(self.settings.read, **dataclasses.asdict(self.settings.extract))

    @functools.cached_property
    def pack_hashes(self) -> list[list[str]]:
        """Name and hash of each pack, in order."""
        return [[pack.name, pack.sha256] for pack in self.packs]

    @functools.cached_property
    def measured(self) -> dict[str, Any]:
        """What the columns that rules measure, and the texts that they leave, depend on."""
        return {"columns": column_identities(self.packs), "texts": texts_identity(self.packs)}

    def effective(self) -> dict[str, Any]:
        """Everything that decides what is written, as plain data: not where it is written to, nor by how many workers.

        Limits decide about records that pass them alone; what was quarantined for them is done again when they change."""
        data = dataclasses.asdict(self.settings)
        del data["workers"], data["ray"], data["memory"], data["output"], data["workspace"], data["limits"]
        data["packs"] = {pack.name: pack.sha256 for pack in self.packs}
        data["stages"] = list(self.stages)
        return data

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.effective(), sort_keys=True, default=str).encode()).hexdigest()


def job_schema() -> dict[str, Any]:
    """The JSON Schema of a job file."""
    from rules.format.schema import DIALECT, schema_of

    return {"$schema": DIALECT, "title": "gristmill job", **schema_of(Job)}


def load_job(path: str | Path) -> LoadedJob:
    """Read a job file and its packs. Raises Problems with every mistake in any of them."""
    path = Path(path)
    located = load(path)
    if isinstance(located.data, dict) and "rules" in located.data:
        raise Problems([located.problem(("rules", KEY), "R101", f"this is a rule pack, not a job; a job names it: `packs: [{path.name}]`")])
    located, warnings = with_names_of_today(located, FORMER_IN_JOBS)
    problems: list[Problem] = []
    job: Job | None = None
    try:
        job = build(Job, located)
    except Problems as found:
        problems += found.problems
    problems += _nothing_given(located)
    data = located.data if isinstance(located.data, dict) else {}
    packs = read_packs(data.get("packs"), located, path.parent, problems, tokenizer=_tokenizer_of(data, path.parent))
    if job is not None:
        problems += _file_problems(job, located, path.parent) + _model_problems(job, located, path.parent) + _evaluation_problems(job, located, path.parent) + _against_problems(job, located, path.parent) + _order_problems(job, located)
        problems += _worker_problems(job, located) + _memory_problems(job, located) + _rehydrate_problems(job, located)
    if problems:
        raise Problems(problems)
    assert job is not None
    inputs = (job.input,) if isinstance(job.input, str) else tuple(job.input)
    folder = path.parent.resolve()
    against = tuple(str((folder / name).resolve()) for name in _listed(job.against) if name)
    return LoadedJob(path, _resolved(job, folder), packs, inputs, folder, _output(job, folder), _enabled(job), against, job.output if is_url(job.output) else None, tuple(sorted(warnings)))


def _output(job: Job, folder: Path) -> Path:
    """The run directory; for one in object storage, the local folder to work in."""
    if not is_url(job.output):
        return (folder / job.output).resolve()
    return (folder / job.workspace).resolve() if job.workspace else workspace_of(job.output).resolve()


def _tokenizer_of(data: dict, folder: Path) -> Path | None:
    """The tokenizer.json that the job packs with, if it names one: for signals of tokens."""
    pack = data.get("pack")
    name = pack.get("tokenizer") if isinstance(pack, dict) else None
    return folder / name if isinstance(name, str) else None


def _resolved(job: Job, folder: Path) -> Job:
    """The job with the paths of its tokenizer and language model made absolute."""
    if job.pack is not None and job.pack.tokenizer is not None:
        tokenizer = (folder / job.pack.tokenizer).resolve()
        job = dataclasses.replace(job, pack=dataclasses.replace(job.pack, tokenizer=tokenizer))
    if job.decontaminate is not None:
        files = [str(folder / file) for file in _listed(job.decontaminate.files)]
        job = dataclasses.replace(job, decontaminate=dataclasses.replace(job.decontaminate, files=files))
    if job.lines is not None and job.lines.allow_file is not None:
        job = dataclasses.replace(job, lines=dataclasses.replace(job.lines, allow_file=(folder / job.lines.allow_file).resolve()))
    if job.language is not None and not is_named(job.language.model):
        model = str((folder / job.language.model).resolve())
        job = dataclasses.replace(job, language=dataclasses.replace(job.language, model=model))
    return job


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _evaluation_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    if job.decontaminate is None:
        return []
    from curation.evaluation_items import EvaluationError, evaluation_files

    try:
        evaluation_files([str(folder / file) for file in _listed(job.decontaminate.files)])
    except EvaluationError as error:
        return [located.problem(("decontaminate", "files"), "R103", str(error))]
    return []


def _against_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    names = [name for name in _listed(job.against) if name]
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


def _nothing_given(located: Located) -> list[Problem]:
    """`near:` with nothing after it reads as "on" to people and as "off" to YAML; so it is neither."""
    data = located.data if isinstance(located.data, dict) else {}
    stages = ("language", "decontaminate", "exact", "near", "substrings", "lines", "pack")
    message = "nothing is set here; write `{key}: {{}}` for the defaults, or leave the line out to turn it off"
    return [located.problem((k,), "R103", message.format(key=k)) for k in stages if k in data and data[k] is None]


def read_packs(uses: Any, located: Located, folder: Path, problems: list[Problem], at: KeyPath = ("packs",), tokenizer: Path | None = None) -> tuple[Pack, ...]:
    """The packs that the list at `at` names; mistakes are added to `problems`. `tokenizer`: for those that name none."""
    packs: list[Pack] = []
    for index, use in enumerate(uses if isinstance(uses, list) else []):
        place = (*at, index)
        name = use.get("use") if isinstance(use, dict) else use
        if not isinstance(name, str):
            continue
        try:
            file = find_pack(name, folder)
            pack = load_pack(file, tokenizer=tokenizer)
        except ValueError as error:
            problems.append(located.problem((*place, "use"), "R109", str(error)))
            continue
        except Problems as found:
            problems += found.problems
            continue
        if not file.is_relative_to(SHIPPED):  # the examples of shipped packs are run by the tests of gristmill
            from rules.format.examples import example_problems

            problems += example_problems(pack)
        if pack.name in {p.name for p in packs}:
            problems.append(located.problem(place, "R105", f"two packs are called {pack.name!r}"))
        packs.append(_with_actions(pack, use.get("set"), located, (*place, "set"), problems) if isinstance(use, dict) else pack)
    return tuple(packs)


def _with_actions(pack: Pack, actions: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Pack:
    """`pack` with the actions that the job sets."""
    actions = actions if isinstance(actions, dict) else {}
    changes: dict[str, str] = {}
    for name, action in actions.items():
        rule = pack.rule(str(name))
        if rule is None:
            message = f"pack {pack.name} has no rule {name!r}{did_you_mean(name, [r.id for r in pack.rules])}"
            problems.append(located.problem((*at, name, KEY), "R110", message))
        elif action == "tag" and rule.lines:
            problems.append(located.problem((*at, name), "R110", "a line rule changes lines or is off; it cannot be a tag"))
        else:
            changes[rule.id] = action
    rules = tuple(dataclasses.replace(rule, action=changes.get(rule.id, rule.action)) for rule in pack.rules)
    return dataclasses.replace(pack, rules=rules)


def _order_problems(job: Job, located: Located) -> list[Problem]:
    problems = []
    for index, name in enumerate(job.order):
        if name not in STAGES:
            message = f"unknown stage {name!r}{did_you_mean(name, STAGES)}; stages are {', '.join(STAGES)}"
            problems.append(located.problem(("order", index), "R103", message))
        elif name in job.order[:index]:
            problems.append(located.problem(("order", index), "R103", f"stage {name!r} is named twice"))
    for name in STAGES:
        if name not in job.order and _is_on(job, name):
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
    stages, message = _enabled(job), ""
    if "rules" not in stages:
        message = "removal_rates are those of rules: name packs, or choose fineweb2 or a table"
    elif late := [stage for stage in stages[stages.index("rules") :] if stage in ("exact", "near")]:
        before = [stage for stage in job.order if stage not in ("rules", *late)]
        place = max((before.index(stage) + 1 for stage in ("language", "decontaminate", "exact", "near") if stage in before), default=0)
        order = ", ".join([*before[:place], *late, "rules", *before[place:]])
        message = f"removal_rates are by cluster size, which must be known when rules remove: {' and '.join(late)} must come before rules; write order: [{order}]"
    return [located.problem(("pack", "rehydrate"), "R103", message)] if message else []


def _is_on(job: Job, stage: str) -> bool:
    return bool(job.packs) if stage == "rules" else getattr(job, stage) is not None


def _enabled(job: Job) -> tuple[str, ...]:
    return tuple(stage for stage in job.order if _is_on(job, stage))
