"""Names that settings had before: still read, with a warning that says the name of today.

A file with a former name is read as if it had the name of today, at the same place, so that mistakes are told where they
stand. Where a file has both, the former name is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.format.problems import KEY, KeyPath, Located, Problem


@dataclass(frozen=True)
class Former:
    """The setting at `at` is called `now`, or is as it was; `values`: choices that have another name today; `convert`: what
    a number of then is today."""

    at: KeyPath
    now: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    convert: Callable[[int], Any] | None = None

    def value(self, given: Any) -> Any:
        """What `given` is called today."""
        if self.convert and isinstance(given, int) and not isinstance(given, bool):
            return self.convert(given)
        return self.values.get(given, given) if isinstance(given, str) else given


def with_names_of_today(located: Located, former: tuple[Former, ...]) -> tuple[Located, list[Problem]]:
    """The same data by the names of today, and a warning for each that is not."""
    warnings: list[Problem] = []
    for name in former:
        located = _with_name(located, name, warnings)
    return located, warnings


def _with_name(located: Located, former: Former, warnings: list[Problem]) -> Located:
    *path, key = former.at
    inside = located.data
    for part in path:
        inside = inside.get(part) if isinstance(inside, dict) else None
    now = former.now or key
    if not isinstance(inside, dict) or key not in inside or (now != key and now in inside):
        return located
    given, value = inside[key], former.value(inside[key])
    if now == key and value == given:
        return located
    warnings.append(_warning(located, former, now, given, value))
    renamed = {now if name == key else name: value if name == key else held for name, held in inside.items()}
    places = {_renamed(at, former.at, now): place for at, place in located.places.items()}
    return Located(located.path, _put(located.data, path, renamed), places)


def _warning(located: Located, former: Former, now: str, given: Any, value: Any) -> Problem:
    whole = ".".join(map(str, former.at))
    if not former.now:
        return located.problem(former.at, "R103", f"{whole}: {given} is called {value} now: write {now}: {value}")
    written = value if isinstance(value, (str, int, float)) else "..."
    return located.problem((*former.at, KEY), "R101", f"{whole} is called {now} now: write {now}: {written}")


def _put(data: Any, path: list[Any], inside: dict[Any, Any]) -> Any:
    """`data` with another mapping at `path`; what was given stays as it is."""
    if not path:
        return inside
    return {**data, path[0]: _put(data[path[0]], path[1:], inside)}


def _renamed(at: KeyPath, former: KeyPath, now: str) -> KeyPath:
    return (*former[:-1], now, *at[len(former) :]) if at[: len(former)] == former else at
