"""Near duplicates of a new text among the documents of a finished run: its signature against all that the run kept on disk.

Documents that agree with the text on a whole band are found, as an index of MinHashLSH (datasketch) over the same
signatures finds them, and those whose estimated similarity is enough. All signatures are read, once: some 1 GB/s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.clusters import band_keys
from curation.decision import signatures_of
from curation.duplicates import STAGE_CODES
from curation.explain import fates
from curation.minhash import estimated_jaccard
from curation.run_directory import RunDirectoryError, read_run
from curation.stages.near import NearSettings, near_keys


def near_query(output: Path, text: str, threshold: float | None = None, most: int = 20) -> list[dict[str, Any]]:
    """The documents of a run that are like `text`, most alike first: id, jaccard (estimated), meets (on a band),
    removed_by, kept_id, kept_chain (explain.fates of the one that stayed).

    `threshold`: also documents that meet on no band, from this similarity on. Raises RunDirectoryError for a run without
    near, or without its .work/.
    """
    settings = near_settings(output)
    signature, _ = near_keys(pa.chunked_array([[text]], pa.large_string()), settings)
    wanted = band_keys(signature, *settings.band_shape)
    found: list[dict[str, Any]] = []
    for file in _key_files(output):
        rows, alike, meets = _matches(file, signature, wanted, settings, threshold)
        if len(rows):
            found += _described(file, rows, alike, meets)
    found = sorted(found, key=lambda row: (-row["jaccard"], row["id"]))[:most]
    chains = fates(output, [row["kept_id"] or row["id"] for row in found])
    return [row | {"kept_chain": chains[row["kept_id"] or row["id"]]} for row in found]


def near_settings(output: Path) -> NearSettings:
    """What near was set to in a run."""
    job = read_run(output)["job"]
    if not job.get("near"):
        raise RunDirectoryError(f"the run in {str(output)!r} has no signatures: its job has no `near`")
    names = {field.name for field in dataclasses.fields(NearSettings)}
    return NearSettings(**{name: tuple(value) if isinstance(value, list) else value for name, value in job["near"].items() if name in names})


def _key_files(output: Path) -> Iterator[Path]:
    files = [path for path in sorted((output / ".work").glob("pass*/*.keys.parquet")) if "signature" in pq.read_schema(path).names]
    if not files:
        raise RunDirectoryError(f"the signatures of {str(output)!r} are gone: its .work/ is needed; run the job again")
    yield from files


def _matches(file: Path, signature: np.ndarray, wanted: np.ndarray, settings: NearSettings, threshold: float | None) -> tuple[np.ndarray, ...]:
    """Rows of a file that are like the signature, how much, and whether they meet on a band."""
    parts = []
    for first, some in signatures_of(file):
        meets = (band_keys(some, *settings.band_shape) == wanted).any(axis=1)
        alike = estimated_jaccard(some, np.broadcast_to(signature, some.shape))
        hit = np.flatnonzero(meets | (alike >= threshold) if threshold is not None else meets)
        parts.append((first + hit, alike[hit], meets[hit]))
    return tuple(map(np.concatenate, zip(*parts))) if parts else (np.zeros(0, np.int64),) * 3


def _described(file: Path, rows: np.ndarray, alike: np.ndarray, meets: np.ndarray) -> list[dict[str, Any]]:
    ids = pq.read_table(file, columns=["id"])["id"].take(pa.array(rows)).to_pylist()
    drops_file = file.parent.with_name(file.parent.name.replace("pass", "barrier")) / file.name.replace(".keys", "")
    drops = pq.read_table(drops_file, columns=["stage", "kept_id"]).take(pa.array(rows)).to_pylist() if drops_file.exists() else [{}] * len(rows)
    names = {code: stage for stage, code in STAGE_CODES.items()}
    return [
        {"id": name, "jaccard": float(similarity), "meets": bool(met), "removed_by": names.get(drop.get("stage")), "kept_id": drop.get("kept_id")}
        for name, similarity, met, drop in zip(ids, alike, meets, drops)
    ]  # fmt: skip
