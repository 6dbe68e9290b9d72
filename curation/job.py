"""A job: what `gristmill run job.yaml` reads, ready to run. Its settings are in job_settings.py.

Relative paths are relative to the folder of the job file. Unknown keys and wrong values are errors at file:line:col.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.former_names import FORMER_IN_JOBS
from curation.job_checks import job_problems, nothing_given
from curation.job_places import place_problems
from curation.job_settings import Job, enabled, listed
from curation.object_store import is_url, workspace_of
from curation.readers import ReadSettings
from curation.stages.language import is_named
from rules.format.pack import SHIPPED, find_pack, load_pack
from rules.identity import column_identities, texts_identity
from rules.places import KEY, KeyPath, Located, Problem, Problems, build, did_you_mean, load, with_names_of_today
from rules.rule import Pack


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
    problems += nothing_given(located)
    data = located.data if isinstance(located.data, dict) else {}
    packs = read_packs(data.get("packs"), located, path.parent, problems, tokenizer=_tokenizer_of(data, path.parent))
    if job is not None:
        problems += job_problems(job, located, path.parent) + place_problems(job, located, path.parent)
    if problems:
        raise Problems(problems)
    assert job is not None
    inputs = (job.input,) if isinstance(job.input, str) else tuple(job.input)
    folder = path.parent.resolve()
    against = tuple(str((folder / name).resolve()) for name in listed(job.against) if name)
    return LoadedJob(path, _resolved(job, folder), packs, inputs, folder, _output(job, folder), enabled(job), against, job.output if is_url(job.output) else None, tuple(sorted(warnings)))


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
        files = [str(folder / file) for file in listed(job.decontaminate.files)]
        job = dataclasses.replace(job, decontaminate=dataclasses.replace(job.decontaminate, files=files))
    if job.lines is not None and job.lines.allow_file is not None:
        job = dataclasses.replace(job, lines=dataclasses.replace(job.lines, allow_file=(folder / job.lines.allow_file).resolve()))
    if job.language is not None and not is_named(job.language.model):
        model = str((folder / job.language.model).resolve())
        job = dataclasses.replace(job, language=dataclasses.replace(job.language, model=model))
    return job


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
