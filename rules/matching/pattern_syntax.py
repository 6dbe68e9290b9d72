"""RE2 patterns as small trees, for finding out which lines cannot match. RE2 itself still decides which lines do.

The trees may allow more than the pattern does (a class that is not followed closely becomes a larger one), never less.
`parse` raises NotUnderstood for everything it has no exact or larger reading of: such patterns run on every line.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from rules.matching.pattern_classes import (
    EVERYTHING,
    Ranges,
    complement,
    folded,
    named_class,
    perl_class,
    posix_class,
    union,
)

DEEPEST = 200  # groups within groups


class NotUnderstood(ValueError):
    """The pattern has something that no tree stands for."""


@dataclass(frozen=True)
class Chars:
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """`least` to `most` times; most is None where there is no limit."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True)
class Edge:
    """A place of no width. `inside`: somewhere that only the neighbouring characters decide (a word's edge)."""

    kind: Literal["begin", "end", "inside"]


Node = Chars | Sequence | Either | Repeat | Edge
EDGES = {"^": Edge("begin"), "$": Edge("end"), "\\A": Edge("begin"), "\\z": Edge("end"), "\\b": Edge("inside"), "\\B": Edge("inside")}

_COUNTS = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}")
_FLAGS = re.compile(r"\(\?([is]*)(?:-([is]+))?([:)])")
_NAME = re.compile(r"\(\?P?<\w+>", re.ASCII)
_PROPERTY = re.compile(r"\\([pP])(?:\{(\^?)(\w+)\}|(\w))", re.ASCII)
_POSIX = re.compile(r"\[:(\^?)(\w+):\]", re.ASCII)
_CODE = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))")
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}


def parse(pattern: str) -> Node:
    """The tree of `pattern`, which RE2 must accept. Raises NotUnderstood."""
    reader = _Reader(pattern)
    tree = reader.alternatives(0)
    if reader.at != len(pattern):
        raise NotUnderstood("a bracket that nothing opened")
    return tree


@functools.cache
def _literal(code: int, ignore_case: bool) -> Chars:
    ranges: Ranges = ((code, code),)
    return Chars(folded(ranges) if ignore_case else ranges)


