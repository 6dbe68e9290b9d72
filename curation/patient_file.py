"""A file to read that does not give up at the first error of the system: it is opened again where it was, and read on.

Disks, network file systems and object stores fail now and then and work a moment later. What never works is told from
that: a file that is missing, or may not be read, is not tried again. Price: none where nothing fails.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any, BinaryIO

WAITS = (0.1, 0.5, 2.0)  # seconds before the second, third and fourth try
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_REMOTE = ("aiohttp", "botocore", "gcsfs", "google", "requests", "urllib3")  # packages whose errors are no OSError


class ReadFailed(OSError):
    """A file that the system could not read, even when tried again."""


def system_failed(error: BaseException) -> bool:
    """Did the system fail to read, so that the same may work later? (Damaged bytes are told by errors without a number.)"""
    return isinstance(error, OSError) and (error.errno is not None or isinstance(error, ReadFailed))


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OSError):
        return not isinstance(error, _FINAL)
    return type(error).__module__.partition(".")[0] in _REMOTE


class PatientFile(io.RawIOBase):
    """What `open_file` opens, from its beginning. Only as much of a file as readers use: read, seek, tell."""

    def __init__(self, open_file: Callable[[], BinaryIO], name: str):
        super().__init__()
        self.name = name
        self._open_file = open_file
        self._file: BinaryIO | None = None
        self._place = 0
        self._patiently(lambda file: None)

    def read(self, size: int = -1) -> bytes:
        data = self._patiently(lambda file: file.read(size))
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = self._patiently(lambda file: file.seek(offset, whence))
        return self._place

    def tell(self) -> int:
        return self._place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file is not None and self._file.seekable()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def _patiently(self, act: Callable[[BinaryIO], Any]) -> Any:
        """What `act` gives; where it fails, the file is opened again at the same place, after a pause."""
        for wait in (*WAITS, None):
            try:
                if self._file is None:
                    self._file = self._open_file()
                    if self._place:
                        self._file.seek(self._place)
                return act(self._file)
            except Exception as error:
                if not _may_pass(error):
                    raise
                self._forget()
                if wait is None:
                    tries = len(WAITS) + 1
                    raise ReadFailed(f"cannot read {self.name} at byte {self._place:,}, tried {tries} times: {error}") from error
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _forget(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except Exception:  # noqa: S110 - it is broken already
            pass
