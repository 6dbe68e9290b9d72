"""Files that are whole or absent, whenever the power fails: temp file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

# .NAME.PROCESS.tmp (curation/shards.py), NAME.json.tmp, and checkpoints that are not whole yet
_TEMPORARY_NAMES = re.compile(r"(?<=/)\.([^/']+)\.\d+\.tmp\b|(\.jsonl?|/step-\d{8})\.tmp\b")


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write `record` with sorted keys, so that equal records make equal files."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=2, sort_keys=True, ensure_ascii=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def with_lasting_names(text: str) -> str:
    """An error with the names that its files were to get, in place of temporary ones that nobody asked for."""
    return _TEMPORARY_NAMES.sub(lambda found: found[1] or found[2], text)
