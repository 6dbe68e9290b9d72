"""The report of a run: report/report.json (every number), report.md (the numbers to read), documents.json (documents to
look at), report.html (all of it, one page), and pictures where they are asked for.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.books import BooksError, check_books, funnel, language_warnings, summed
from curation.greedy_rules import greedy_warnings
from curation.id_hashes import UNIT as ID_UNIT
from curation.id_hashes import id_warnings
from curation.language_drops import drop_rows, drop_warnings
from curation.manifest import Entry, Manifest
from curation.outcome import counted
from curation.reports.documents import duplicate_examples, edited_lines, quarantined_records, removed_documents
from curation.reports.markdown import markdown
from curation.reports.measured import Measured, columns_of, histograms, hosts, nearly_removed
from curation.reports.rules_told import no_language_warning, rules_that_name_languages
from curation.reports.shard_choice import Shards, choose, row_groups
from curation.run_directory import RunDirectoryError, read_run
from curation.shards import whole_file

REPORT_JSON, REPORT_MD, REPORT_HTML, DOCUMENTS_JSON = "report/report.json", "report/report.md", "report/report.html", "report/documents.json"


def write_report(output: Path, pictures: bool = False, entries: Sequence[Entry] | None = None) -> dict[str, Any]:
    """Build the report of a finished run from its run.json, manifest and tables, write it, and return its numbers.

    `pictures`: PNG files as well, which take a second or two; `entries`: what the manifest records, where that is known.
    report.json is written last."""
    entries = read_entries(output) if entries is None else sorted(entries, key=lambda entry: entry.unit)
    report, documents = _built(output, entries, choose(output, entries))
    from curation.reports.page import html

    texts = {DOCUMENTS_JSON: json_lines(documents), REPORT_MD: markdown(report), REPORT_HTML: html(report, documents, output.resolve().name)}
    for name, text in texts.items():
        _write(output / name, text)
    if pictures:
        from curation.reports.plots import draw

        draw(report, output / "report")
    _write(output / REPORT_JSON, json_lines(report))
    return report


def json_lines(data: dict[str, Any]) -> str:
    """`data` as JSON, a line for each of its fields and for each entry of these: indented all through, it would be encoded by
    Python alone, which takes five times as long."""
    fields = [f" {json.dumps(name, ensure_ascii=False)}: {_entries_in_lines(value)}" for name, value in data.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _entries_in_lines(value: Any) -> str:
    if isinstance(value, dict) and value:
        entries = [json.dumps({name: some}, ensure_ascii=False)[1:-1] for name, some in value.items()]  # in one, for names that are numbers
        return "{\n" + ",\n".join(f"  {entry}" for entry in entries) + "\n }"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(some, ensure_ascii=False)}" for some in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_entries(output: Path) -> list[Entry]:
    """All that the manifest of `output` records."""
    manifest = Manifest(output)
    return [entry for unit in manifest.units() if (entry := manifest.read(unit)) is not None]


def _built(output: Path, entries: Sequence[Entry], shards: Shards) -> tuple[dict[str, Any], dict[str, Any]]:
    """The numbers, and documents to look at. Tables are read in threads, while this one loads what makes a page."""
    report = numbers(output, entries)
    rules = report["rule_forms"]
    with ThreadPoolExecutor(pa.cpu_count()) as threads:
        reading = {"measured": threads.submit(Measured, shards, set(columns_of(rules)))}
        reading |= {name: threads.submit(read, shards) for name, read in _READ.items()}
        from curation.reports.page import load_templates

        load_templates()
        measured, removed = reading["measured"].result(), reading["removed"].result()
        nearly, pairs = threads.submit(nearly_removed, shards, measured, rules), threads.submit(duplicate_examples, shards, removed)
        report["looked_at"] = {"shards": len(shards.chosen), "of_shards": len(shards.rows), "whole": shards.whole, "documents": len(measured)}
        report |= {"histograms": histograms(measured, rules), "hosts": reading["hosts"].result()}
        documents = {
            "schema_version": 1, "removed": removed, "nearly_removed": nearly.result(), "edits": reading["edits"].result(),
            "duplicates": pairs.result(), "quarantine": reading["quarantine"].result(),
        }  # fmt: skip
    return report, documents


_READ = {"removed": removed_documents, "edits": edited_lines, "hosts": hosts, "quarantine": quarantined_records}


def numbers(output: Path, entries: Sequence[Entry]) -> dict[str, Any]:
    """Every number that the manifest and whole tables tell. Raises RunDirectoryError when `output` holds no run, or an unfinished one."""
    run = read_run(output)
    stages = run["job"]["stages"]
    counts = summed(entries)
    try:
        check_books(counts, stages, entries)
    except BooksError as error:
        message = f"the run in {str(output)!r} is not finished, or its files were changed ({error}); go on with `gristmill run {run['job_file']}`"
        raise RunDirectoryError(message) from error
    rows = funnel(counts, stages)
    read, language, rules, clean = (counts.get(name, {}) for name in ("read", "language", "rules", "clean"))
    packed = [entry.counts for entry in entries if entry.unit == "packed"]
    ids = next((entry.counts[ID_UNIT] for entry in entries if entry.unit == ID_UNIT), {})
    dropped = drop_rows(rules.get("pack_languages", {}), {name for name, pack in run["packs"].items() if pack.get("languages")})
    return {
        "schema_version": 1,
        "in": rows[0]["in"], "kept": rows[-1]["kept"],
        "removed": sum(row["removed"] for row in rows), "quarantined": sum(row["quarantined"] for row in rows),
        "funnel": plain_funnel(counts, stages),
        "warnings": [*language_warnings(counts, (run["job"]["language"] or {}).get("keep", ())), *id_warnings(ids), *_no_language_warnings(run, counts), *greedy_warnings(rules.get("rules", {}), rules.get("in", 0), run.get("rules", {})), *drop_warnings(dropped), *_packing_warnings(packed, run["job"].get("pack") or {})],
        "input": {**run["input"], "skipped": read.get("skipped", {}), "repaired": read.get("repaired", {})},
        "quarantine": _causes(entries, output),
        "rules": rules.get("rules", {}), "evidence": run.get("evidence", {}), "edits": dict(sorted((rules.get("edits", {}) | counts.get("lines", {}).get("edits", {}) | counts.get("substrings", {}).get("edits", {})).items())), "seconds": _seconds(entries),
        "ids": ids,
        "languages": {"in": language.get("languages_in", {}), "kept": clean.get("languages", {}), "script_mismatch": language.get("script_mismatch", {})},
        "pack_languages": dropped,
        "duplicates": _duplicates(entries, output), "near": _near(entries),
        "evaluation": _evaluation(entries, output),
        "packed": packed[0] if packed else {}, "tokens": _tokens(rows, packed),
        "rule_forms": run.get("rules", {}), "rules_in": rules.get("in", 0), "job": run["job"], "job_file": run["job_file"],
        "job_sha256": run["job_sha256"], "packs": run["packs"], "versions": run["versions"],
    }  # fmt: skip


def plain_funnel(counts: dict[str, Any], stages: Sequence[str]) -> list[dict[str, Any]]:
    """The funnel's numbers alone, a row a stage."""
    return [{k: v for k, v in row.items() if not isinstance(v, dict)} for row in funnel(counts, stages)]


