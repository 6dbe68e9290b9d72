"""Before a command writes a file: is the place one that may be written to, and is nothing lost there?

A slip of the hand, such as the corpus named after --out, must not cost a file that nothing can make again. So no command
writes over one of its inputs, nor over a file that it would not have written; what it wrote before, it writes again.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from rules.visible import shown_path, visible


def check_output(out: Path, inputs: Iterable[Path], is_ours: Callable[[Path], bool], what: str, option: str = "--out") -> None:
    """Refuse, in the words of the command line, to write `out` where that destroys something.

    `inputs`: files the command reads. `is_ours`: does a file hold `what`, the kind of thing the command writes? Raises
    click.BadParameter, and OSError where nothing can be written. What is no plain file (/dev/stdout, a pipe) holds nothing."""
    try:
        check_folder(out.parent)
    except OSError as error:  # of a file that nobody asked for
        raise OSError(error.errno, error.strerror, str(out)) from None
    if not out.is_file():
        return
    if any(path.exists() and path.samefile(out) for path in inputs):
        reason = "is an input of this command, which would be lost: name another file to write"
    elif out.stat().st_size and not is_ours(out):
        reason = f"is there and is not {what}: name another file to write, or move it away"
    else:
        return
    raise click.BadParameter(visible(f"{shown_path(out)} {reason}"), param_hint=option)


def check_folder(folder: Path) -> None:
    """Raises OSError where no file can be written into `folder`, which need not be there, and is not afterwards."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


def is_picture(path: Path) -> bool:
    """Does a file begin as PNG, PDF or SVG?"""
    with open(path, "rb") as file:
        head = file.read(1024)
    return head.startswith((b"\x89PNG", b"%PDF")) or b"<svg" in head


def has_columns(path: Path, names: Iterable[str]) -> bool:
    """Is a file Parquet, with all of these columns?"""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return set(names) <= set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError):
        return False
