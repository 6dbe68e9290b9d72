"""What a line must have for a pattern to match it, cheap to look for: the strings, first or last bytes of a plan.

A pattern is divided at its outermost alternatives; each gets the condition that fewest lines meet. A pattern without
such a condition is matched against every line, or against the last bytes of every line where no more can matter.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rules.first_words import first_words
from rules.pattern_literals import Strings, chances, edge_chances, fewest, found_in, required, window
from rules.pattern_syntax import Chars, Edge, Either, Node, NotUnderstood, Repeat, Sequence, parse

LINE_BYTES = 50  # of a usual line, for choosing between conditions
FEW_LINES = 0.05  # a share of lines small enough to look for nothing better
MOST_LINES = 0.6  # a condition that more lines meet is not worth looking for
WIDEST_TAIL = 64

@dataclass(frozen=True)
class Plan:
    """A line matches only if it meets one of the conditions: all strings are blurred (rules/pattern_literals.py)."""

    heads: Strings = frozenset()  # it starts with one of these, after characters that are no letters
    strings: Strings = frozenset()  # it holds one of these
    first: Strings = frozenset()  # its first byte
    last: Strings = frozenset()  # its last byte
    every_line: bool = False  # nothing of this kind is known
    tail_bytes: int = 0  # if not 0: only so many last bytes of a line decide


@functools.cache
def plan(pattern: str) -> Plan:
    """The conditions for `pattern`, which RE2 must accept."""
    try:
        options = [_flat(option) for option in _options(parse(pattern))]
    except (NotUnderstood, RecursionError):
        return Plan(every_line=True)
    chosen = [_cheapest(option) for option in options]
    if any(one is None for one in chosen) or sum(share for share, _ in filter(None, chosen)) > MOST_LINES:
        return Plan(every_line=True, tail_bytes=_tail_bytes(options))
    parts = [part for _, part in filter(None, chosen)]
    return Plan(*(frozenset().union(*(getattr(part, kind) for part in parts)) for kind in ("heads", "strings", "first", "last")))


def _options(tree: Node) -> list[Node]:
    tree = tree.parts[0] if isinstance(tree, Sequence) and len(tree.parts) == 1 else tree
    return [one for option in tree.options for one in _options(option)] if isinstance(tree, Either) else [tree]


def _flat(tree: Node) -> tuple[Node, ...]:
    """The parts of a sequence, those of sequences in it among them."""
    return tuple(one for part in tree.parts for one in _flat(part)) if isinstance(tree, Sequence) else (tree,)


def _cheapest(parts: tuple[Node, ...]) -> tuple[float, Plan] | None:
    """The condition that fewest lines meet, and about what share of them; None if there is none."""
    heads = first_words(parts[1:]) if parts and parts[0] == Edge("begin") else None
    if heads is not None and chances(heads) < FEW_LINES:
        return chances(heads), Plan(heads=heads)
    found, known = found_in(Sequence(parts)), []
    within = required(found)
    if within is not None:
        strings = fewest(map(window, within))
        known.append((LINE_BYTES * chances(strings), Plan(strings=strings)))
    if heads is not None:
        known.append((chances(heads), Plan(heads=heads)))
    if parts and parts[0] == Edge("begin"):
        known.append(_edge("first", frozenset(text[:1] for text in found.starts)))
    if parts and parts[-1] == Edge("end"):
        known.append(_edge("last", frozenset(text[-1:] for text in found.ends)))
    return min(known, key=lambda one: one[0], default=None)


def _edge(side: str, lone_bytes: Strings) -> tuple[float, Plan]:
    """The condition that a line starts or ends with one of these bytes."""
    return (1.0, Plan(every_line=True)) if b"" in lone_bytes else (edge_chances(lone_bytes), Plan(**{side: lone_bytes}))


# ---- the tail of a line


def _tail_bytes(options: list[tuple[Node, ...]]) -> int:
    """How many last bytes of a line say whether one of the options matches; 0 if no number does.

    Each must end at the end of the line and have a greatest width. One byte more than that: at its start, neither the
    beginning of a line nor the edge of a word is taken for one where the line goes on before it."""
    widths = [_width(Sequence(option)) if option and option[-1] == Edge("end") else None for option in options]
    if any(width is None for width in widths):
        return 0
    widest = max(width for width in widths if width is not None) + 1
    return widest if widest <= WIDEST_TAIL else 0


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
