"""Duplicate clusters of a finished run: the largest ones, their members, how alike they are, and which one was kept and why.

Reads clusters/ for a list, and looks for the texts of one cluster in clean/ and removed/, row group by row group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from curation.run_directory import read_run
from inspect_ui.differences import DiffLine, around, compared
from inspect_ui.sample import InspectError

POLICIES = {
    "first": "the first in the order of the input",
    "last": "the last in the order of the input",
    "longest": "the longest text",
    "score": "the highest {score}",
    "source": "the source that comes first in {sources}",
}


@dataclass(frozen=True)
class Cluster:
    """Documents that a stage took for one. `why`: the job's policy that chose the one that was kept."""

    stage: str  # exact or near
    kept_id: str
    size: int
    why: str


@dataclass(frozen=True)
class Member:
    """A document of a cluster, the kept one first. `similarity` to it is estimated (near), 1 where texts are equal (exact)."""

    id: str
    kept: bool
    similarity: float
    url: str
    source: str
    lang: str
    text: str = field(repr=False)  # as it was when it was compared: after the rules; show it through rules.visible


def list_clusters(output: Path, limit: int = 1000) -> list[Cluster]:
    """The clusters of a run, largest first. Raises InspectError where the run has none."""
    files = sorted((output / "clusters").glob("*.parquet"))
    if not files:
        raise InspectError(f"{str(output)!r} has no clusters: no duplicates were found, or its job has neither `exact:` nor `near:`")
    kept = ds.dataset(files).to_table(columns=["stage", "cluster", "size"], filter=pc.field("kept"))
    kept = kept.sort_by([("size", "descending"), ("stage", "ascending"), ("cluster", "ascending")]).slice(0, limit)
    settings = read_run(output)["job"]
    return [Cluster(row["stage"], row["cluster"], row["size"], _policy(settings.get(row["stage"]) or {})) for row in kept.to_pylist()]


def _policy(settings: dict[str, Any]) -> str:
    keep = settings.get("keep", "first")
    told = POLICIES.get(keep, keep).format(score=settings.get("score"), sources=", ".join(settings.get("sources") or ()))
    return f"keep: {keep}, {told}"


def members_of(output: Path, kept_id: str, stage: str | None = None, limit: int = 100) -> list[Member]:
    """The members of the cluster whose kept document is `kept_id`, most similar first after it; at most `limit`.

    Raises InspectError where there is no such cluster."""
    files = sorted((output / "clusters").glob("*.parquet"))
    chosen = pc.field("cluster") == kept_id
    if stage is not None:
        chosen &= pc.field("stage") == stage
    rows = ds.dataset(files).to_table(filter=chosen).to_pylist() if files else []
    if not rows:
        raise InspectError(f"no cluster of {kept_id!r} in {str(output)!r}; clusters are called by the id of the document that was kept")
    rows = [row for row in rows if row["stage"] == rows[0]["stage"]]
    rows = sorted(rows, key=lambda row: (not row["kept"], -row["jaccard"], row["id"]))[:limit]
    documents = _documents(output, [row["id"] for row in rows])
    return [_member(row, documents.get(row["id"], {})) for row in rows]


def _member(row: dict[str, Any], document: dict[str, Any]) -> Member:
    return Member(row["id"], row["kept"], float(row["jaccard"]), *(document.get(name) or "" for name in ("url", "source", "lang", "text")))


def _documents(output: Path, ids: list[str]) -> dict[str, dict[str, Any]]:
    """The documents with these ids, from clean/ and removed/."""
    columns = ["id", "text", "url", "source", "lang"]
    wanted = pc.field("id").isin(pa.array(ids, pa.string()))
    found = {}
    for folder in ("clean", "removed"):
        files = sorted((output / folder).glob("*.parquet"))
        if files and len(found) < len(ids):
            found |= {row["id"]: row for row in ds.dataset(files).to_table(columns=columns, filter=wanted).to_pylist()}
    return found


def member_diff(kept: Member, other: Member, context: int = 3) -> list[DiffLine]:
    """How another member differs from the kept one, line by line."""
    return around(compared(kept.text.split("\n"), other.text.split("\n"), {}), context)

