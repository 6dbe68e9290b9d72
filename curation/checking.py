"""`gristmill check`: read packs and jobs, run every example, and collect every problem. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rules.examples import count_examples, example_problems
from rules.pack import load_pack, shipped_packs
from rules.places import Problem, Problems, load


@dataclass
class Checked:
    """What was checked and what is wrong."""

    packs: int = 0
    jobs: int = 0
    rules: int = 0
    examples: int = 0
    problems: list[Problem] = field(default_factory=list)

    def summary(self) -> str:
        counts = [(self.packs, "pack"), (self.jobs, "job"), (self.rules, "rule"), (self.examples, "example"), (len(self.problems), "problem")]
        return ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in counts if n or name != "job")

    def as_dict(self) -> dict[str, Any]:
        return {"schema_version": 1, **vars(self), "problems": [vars(p) for p in self.problems]}


def check_files(paths: Sequence[Path]) -> Checked:
    """Check files and folders of YAML; without any, the shipped packs. A file with `rules:` is a pack, else a job."""
    checked = Checked()
    for path in _yaml_files(paths):
        try:
            located = load(path)
        except Problems as found:
            checked.problems += found.problems
            continue
        if isinstance(located.data, dict) and ("pack" in located.data and "input" not in located.data):
            _check_pack(path, checked)
        elif isinstance(located.data, dict) and "input" in located.data:
            _check_job(path, checked)
        else:
            checked.problems.append(located.problem((), "R101", "neither a pack (it has no `pack:`) nor a job (it has no `input:`)"))
    checked.problems = sorted(set(checked.problems))
    return checked


def _yaml_files(paths: Sequence[Path]) -> list[Path]:
    if not paths:
        return list(shipped_packs().values())
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
    return found


def _check_pack(path: Path, checked: Checked) -> None:
    checked.packs += 1
    try:
        pack = load_pack(path)
    except Problems as found:
        checked.problems += found.problems
        return
    checked.rules += len(pack.rules)
    checked.examples += count_examples(pack)
    checked.problems += example_problems(pack)


def _check_job(path: Path, checked: Checked) -> None:
    from curation.job import load_job

    checked.jobs += 1
    try:
        load_job(path)
    except Problems as found:
        checked.problems += found.problems
