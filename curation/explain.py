"""One document's story: where it came from, what each stage measured, which rules hit and by how much, what was edited.

Reads only the id column of each file until the document is found; then one row. Costs one scan of the ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.manifest import Manifest
from curation.plain_rows import rows_of
from curation.reports.rules_told import rules_for_others
from curation.run_directory import RunDirectoryError, read_run
from rules.visible import excerpt, shown_path, visible

_FOLDERS = ("clean", "removed", "quarantine", "signals", "edits", "overlaps", "clusters")
_NAMED = 5  # rules that are not for a document, in the text


def find_rows(output: Path, folder: str, values: Sequence[str], column: str = "id") -> dict[str, list[dict[str, Any]]]:
    """The rows of `folder` about each document, named by id (or another column), file by file in order of name; `shard` is the
    number of their shard."""
    found: dict[str, list[dict[str, Any]]] = {value: [] for value in values}
    wanted = pa.array(found.keys(), pa.string())
    for path in sorted((output / folder).glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups if column in file.schema_arrow.names else 0):
                hit = pc.is_in(file.read_row_group(group, columns=[column])[column], wanted)
                if pc.any(hit).as_py():
                    shard = path.stem.rpartition("-")[2]
                    for row in rows_of(file.read_row_group(group).filter(hit)):
                        found[row[column]].append({**row, "shard": shard})
    return found


def fates(output: Path, ids: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """What became of each of `ids`, which were kept in the place of duplicates: id and fate ("kept", a reason, or "not in
    this run"), then of the document that was kept in its place where a later stage found it to be a duplicate, and so on."""
    steps: dict[str, dict[str, Any]] = {}
    wanted = list(dict.fromkeys(ids))
    while wanted:
        removed, clean, broken = (find_rows(output, folder, wanted) for folder in ("removed", "clean", "quarantine"))
        for name in wanted:
            row = next((rows[name][0] for rows in (removed, broken) if rows[name]), {})
            lasting = "kept" if clean[name] else "not in this run"
            steps[name] = {"fate": row.get("reason") or row.get("cause") or lasting, "next": row.get("kept_id")}
        wanted = [name for name in dict.fromkeys(steps[name]["next"] for name in wanted) if name and name not in steps]
    return {name: _followed(name, steps) for name in ids}


def _followed(name: str | None, steps: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    chain: list[dict[str, str]] = []
    while name and all(step["id"] != name for step in chain):
        chain.append({"id": name, "fate": steps[name]["fate"]})
        name = steps[name]["next"]
    return chain


def fate_text(chain: list[dict[str, str]]) -> str:
    """What to say after the id of a document that was kept, by its chain of `fates`: nothing where it stayed in the run."""
    if not chain or chain[0]["fate"] == "kept":
        return ""
    if chain[0]["fate"] == "not in this run":
        return " (a document of an earlier run)"
    links = [f"later removed by {visible(chain[0]['fate'])}"]
    for step in chain[1:]:
        links.append(f"in favour of {visible(step['id'])}, which {'stayed' if step['fate'] == 'kept' else 'was removed by ' + visible(step['fate'])}")
    return f" ({' '.join(links)})"


def story(output: Path, document_id: str) -> dict[str, Any]:
    """Everything the run directory knows about one document. Raises RunDirectoryError when it knows nothing."""
    found = stories(output, [document_id])
    if document_id not in found:
        raise RunDirectoryError(f"no document {document_id!r} in {str(output)!r}; `gristmill why {shown_path(output)}` lists some that were removed, with their ids")
    return found[document_id]


def stories(output: Path, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The stories of those `ids` that the run directory knows; each file is scanned once for all of them."""
    run = read_run(output)
    folders = {folder: find_rows(output, folder, ids) for folder in _FOLDERS}
    kept = fates(output, [row["kept_id"] for by_id in folders["removed"].values() for row in by_id if row["kept_id"]])
    found = {}
    for document_id in dict.fromkeys(ids):
        rows = {folder: by_id[document_id] for folder, by_id in folders.items()}
        for fate, folder in (("kept", "clean"), ("removed", "removed"), ("quarantined", "quarantine")):
            if rows[folder]:
                row = rows[folder][0]
                found[document_id] = _story(document_id, fate, row | _origin(output, row.pop("shard")), rows)
                found[document_id]["rules_for_others"] = _rules_for_others(run, row, rows)
                found[document_id]["same_id"] = _same_id(rows)
                found[document_id]["kept_chain"] = kept.get(row.get("kept_id"), [])
                break
    return found


def _rules_for_others(run: dict[str, Any], row: dict[str, Any], rows: dict[str, list]) -> list[str]:
    """Rules that did not look at a document that reached them, as they are not for its language."""
    return rules_for_others(row["lang"], run.get("rules", {}), run.get("packs", {})) if rows["signals"] and row.get("lang") else []


def _same_id(rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, str]]:
    """Fate and source of every document with this id, where there are several: ids are the input's, and need not be unique."""
    fates = {"clean": "kept", "removed": "removed", "quarantine": "quarantined"}
    same = [{"fate": fate, "source": row["source"], "reason": row.get("reason") or row.get("cause") or ""} for folder, fate in fates.items() for row in rows[folder]]
    return same if len(same) > 1 else []


def _origin(output: Path, shard: str) -> dict[str, Any]:
    """The input file that the documents of a shard were read from."""
    entry = Manifest(output).read(f"pass0/{shard}")
    return {"input_file": entry.input["path"]} if entry and entry.input else {}


def _story(document_id: str, fate: str, row: dict[str, Any], rows: dict[str, list]) -> dict[str, Any]:
    signals = rows["signals"][0] if rows["signals"] else {}
    hits = row.get("hits") or signals.get("hits") or []
    known = {"text", "stage", "reason", "hits", "kept_id", "raw", "cause", "error"}
    return {
        "id": document_id,
        "fate": fate,
        "stage": row.get("stage") or ("quarantine" if fate == "quarantined" else None),
        "reason": row.get("reason") or row.get("cause"),
        "error": row.get("error"),
        "kept_id": row.get("kept_id"),
        "document": {k: v for k, v in row.items() if k not in known and v is not None},
        "signals": {k: v for k, v in signals.items() if k not in ("id", "verdict", "reason", "hits", "shard")},
        "rules_verdict": signals.get("verdict"),
        "hits": hits,
        "edits": [{k: v for k, v in edit.items() if k not in ("id", "shard")} for edit in rows["edits"]],
        "overlaps": [{k: v for k, v in row.items() if k not in ("id", "shard")} for row in rows["overlaps"]],
        "clusters": [{k: v for k, v in c.items() if k not in ("id", "shard")} for c in rows["clusters"]],
        "text": row.get("text"),
    }


def story_lines(found: dict[str, Any], text_chars: int = 300) -> list[str]:
    """The story as plain lines, safe to print."""
    lines = [f"document {visible(found['id'])}: {found['fate']}" + (f" by {found['reason']}" if found["reason"] else "")]
    if found["same_id"]:
        each = "; ".join(f"{same['fate']}{' by ' * bool(same['reason'])}{visible(same['reason'])} from {visible(same['source'])}" for same in found["same_id"][:10])
        lines.append(f"  {len(found['same_id'])} documents have this id ({each}); this is the first, and edits, signals and clusters are of any of them")
    if found["error"]:
        lines.append(f"  error: {excerpt(found['error'], 500)}")
    lines += ["", "where it came from"]
    lines += [f"  {name}: {excerpt(str(value), 200)}" for name, value in found["document"].items() if name != "id"]
    lines += (_rule_section(found) if found["fate"] != "quarantined" else []) + _signal_section(found) + _edit_section(found["edits"]) + _overlap_section(found["overlaps"]) + _cluster_section(found)
    if found["text"]:
        lines += ["", f"text ({len(found['text']):,} characters)", f"  {excerpt(found['text'], text_chars)}"]
    return lines


def _rule_section(found: dict[str, Any]) -> list[str]:
    """Rules about the document, and which ones were not for it; those about its lines are told with the edits."""
    hits, edited, others = found["hits"], len(found["edits"]), found["rules_for_others"]
    if not hits:
        lines = ["", f"no rule about whole documents hit it; rules edited {edited:,} of its lines, see below" if edited else "no rule hit it"]
    else:
        lines = ["", "rules that hit it", *map(_hit_line, hits)]
    if others:
        more = f" and {len(others) - _NAMED:,} more (--json shows all)" if len(others) > _NAMED else ""
        lines.append(f"not for documents in {visible(found['document']['lang'])}: {', '.join(map(visible, others[:_NAMED]))}{more}")
    return lines


def _hit_line(hit: dict[str, Any]) -> str:
    measured = f"  {hit['rule']} ({hit['action']}): {hit['signal']} is {hit['value']:.6g}"
    if hit["threshold"] is None:
        return measured
    return f"{measured}, rule says {hit['comparison']} {hit['threshold']:g} (by {abs(hit['value'] - hit['threshold']):.4g})"


def _signal_section(found: dict[str, Any]) -> list[str]:
    if not found["signals"]:
        return []
    lines = ["", f"what the rules measured (verdict of the rules: {found['rules_verdict']})"]
    return lines + [f"  {name}: {'not defined' if value is None or value != value else format(value, '.6g')}" for name, value in found["signals"].items()]


def _edit_section(edits: list[dict]) -> list[str]:
    if not edits:
        return []
    lines = ["", f"lines edited ({len(edits)})"]
    for edit in edits[:50]:
        lines.append(f"  line {edit['line']} by {edit['rule']}")
        lines.append(f"    - {excerpt(edit['before'], 160)}")
        if edit["after"] is not None:
            lines.append(f"    + {excerpt(edit['after'], 160)}")
    return lines + ([f"  ... and {len(edits) - 50} more (--json shows all)"] if len(edits) > 50 else [])


def _overlap_section(overlaps: list[dict]) -> list[str]:
    lines = [f"  {visible(o['file'])} item {visible(o['item'])}, {o['ngrams']} n-grams: {excerpt(o['text'], 200)}" for o in overlaps]
    return ["", "shared with evaluation items", *lines] if lines else []


def _cluster_section(found: dict[str, Any]) -> list[str]:
    lines = []
    for cluster in found["clusters"]:
        role = "the one that was kept"
        if not cluster["kept"]:
            role = f"removed in favour of {visible(cluster['kept_id'])}{fate_text(found['kept_chain'])}, estimated similarity {cluster['jaccard']:.3f}"
        lines.append(f"  {cluster['stage']}: one of {cluster['size']}, {role}")
    return ["", "duplicates", *lines] if lines else []
