"""A disk that is full: told with the folder that has no room, and with what is saved.

What writes has its own errors: OSError names a temporary file, the source of a copy or nothing; safetensors, PyTorch and Arrow
raise errors of theirs. All of them carry the words of the system.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from train.config import TrainError

NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class NoRoom(TrainError):
    """There is no room to write."""


@contextlib.contextmanager
def room_in(folder: Path, saved: Callable[[], str]) -> Iterator[None]:
    """Turns errors of a full disk into NoRoom that names `folder`. `saved()` says what is safe, in a sentence."""
    try:
        yield
    except TrainError:
        raise
    except Exception as error:
        words = next((words for words in NO_ROOM if words in str(error)), None)
        if words is None:
            raise
        raise NoRoom(
            f"{folder}: there is no room to write ({words}). {saved()} Make room, then give the same command again."
        ) from None
