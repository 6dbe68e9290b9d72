"""What arrays gave back is taken again without new pages, and what the environment says is left as it is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from rules.text.kept_memory import KEPT_BYTES, VARIABLES

ROOT = Path(__file__).parents[1]
FAULTS = """
import resource
import numpy as np
from rules.text.kept_memory import keep_freed_memory

def take():
    return [np.ones(1 << 17) for _ in range(40)]  # a megabyte each

kept = keep_freed_memory()
take()
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
take()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(**variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    return subprocess.run([sys.executable, "-c", FAULTS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_taken_again():
    kept, faults = run()
    assert kept == "True" and int(faults) < 1000  # of 10,240 pages
    assert 40 << 20 < KEPT_BYTES


def test_the_environment_goes_before():
    assert run(MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
