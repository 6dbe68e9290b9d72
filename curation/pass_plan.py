"""The passes of a job: its stages cut where all documents must be seen, and what a worker needs to do one on one shard.

    language, rules, exact, near   ->   pass 0: read, language, rules | barrier: exact, near | pass 1: less duplicates
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from curation.inputs import Shard
from curation.job import LoadedJob
from curation.job_settings import BARRIERS
from curation.manifest import Entry

WORK = ".work"  # what passes hand to each other; kept, so that a changed setting redoes only what depends on it


@dataclass(frozen=True)
class Pass:
    """Stages that run fused, and the barrier that follows them."""

    number: int
    stages: tuple[str, ...]
    barrier: tuple[str, ...]
    last: bool
    after: tuple[str, ...] = ()  # the barrier before it

    @property
    def name(self) -> str:
        return f"pass{self.number}"

    @property
    def title(self) -> str:
        """What people call it."""
        first = {(): "read", ("lines",): "cut repeated lines", ("substrings",): "cut repeated substrings"}
        return ", ".join([first.get(self.after, "remove duplicates"), *self.stages])


def plan_passes(stages: tuple[str, ...]) -> list[Pass]:
    """Cut `stages` into passes at the duplicate stages; exact and near share a barrier where they are neighbours, lines and
    substrings are looked for in what is left."""
    groups: list[tuple[list[str], list[str]]] = [([], [])]
    for stage in stages:
        if stage in BARRIERS:
            if groups[-1][1] and {stage, groups[-1][1][-1]} & {"lines", "substrings"}:
                groups.append(([], []))
            groups[-1][1].append(stage)
        else:
            if groups[-1][1]:
                groups.append(([], []))
            groups[-1][0].append(stage)
    if groups[-1][1]:
        groups.append(([], []))
    last = len(groups) - 1
    barriers = [(), *(tuple(barrier) for _, barrier in groups)]
    return [Pass(i, tuple(g), tuple(b), i == last, barriers[i]) for i, (g, b) in enumerate(groups)]


@dataclass(frozen=True)
class Drops:
    """What a barrier decided about the rows of one shard: the file, and a key of what is in it."""

    path: str
    key: str


@dataclass(frozen=True)
class ShardTask:
    """Everything a worker needs to do one pass over one shard."""

    job: LoadedJob
    step: Pass
    shard: Shard
    key: str
    before: str | None = None  # pass 1 and later: the file that the pass before wrote
    drops: str | None = None  # pass 1 and later: what the barrier decided about its rows
    basis: dict[str, Any] = field(default_factory=dict)  # what the rules' results depend on, if rules come last
    previous: Entry | None = None  # an earlier run of this unit that only needs to be decided again
    measured: Entry | None = None  # an earlier run of this unit over the same documents, of which others were duplicates
    run_id: str = ""  # of the run that asks
    content: dict[str, Any] | None = None  # pass 0: what the input is known to be (curation/input_content.py)
    unread: tuple[str, dict[str, Any]] | None = None  # pass 0: key and basis before the content of the input is known

    @property
    def unit(self) -> str:
        return f"{self.step.name}/{self.shard.number:05d}"
