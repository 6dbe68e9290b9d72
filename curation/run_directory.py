"""The run directory: what it says about itself, and which files belong to it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from curation.inputs import InputFile
from curation.job import LoadedJob
from curation.job_settings import STAGES
from curation.manifest import OUTPUT_VERSION, Entry
from curation.reports.rules_told import told_rules
from curation.run_changes import told_changes
from curation.run_log import LOG_FILE
from curation.shard_numbers import NUMBERS_FILE
from curation.shards import TEMPORARY, write_json
from rules.format.evidence import told

RUN_FILE = "run.json"
DATA_FOLDERS = ("clean", "by_language", "by_source", "removed", "edits", "overlaps", "signals", "clusters", "quarantine", "packed", ".work", "manifest")
_INNER = (".work", "manifest")  # folders that hold nothing but what runs need
_RESULT = re.compile(rf"(?:[a-z_0-9]+-)?\d{{5,}}\.(?:parquet|arrow)|(?:tokenizer|manifest)\.json|(?:documents|{'|'.join(STAGES)})\.parquet")
_PACKAGES = ("pyarrow", "numba", "numpy", "ray", "fasttext-numpy2", "fastwarc", "ftfy", "resiliparse", "trafilatura", "tokenizers", "datasketch")


class RunDirectoryError(ValueError):
    """The output cannot be used: what is wrong, and what to do."""


def check_place(output: Path) -> None:
    """Raises RunDirectoryError where `output` is a folder that holds something else, or no folder."""
    if output.exists() and not output.is_dir():
        raise RunDirectoryError(f"output {str(output)!r} is a file; name a folder")
    strangers = sorted(p.name for p in output.iterdir() if not p.name.startswith(".")) if output.exists() else []
    if strangers and not (output / RUN_FILE).exists():
        message = f"output {str(output)!r} is not empty and not a run directory (it holds {', '.join(strangers[:3])}); name another folder"
        raise RunDirectoryError(message)


def open_run_directory(job: LoadedJob, files: Sequence[InputFile]) -> str | None:
    """Write run.json before the first shard; refuse a folder that holds something else. Returns why earlier results here are
    done again, if they are."""
    output = job.output
    check_place(output)
    for stale in output.rglob(f".*{TEMPORARY}*"):
        stale.unlink(missing_ok=True)
    now = describe(job, files)
    told = changes_since(output, now)
    write_json(output / RUN_FILE, now)
    return told


def changes_since(output: Path, now: dict[str, Any]) -> str | None:
    """Why earlier results in `output` are done again where `now` is its run.json; None where they are not, or there are none."""
    if not (output / RUN_FILE).exists() or next((output / "manifest").rglob("*.json"), None) is None:
        return None
    try:
        return told_changes(read_run(output), now)
    except RunDirectoryError:
        return None  # a damaged run.json is written again


def describe(job: LoadedJob, files: Sequence[InputFile]) -> dict[str, Any]:
    """The effective job, the hash of every pack, and the versions that ran it."""
    packs = {pack.name: {"sha256": pack.sha256, "rules": len(pack.rules), "about": pack.about, "languages": list(pack.languages)} for pack in job.packs}
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "schema_version": 1, "output_version": OUTPUT_VERSION, "job_file": str(job.path), "job_sha256": job.sha256, "inputs": list(job.inputs), "folder": str(job.folder),
        "input": {"files": len(files), "bytes": sum(f.size_bytes for f in files)},
        "job": json.loads(json.dumps(job.effective(), default=str)), "packs": packs, "rules": told_rules(job.packs), "versions": versions,
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


def held(output: Path) -> list[Path]:
    """Every file that runs wrote into `output`, but for run.json; what else lies there is not theirs."""
    folders = [p for folder in (*DATA_FOLDERS, "report") for p in sorted((output / folder).rglob("*")) if p.is_file()]
    return [*folders, *filter(Path.exists, [output / LOG_FILE, output / NUMBERS_FILE])]


def delete_run(output: Path) -> None:
    """Delete what runs wrote into `output`. run.json stays until a run writes its own: so it is a run directory all the while."""
    for path in held(output):
        path.unlink(missing_ok=True)
    for folder in (*DATA_FOLDERS, "report"):
        for path in sorted((output / folder).rglob("*"), reverse=True):
            path.rmdir()
        if (output / folder).exists():
            (output / folder).rmdir()


def sweep(output: Path, entries: Iterable[Entry]) -> list[str]:
    """Remove files of an earlier job that no unit of this run lists; returns what was removed. What does not have the name of a
    result, and so is somebody's own, stays."""
    listed = {path for entry in entries for path in entry.outputs} | {f"manifest/{entry.unit}.json" for entry in entries}
    removed = []
    for folder in DATA_FOLDERS:
        for path in sorted((output / folder).rglob("*")):
            name = str(path.relative_to(output))
            if path.is_file() and name not in listed and (folder in _INNER or _RESULT.fullmatch(path.name)):
                path.unlink()
                removed.append(name)
    return removed
