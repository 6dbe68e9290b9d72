"""Mistakes in files of the user: where they are, and what to do about them.

Every configuration of gristmill (packs, jobs, training) reports its mistakes so, as `file:line:col: CODE message`, all
mistakes of a file in one go.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

KeyPath = tuple[Any, ...]
KEY = "[key]"  # last part of a key path that points at a key itself, not at its value


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file: where it is and what to do about it."""

    path: str
    line: int
    col: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.col}: {self.code} {self.message}"


class Problems(Exception):
    """All mistakes found in one or more files."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[Problems], tuple[list[Problem]]]:
        return Problems, (self.problems,)  # so that it comes back whole from a worker process


@dataclass(frozen=True)
class Located:
    """Plain data read from `path`, and the line and column (from 1) of every key path in it."""

    path: str
    data: Any
    places: dict[KeyPath, tuple[int, int]]

    def place(self, at: KeyPath) -> tuple[int, int]:
        """The place of `at`, or of its nearest ancestor that has one."""
        while at and at not in self.places:
            at = at[:-1]
        return self.places.get(at, (1, 1))

    def problem(self, at: KeyPath, code: str, message: str) -> Problem:
        line, col = self.place(at)
        return Problem(self.path, line, col, code, message)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` , did you mean 'x'?` when one of `known` is close to `name`, else the empty text."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""
