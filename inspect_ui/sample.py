"""What is opened: a sample of documents and the packs that judge them, of raw files or of a finished run.

Of raw files the sample is curation/sample.py's. Of a run it is drawn from clean/ and removed/, by row groups chosen at
random, with every text as it was before rules changed it; the stage and the reason that a document was removed for come
along. Memory and time depend on the size of the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.checking import is_pack
from curation.inputs import InputError
from curation.job import LoadedJob, load_job
from curation.run_directory import RUN_FILE, read_run
from curation.sample import SAMPLE_DOCUMENTS, Stratum, draw_sample
from curation.sample_languages import SeenLanguages, seen_by
from inspect_ui.run_sample import draw_run
from rules.format.pack import find_pack, load_pack
from rules.places import Problems
from rules.rule import Pack


class InspectError(InputError):
    """What was asked for cannot be shown; the text says why, and what to do."""


@dataclass
class PackFile:
    """A pack in force, and the file it was read from; `shipped` packs are not written to."""

    path: Path
    pack: Pack
    actions: dict[str, str] = field(default_factory=dict)  # what the job sets


@dataclass
class Opened:
    """A sample, and how much it stands for.

    `documents` has the columns of curation.document.DOCUMENT first; of a run also `stage` and `reason` (null: kept)."""

    documents: pa.Table
    total: int | None
    exact: bool
    seed: int
    packs: list[PackFile]
    run: Path | None = None
    notices: list[str] = field(default_factory=list)
    former_names: list[str] = field(default_factory=list)  # of settings of the job, and what they are called now

    @property
    def title(self) -> str:
        """How much is seen of how much: `20,000 of 3.1 M, seed 7`."""
        total = "more" if self.total is None else ("" if self.exact else "about ") + short_number(self.total)
        return f"{len(self.documents):,} of {total}, seed {self.seed}"


def short_number(number: int) -> str:
    """`number` as a title has room for it: 32,761, then 3.1 M, then 2.4 G."""
    if number < 1_000_000:
        return f"{number:,}"
    return f"{number / 1e6:.1f} M" if number < 1_000_000_000 else f"{number / 1e9:.1f} G"


def open_sample(
    paths: Sequence[str], packs: Sequence[str] = (), size: int = SAMPLE_DOCUMENTS, seed: int = 0, stratify: Stratum | None = None
) -> Opened:
    """Open a run directory (one path, with run.json), a job (one YAML file: its input as it reads it), or files, folders, globs and URLs.

    `packs`: shipped packs by name, others and jobs by path; of a run or job, instead of its own. Raises InputError,
    RunDirectoryError or InspectError where something is not there, Problems where a pack or job has mistakes."""
    runs = [path for path in paths if "://" not in path and (Path(path) / RUN_FILE).exists()]
    if runs and len(paths) > 1:
        raise InspectError(f"{runs[0]!r} is a run directory: inspect it alone, or name files only")
    told: list[str] = []
    files = [file for name in packs for file in _packs_at(name, told)]
    names = [file.pack.name for file in files]
    if len(set(names)) < len(names):
        raise InspectError(f"two packs have the name {next(n for n in names if names.count(n) > 1)!r}: give each once")
    if runs:
        opened = _open_run(Path(runs[0]), files, size, seed, stratify)
    else:
        opened = _open_files(paths, packs, files, size, seed, stratify)
    opened.former_names = [*told, *opened.former_names]
    return opened


def _open_files(paths: Sequence[str], packs: Sequence[str], files: list[PackFile], size: int, seed: int, stratify: Stratum | None) -> Opened:
    """Of a job, its input, and its packs where there are no other `files`, which `packs` name."""
    if not paths:
        raise InspectError("name a run directory or files to inspect")
    job = load_job(paths[0]) if len(paths) == 1 and paths[0].endswith((".yaml", ".yml")) and Path(paths[0]).is_file() else None
    files = files or (_job_packs(job) if job else [])
    seen = _languages_seen(job or _only_job(packs), [file.pack for file in files])
    places, folder, settings = (paths, Path(), None) if job is None else (job.inputs, job.folder, job.read_settings)
    sample = draw_sample(places, folder, size, seed, settings, stratify, seen)
    if not len(sample.documents):
        raise InspectError(f"no document in {', '.join(map(repr, paths))}: every record is empty or unreadable")
    told = _former_names(job) if job else []
    return Opened(sample.documents, sample.total, sample.exact, seed, files, notices=seen.notes, former_names=told)


def _languages_seen(job: LoadedJob | None, packs: list[Pack]) -> SeenLanguages:
    """What the rules see of the documents: as in a run of the job, with these packs."""
    return replace(seen_by(job), packs=packs) if job else SeenLanguages(packs, False)


def _only_job(packs: Sequence[str]) -> LoadedJob | None:
    """The job that stands where packs are named; None where it does not stand there alone."""
    path = Path(packs[0]) if len(packs) == 1 else None
    return load_job(path) if path and path.is_file() and not is_pack(path) else None


def _packs_at(name: str, told: list[str]) -> list[PackFile]:
    """The pack called or at `name`; of a job, all its packs. What the job calls by former names is added to `told`."""
    try:
        path = find_pack(name, Path())
    except ValueError as error:
        raise InspectError(str(error)) from None
    if is_pack(path):
        return [PackFile(path, load_pack(path))]
    job = load_job(path)
    told += _former_names(job)
    return _job_packs(job)


def _job_packs(job: LoadedJob) -> list[PackFile]:
    uses: list[Any] = [{"use": use} if isinstance(use, str) else vars(use) for use in job.settings.packs]
    return [PackFile(find_pack(use["use"], job.path.parent), pack, dict(use.get("set", {}))) for use, pack in zip(uses, job.packs)]


def _former_names(job: LoadedJob) -> list[str]:
    return [f"{warning} (warning)" for warning in job.warnings]


def _open_run(path: Path, files: list[PackFile], size: int, seed: int, stratify: Stratum | None) -> Opened:
    run = read_run(path)
    notices: list[str] = []
    told: list[str] = []
    if not files:
        files, notices = _packs_of_run(run, told)
    documents, total = draw_run(path, size, seed, stratify)
    if not len(documents):
        raise InspectError(f"{str(path)!r} holds no documents: nothing was kept or removed")
    return Opened(documents, total, True, seed, files, path, notices, told)


def _packs_of_run(run: dict[str, Any], told: list[str]) -> tuple[list[PackFile], list[str]]:
    """The packs of the run's job, and what a user must know about them. What the job calls by former names is added to `told`."""
    named = run.get("job_file", "")
    places = [Path(named), Path(run.get("folder", "")) / Path(named).name]
    job_file = next((place for place in places if place.is_file()), None)
    if job_file is None:
        return [], [f"the job {named!r} of this run is gone: no rules are applied; name packs with --packs"]
    try:
        job = load_job(job_file)
        files = _job_packs(job)
    except (Problems, InputError, ValueError) as error:
        return [], [f"the packs of this run cannot be read now, so no rules are applied: {str(error).splitlines()[0]}"]
    told += _former_names(job)
    old = {name: about["sha256"] for name, about in run.get("packs", {}).items()}
    changed = [file.pack.name for file in files if old.get(file.pack.name) != file.pack.sha256]
    return files, [f"changed since the run: {', '.join(changed)}; verdicts here are those of the packs as they are now"] if changed else []
