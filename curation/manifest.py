"""What is done: one small file per unit of work, so that a run goes on exactly where it stopped.

A unit (one stage on one shard, or one barrier) is done when its file exists, its key is the one expected now, and
every output it lists is there with the size it had. The key hashes all that the outputs depend on, so a changed
setting or input redoes what depends on it and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from curation.object_store import fetch_missing, publish
from curation.shards import whole_file

# Raised when the meaning of stored outputs changes, so that an old run directory is not half reused. Not where the same rows are
# encoded otherwise, such as edits/ with dictionaries or signatures as bytes: readers take both, and what is done stays done.
OUTPUT_VERSION = 6


def key_of(*parts: Any) -> str:
    """A hash of plain data."""
    text = json.dumps([OUTPUT_VERSION, *parts], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class Entry:
    """One finished unit: its outputs (path relative to the run directory -> rows, bytes, sha256) and its counts."""

    unit: str
    key: str
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=dict)  # the first pass: which part of which file was read
    basis: dict[str, Any] = field(default_factory=dict)  # what the rules' columns and texts depend on (curation/revise.py)
    seconds: dict[str, float] = field(default_factory=dict)  # where the time went; no two runs agree on it

    @property
    def fingerprint(self) -> str:
        """A hash of the content of the outputs: what later units depend on."""
        return key_of({path: entry["sha256"] for path, entry in self.outputs.items()})


def entry_bytes(entry: Entry) -> bytes:
    """An entry as JSON, a line for each of its fields: indented all through it would be encoded by Python alone, which is
    slower than writing the documents of a small shard."""
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in vars(entry).items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


class Manifest:
    """The manifest folder of one run directory."""

    def __init__(self, output: Path):
        self.output = output
        self.folder = output / "manifest"

    def path(self, unit: str) -> Path:
        return self.folder / f"{unit}.json"

    def done(self, unit: str, key: str) -> Entry | None:
        """The entry of `unit`, if it was finished under `key` and its outputs are still there."""
        entry = self.read(unit)
        if entry is None or entry.key != key:
            return None
        for path, output in entry.outputs.items():
            try:
                whole = (self.output / path).stat().st_size == output["bytes"]
            except FileNotFoundError:
                whole = False
            if not whole and not fetch_missing(self.output, path, output["bytes"]):
                return None
        return entry

    def read(self, unit: str) -> Entry | None:
        try:
            data = json.loads(self.path(unit).read_text(encoding="utf-8"))
            return Entry(**data)
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def record(self, entry: Entry) -> Entry:
        """Say that a unit is done. Where the run directory is in object storage, its outputs are put there first."""
        before = self.read(entry.unit)
        written = entry_bytes(entry)
        publish(self.output, entry.unit, entry.outputs, before.outputs if before else {}, written)
        with whole_file(self.path(entry.unit)) as temporary:
            temporary.write_bytes(written)
        return entry

    def restamped(self, entry: Entry, content: dict[str, Any] | None) -> Entry:
        """`entry`, which says from now on that its input has the stamp, and lies where, `content` says: it need not be read again."""
        if content is None or entry.input | content == entry.input:
            return entry
        return self.record(replace(entry, input=entry.input | content))

    def units(self) -> list[str]:
        """Every recorded unit, in order of name."""
        return sorted(str(p.relative_to(self.folder))[: -len(".json")] for p in self.folder.rglob("[!.]*.json"))
