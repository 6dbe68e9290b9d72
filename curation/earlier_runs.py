"""Earlier runs that a job is compared `against`: their hashes and signatures are read, not their documents.

Only what the earlier run kept takes part, and always stays: a new document like it is removed, with its id as kept_id.
The keys are in the earlier run's .work/, made with the same settings, or the job is refused.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from curation.duplicates import HASHES, DuplicatesError
from curation.job import LoadedJob
from curation.manifest import Entry, Manifest
from curation.run_directory import read_run

KEY_COLUMNS = {"exact": HASHES[0], "near": "signature"}
SAME = {"exact": ("by", "normalise", "within"), "near": ("hashes", "ngram", "seed", "bits", "unit", "compatible", "within")}


@dataclass(frozen=True)
class EarlierKeys:
    """The keys of one shard of an earlier run."""

    label: str  # for names of files made from them
    keys: str  # absolute path
    rows: int
    sha256: str
    drops: str  # absolute path: what the run decided about its rows
    drops_sha256: str

    def stayed(self) -> np.ndarray:
        """Which rows the run kept at its barrier (bool)."""
        return pq.read_table(self.drops, columns=["stage"])["stage"].to_numpy() == 0


def earlier_keys(job: LoadedJob, barrier: tuple[str, ...]) -> list[EarlierKeys]:
    """The keys of all runs of `against`, in order. Raises DuplicatesError, or RunDirectoryError for a folder that is no run."""
    found: list[EarlierKeys] = []
    for number, folder in enumerate(job.against):
        run = read_run(Path(folder))
        for stage in barrier:
            _check_settings(folder, stage, run["job"].get(stage), getattr(job.settings, stage))
        found += _keys_of(Path(folder), number, barrier)
    return found


def _check_settings(folder: str, stage: str, theirs: dict[str, Any] | None, ours: Any) -> None:
    if theirs is None:
        raise DuplicatesError(f"against: {folder} was run without {stage}; run it again with {stage}, or leave {stage} out here")
    mine = dataclasses.asdict(ours)
    for name in SAME[stage]:
        if mine[name] != theirs.get(name, "corpus" if name == "within" else None):
            raise DuplicatesError(f"against: {folder} was run with {stage}: {name}: {theirs.get(name)}, this job says {mine[name]}; they must be the same")


def _in_order(entries: list[Entry]) -> list[Entry]:
    """The entries of all passes, each pass in the order of the run's input, which is not that of the shards' numbers."""
    places = {e.unit.split("/")[1]: (e.input["file"], tuple(e.input["row_groups"] or ())) for e in entries if "file" in e.input}
    return sorted(entries, key=lambda entry: places.get(entry.unit.split("/")[1], ("", ())))


def _keys_of(folder: Path, number: int, barrier: tuple[str, ...]) -> list[EarlierKeys]:
    """The keys of the first pass that has all that the barrier compares."""
    manifest = Manifest(folder)
    entries = _in_order([entry for unit in manifest.units() if unit.startswith("pass") and (entry := manifest.read(unit))])
    decided = {path: out for unit in manifest.units() if unit.startswith("barrier") and (e := manifest.read(unit)) for path, out in e.outputs.items()}
    for step in sorted({entry.unit.split("/")[0] for entry in entries}):
        found = []
        for entry in (e for e in entries if e.unit.startswith(f"{step}/")):
            path, out = next(((p, o) for p, o in entry.outputs.items() if p.endswith(".keys.parquet")), (None, None))
            drops = f".work/{step.replace('pass', 'barrier')}/{entry.unit.split('/')[1]}.parquet"
            if path is None or drops not in decided:
                continue
            if not (folder / path).exists() or not (folder / drops).exists():
                raise DuplicatesError(f"against: {folder} has lost {path}: its .work/ is needed; run it again")
            if all(KEY_COLUMNS[stage] in pq.read_schema(folder / path).names for stage in barrier):
                label = f"old{number}-{step}-{entry.unit.split('/')[1]}"
                found.append(EarlierKeys(label, str(folder / path), out["rows"], out["sha256"], str(folder / drops), decided[drops]["sha256"]))
        if found:
            return found
    if any(entry.counts.get("read", {}).get("in") for entry in entries):
        raise DuplicatesError(f"against: {folder} has no keys of {' and '.join(barrier)} together; its stages stood in another order, or it is not finished")
    return []
