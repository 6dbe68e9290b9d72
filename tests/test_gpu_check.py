"""The GPU check on its stand-in: it runs where Ray, fastText and Textual are not installed, and says what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).parents[1]
WITHOUT = """
import runpy, sys
for name in ("ray", "fasttext", "textual", "click", "rich", "transformers", "numba"):
    sys.modules[name] = None  # importing it fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def check(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT, str(ROOT / "scripts/gpu_check.py"), "--device", "cpu", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_the_stand_in_passes_without_optional_packages(tmp_path: Path) -> None:
    done = check("--skip-tests", "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    proofs = [value for value in found.values() if "gradient_difference" in value]
    assert len(proofs) == 6 and all(proof["gradient_difference"] < 1e-5 for proof in proofs)
    figures = [value for value in found.values() if "tokens_per_second" in value]
    assert len(figures) == 2 and all(figure["tokens_per_second"] > 0 for figure in figures)
    assert done.stdout.strip().endswith("all well")


def test_what_there_is_no_time_for_is_named() -> None:
    done = check("--skip-tests", "--minutes", "0")
    assert done.returncode == 0 and "no time left for: matrix product, loop D=64" in done.stdout