class _Reader:
    """Where reading has got to, and whether case is ignored there."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.ignore_case = pattern, 0, False

    def sees(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self.pattern, self.at)
        if found:
            self.at = found.end()
        return found

    def character(self) -> str:
        if self.at >= len(self.pattern):
            raise NotUnderstood("the pattern stops short")
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self, depth: int) -> Node:
        """Everything up to the bracket that closes this group; flags set within it end with it."""
        if depth > DEEPEST:
            raise NotUnderstood("groups too deep")
        before = self.ignore_case
        options: list[Node] = []
        parts: list[Node] = []
        while self.at < len(self.pattern) and not self.sees(")"):
            if self.sees("|"):
                self.at += 1
                options.append(Sequence(tuple(parts)))
                parts = []
            else:
                parts += self.piece(depth)
        self.ignore_case = before
        options.append(Sequence(tuple(parts)))
        return Either(tuple(options)) if len(options) > 1 else options[0]

    def piece(self, depth: int) -> list[Node]:
        """One atom with its count; several for a quotation."""
        first = self.pattern[self.at]
        if first == "\\" and self.sees("\\Q"):
            return self.quotation()
        atom = self.atom(first, depth)
        if atom is None:
            return []
        counts = self.counts() if self.pattern[self.at : self.at + 1] in ("*", "+", "?", "{") else None
        if counts is None:
            return [atom]
        if isinstance(atom, Edge) or self.counts() is not None:
            raise NotUnderstood("a count of a count or of an edge")
        return [Repeat(atom, *counts)]

    def counts(self) -> tuple[int, int | None] | None:
        if self.at < len(self.pattern) and self.pattern[self.at] in "*+?":
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self.character()]
        elif found := self.take(_COUNTS):
            least = int(found[1])
            most = least if found[2] is None else None if found[3] is None else int(found[3])
        else:
            return None
        if self.sees("?"):
            self.at += 1  # as few as possible: the same lines match
        return least, most

    def atom(self, first: str, depth: int) -> Node | None:
        """What begins with `first`; None for flags, which are no atom."""
        if first == "(":
            return self.group(depth)
        if first == "[":
            return self.char_class()
        if first == "\\":
            return self.escape()
        self.at += 1
        if first in EDGES:
            return EDGES[first]
        return Chars(EVERYTHING) if first == "." else _literal(ord(first), self.ignore_case)

    def group(self, depth: int) -> Node | None:
        before = self.ignore_case
        if self.take(_NAME):
            pass
        elif self.sees("(?"):
            flags = self.take(_FLAGS)
            if not flags:
                raise NotUnderstood("flags other than i and s")
            self.ignore_case = ("i" in flags[1] or before) and "i" not in (flags[2] or "")
            if flags[3] == ")":
                return None
        else:
            self.at += 1
        inside = self.alternatives(depth + 1)
        self.ignore_case = before
        if not self.sees(")"):
            raise NotUnderstood("a bracket that nothing closes")
        self.at += 1
        return inside

    def quotation(self) -> list[Node]:
        end = self.pattern.find("\\E", self.at)
        if end < 0 or self.pattern[end + 2 : end + 3] in tuple("*+?{"):
            raise NotUnderstood("a quotation without an end, or counted")
        text, self.at = self.pattern[self.at + 2 : end], end + 2
        return [_literal(ord(character), self.ignore_case) for character in text]

    def escape(self) -> Node:
        edge = EDGES.get(self.pattern[self.at : self.at + 2])
        if edge:
            self.at += 2
            return edge
        found = self.escaped_class(False)
        return Chars(found[0]) if found is not None else _literal(self.escaped_code(), self.ignore_case)

    def escaped_class(self, in_negated: bool) -> tuple[Ranges, bool] | None:
        """A class such as \\d or \\p{L}, larger than RE2's perhaps, and whether it is exactly RE2's.

        Within a negated class only one that is exactly RE2's is of use."""
        if found := self.take(_PROPERTY):
            if in_negated or (found[1] == "P") != bool(found[2]):
                return EVERYTHING, False
            ranges = named_class(found[3] or found[4])
            return folded(ranges) if self.ignore_case else ranges, False
        letters = perl_class(self.pattern[self.at + 1 : self.at + 2])
        if letters is None:
            return None
        negated = self.pattern[self.at + 1].isupper()
        self.at += 2
        if negated:
            return complement(letters), not self.ignore_case
        return folded(letters) if self.ignore_case else letters, not self.ignore_case

    def escaped_code(self) -> int:
        if found := self.take(_CODE):
            return int(found[1] or found[2], 16)
        self.at += 1
        character = self.character()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character.isalnum() or character == "_" or ord(character) > 127:
            raise NotUnderstood(f"\\{character}")
        return ord(character)

    def char_class(self) -> Chars:
        self.at += 1
        negated = self.sees("^")
        self.at += negated
        pieces: Ranges = ()
        exact, first = True, True
        while first or not self.sees("]"):
            part, part_exact = self.class_part(negated)
            pieces, exact, first = pieces + part, exact and part_exact, False
        self.at += 1
        ranges = union(pieces)
        if negated:  # without case folding the class is smaller, so what is left is larger
            return Chars(complement(ranges) if exact else EVERYTHING)
        return Chars(folded(ranges) if self.ignore_case else ranges)

    def class_part(self, negated: bool) -> tuple[Ranges, bool]:
        if found := self.take(_POSIX):
            ranges = posix_class(found[2])
            if ranges is None:
                raise NotUnderstood("an unknown class")
            return (complement(ranges) if found[1] else ranges), True
        if self.sees("\\"):
            escaped = self.escaped_class(negated)
            if escaped is not None:
                return escaped
        low = self.class_code()
        if self.sees("-") and not self.pattern.startswith("-]", self.at):
            self.at += 1
            return ((low, self.class_code()),), True
        return ((low, low),), True

    def class_code(self) -> int:
        return self.escaped_code() if self.sees("\\") else ord(self.character())
