"""Say that kernels are being compiled, where a command would otherwise be silent, or seem slow, for half a minute: on its first
use on a machine.

numba tells its listeners of every compilation that it begins (compile_listener.py); kernels that it loads from its cache are
none. Processes that are forked from here later share what is known, so that of many workers one speaks.
"""

from __future__ import annotations

import mmap
import struct

PATIENCE_SECONDS = 1.0
COMPILING = "compiling kernels for their first use here"

_shared = mmap.mmap(-1, 16)  # of this process and those forked from it: float64 seconds, then whether one has spoken


def compiling_seconds() -> float:
    """Seconds that the process which compiled longest has spent on it, also while it goes on."""
    return struct.unpack_from("d", _shared)[0]


def add_compiling(seconds: float) -> None:
    """What one process has spent so far."""
    if seconds > compiling_seconds():
        struct.pack_into("d", _shared, 0, seconds)


def is_first_to_tell() -> bool:
    """Has no process spoken yet? From now on, one has."""
    first = not _shared[8]
    _shared[8] = 1
    return first


def tell_of_compiling(speak: bool = True) -> None:
    """From now on, say on stderr when this process, or one forked from it, compiles kernels for longer than a moment. Without
    `speak`, only count: the display that is there tells."""
    from curation.compile_listener import listening

    _shared[8] = not speak
    listening().forget()
