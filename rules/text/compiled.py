"""When compiled code is stale: numba's cache looks at the file of a kernel alone, not at the functions it calls.

Here a kernel's cache is valid for one state of all source files that it may call into: those of its own room and of the
rooms it may import from. So after an upgrade, or an edit, nothing runs with an old function inside. Price: one stat of
each source file in a process, 1 to 2 ms.

numba makes all of its compiler ready before it looks into its cache, which takes as long as loading all the kernels of a
run. Here it is made ready by the first kernel that is not in the cache.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher
from numba.core.runtime.nrt import rtsys

Function = TypeVar("Function", bound=Callable[..., Any])
ROOT = Path(__file__).parents[2]
ROOMS = ("rules", "curation", "inspect_ui")  # each may call into itself and those before it


class KernelCache(FunctionCache):
    """numba's cache of a function, looked into before the compiler is ready: numba itself makes it so where it compiles."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def kernel(function: Function) -> Dispatcher[Function]:
    """`function` compiled on its first call without the GIL, and kept on disk until a source file changes."""
    compiled = njit(nogil=True)(function)
    if hasattr(compiled, "_cache"):  # not where numba was told not to compile
        compiled._cache = KernelCache(function)
    files = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if files is not None:  # it is None where numba was told not to compile
        files._source_stamp = (*files._source_stamp, *source_stamp(room_of(function)))
    return compiled


def room_of(function: Callable[..., Any]) -> str:
    """The room that a function stands in; the last for one outside of them, which may call into all."""
    path = Path(function.__code__.co_filename)
    room = path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
    return room if room in ROOMS else ROOMS[-1]


@functools.cache
def source_stamp(room: str) -> tuple[int, ...]:
    """The newest change (ns), the number and the bytes of all source files that kernels of `room` may be made of."""
    newest = files = size = 0
    for name in ROOMS[: ROOMS.index(room) + 1]:
        for folder, _, names in os.walk(ROOT / name):
            for file in names:
                if file.endswith(".py"):
                    found = os.stat(os.path.join(folder, file))
                    newest, files, size = max(newest, found.st_mtime_ns), files + 1, size + found.st_size
    return newest, files, size
