"""The data of a run by name, on this machine and in object storage, to be compared."""

from __future__ import annotations

from pathlib import Path

from curation.object_store import ObjectStore
from curation.run_directory import DATA_FOLDERS

FOLDERS = tuple(f"{folder}/" for folder in DATA_FOLDERS if folder != "manifest")


def local_data(output: Path) -> dict[str, bytes]:
    """Every data file of a run directory."""
    return {str(p.relative_to(output)): p.read_bytes() for folder in FOLDERS for p in (output / folder).rglob("*") if p.is_file()}


def stored_data(store: ObjectStore) -> dict[str, bytes]:
    """Every data object of a run."""
    return store.read_all(name for name in store.sizes() if name.startswith(FOLDERS))
