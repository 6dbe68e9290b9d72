"""`gristmill init`: copy the starter project into an empty folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from curation.run_directory import RunDirectoryError

TEMPLATE = Path(__file__).parent / "starter_project"
GITIGNORE = "out/\n"


def write_starter(folder: Path) -> list[Path]:
    """Write the starter project; returns the files written. Raises RunDirectoryError when `folder` holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunDirectoryError(f"{str(folder)!r} is not empty; name a new folder")
    written = []
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file()):
        target = folder / source.relative_to(TEMPLATE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        written.append(target)
    ignore = folder / ".gitignore"
    ignore.write_text(GITIGNORE, encoding="utf-8")
    return [*written, ignore]
