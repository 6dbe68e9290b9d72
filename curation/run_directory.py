"""The run directory: who may write to it, what it says about itself, and which files belong to it."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curation.inputs import InputFile
from curation.job import LoadedJob
from curation.manifest import Entry
from curation.shards import TEMPORARY, write_json
from rules.evidence import told

RUN_FILE = "run.json"
DATA_FOLDERS = ("clean", "removed", "edits", "overlaps", "signals", "clusters", "quarantine", "packed", ".work", "manifest")
_PACKAGES = ("pyarrow", "numba", "numpy", "ray", "fasttext-numpy2", "fastwarc", "resiliparse", "trafilatura", "tokenizers", "datasketch")


class RunDirectoryError(ValueError):
    """The output cannot be used: what is wrong, and what to do."""


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """One run at a time in a directory. The lock goes with the process that holds it, however that ends."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        file = open(output / ".lock", "a+", encoding="utf-8")
    except OSError as error:
        raise RunDirectoryError(f"cannot write to output {str(output)!r}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RunDirectoryError(f"{output} is in use by another run ({file.read().strip()}); wait for it, or stop it first") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield


def open_run_directory(job: LoadedJob, files: Sequence[InputFile]) -> None:
    """Write run.json before the first shard; refuse a folder that holds something else."""
    output = job.output
    strangers = [p.name for p in output.iterdir() if not p.name.startswith(".")]
    if strangers and not (output / RUN_FILE).exists():
        message = f"output {str(output)!r} is not empty and not a run directory (it holds {', '.join(sorted(strangers)[:3])}); name another folder"
        raise RunDirectoryError(message)
    for stale in output.rglob(f".*{TEMPORARY}*"):
        stale.unlink(missing_ok=True)
    write_json(output / RUN_FILE, describe(job, files))


def describe(job: LoadedJob, files: Sequence[InputFile]) -> dict[str, Any]:
    """The effective job, the hash of every pack, and the versions that ran it."""
    packs = {pack.name: {"sha256": pack.sha256, "rules": len(pack.rules), "about": pack.about} for pack in job.packs}
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "schema_version": 1, "job_file": str(job.path), "job_sha256": job.sha256, "inputs": list(job.inputs), "folder": str(job.folder),
        "input": {"files": len(files), "bytes": sum(f.size_bytes for f in files)},
        "job": json.loads(json.dumps(job.effective(), default=str)), "packs": packs, "versions": versions,
        "evidence": {f"{pack.name}/{rule.id}": [told(record, pack.rule_sha256(rule)) for record in rule.evidence] for pack in job.packs for rule in pack.rules if rule.evidence},
    }  # fmt: skip


def read_run(path: Path) -> dict[str, Any]:
    """run.json of a run directory. Raises RunDirectoryError when it is none."""
    try:
        return json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunDirectoryError(f"{str(path)!r} is not a run directory (it has no {RUN_FILE}); make one with `gristmill run JOB`") from None
    except json.JSONDecodeError as error:
        raise RunDirectoryError(f"{path / RUN_FILE} is damaged: {error}") from None


def sweep(output: Path, entries: Iterable[Entry]) -> list[str]:
    """Remove files of an earlier job that no unit of this run lists; returns what was removed."""
    listed = {path for entry in entries for path in entry.outputs} | {f"manifest/{entry.unit}.json" for entry in entries}
    removed = []
    for folder in DATA_FOLDERS:
        for path in sorted((output / folder).rglob("*")):
            name = str(path.relative_to(output))
            if path.is_file() and name not in listed:
                path.unlink()
                removed.append(name)
    return removed
