"""`gristmill init`: copy the starter project, or the demo, into an empty folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from curation.run_directory import RunDirectoryError

STARTER, DEMO = (Path(__file__).parent / name for name in ("starter_project", "demo_project"))
GITIGNORE = "out/\n"


def write_project(folder: Path, template: Path) -> list[Path]:
    """Write the project `template` (STARTER or DEMO); returns the files written. Raises RunDirectoryError when `folder` holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunDirectoryError(f"{str(folder)!r} is not empty; name a new folder")
    written = []
    for source in sorted(path for path in template.rglob("*") if path.is_file()):
        target = folder / source.relative_to(template)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        written.append(target)
    ignore = folder / ".gitignore"
    ignore.write_text(GITIGNORE, encoding="utf-8")
    return [*written, ignore]
