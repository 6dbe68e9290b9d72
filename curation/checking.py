"""`gristmill check`: read packs and jobs, run every example, and collect every problem. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.greedy_rules import greedy_rules
from curation.inputs import InputError
from curation.job import LoadedJob, load_job
from curation.preview import Preview, preview
from rules.format.examples import count_examples, example_problems
from rules.format.pack import load_pack, pattern_warnings, shipped_packs
from rules.places import Problem, Problems, load
from rules.rule import Pack


@dataclass
class Checked:
    """What was checked and what is wrong; `warnings` are worth a look and no mistake."""

    packs: int = 0
    jobs: int = 0
    rules: int = 0
    examples: int = 0
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    preview: Preview | None = None  # what the packs do to a sample
    loaded: list[Pack] = field(default_factory=list)
    loaded_jobs: list[LoadedJob] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what a reader of the preview must know

    def summary(self) -> str:
        """What was looked at: packs with their rules and examples, jobs with all packs that they name."""
        packs = [_some(self.packs, "pack"), _some(self.rules, "rule"), _some(self.examples, "example")] if self.packs or not self.jobs else []
        named = {pack.name: pack for job in self.loaded_jobs for pack in job.packs}
        of_jobs = f" ({_some(len(named), 'pack')}, {_some(sum(map(_rules_of, named.values())), 'rule')})" if named else ""
        jobs = [f"{_some(self.jobs, 'job')}{of_jobs}"] if self.jobs else []
        return ", ".join([*packs, *jobs, _some(len(self.problems), "problem"), *([_some(len(self.warnings), "warning")] if self.warnings else [])])

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("packs", "jobs", "rules", "examples")}
        found = {name: [vars(p) for p in getattr(self, name)] for name in ("problems", "warnings")}
        return {"schema_version": 1, **plain, **found, "preview": self.preview and self.preview.as_dict(), "notes": self.notes}

    @property
    def job(self) -> LoadedJob | None:
        """The job to try on documents; None: the packs. Raises InputError where there are several."""
        if len(self.loaded_jobs) > 1:
            raise InputError(f"there are {len(self.loaded_jobs)} jobs ({', '.join(str(job.path) for job in self.loaded_jobs[:5])}): with --sample, name the one to try")
        return self.loaded_jobs[0] if self.loaded_jobs else None

    def tried(self) -> list[Pack]:
        """The packs to try on documents: those of the job, or all that were read, each once."""
        return list(self.job.packs) if self.job else list({pack.name: pack for pack in self.loaded}.values())

    def try_on(self, documents: pa.Table, show: int = 0) -> None:
        """Apply the packs to a sample; rules that drop too much of it are problems. `show`: examples of each rule."""
        packs = self.tried()
        self.preview = preview(documents, packs, show)
        self.problems = sorted({*self.problems, *greedy_rules(self.preview, packs, self.job)})
        left = [pack.name for pack in self.loaded if pack.name not in {tried.name for tried in packs}]
        self.notes += [f"not tried, as the job does not name them: {', '.join(dict.fromkeys(left))}"] if left else []


def _some(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _rules_of(pack: Pack) -> int:
    return sum(not rule.variant for rule in pack.rules)


def check_files(paths: Sequence[Path]) -> Checked:
    """Check files and folders of YAML; without any, the shipped packs. A file with `rules:` is a pack, else a job."""
    checked = Checked()
    for path in _yaml_files(paths):
        try:
            located = load(path)
        except Problems as found:
            checked.problems += found.problems
            continue
        if _is_pack(located.data):
            _check_pack(path, checked)
        elif isinstance(located.data, dict) and "input" in located.data:
            _check_job(path, checked)
        else:
            checked.problems.append(located.problem((), "R101", "neither a pack (it has no `pack:`) nor a job (it has no `input:`)"))
    checked.problems, checked.warnings = sorted(set(checked.problems)), sorted(set(checked.warnings))
    return checked


def is_pack(path: Path) -> bool:
    """Is the file a pack, and not a job? Raises Problems where it is no YAML."""
    return _is_pack(load(path).data)


def _is_pack(data: Any) -> bool:
    return isinstance(data, dict) and ("rules" in data or "pack" in data and "input" not in data)


def _yaml_files(paths: Sequence[Path]) -> list[Path]:
    if not paths:
        return list(shipped_packs().values())
    found: list[Path] = []
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{str(path)!r} holds no pack and no job (.yaml or .yml); check the path")
        found += files
    return found


def _check_pack(path: Path, checked: Checked) -> None:
    checked.packs += 1
    try:
        pack = load_pack(path)
    except Problems as found:
        checked.problems += found.problems
        return
    checked.loaded.append(pack)
    checked.rules += _rules_of(pack)
    checked.examples += count_examples(pack)
    checked.problems += example_problems(pack)
    checked.warnings += pattern_warnings(pack)


def _check_job(path: Path, checked: Checked) -> None:
    checked.jobs += 1
    try:
        job = load_job(path)
    except Problems as found:
        checked.problems += found.problems
        return
    checked.loaded += job.packs
    checked.loaded_jobs.append(job)
    checked.warnings += job.warnings
