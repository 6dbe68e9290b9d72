"""What a line must have for a pattern to match it, cheap to look for: the strings, first or last bytes of a plan.

A pattern is divided at its outermost alternatives; each gets the condition that fewest lines meet. A pattern without
such a condition is matched against every line, or against the last bytes of every line where no more can matter.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rules.matching.first_words import first_words
from rules.matching.pattern_literals import (
    Strings,
    byte_chance,
    chances,
    edge_chances,
    fewest,
    found_in,
    required,
    window,
)
from rules.matching.pattern_syntax import Chars, Edge, Either, Node, NotUnderstood, Repeat, Sequence, parse

LINE_BYTES = 50  # of a usual line, for choosing between conditions
FEW_LINES = 0.05  # a share of lines small enough to look for nothing better
MOST_LINES = 1.0  # about; a condition that more lines meet is not worth looking for
WIDEST_TAIL = 64
SHORTEST_RUN = 16
MOST_DIVIDED = 64  # alternatives that are looked at one by one
WORTH_DIVIDING = 4.0  # how many times fewer lines that should find
MOST_OF_A_RUN = 16  # parts that are looked at together


@dataclass(frozen=True)
class Plan:
    """A line matches only if it meets one of the conditions: all strings are blurred (rules/matching/pattern_literals.py)."""

    heads: Strings = frozenset()  # it starts with one of these, after characters that are no letters
    strings: Strings = frozenset()  # it holds one of these
    first: Strings = frozenset()  # its first byte
    last: Strings = frozenset()  # its last byte
    every_line: bool = False  # nothing of this kind is known
    tail_bytes: int = 0  # if not 0: only so many last bytes of a line decide
    least_bytes: int = 0  # shorter lines cannot match, whatever else they have
    run: frozenset[int] = frozenset()  # if there are any: it holds `run_bytes` of these bytes in a row
    run_bytes: int = 0


@functools.cache
def plan(pattern: str) -> Plan:
    """The conditions for `pattern`, which RE2 must accept."""
    chosen = [condition for option in alternatives(pattern) for condition in _conditions(option)]
    known = [one for one in chosen if one is not None]
    if not chosen or len(known) < len(chosen) or sum(share for share, _ in known) > MOST_LINES:
        return Plan(every_line=True, tail_bytes=tail_bytes(pattern), least_bytes=least_bytes(pattern))
    parts = [part for _, part in known]
    sets: dict[str, Any] = {kind: frozenset().union(*(getattr(part, kind) for part in parts)) for kind in ("heads", "strings", "first", "last", "run")}
    return replace(Plan(run_bytes=min((part.run_bytes for part in parts if part.run), default=0)), **sets)


def _long_run(parts: tuple[Node, ...]) -> list[tuple[float, Plan]]:
    """The condition that a line has many bytes of a kind in a row, which takes a look at one byte in so many."""
    runs = [run for first in range(len(parts)) for run in _runs(parts[first : first + MOST_OF_A_RUN]) if run[1] >= SHORTEST_RUN]
    if not runs:
        return []
    codes, size = min(runs, key=lambda run: (run[1] * math.log(min(sum(map(byte_chance, run[0])), 0.99)), -run[1]))
    return [(FEW_LINES, Plan(run=codes, run_bytes=size))]


def _runs(parts: tuple[Node, ...]) -> Iterator[tuple[frozenset[int], int]]:
    """The ASCII characters of which the first part makes a row, the first two and so on, and the fewest of them."""
    codes, size = frozenset[int](), 0
    for part in parts:
        one = part if isinstance(part, Repeat) else Repeat(part, 1, 1)
        own = _ascii_codes(one.part)
        if own is None:
            return
        codes, size = codes | own, size + one.least
        yield codes, size


def _ascii_codes(part: Node) -> frozenset[int] | None:
    """The characters of a class; None if there are others than ASCII."""
    if not isinstance(part, Chars) or not part.ranges or part.ranges[-1][1] >= 128:
        return None
    return frozenset(code for first, last in part.ranges for code in range(first, last + 1))


@functools.lru_cache(10_000)
def alternatives(pattern: str) -> list[tuple[Node, ...]]:
    """The outermost alternatives, each as its parts; none if the pattern is not understood."""
    try:
        return [_flat(option) for option in _options(parse(pattern))]
    except (NotUnderstood, RecursionError):
        return []


def _options(tree: Node) -> list[Node]:
    tree = tree.parts[0] if isinstance(tree, Sequence) and len(tree.parts) == 1 else tree
    return [one for option in tree.options for one in _options(option)] if isinstance(tree, Either) else [tree]


def _flat(tree: Node) -> tuple[Node, ...]:
    """The parts of a sequence, those of sequences in it among them."""
    return tuple(one for part in tree.parts for one in _flat(part)) if isinstance(tree, Sequence) else (tree,)


def _conditions(parts: tuple[Node, ...]) -> list[tuple[float, Plan] | None]:
    """The condition that fewest lines meet, and about what share of them (None if there is none); or one for each
    alternative within a pattern that begins a line, if they add up to much less."""
    whole, divided = _cheapest(parts), _divided(parts)
    each = [_cheapest(one) for one in divided] if whole is None or not whole[1].heads else []
    shares = [one[0] for one in each if one is not None]
    return list(each) if each and len(shares) == len(each) and (whole is None or sum(shares) * WORTH_DIVIDING < whole[0]) else [whole]


def _divided(parts: tuple[Node, ...]) -> list[tuple[Node, ...]]:
    """A sequence that begins a line, once for each of the first alternatives in it; none if there are too many."""
    at, first = next(((place, part) for place, part in enumerate(parts) if isinstance(part, Either)), (0, None))
    if first is None or parts[0] != Edge("begin") or len(first.options) > MOST_DIVIDED:
        return []
    return [(*parts[:at], *_flat(option), *parts[at + 1 :]) for option in first.options]


def _cheapest(parts: tuple[Node, ...]) -> tuple[float, Plan] | None:
    """The condition that fewest lines meet, and about what share of them; None if there is none."""
    heads = first_words(parts[1:]) if parts and parts[0] == Edge("begin") else None
    if heads is not None and chances(heads) < FEW_LINES:
        return chances(heads), Plan(heads=heads)
    found = found_in(Sequence(parts))
    known: list[tuple[float, Plan]] = []
    within = required(found)
    if within is not None:
        strings = fewest(map(window, within))
        known.append((LINE_BYTES * chances(strings), Plan(strings=strings)))
    if heads is not None:
        known.append((chances(heads), Plan(heads=heads)))
    if parts and parts[0] == Edge("begin"):
        known += _edge(Plan(first=frozenset(text[:1] for text in found.starts)))
    if parts and parts[-1] == Edge("end"):
        known += _edge(Plan(last=frozenset(text[-1:] for text in found.ends)))
    known = known + _long_run(parts) if all(share > FEW_LINES for share, _ in known) else known
    return min(known, key=lambda one: one[0], default=None)


def _edge(condition: Plan) -> list[tuple[float, Plan]]:
    """The condition that a line starts or ends with one of some bytes, if that says anything."""
    lone_bytes = condition.first | condition.last
    return [] if b"" in lone_bytes else [(edge_chances(lone_bytes), condition)]


# ---- the tail of a line


def tail_bytes(pattern: str) -> int:
    """How many last bytes of a line say whether the pattern matches it; 0 if no number does.

    Each alternative must end at the end of the line and have a greatest width. One byte more than that: at its start,
    neither the beginning of a line nor the edge of a word is taken for one where the line goes on before it."""
    options = alternatives(pattern)
    widths = [_width(Sequence(option)) if option and option[-1] == Edge("end") else None for option in options]
    known = [width for width in widths if width is not None]
    widest = max(known, default=0) + 1
    return widest if known and len(known) == len(widths) and widest <= WIDEST_TAIL else 0


def _width(tree: Node) -> int | None:
    """The most bytes that a match takes; None if there is no limit."""
    if isinstance(tree, Edge):
        return 0
    if isinstance(tree, Chars):
        return len(chr(tree.ranges[-1][1]).encode(errors="surrogatepass")) if tree.ranges else 0
    if isinstance(tree, Repeat):
        part = _width(tree.part)
        return part * tree.most if part is not None and tree.most is not None else None
    widths = [_width(part) for part in (tree.parts if isinstance(tree, Sequence) else tree.options)]
    if any(width is None for width in widths):
        return None
    known = [width for width in widths if width is not None]
    return sum(known) if isinstance(tree, Sequence) else max(known)


# ---- the shortest line


def least_bytes(pattern: str) -> int:
    """How many bytes every line has that the pattern matches."""
    return min((_least_bytes(Sequence(option)) for option in alternatives(pattern)), default=0)


def _least_bytes(tree: Node) -> int:
    if isinstance(tree, Edge):
        return 0
    if isinstance(tree, Chars):
        return len(chr(tree.ranges[0][0]).encode(errors="surrogatepass")) if tree.ranges else 0
    if isinstance(tree, Repeat):
        return tree.least * _least_bytes(tree.part)
    sizes = [_least_bytes(part) for part in (tree.parts if isinstance(tree, Sequence) else tree.options)]
    return sum(sizes) if isinstance(tree, Sequence) else min(sizes)
