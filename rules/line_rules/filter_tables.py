"""What a line filter looks for, as tables: planned for each set of patterns once, then read from disk.

Planning a pack of a hundred patterns takes up to a second, which every new process would spend again, so tables that took
long are kept (rules/text/kept_arrays.py). Read tables are checked before kernels use them: no number in them may lead outside.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

import numpy as np

from rules.matching.line_conditions import Plan, plan
from rules.matching.pattern_literals import blurred
from rules.matching.string_tables import Strings, Table, string_tables, table
from rules.text.kept_arrays import Arrays, content_key, keep, kept

FIRST, LAST = 0, 1
LONG_SECONDS = 0.05  # what takes longer (processor time) is kept


@dataclass(frozen=True)
class FilterTables:
    """Of a tuple of patterns."""

    plans: list[Plan]  # of each pattern, without its strings, which are in the tables
    heads: Table
    strings: Strings
    edge_patterns: np.ndarray  # int64 [k]: patterns with a condition on first or last bytes
    edge_bytes: np.ndarray  # bool [k, 2, 256]: which


def filter_tables(patterns: tuple[str, ...]) -> FilterTables:
    """The tables of `patterns`, read if they are kept."""
    began = time.thread_time()
    key = content_key("filter tables", json.dumps(patterns))
    tables = _from_arrays(kept(key), len(patterns))
    if tables is None:
        tables = planned(patterns)
        if time.thread_time() - began > LONG_SECONDS:
            keep(key, to_arrays(tables))
    return tables


def planned(patterns: tuple[str, ...]) -> FilterTables:
    plans = [plan(pattern) for pattern in patterns]
    heads = table([(text, number) for number, one in enumerate(plans) for text in sorted(one.heads)], range(1))
    nothing: frozenset[bytes] = frozenset()
    bare = [replace(one, heads=nothing, strings=nothing, first=nothing, last=nothing) for one in plans]
    return FilterTables(bare, heads, string_tables(one.strings for one in plans), *_edges(plans))


def _edges(plans: list[Plan]) -> tuple[np.ndarray, np.ndarray]:
    """The patterns with a condition on first or last bytes (int64 [k]), and which bytes (bool [k, 2, 256])."""
    patterns = [number for number, one in enumerate(plans) if one.first or one.last]
    allowed = np.zeros((len(patterns), 2, 256), bool)
    for row, number in enumerate(patterns):
        for side, texts in ((FIRST, plans[number].first), (LAST, plans[number].last)):
            allowed[row, side, [byte for byte in range(256) if blurred(bytes([byte])) in texts]] = True
    return np.array(patterns, np.int64), allowed


# ---- on disk


def to_arrays(tables: FilterTables) -> Arrays:
    named = {"heads": tables.heads, "short": tables.strings.short, "long": tables.strings.long}
    return {
        "plans": np.array([(one.every_line, one.tail_bytes, one.least_bytes, one.run_bytes) for one in tables.plans], np.int64).reshape(-1, 4),
        "runs": np.array([[byte in one.run for byte in range(256)] for one in tables.plans], bool).reshape(-1, 256),
        "edge_patterns": tables.edge_patterns,
        "edge_bytes": tables.edge_bytes,
        "groups": tables.strings.groups,
        **{f"{name}.{field}": array for name, one in named.items() for field, array in one._asdict().items()},
    }


def _from_arrays(arrays: Arrays | None, patterns: int) -> FilterTables | None:
    """None if there are no arrays, or not such as `to_arrays` gives of so many patterns."""
    like = to_arrays(planned(()))
    if arrays is None or any(name not in arrays or arrays[name].dtype != one.dtype or arrays[name].ndim != one.ndim for name, one in like.items()):
        return None
    heads, short, long = (Table(*(arrays[f"{name}.{field}"] for field in Table._fields)) for name in ("heads", "short", "long"))
    edges, allowed, groups, plans, runs = (arrays[name] for name in ("edge_patterns", "edge_bytes", "groups", "plans", "runs"))
    shapes = (allowed.shape, groups.shape, plans.shape, runs.shape)
    wanted = ((len(edges), 2, 256), like["groups"].shape, (patterns, 4), (patterns, 256))
    if shapes != wanted or not within(edges, patterns) or not all(_is_whole(one, patterns) for one in (heads, short, long)):
        return None
    bare = [
        Plan(every_line=bool(every), tail_bytes=int(tail), least_bytes=int(least), run=frozenset(np.flatnonzero(run).tolist()), run_bytes=int(size))
        for (every, tail, least, size), run in zip(plans, runs)
    ]
    return FilterTables(bare, heads, Strings(groups, short, long), edges, allowed)


def _is_whole(one: Table, patterns: int) -> bool:
    """Do all numbers of a table stay within it?"""
    like, strings = table([], range(1)), len(one.values)
    fixed = all(getattr(one, name).shape == getattr(like, name).shape for name in ("gram_bits", "pair_bits", "gram_from", "pair_from"))
    same = all(len(getattr(one, name)) == strings for name in ("masks", "sizes", "places", "patterns"))
    return fixed and same and all(within(numbers, limit) for numbers, limit in ((one.gram_from, strings + 1), (one.pair_from, strings + 1), (one.patterns, patterns), (one.places, 8), (one.sizes, 9)))  # fmt: skip


def within(numbers: np.ndarray, limit: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < limit)
