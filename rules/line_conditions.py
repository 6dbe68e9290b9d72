"""What a line must have for a pattern to match it, cheap to look for: the strings, first or last bytes of a plan.

A pattern is divided at its outermost alternatives; each gets the condition that fewest lines meet. A pattern without
such a condition is matched against every line, or against the last bytes of every line where no more can matter.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from rules.characters import CJK, LETTER, MARK, character_classes
from rules.pattern_classes import EVERYTHING, Ranges, union
from rules.pattern_literals import LONGEST, Strings, chances, edge_chances, found_in, front, required, shortened, window
from rules.pattern_syntax import Chars, Edge, Either, Node, NotUnderstood, Repeat, Sequence, parse

LINE_BYTES = 50  # of a usual line, for choosing between conditions
HEAD_SHARE = 0.01  # looking at one place of a line costs that much less than looking at all
MOST_HEADS = 1024
MOST_LINES = 0.6  # a condition that more lines meet is not worth looking for
WIDEST_TAIL = 64

ANYTHING = Repeat(Chars(EVERYTHING), 0, None)


@dataclass(frozen=True)
class Plan:
    """A line matches only if it meets one of the conditions: all strings are blurred (rules/pattern_literals.py)."""

    heads: Strings = frozenset()  # its first letter or digit begins one of these
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
    found, known = found_in(Sequence(parts)), []
    within = required(found)
    if within is not None:
        strings = frozenset(map(window, within))
        known.append((LINE_BYTES * chances(strings), Plan(strings=strings)))
    if parts and parts[0] == Edge("begin"):
        heads = first_words(parts[1:])
        if heads is not None:
            known.append((HEAD_SHARE * chances(heads), Plan(heads=heads)))
        first = shortened(found.starts, lambda text, _: text[:1])
        known += [(edge_chances(first), Plan(first=first))] if b"" not in first else []
    if parts and parts[-1] == Edge("end"):
        last = shortened(found.ends, lambda text, _: text[-1:])
        known += [(edge_chances(last), Plan(last=last))] if b"" not in last else []
    return min(known, key=lambda one: one[0], default=None)


# ---- the first word of a line


@functools.cache
def skipped_characters() -> np.ndarray:
    """Which code points (bool [0x110000]) may stand before the first word: all but letters, digits and marks."""
    return character_classes() & (LETTER | CJK | MARK) == 0


def first_words(parts: tuple[Node, ...]) -> Strings | None:
    """What a text that the parts match starts with after its skipped characters; None if too little is known."""
    try:
        heads = _first_words(parts)
    except NotUnderstood:
        return None
    heads = frozenset(text[:LONGEST] for text in heads)
    return None if b"" in heads else heads


def _first_words(parts: tuple[Node, ...]) -> Strings:
    """As `first_words`; raises NotUnderstood where it has none."""
    if not parts or parts[0] == ANYTHING:
        raise NotUnderstood("anything may come first")
    head, rest = parts[0], parts[1:]
    if isinstance(head, Edge):
        return _first_words(rest)
    if isinstance(head, Sequence):
        return _first_words(head.parts + rest)
    if isinstance(head, Either):
        return _joined(*(_first_words((option, *rest)) for option in head.options))
    if isinstance(head, Repeat):
        return _first_repeated(head, rest)
    skipped, words = _divided(head.ranges)
    starts = found_in(Sequence((Chars(words), *rest))).starts if words else frozenset()
    return _joined(starts, _first_words(rest)) if skipped else starts


def _first_repeated(head: Repeat, rest: tuple[Node, ...]) -> Strings:
    if isinstance(head.part, Chars) and not _divided(head.part.ranges)[1]:
        return _first_words(rest)
    if head.least == head.most == 1 or (head.least, head.most) == (0, 1):
        once = _first_words((head.part, *rest))
        return _joined(once, _first_words(rest)) if head.least == 0 else once
    if head.least == 0:
        return _joined(_first_words((head.part, ANYTHING)), _first_words(rest))
    return _first_words((head.part,) * min(head.least, 4) + (ANYTHING,))


def _joined(*sets: Strings) -> Strings:
    joined = frozenset().union(*sets)
    if len(joined) > MOST_HEADS:
        joined = shortened(joined, front)
    return joined


@functools.cache
def _divided(ranges: Ranges) -> tuple[Ranges, Ranges]:
    """The characters of a class that are skipped, and the others."""
    table = skipped_characters()
    parts: tuple[list, list] = ([], [])
    for low, high in ranges:
        cuts = np.flatnonzero(np.diff(table[low : high + 1])) + low + 1
        for start, stop in zip([low, *cuts.tolist()], [*cuts.tolist(), high + 1]):
            parts[0 if table[start] else 1].append((start, stop - 1))
    return union(parts[0]), union(parts[1])


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
