"""ruff and mypy find nothing: mypy in rules/ and the packed format strictly, in train/ as [tool.mypy] in pyproject.toml says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("command", [["ruff", "check", "--no-cache", "."], ["mypy", "--cache-dir"]], ids=lambda words: words[0])
def test_nothing_is_found(command, tmp_path):
    words = [*command, tmp_path] if command[-1] == "--cache-dir" else command
    found = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
