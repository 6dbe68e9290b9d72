"""Spans of a text that rules or a search found, ready to be asked for by rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")

SEARCH = -1  # the colour of what a search found


@dataclass(frozen=True)
class Span:
    """Bytes of a text that a rule or a search found; `colour` counts rules from 0, or is SEARCH."""

    start: int
    end: int
    colour: int = 0


class Spans:
    """Spans in the order of their beginnings."""

    def __init__(self, spans: Iterable[Span] = ()):
        self.spans: Sequence[Span] = sorted(spans, key=lambda span: (span.start, span.end))
        self._starts = np.array([span.start for span in self.spans], np.int64)
        ends = np.array([span.end for span in self.spans], np.int64)
        self._reach = np.maximum.accumulate(ends) if len(ends) else ends  # how far any span up to here goes

    def within(self, start: int, end: int) -> list[Span]:
        """Spans that have bytes of [start, end), or nearly."""
        low = int(np.searchsorted(self._reach, start, "right"))
        high = int(np.searchsorted(self._starts, end, "left"))
        return [span for span in self.spans[low:high] if span.end > start]

    def after(self, byte: int, forward: bool, colour: int) -> Span | None:
        """The next span of a colour that begins after (or the last before) `byte`, round the end; None where there is none."""
        own = [span for span in self.spans if span.colour == colour]
        if not own:
            return None
        if forward:
            return next((span for span in own if span.start > byte), own[0])
        return next((span for span in reversed(own) if span.start < byte), own[-1])


def cut(start: int, end: int, layers: Sequence[tuple[int, int, T]]) -> list[tuple[int, int, list[T]]]:
    """The bytes from `start` to `end`, cut wherever a layer (start, end, what) begins or ends, with what lies over each part."""
    cuts = sorted({start, end, *(min(max(edge, start), end) for layer in layers for edge in layer[:2])})
    return [(first, last, [what for begin, stop, what in layers if begin <= first and stop >= last]) for first, last in zip(cuts, cuts[1:])]


def character_start(text: bytes, byte: int) -> int:
    """Where the character that has byte `byte` of a UTF-8 text begins."""
    while byte > 0 and text[byte] & 0xC0 == 0x80:
        byte -= 1
    return max(byte, 0)


def character_end(text: bytes, byte: int) -> int:
    """Where the character that has byte `byte` of a UTF-8 text ends."""
    byte += 1
    while byte < len(text) and text[byte] & 0xC0 == 0x80:
        byte += 1
    return min(byte, len(text))
