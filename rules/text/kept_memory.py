"""Memory that one batch gave back is there for the next: the process keeps some of what it freed.

Arrays of megabytes come and go with every batch. The C library by itself gives them back to the operating system, which
clears each page before it hands it out again: a sixth of the time that measuring takes. Here glibc is told to keep up to
KEPT_BYTES; other C libraries are left as they are. What the environment says (MALLOC_TRIM_THRESHOLD_ and the like, or
GLIBC_TUNABLES) goes before.
"""

from __future__ import annotations

import ctypes
import functools
import os

KEPT_BYTES = 128 << 20  # free at the end of the heap
MOST_BYTES = 32 << 20  # of one array that is taken from the heap: the most that glibc allows
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of mallopt(3)
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


@functools.cache
def keep_freed_memory() -> bool:
    """Tell the C library, once in a process: did it agree?"""
    if any(name in os.environ for name in VARIABLES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, MOST_BYTES) and mallopt(TRIM_THRESHOLD, KEPT_BYTES))
