"""What a line must begin with, after all that is no letter, for a pattern with `^` to match it.

Most patterns for menus, banners and buttons begin with `^`, some white space and signs, and a word. For those, one look
at the first letters of a line is enough.
"""

from __future__ import annotations

import functools

import numpy as np

from rules.matching.pattern_classes import EVERYTHING, Ranges, union
from rules.matching.pattern_literals import (
    COPIES,
    EMPTY,
    LONGEST,
    Strings,
    crossed,
    encodings,
    front,
    lead_bytes,
    shortened,
)
from rules.matching.pattern_syntax import Chars, Edge, Either, Node, NotUnderstood, Repeat, Sequence
from rules.text.characters import ALPHA, CJK, MARK, character_classes

MOST_STRINGS = 1024
ANYTHING = Repeat(Chars(EVERYTHING), 0, None)


@functools.cache
def skipped_characters() -> np.ndarray:
    """Which code points (bool [0x110000]) may stand before the first word: all but letters, marks and ©."""
    skipped: np.ndarray = character_classes() & (ALPHA | CJK | MARK) == 0
    skipped[ord("©")] = False  # many a footer's first word
    return skipped


def first_words(parts: tuple[Node, ...]) -> Strings | None:
    """What a text that the parts match starts with after its skipped characters; None if too little is known."""
    try:
        words = _first_words(parts)
    except NotUnderstood:
        return None
    if b"" in words:
        return None
    return frozenset(text for text in words if not any(text[:n] in words for n in range(1, len(text))))


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
    starts = beginnings((Chars(words), *rest))[0] if words else frozenset()
    return _joined(starts, _first_words(rest)) if skipped else starts


def _first_repeated(head: Repeat, rest: tuple[Node, ...]) -> Strings:
    if isinstance(head.part, Chars) and not _divided(head.part.ranges)[1]:
        return _first_words(rest)
    if head.least == head.most == 1 or (head.least, head.most) == (0, 1):
        once = _first_words((head.part, *rest))
        return _joined(once, _first_words(rest)) if head.least == 0 else once
    if head.least == 0:
        return _joined(_first_words((head.part, ANYTHING)), _first_words(rest))
    return _first_words((head.part,) * min(head.least, COPIES) + (ANYTHING,))


def _joined(*sets: Strings) -> Strings:
    joined = frozenset().union(*sets)
    return joined if len(joined) <= MOST_STRINGS else shortened(joined, front)


@functools.cache
def _divided(ranges: Ranges) -> tuple[Ranges, Ranges]:
    """The characters of a class that are skipped, and the others."""
    table = skipped_characters()
    parts: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for low, high in ranges:
        cuts = np.flatnonzero(np.diff(table[low : high + 1])) + low + 1
        for start, stop in zip([low, *cuts.tolist()], [*cuts.tolist(), high + 1]):
            parts[0 if table[start] else 1].append((start, stop - 1))
    return union(parts[0]), union(parts[1])


@functools.lru_cache(10_000)
def beginnings(parts: tuple[Node, ...]) -> tuple[Strings, bool]:
    """Strings of which every text that the parts match starts with one, and whether each such text is one of them."""
    known = EMPTY
    for part in parts:
        starts, whole = _beginnings_of(part)
        longer = crossed(known, starts)
        if longer is None:
            return known, False
        known = frozenset(text[:LONGEST] for text in longer)
        if not whole or any(len(text) > LONGEST for text in longer) or all(len(text) == LONGEST for text in known):
            return known, False
    return known, True


def _beginnings_of(tree: Node) -> tuple[Strings, bool]:
    """As `beginnings`, of one part."""
    if isinstance(tree, Chars):
        strings = encodings(tree.ranges)
        return (lead_bytes(tree.ranges), False) if strings is None else (strings, True)
    if isinstance(tree, Sequence):
        return beginnings(tree.parts)
    if isinstance(tree, Either):
        options = [_beginnings_of(option) for option in tree.options]
        return _joined(*(strings for strings, _ in options)), all(whole for _, whole in options)
    if isinstance(tree, Repeat):
        strings, whole = beginnings((tree.part,) * min(max(tree.least, 1), COPIES))
        if tree.least == 0:
            return strings | EMPTY, whole and tree.most == 1
        return strings, whole and tree.most is not None and tree.least == tree.most <= COPIES
    return EMPTY, True  # an edge
