"""When compiled code is stale: numba's cache looks at the file of a kernel alone, not at the functions it calls.

Here a kernel's cache is valid for one state of all source files that it may call into: those of its own room and of the
rooms it may import from. So after an upgrade, or an edit, nothing runs with an old function inside. Price: one stat of
each source file in a process, 1 to 2 ms.

numba makes all of its compiler ready before it looks into its cache, which takes as long as loading all the kernels of a
run. Here it is made ready by the first kernel that is not in the cache. And it reads two things of every kernel: machine
code, and the bitcode that other kernels are compiled with, as large again. Here bitcode is read where one is compiled, and
the cache of a kernel is looked for when it is first called: most are only ever parts of others.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from llvmlite import binding
from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache
from numba.core.codegen import JITCodeLibrary
from numba.core.dispatcher import Dispatcher
from numba.core.runtime.nrt import rtsys

Function = TypeVar("Function", bound=Callable[..., Any])
ROOT = Path(__file__).parents[2]
ROOMS = ("rules", "curation", "inspect_ui")  # each may call into itself and those before it


class LoadedLibrary(JITCodeLibrary):
    """Machine code from the cache, whose bitcode is read when a kernel is compiled that it is a part of."""

    bitcode: bytes

    @classmethod
    def of(cls, code: Any, bitcode: bytes) -> None:
        """Make numba's library of some machine code one of these."""
        code.__class__, code.bitcode = cls, bitcode

    def _get_module_for_linking(self) -> Any:
        if self.bitcode:
            self._shared_module, self.bitcode = binding.parse_bitcode(self.bitcode), b""
        return self._shared_module


class LoadedKernels(CompileResultCacheImpl):
    """How a kernel is made of what the cache holds of it."""

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """The same as numba's, which asks the bitcode for the names of the functions in the machine code."""
        (name, kind, (machine_code, bitcode)), description, *rest = payload
        names = (description.llvm_func_name, description.llvm_cpython_wrapper_name, description.llvm_cfunc_wrapper_name)
        target_context.codegen()._engine._defined_symbols.update(names)
        result = super().rebuild(target_context, ((name, kind, (machine_code, _no_bitcode())), description, *rest))
        (code,) = (part for part in result if isinstance(part, JITCodeLibrary))
        LoadedLibrary.of(code, bitcode)
        return result


@functools.cache
def _no_bitcode() -> bytes:
    return binding.parse_assembly("").as_bitcode()


class KernelCache(FunctionCache):
    """numba's cache of a function, looked into before the compiler is ready: numba itself makes it so where it compiles."""

    _impl_class = LoadedKernels

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


class KernelFiles(IndexDataCacheFile):
    """The files of a kernel in the cache. What cannot be read, because it was cut off or names what an upgrade took away, is not there:
    numba unpickles it before it looks whether it is stale."""

    def _load_index(self) -> dict[Any, str]:
        try:
            return super()._load_index()
        except OSError:
            raise  # the disk's, of which numba knows more
        except Exception:
            return {}

    def load(self, key: Any) -> Any:
        try:
            return super().load(key)
        except OSError:
            raise
        except Exception:
            return None


class LaterCache(NullCache):
    """The cache of a function, made when it is first asked; valid for the state that the sources had when this was made."""

    def __init__(self, function: Callable[..., Any]):
        self.function, self.stamp = function, source_stamp(room_of(function))

    @functools.cached_property
    def kept(self) -> KernelCache:
        cache = KernelCache(self.function)
        files = cache._cache_file
        files.__class__, files._source_stamp = KernelFiles, (*files._source_stamp, *self.stamp)
        return cache

    @property
    def cache_path(self) -> Any:
        return self.kept.cache_path

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        return self.kept.load_overload(sig, target_context)

    def save_overload(self, sig: Any, cres: Any) -> None:
        self.kept.save_overload(sig, cres)

    def flush(self) -> None:
        self.kept.flush()


def kernel(function: Function) -> Dispatcher[Function]:
    """`function` compiled on its first call without the GIL, and kept on disk until a source file changes."""
    compiled = njit(nogil=True)(function)
    if hasattr(compiled, "_cache"):  # not where numba was told not to compile
        compiled._cache = LaterCache(function)
    return compiled


def room_of(function: Callable[..., Any]) -> str:
    """The room that a function stands in; the last for one outside of them, which may call into all."""
    folder, found, rest = function.__code__.co_filename.rpartition(f"{ROOT}{os.sep}")
    room = rest.partition(os.sep)[0] if found and not folder else ""
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
