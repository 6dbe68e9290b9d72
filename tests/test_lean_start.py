"""What a run leaves out is not imported, and can be imported afterwards all the same."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from curation.lean_start import absent
from rules.text.kept_memory import VARIABLES

WITHOUT = """
import os
import sys
from curation.lean_start import leave_out_unused
leave_out_unused()
import pyarrow
pyarrow.table({"a": [1.0]})["a"].to_numpy()
print(sorted({"pandas", "scipy.linalg"} & set(sys.modules)))
print(*{open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task") if int(task) != os.getpid()} - {"jemalloc_bg_thd"})
import scipy.linalg
print(scipy.linalg.det([[2.0]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed on Linux only")
def test_neither_is_imported_until_somebody_wants_it_and_no_thread_waits_for_work():
    environment = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    ran = subprocess.run([sys.executable, "-c", WITHOUT], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1], env=environment)
    assert ran.stdout.split() == ["[]", "2.0"]


def test_only_what_is_not_imported_yet_is_hidden():
    with absent("json", "symtable"):
        import json  # noqa: F401

        with pytest.raises(ImportError):
            import symtable  # noqa: F401
    assert importlib.util.find_spec("symtable") is not None and "json" in sys.modules


POOL = """
from curation.lean_start import take_memory_again
take_memory_again()
import pyarrow
print(pyarrow.default_memory_pool().backend_name)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
@pytest.mark.parametrize(("said", "pool"), [({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc")])
def test_arrow_takes_memory_from_the_c_library_unless_told_otherwise(said, pool):
    environment = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, "ARROW_DEFAULT_MEMORY_POOL")} | said
    ran = subprocess.run([sys.executable, "-c", POOL], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1], env=environment)
    assert ran.stdout.split() == [pool]


NEEDED = "import sys, curation.job, curation.run, curation.passes; print(*sorted(set(sys.argv[1:]) & set(sys.modules)))"


def test_a_run_of_parquet_imports_nothing_that_packs_or_reads_other_formats():
    """Each took 5 to 60 ms of every run, and workers copy what is imported before they are forked."""
    left_out = ["tokenizers", "train", "iso639", "babel", "jinja2", "matplotlib", "ray", "resiliparse", "fastwarc", "curation.stages.pack", "curation.encoder", "curation.archives", "curation.jsonl"]
    ran = subprocess.run([sys.executable, "-c", NEEDED, *left_out], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert ran.stdout.split() == []
