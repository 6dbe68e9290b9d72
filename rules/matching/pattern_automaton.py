"""A second look at lines that begin as a pattern asks: do they go on as it asks? What is left, RE2 decides.

RE2 makes a pattern ready anew for each batch, which takes longer than the few lines that a pattern of a menu or a banner
is looked at for. So a pattern with `^` becomes a set of states once a process: one for each byte that may come, and which
states may follow it. A kernel walks a line through them and gives up where none is left, mostly within the first words.
The states allow more than the pattern does, never less: large classes, long counts and edges of words are not followed
closely, so a line that ends in no accepting state cannot match.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rules.matching.line_conditions import alternatives
from rules.matching.pattern_classes import Ranges, size
from rules.matching.pattern_syntax import Chars, Edge, Either, Node, Repeat, Sequence
from rules.text.kernels import inlined, int64, kernel, unowned

MOST_STATES = 4096
MOST_COPIES = 8  # of a repeated part; more are allowed without an end
MOST_EXACT = 64  # characters beyond ASCII of a class that are followed byte for byte
END_OF_LINE = 256  # what a line reads after its last byte
FARTHEST = 256  # bytes of a line that are looked at; what lives longer may match
CONTINUATIONS = sum(1 << byte for byte in range(0x80, 0xC0))
ONE, WORD_BITS = np.uint64(1), 64
LOW_BIT_FACTOR = np.uint64(0x03F79D71B4CB0A89)  # a de Bruijn sequence: the top six bits of its product name the bit
LOW_BIT_PLACES = np.zeros(64, np.int64)
LOW_BIT_PLACES[[((1 << bit) * int(LOW_BIT_FACTOR) & (1 << 64) - 1) >> 58 for bit in range(64)]] = np.arange(64)


class Automaton(NamedTuple):
    """States as bits of w words."""

    first: np.ndarray  # uint64 [w]: states that the first byte of a line may lead to
    follow: np.ndarray  # uint64 [states, w]: states that the next byte may lead to
    readers: np.ndarray  # uint64 [257, w]: states that a byte, or the end of the line, may lead to
    accepting: np.ndarray  # uint64 [w]: a line that reaches one of these may match


class _Part(NamedTuple):
    """States of a part of a pattern, as bits of whole numbers."""

    empty: bool  # may it match nothing?
    first: int
    last: int


@functools.lru_cache(1024)
def automaton(pattern: str) -> Automaton | None:
    """The states of `pattern`; None if it may match elsewhere than at the start of a line, or takes too many."""
    options = alternatives(pattern)
    if not options or any(not option or option[0] != Edge("begin") for option in options):
        return None
    states = _States()
    try:
        whole = states.either([Sequence(option) for option in options])
    except OverflowError:
        return None
    return None if whole.empty else states.table(whole)


class _States:
    """The states so far: which bytes lead to each, and which states follow it."""

    def __init__(self) -> None:
        self.read: list[int] = []  # a bit for each byte
        self.follow: list[int] = []

    def state(self, wanted: int) -> int:
        if len(self.read) == MOST_STATES:
            raise OverflowError("too many states")
        self.read.append(wanted)
        self.follow.append(0)
        return 1 << len(self.read) - 1

    def part(self, tree: Node) -> _Part:
        if isinstance(tree, Chars):
            return self.characters(tree.ranges)
        if isinstance(tree, Sequence):
            return functools.reduce(self.followed, map(self.part, tree.parts), _Part(True, 0, 0))
        if isinstance(tree, Either):
            return self.either(list(tree.options))
        if isinstance(tree, Repeat):
            return self.repeat(tree)
        if tree == Edge("end"):
            state = self.state(1 << END_OF_LINE)
            return _Part(False, state, state)
        return _Part(True, 0, 0)

    def followed(self, left: _Part, right: _Part) -> _Part:
        self.link(left.last, right.first)
        first = left.first | right.first if left.empty else left.first
        last = right.last | left.last if right.empty else right.last
        return _Part(left.empty and right.empty, first, last)

    def link(self, last: int, first: int) -> None:
        while first and last:
            lowest = last & -last
            self.follow[lowest.bit_length() - 1] |= first
            last ^= lowest

    def either(self, options: list[Node]) -> _Part:
        parts = [self.part(option) for option in options]
        first = functools.reduce(int.__or__, (part.first for part in parts), 0)
        return _Part(any(part.empty for part in parts), first, functools.reduce(int.__or__, (part.last for part in parts), 0))

    def repeat(self, tree: Repeat) -> _Part:
        whole = _Part(True, 0, 0)
        for _ in range(min(tree.least, MOST_COPIES)):
            whole = self.followed(whole, self.part(tree.part))
        if tree.most is not None and tree.most - tree.least <= MOST_COPIES and tree.least <= MOST_COPIES:
            for _ in range(tree.most - tree.least):
                once = self.part(tree.part)
                whole = self.followed(whole, once._replace(empty=True))
            return whole
        again = self.part(tree.part)
        self.link(again.last, again.first)
        return self.followed(whole, again._replace(empty=True))

    def characters(self, ranges: Ranges) -> _Part:
        """States for the last byte, the one before and so on; characters of fewer bytes begin later."""
        following, first, last = 0, 0, 0
        for begins, wanted in byte_sets(ranges):
            state = self.state(wanted)
            if following:
                self.link(state, following)
            else:
                last = state
            first |= state if begins else 0
            following = state
        return _Part(False, first, last)

    def table(self, whole: _Part) -> Automaton:
        words = -(-len(self.read) // WORD_BITS)
        readers = np.zeros((END_OF_LINE + 1, words * WORD_BITS), np.uint8)
        readers[:, : len(self.read)] = np.stack([_bits(wanted) for wanted in self.read], axis=1)
        follow = np.array([_words(states, words) for states in self.follow])
        packed = np.packbits(readers, axis=1, bitorder="little").view(np.uint64)
        return Automaton(_words(whole.first, words), follow, packed, _words(whole.last, words))


def _words(states: int, words: int) -> np.ndarray:
    return np.frombuffer(states.to_bytes(words * 8, "little"), np.uint64)


@functools.lru_cache(10_000)
def _bits(wanted: int) -> np.ndarray:
    """uint8 [257]: 1 for each byte that is wanted."""
    return np.unpackbits(np.frombuffer(wanted.to_bytes(33, "little"), np.uint8), bitorder="little")[: END_OF_LINE + 1]


@functools.lru_cache(10_000)
def byte_sets(ranges: Ranges) -> tuple[tuple[bool, int], ...]:
    """What the last byte of a character of a class may be, the byte before it and so on (a bit for each byte), and
    whether a character may begin there: all characters of the class, perhaps more."""
    sets, begins = [0] * 4, [False] * 4
    for length, texts in _encoded(ranges):
        begins[length - 1] = True
        for place in range(length):
            sets[place] |= texts[length - 1 - place]
    longest = max((place + 1 for place in range(4) if begins[place]), default=1)
    return tuple(zip(begins[:longest], sets[:longest]))


def _encoded(ranges: Ranges) -> Iterator[tuple[int, list[int]]]:
    """For each number of bytes that the characters take: what the first byte may be, the second and so on."""
    exact = size(ranges) <= MOST_EXACT
    for length, least, most in ((1, 0, 0x7F), (2, 0x80, 0x7FF), (3, 0x800, 0xFFFF), (4, 0x10000, 0x10FFFF)):
        parts = [(max(low, least), min(high, most)) for low, high in ranges if low <= most and high >= least]
        sets = [0] * length
        for low, high in parts:
            for text in map(_utf8, range(low, high + 1) if exact else (low, high)):
                for place, byte in enumerate(text):
                    sets[place] |= 1 << byte
            if not exact:
                first, last = _utf8(low)[0], _utf8(high)[0]
                sets = [sets[0] | (1 << last + 1) - (1 << first)] + [CONTINUATIONS] * (length - 1)
        if parts:
            yield length, sets


def _utf8(code: int) -> bytes:
    return chr(code).encode(errors="surrogatepass")


# ---- kernels


@kernel
def may_match(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, numbers: np.ndarray, first: np.ndarray, follow: np.ndarray,
    readers: np.ndarray, accepting: np.ndarray,
) -> np.ndarray:
    """Which of the lines `numbers`, data[starts[i]:ends[i]], may match (bool [numbers])."""
    found = np.empty(numbers.size, np.bool_)
    now, following = np.empty_like(first), np.empty_like(first)
    for k in range(numbers.size):
        i = numbers[k]
        found[k] = accepts(data, starts[i], ends[i], first, follow, readers, accepting, now, following)
    return found


@kernel
def accepts(
    data: np.ndarray, begin: int, end: int, first: np.ndarray, follow: np.ndarray, readers: np.ndarray,
    accepting: np.ndarray, now: np.ndarray, following: np.ndarray,
) -> bool:
    """Does data[begin:end] reach an accepting state, or live longer than it is looked at?"""
    data, first, follow, readers = unowned(data), unowned(first), unowned(follow), unowned(readers)
    accepting, now, following = unowned(accepting), unowned(now), unowned(following)
    following[:] = first
    for i in range(begin, min(end, begin + FARTHEST)):
        alive, accepted = read_one(int64(data[np.uint64(i)]), readers, accepting, now, following)
        if accepted or not alive:
            return accepted
        step(follow, now, following)
    if end - begin > FARTHEST:
        return True
    alive, accepted = True, False
    for _ in range(4):  # the end of a line may be asked for more than once
        if alive and not accepted:
            alive, accepted = read_one(END_OF_LINE, readers, accepting, now, following)
            step(follow, now, following)
    return alive


@inlined
def read_one(byte: int, readers: np.ndarray, accepting: np.ndarray, now: np.ndarray, following: np.ndarray) -> tuple[bool, bool]:
    """The states `now` of those that may follow, after reading a byte; are there any, and accepting ones?"""
    alive, accepted = np.uint64(0), np.uint64(0)
    for w in range(now.size):
        now[w] = following[w] & readers[byte, w]
        alive |= now[w]
        accepted |= now[w] & accepting[w]
    return alive != np.uint64(0), accepted != np.uint64(0)


@inlined
def step(follow: np.ndarray, now: np.ndarray, following: np.ndarray) -> None:
    """All states that may follow those of `now`."""
    following[:] = np.uint64(0)
    for w in range(now.size):
        left = now[w]
        while left:
            lowest = left & (~left + ONE)
            state = np.uint64(w * 64 + LOW_BIT_PLACES[(lowest * LOW_BIT_FACTOR) >> np.uint64(58)])
            for v in range(following.size):
                following[v] |= follow[state, v]
            left ^= lowest