def _tokens(rows: Sequence[dict[str, Any]], packed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tokens of the documents kept, as they were counted for packing, and of each stage's kept bytes at the same rate."""
    counted = packed[0].get("tokens", {}) if packed else {}
    if not counted.get("tokens"):
        return {"kept": 0}
    rate = counted["text_bytes"] / counted["tokens"]
    stages = [round(row["kept_bytes"] / rate) for row in rows]
    return {"kept": counted["tokens"], "bytes_per_token": rate, "stages": [*stages[:-1], counted["tokens"]]}


def _no_language_warnings(run: dict[str, Any], counts: dict[str, Any]) -> list[str]:
    """Rules that name languages, where no document has one, or some have none: they act on these."""
    seen = {code for languages in counts.get("rules", {}).get("pack_languages", {}).values() for code in languages}
    names = rules_that_name_languages(run.get("rules", {}), run["packs"])
    seen |= set(counts.get("clean", {}).get("languages", {}))
    return [no_language_warning(names, some=seen != {""})] if names and "" in seen else []


def _packing_warnings(packed: Sequence[dict[str, Any]], settings: Mapping[str, Any]) -> list[str]:
    statistics = packed[0].get("statistics", {}) if packed else {}
    reason = statistics.get("encoder_slow_because")
    slow = f"texts were encoded by the reference encoder, some twenty times slower than the fast one: of the tokenizer, {reason}"
    return ([slow] if reason else []) + _empty_splits(statistics.get("splits", {}), settings.get("held_out")) + statistics.get("mixture_warnings", [])


def _empty_splits(splits: Mapping[str, Mapping[str, Any]], held_out: float | None) -> list[str]:
    """A split without documents that nobody asked for, where the other has some: training would only fail later."""
    if not any(split["documents"] for split in splits.values()):
        return []
    what = {
        "train": "no document is left to train on: all are held out. Give more documents, or a lower held_out in pack",
        "held_out": "no document is held out, so training and eval have nothing to measure on. Give more documents, or a higher held_out in pack",
    }
    return [f"packed: {what[name]}" for name, split in splits.items() if not split["documents"] and (name == "train" or held_out != 0)]


def _seconds(entries: Sequence[Entry]) -> dict[str, float]:
    """Seconds of one core that each rule took, and each pack for its signals and lines."""
    total: dict[str, float] = {}
    for entry in entries:
        for name, seconds in entry.seconds.items():
            total[name] = total.get(name, 0.0) + seconds
    return dict(sorted(total.items()))


def _causes(entries: Sequence[Entry], output: Path) -> dict[str, int]:
    causes: Counter[str] = Counter()
    for path in _files(entries, output, "quarantine"):
        for _, table in row_groups(path, ["cause"]):
            causes.update(counted(table["cause"]))
    return dict(sorted(causes.items()))


def _duplicates(entries: Sequence[Entry], output: Path) -> dict[str, Any]:
    """By stage: clusters, documents removed of them, and how many clusters there are of each size."""
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    rows: Counter[str] = Counter()
    for path in _files(entries, output, "clusters"):
        for _, table in row_groups(path, ["size", "kept"]):
            sizes[path.stem].update(counted(table.filter(table["kept"])["size"]))
            rows[path.stem] += len(table)
    return {stage: _sizes_told(sizes[stage], rows[stage]) for stage in dict.fromkeys(path.stem for path in _files(entries, output, "clusters"))}


def _sizes_told(sizes: Counter[int], rows: int) -> dict[str, Any]:
    clusters = sizes.total()
    return {"clusters": clusters, "removed": rows - clusters, "largest": max(sizes, default=0), "clusters_by_size": {str(size): sizes[size] for size in sorted(sizes)}}


def _evaluation(entries: Sequence[Entry], output: Path) -> list[dict[str, Any]]:
    """Evaluation items that documents share n-grams with, those in most documents first.

    The spans of a document stand together in its file, so a document is counted when an item's id changes."""
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for path in _files(entries, output, "overlaps"):
        for _, table in row_groups(path, ["id", "file", "item", "ngrams", "text"]):
            _add_overlaps(items, table)
    found = [{"file": file, "item": name, **{key: value for key, value in item.items() if key != "last"}} for (file, name), item in items.items()]
    return sorted(found, key=lambda item: (-item["documents"], -item["ngrams"], item["file"], item["item"]))


def _add_overlaps(items: dict[tuple[str, str], dict[str, Any]], table: pa.Table) -> None:
    for number, row in enumerate(table.drop_columns(["text"]).to_pylist()):
        item = items.setdefault((row["file"], row["item"]), {"documents": 0, "ngrams": 0, "text": "", "last": None})
        item["documents"] += item["last"] != row["id"]
        item["last"] = row["id"]
        if row["ngrams"] > item["ngrams"]:
            item.update(ngrams=row["ngrams"], text=table["text"][number].as_py(), document=row["id"])


def _files(entries: Sequence[Entry], output: Path, folder: str) -> list[Path]:
    """Files of a folder of the run; their row groups are read one at a time, for a run may have removed any number."""
    return [output / name for entry in entries for name in entry.outputs if name.startswith(f"{folder}/")]


def _near(entries: Sequence[Entry]) -> dict[str, Any]:
    """What the barrier said of near duplicates: bands, rows, the S-curve, and what was verified."""
    found: dict[str, Any] = next((entry.counts["near"] for entry in entries if entry.unit.startswith("barrier") and "near" in entry.counts), {})
    return found | ({"precision": found["verified"] / found["candidates"]} if found.get("candidates") else {})
