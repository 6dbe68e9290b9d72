"""The README tells the truth: its commands are run, and what they print is what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def sessions(text: str) -> list[list[tuple[str, list[str]]]]:
    """The ```console blocks as lists of (command, lines of stdout)."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        commands: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        found.append(commands)
    return found


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def fits(shown: list[str], printed: list[str]) -> bool:
    """Line by line the same; a shown line of ... stands for any lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(fits(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and fits(shown[1:], printed[1:])


def run_session(commands: list[tuple[str, list[str]]], folder: Path) -> None:
    for command, shown in commands:
        if command.startswith("cd "):
            folder = folder / command[3:]
            continue
        result = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, env=environment())
        assert result.returncode in ((0, 1) if command.startswith("gristmill diff") else (0, 3)), result.stderr
        assert fits(shown, result.stdout.splitlines()), f"{command} printed\n{result.stdout}"


@pytest.mark.parametrize("number", range(len([s for s in sessions(README) if not s[0][0].startswith("make ")])))
def test_sessions(number, tmp_path):
    session = [s for s in sessions(README) if not s[0][0].startswith("make ")][number]
    run_session(session, tmp_path)


def test_the_demo_prints_the_funnel_that_is_shown(tmp_path):
    """`make demo` up to the packed handoff; the training is timed and tested elsewhere."""
    command = "gristmill init --demo demo >&2 && gristmill run demo/job.yaml"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert result.returncode == 0, result.stderr
    (_, shown), *_ = next(s for s in sessions(README) if s[0][0] == "make demo")
    assert result.stdout.splitlines()[:-1] == shown[: len(result.stdout.splitlines()) - 1]


def test_every_command_is_in_the_readme():
    import gristmill

    for name in gristmill.COMMANDS:
        assert f"gristmill {name}" in README, name


def test_every_page_and_file_it_names_exists():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
