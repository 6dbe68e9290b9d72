"""The user's editor on a file, with the terminal handed over while it runs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from textual.app import App, SuspendNotSupported

from inspect_ui.session import InspectError

TAKE_A_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "kak", "micro", "joe", "ne"}  # understand `+12 FILE`


def editor_command(path: Path, line: int = 1) -> list[str]:
    """The command that opens `path` in $VISUAL or $EDITOR, at `line` where the editor is known to take one.

    Raises InspectError where none is named and none of the usual ones is there."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or next((name for name in ("nano", "vim", "vi") if shutil.which(name)), "")
    command = shlex.split(named)
    if not command or shutil.which(command[0]) is None:
        raise InspectError(f"there is no editor {named!r}: set EDITOR, such as EDITOR=nano" if named else "set EDITOR to your editor, such as EDITOR=nano")
    place = [f"+{line}"] if Path(command[0]).name in TAKE_A_LINE and line > 1 else []
    return [*command, *place, str(path)]


def edit(app: App, path: Path, line: int = 1) -> None:
    """Let the user edit `path`; returns when the editor has ended. Raises InspectError where it did not end well."""
    command = editor_command(path, line)
    try:
        with app.suspend():
            ended = subprocess.run(command)
    except SuspendNotSupported:  # there is no terminal to hand over, so the editor gets none
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    app.refresh(layout=True)
    if ended.returncode:
        raise InspectError(f"{command[0]} ended with exit code {ended.returncode}; {path} is as it left it")
