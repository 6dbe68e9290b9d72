"""What the tasks of a stage have in common is sent once, and each task without it.

A job with its packs is 45 kB, and what one shard adds to it is 1 kB; the partitions of a corpus all name the same files. A field
whose value is one and the same object in every task is common. Price: a comparison of identities for each field of each task.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Common:
    """The class of the tasks, and the values of those fields that all share; no class where tasks are sent as they are."""

    kind: type | None = None
    values: dict[str, Any] = dataclasses.field(default_factory=dict)

    def less(self, task: Any) -> Any:
        """A task without what is common: its other fields."""
        if self.kind is None:
            return task
        return {field.name: getattr(task, field.name) for field in dataclasses.fields(task) if field.name not in self.values}

    def whole(self, rest: Any) -> Any:
        """The task of which `less` left `rest`."""
        return rest if self.kind is None else self.kind(**self.values, **rest)


def common_of(tasks: Sequence[Any]) -> Common:
    """What `tasks` share: nothing, unless they are of one dataclass."""
    first = tasks[0] if tasks else None
    kind = type(first)
    if not dataclasses.is_dataclass(first) or any(type(task) is not kind for task in tasks):
        return Common()
    names = [field.name for field in dataclasses.fields(first)]
    return Common(kind, {name: getattr(first, name) for name in names if all(getattr(task, name) is getattr(first, name) for task in tasks)})
