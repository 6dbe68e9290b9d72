"""Check a finished run from its files alone: nothing missing, truncated, altered or unlisted, and the books balance.

Every file that the manifest lists is read once and its SHA-256 compared; rows are counted again in the files; documents
are added up stage by stage (books.py); packed/ is checked as a trainer would (train/handoff.py). Price: one reading of
the run directory, at the speed of SHA-256 (some GB/s on a current processor, or the disk's).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.books import BooksError, check_books, summed
from curation.input_content import content_sha256
from curation.manifest import Entry, Manifest
from curation.pass_plan import WORK
from curation.report import REPORT_JSON, plain_funnel
from curation.reports.markdown import total_line
from curation.run_directory import DATA_FOLDERS, read_run
from curation.run_files import LocalFiles, StoredFiles
from curation.shard_numbers import NUMBERS_FILE, read_numbers
from curation.shards import TEMPORARY, file_sha256
from train.handoff import MANIFEST_NAME, HandoffError
from train.verify_packed import verify as verify_packed

MEND = "delete it, and `gristmill run` makes it again"


@dataclass
class Verified:
    """What was checked and what is wrong; without problems the run is whole."""

    files: int = 0
    bytes: int = 0
    report: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"schema_version": 1, "files": self.files, "bytes": self.bytes, "problems": self.problems}

    def summary(self) -> str:
        checked = f"{self.files:,} files, {self.bytes / 1e6:,.1f} MB"
        if self.problems:
            return f"{checked}: {len(self.problems):,} problem{'' if len(self.problems) == 1 else 's'}"
        return f"{checked}: as the manifest says; {total_line(self.report)}"


def verify(output: Path | str, inputs: bool = False) -> Verified:
    """Check the run directory `output`; a URL is one in object storage. `inputs`: the files that it read, too, which are read
    again. Raises RunDirectoryError where `output` is no run directory."""
    if isinstance(output, Path):
        found = _verified(output, LocalFiles(output))
        found.problems += _input_problems(Manifest(output)) if inputs else ()
        return found
    with StoredFiles(output) as files:
        found = _verified(files.folder, files)
        found.problems += _input_problems(Manifest(files.folder)) if inputs else ()
        return found


def _verified(output: Path, files: LocalFiles | StoredFiles) -> Verified:
    """`output`: a folder with run.json, the manifest, the report and packed/; `files`: all there is."""
    run = read_run(output)
    found = Verified()
    entries = _entries(output, found.problems)
    for entry in entries:
        for path, expected in entry.outputs.items():
            if path.startswith(f"{WORK}/") and not files.names([WORK]):
                continue  # it may be deleted when the run is finished
            found.files += 1
            found.bytes += expected["bytes"]
            found.problems += file_problems(files, path, expected)
    found.problems += _unlisted(files, entries)
    found.problems += _number_problems(output, entries)
    found.problems += _book_problems(run, entries)
    found.problems += _report_problems(output, run, entries, found)
    found.problems += _packed_problems(output, entries)
    return found


def _entries(output: Path, problems: list[str]) -> list[Entry]:
    """Every entry of the manifest; those that cannot be read become problems."""
    manifest, entries = Manifest(output), []
    for unit in manifest.units():
        entry = manifest.read(unit)
        if entry is None:
            problems.append(f"manifest/{unit}.json: damaged; delete it, and `gristmill run` will do this unit again")
        else:
            entries.append(entry)
    return entries


def file_problems(files: LocalFiles | StoredFiles, path: str, expected: dict[str, Any]) -> list[str]:
    """What is wrong with one file (path relative to the run directory) against its rows, bytes and sha256 in the manifest."""
    size = files.size(path)
    if size is None:
        return [f"{path}: missing; `gristmill run` makes it again"]
    if size != expected["bytes"]:
        return [f"{path}: has {size:,} bytes, the manifest says {expected['bytes']:,}; {MEND}"]
    with files.opened(path) as file:
        return content_problems(file, path, expected)


def content_problems(file: Path, path: str, expected: dict[str, Any]) -> list[str]:
    """The same for the content of `file`, whose name in the run directory is `path`."""
    if file_sha256(file) != expected["sha256"]:
        return [f"{path}: altered (its SHA-256 is not the manifest's); {MEND}"]
    if path.endswith(".parquet") and expected["rows"]:
        try:
            rows = pq.ParquetFile(file).metadata.num_rows
        except (OSError, pa.ArrowException) as error:
            return [f"{path}: is no Parquet file: {error}"]
        if rows != expected["rows"]:
            return [f"{path}: has {rows:,} rows, the manifest says {expected['rows']:,}"]
    return []


def _unlisted(files: LocalFiles | StoredFiles, entries: Sequence[Entry]) -> list[str]:
    """Files in the data folders that no unit wrote."""
    listed = {path for entry in entries for path in entry.outputs}
    folders = [folder for folder in DATA_FOLDERS if folder != "manifest"]
    strangers = [name for name in files.names(folders) if name not in listed]
    half = "half written, by a run that goes on or was killed; the next run removes it"
    return [f"{name}: {half if TEMPORARY in name else 'not listed in the manifest; gristmill did not write it'}" for name in strangers]


def _number_problems(output: Path, entries: Sequence[Entry]) -> list[str]:
    """Every shard that was read must have its number, or the next run reads it again under another one."""
    numbers = read_numbers(output)
    names = {f"pass0/{number:05d}": name for name, number in numbers.items()}
    for entry in (entry for entry in entries if "file" in entry.input):
        groups = entry.input["row_groups"]
        if names.get(entry.unit) != (entry.input["file"], None if groups is None else tuple(groups)):
            return [f"{NUMBERS_FILE}: damaged, or missing: it does not say that {entry.input['file']} is {entry.unit}; `gristmill run` writes it again"]
    return []


def _input_problems(manifest: Manifest) -> Iterator[str]:
    """Local inputs that do not hold what was read, whatever their size and time say."""
    for entry in filter(None, map(manifest.read, manifest.units())):
        path = entry.input.get("path", "")
        if "stamp" not in entry.input:
            continue  # a later pass, or an object: the store tells its versions
        try:
            content = content_sha256(path, entry.input["row_groups"])
        except (OSError, pa.ArrowException) as error:
            yield f"{path}: cannot be read again: {error}"
            continue
        if content != entry.input["content"]:
            yield f"{path}: holds something else than what was read; where size and time did not change, `touch` it, then `gristmill run` reads it again"


def _book_problems(run: dict[str, Any], entries: Sequence[Entry]) -> Iterator[str]:
    try:
        check_books(summed(entries), run["job"]["stages"], entries)
    except BooksError as error:
        yield f"books: {error}"
    read = {entry.input["path"] for entry in entries if "path" in entry.input}
    if len(read) != run["input"]["files"]:
        yield f"manifest: {len(read):,} input files were read, run.json names {run['input']['files']:,}; `gristmill run` reads the rest"


def _report_problems(output: Path, run: dict[str, Any], entries: Sequence[Entry], found: Verified) -> Iterator[str]:
    """report.json must be of this job: it is written last, so without it the run is not finished."""
    try:
        found.report = json.loads((output / REPORT_JSON).read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield f"{REPORT_JSON}: missing; the run is not finished, go on with `gristmill run {run['job_file']}`"
    except json.JSONDecodeError as error:
        yield f"{REPORT_JSON}: damaged ({error}); `gristmill report` writes it again"
    else:
        if found.report["job_sha256"] != run["job_sha256"]:
            yield f"{REPORT_JSON}: is of an earlier job; go on with `gristmill run {run['job_file']}`"
        elif found.report["funnel"] != plain_funnel(summed(entries), run["job"]["stages"]):
            yield f"{REPORT_JSON}: its funnel is not what the manifest adds up to; `gristmill report` writes it again"


def _packed_problems(output: Path, entries: Sequence[Entry]) -> list[str]:
    if not any(f"packed/{MANIFEST_NAME}" in entry.outputs for entry in entries):
        return []
    try:
        verify_packed(output / "packed")
    except (HandoffError, OSError) as error:
        return [f"packed/: {line}" for line in str(error).splitlines()]
    return []
