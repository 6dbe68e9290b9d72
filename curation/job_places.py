"""Where a job reads and writes: that it does not read what it wrote, and that it reads something."""

from __future__ import annotations

import re
from pathlib import Path

from curation.job_settings import Job, listed
from curation.object_store import is_url
from rules.places import Located, Problem

_EVERY_DEPTH = re.compile(r"\*\*")


def place_problems(job: Job, located: Located, folder: Path) -> list[Problem]:
    """Mistakes about `input`, `output` and `against` together; `folder`: what paths are relative to."""
    inputs = [job.input] if isinstance(job.input, str) else list(job.input)
    problems = []
    if not inputs or not all(name.strip() for name in inputs):
        problems.append(located.problem(("input",), "R103", "input names nothing; name files, folders or globs"))
    if is_url(job.output):
        return problems
    output = (folder / job.output).resolve()
    if output.is_file():
        problems.append(located.problem(("output",), "R103", f"output {str(output)!r} is a file; name a folder"))
    for name in inputs:
        if name.strip() and not is_url(name) and (place := _read_whole(name, folder)) and output.is_relative_to(place):
            where = "is the input folder" if output == place else f"lies in the input folder {str(place)!r}"
            problems.append(located.problem(("output",), "R103", f"output {where}, so that the next run would read what this one wrote; name a folder beside it"))
    if any(name and not is_url(name) and (folder / name).resolve() == output for name in listed(job.against)):
        message = "against names the output of this job, whose own documents would all be duplicates; name the output of an earlier run of another job"
        problems.append(located.problem(("against",), "R103", message))
    return problems


def _read_whole(name: str, folder: Path) -> Path | None:
    """The folder that an input takes every file in, at any depth; None where there is none."""
    path = (folder / Path(name).expanduser()).resolve()
    if path.is_dir():
        return path
    deep = _EVERY_DEPTH.search(name)
    return (folder / Path(name[: deep.start()]).expanduser()).resolve() if deep and not path.exists() else None
