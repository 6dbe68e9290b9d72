"""A run imports what it works with. Two libraries import large ones to look whether they are there, for things no run does:

    pyarrow   pandas, to know its types when it meets them: 0.3 s
    numba     SciPy's linear algebra, for products of matrices in kernels: 0.25 s

A command says so once, before it imports the rest. In a process of somebody else's, who may use both, nothing is left out.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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


def leave_out_unused() -> None:
    """Have pyarrow and numba look for pandas and SciPy where they find none. What has other names in another version is as it was."""
    with absent("pandas"):
        import pyarrow

        pyarrow.array([""])  # the first array looks
    with absent("scipy", "scipy.linalg"), contextlib.suppress(ImportError):
        import numba.np.arraymath  # noqa: F401
