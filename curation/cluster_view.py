"""The clusters of one document, to look at: members, similarity, and what differs from the one that was kept.

Reads the clusters of a finished run, and the texts of the members that are shown.
"""

from __future__ import annotations

import difflib
import itertools
import os
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.explain import fate_text, fates, find_rows
from curation.run_directory import RunDirectoryError, read_run
from rules.visible import excerpt, visible

DIFF_LINES = 40  # of one member; --json has all texts
LINE_CHARACTERS = 300
SAME_CHARACTERS = 60  # shown of what two lines begin with alike

Line = tuple[str, str]  # what it is (same, gone, new, head), and the text, safe to print


def clusters_of(output: Path, document_id: str, show: int = 5) -> list[dict[str, Any]]:
    """Every cluster that a document is in: stage, size, kept id, members, kept_chain (explain.fates); the texts of the kept
    one and `show` others.

    Raises RunDirectoryError where it is in none."""
    read_run(output)
    found = []
    for path in sorted((output / "clusters").glob("*.parquet")):
        table = pq.read_table(path)
        names = pc.unique(table.filter(pc.equal(table["id"], document_id))["cluster"]).to_pylist()
        for name in names:
            members = table.filter(pc.equal(table["cluster"], name)).to_pylist()
            members.sort(key=lambda row: (not row["kept"], row["id"] != document_id, -row["jaccard"], row["id"]))
            found.append({"stage": path.stem, "size": members[0]["size"], "kept_id": members[0]["kept_id"], "members": members})
            _add_texts(output, members[: show + 1])
    chains = fates(output, [cluster["kept_id"] for cluster in found])
    for cluster in found:
        cluster["kept_chain"] = chains[cluster["kept_id"]]
    if not found:
        known = any(find_rows(output, folder, [document_id])[document_id] for folder in ("clean", "removed", "quarantine"))
        what = "has no duplicates" if known else f"is not in {str(output)!r}"
        raise RunDirectoryError(f"document {document_id!r} {what}; clusters/ has every document that has some")
    return found


def _add_texts(output: Path, members: list[dict[str, Any]]) -> None:
    """`text` and `fate` of members that are in the run; one of an earlier run has none."""
    for folder in ("clean", "removed"):
        found = find_rows(output, folder, [member["id"] for member in members])
        for member in members:
            for row in found[member["id"]][:1]:
                member["text"], member["fate"] = row["text"], row.get("reason") or "kept"


def cluster_lines(found: list[dict[str, Any]]) -> list[Line]:
    """The clusters as lines."""
    lines: list[Line] = []
    for cluster in found:
        lines.append(("head", f"{cluster['stage']}: {cluster['size']} documents, {visible(cluster['kept_id'])} was kept{fate_text(cluster['kept_chain'])}"))
        kept = cluster["members"][0]
        for member in cluster["members"]:
            similarity = "" if member["kept"] else f", estimated similarity {member['jaccard']:.3f}"
            lines.append(("head", f"  {visible(member['id'])}: {visible(member.get('fate', 'kept' if member['kept'] else 'removed'))}{similarity}"))
            if member["kept"] and "text" in member:
                lines.append(("same", f"      {excerpt(member['text'], LINE_CHARACTERS)}"))
            elif "text" in member and "text" in kept:
                lines += difference(kept["text"], member["text"])
        lines.append(("same", ""))
    return lines


def difference(kept: str, other: str) -> list[Line]:
    """What differs between the lines of two texts: those of the kept one alone are gone, those of the other alone are new."""
    lines = list(difflib.unified_diff(kept.splitlines(), other.splitlines(), n=1, lineterm=""))[2:]
    if not lines:
        return [("same", "      the same lines")]
    kinds = {"-": "gone", "+": "new", "@": "head"}
    found = [(kinds.get(line[0], "same"), f"      {visible(line[:LINE_CHARACTERS])}") for line in _from_where_they_differ(lines[:DIFF_LINES])]
    return found + ([("head", f"      ... and {len(lines) - DIFF_LINES} lines more")] if len(lines) > DIFF_LINES else [])


def _from_where_they_differ(lines: list[str]) -> list[str]:
    """Of lines that replace as many others, a long beginning that both share is left out: a paragraph in one line would show nothing else."""
    groups = [list(group) for _, group in itertools.groupby(lines, key=lambda line: line[0])]
    for gone, new in itertools.pairwise(groups):
        if gone[0][0] == "-" and new[0][0] == "+" and len(gone) == len(new):
            gone[:], new[:] = zip(*map(_cut, gone, new))
    return [line for group in groups for line in group]


def _cut(gone: str, new: str) -> tuple[str, str]:
    same = len(os.path.commonprefix([gone[1:], new[1:]]))
    start = same - SAME_CHARACTERS
    return (gone, new) if start <= SAME_CHARACTERS else (f"-…{gone[1 + start :]}", f"+…{new[1 + start :]}")
