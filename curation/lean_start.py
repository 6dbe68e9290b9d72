"""A run imports what it works with. Two libraries import large ones to look whether they are there, for things no run does:

    pyarrow   pandas, to know its types when it meets them: 0.3 s
    numba     SciPy's linear algebra, for products of matrices in kernels: 0.25 s

A command says so once, before it imports the rest. In a process of somebody else's, who may use both, nothing is left out.

And Arrow takes memory from the C library instead of an allocator of its own, which gives pages back to the operating system
that it then asks for again, cleared: of a run in two workers a tenth of the processor's time. What the environment says of
either (ARROW_DEFAULT_MEMORY_POOL; see rules/text/kept_memory.py) goes before.

NumPy's linear algebra starts a thread for each processor, which wait for work in a loop. A run multiplies one small matrix,
and has a worker for each processor: it gets no such threads, where OPENBLAS_NUM_THREADS does not say how many.

While modules are loaded nothing is garbage, and looking for it again and again takes 0.1 to 0.2 s.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rules.text.kept_memory import keep_freed_memory

POOL = "ARROW_DEFAULT_MEMORY_POOL"  # Arrow reads it once, when it is imported; processes started from here read it too
BLAS_THREADS = "OPENBLAS_NUM_THREADS"  # NumPy likewise


class _Absent:
    """Says, before anybody looks, that modules of these names are not there."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is left out here", name=name)


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """In here modules that are not imported yet cannot be."""
    finder = _Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """No search for garbage in here; what is there afterwards is not searched either."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


def leave_out_unused() -> None:
    """Have pyarrow and numba look for pandas and SciPy where they find none, and NumPy start no threads; before any is imported.
    What has other names in another version is as it was."""
    os.environ.setdefault(BLAS_THREADS, "1")
    with absent("pandas"):
        import pyarrow

        pyarrow.array([""])  # the first array looks
    with absent("scipy", "scipy.linalg"), contextlib.suppress(ImportError):
        import numba.np.arraymath  # noqa: F401


def take_memory_again() -> None:
    """Have what one batch gave back taken again by the next, Arrow's buffers too. Before pyarrow is imported."""
    if keep_freed_memory():
        os.environ.setdefault(POOL, "system")
