"""Byte strings of which a line must hold at least one where a pattern matches.

All strings are `blurred`: bit 0x20 of every letter, and of every byte beyond ASCII, is set, so that ASCII letters, and
most letters of two bytes, have one case. A set of strings says that one of them is there; a set with the empty string says nothing. Sets only ever say less
than the pattern does, so a line without any of the strings cannot match.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rules.matching.pattern_classes import EVERYTHING, Ranges, size
from rules.matching.pattern_syntax import Chars, Either, Node, Repeat, Sequence

Strings = frozenset[bytes]

LONGEST = 8  # bytes of a string that a kernel compares at once
MOST = 1024  # strings in one set; a set that grows beyond it is shortened or given up
MOST_CHARACTERS = 64  # of a class, to be strings
COPIES = 4  # of a repeated part that are looked at
MIDDLES = ((4, 4), (3, 3), (2, 2), (1, 2), (2, 1), (1, 1))  # bytes before and after the place where two parts meet
EMPTY: Strings = frozenset([b""])


@dataclass(frozen=True)
class Found:
    """What is known of every text that a tree matches."""

    exact: Strings | None  # the text is one of these
    starts: Strings  # it starts with one of these
    ends: Strings  # it ends with one of these
    within: Strings | None  # it holds one of these


def is_blurred(byte: int) -> bool:
    """Does bit 0x20 of this byte count for nothing?"""
    return byte >= 0x80 or bytes([byte]).isalpha()


def blurred(text: bytes) -> bytes:
    return text.translate(_BLURRED)


_BLURRED = bytes(byte | 0x20 if is_blurred(byte) else byte for byte in range(256))


# ---- how often a string is met

_FREQUENT = b" etaoinsrhldcumfpgwybvk"
_CHANCES = {byte: 0.2 / (rank + 1.5) for rank, byte in enumerate(_FREQUENT)}
_CHANCES |= dict.fromkeys(b"0123456789:/()'", 0.004) | dict.fromkeys(b".,-", 0.02) | dict.fromkeys(b"{}[]@#$%^&~`|\\+*=<>", 0.0005)
DIGIT_AFTER_DIGIT = 0.02


def byte_chance(byte: int) -> float:
    """About how often a byte of a blurred text is this one."""
    return _CHANCES.get(byte, 0.002 if byte < 0x80 else 0.03)


@functools.cache
def chance(text: bytes) -> float:
    """About how often a blurred string is met at a place in a text; only for choosing between sets."""
    odds, in_number = 1.0, False
    for byte in text:
        is_digit = 0x30 <= byte <= 0x39
        odds *= (DIGIT_AFTER_DIGIT if in_number and is_digit else byte_chance(byte)) ** 0.8
        in_number = is_digit
    return odds


def chances(strings: Strings) -> float:
    return sum(map(chance, strings))


def edge_chances(lone_bytes: Strings) -> float:
    """About what share of lines starts or ends with one of these bytes: seldom with white space."""
    return sum(chance(byte) if byte.isalnum() else 0.01 for byte in lone_bytes)


def rarest(*sets: Strings | None) -> Strings | None:
    """The set that is met least; None if all say nothing."""
    saying = [(chances(strings), strings) for strings in sets if strings is not None and b"" not in strings]
    least = min((odds for odds, _ in saying), default=0.0)
    return min((strings for odds, strings in saying if odds == least), key=sorted, default=None)


def window(text: bytes) -> bytes:
    """The part of at most LONGEST bytes that is met least; it should not begin as many words do, either: a scan looks
    for the first four bytes."""
    if len(text) <= LONGEST:
        return text
    return min((text[i : i + LONGEST] for i in range(len(text) - LONGEST + 1)), key=_cost)


def _cost(text: bytes) -> float:
    return chance(text) + 0.01 * chance(text[:4])


# ---- sets


def fewest(texts: Iterable[bytes]) -> Strings:
    """The texts (of at most LONGEST bytes) as a set, without those that hold another one."""
    whole = frozenset(texts)
    return frozenset(text for text in whole if not any(part in whole for part in _parts(text)))


def _parts(text: bytes) -> Iterator[bytes]:
    """All that stands in a text but itself."""
    for length in range(1, len(text)):
        for start in range(len(text) - length + 1):
            yield text[start : start + length]


def crossed(left: Strings, right: Strings) -> Strings | None:
    """Every one of `left` followed by every one of `right`; None if they are too many."""
    if len(left) * len(right) > MOST:
        return None
    return frozenset(a + b for a in left for b in right)


def shortened(strings: Strings, cut: Callable[[bytes, int], bytes]) -> Strings:
    """Strings cut to LONGEST bytes, or to fewer until there are not more than MOST."""
    for length in range(LONGEST, 0, -1):
        few = frozenset(cut(text, length) for text in strings)
        if len(few) <= MOST:
            return few
    return EMPTY


def front(text: bytes, length: int) -> bytes:
    return text[:length]


def back(text: bytes, length: int) -> bytes:
    return text[-length:]


NOTHING = Found(EMPTY, EMPTY, EMPTY, None)


# ---- trees


@functools.lru_cache(10_000)
def found_in(tree: Node) -> Found:
    """What must stand in a text that `tree` matches."""
    if isinstance(tree, Chars):
        return _of_chars(tree.ranges)
    if isinstance(tree, Sequence):
        return _of_sequence(tree.parts)
    if isinstance(tree, Either):
        return _of_options([found_in(option) for option in tree.options])
    if isinstance(tree, Repeat):
        return _of_repeat(tree)
    return NOTHING  # an edge


def _of_sequence(parts: tuple[Node, ...]) -> Found:
    """What stands in parts one after the other; if some may be missing, also what is known with and without each."""
    forward = functools.reduce(_followed, map(found_in, parts), NOTHING)
    if not any(map(_may_be_missing, parts)):
        return forward
    backward = NOTHING
    for part in reversed(parts):
        if isinstance(part, Repeat) and _may_be_missing(part):
            there = _followed(_of_repeat(Repeat(part.part, 1, part.most)), backward)
            backward = _of_options([backward, there])
        else:
            backward = _followed(found_in(part), backward)
    starts, ends = (rarest(*both) or EMPTY for both in ((forward.starts, backward.starts), (forward.ends, backward.ends)))
    return Found(forward.exact, starts, ends, rarest(forward.within, backward.within))


def _may_be_missing(part: Node) -> bool:
    return isinstance(part, Repeat) and part.least == 0


def required(found: Found) -> Strings | None:
    """The rarest set that every match of the tree holds one of."""
    return rarest(found.exact, found.starts, found.ends, found.within)


def _of_chars(ranges: Ranges) -> Found:
    whole = encodings(ranges)
    if whole is not None:
        return Found(whole, whole, whole, None)
    leads = lead_bytes(ranges)
    return Found(None, leads, EMPTY, None)


@functools.cache
def encodings(ranges: Ranges) -> Strings | None:
    """The characters as strings, unless they are many."""
    if size(ranges) > 4 * MOST_CHARACTERS:
        return None
    codes = [code for low, high in ranges for code in range(low, high + 1)]
    strings = frozenset(blurred(chr(code).encode(errors="surrogatepass")) for code in codes)
    return strings if len(strings) <= MOST_CHARACTERS else None


@functools.cache
def lead_bytes(ranges: Ranges) -> Strings:
    """The bytes that the characters start with."""
    if ranges == EVERYTHING:
        return EMPTY
    leads: set[int] = set()
    for low, high in ranges:
        first, last = (chr(code).encode(errors="surrogatepass")[0] for code in (low, high))
        leads.update(range(first, last + 1))
    return frozenset(blurred(bytes([lead])) for lead in leads)


def _followed(left: Found, right: Found) -> Found:
    exact = None
    if left.exact is not None and right.exact is not None:
        exact = crossed(left.exact, right.exact)
        if exact is not None and any(len(text) > LONGEST for text in exact):
            exact = None
    starts = (crossed(left.exact, right.starts) if left.exact is not None else None) or _starts(left)
    ends = (crossed(left.ends, right.exact) if right.exact is not None else None) or _ends(right)
    within = rarest(required(left), required(right), *_middles(left.ends, right.starts)) if exact is None else None
    return Found(exact, shortened(starts, front), shortened(ends, back), within)


def _middles(ends: Strings, starts: Strings) -> Iterator[Strings]:
    """What stands where two parts meet: all of it, or as much as makes few strings."""
    if b"" in ends and b"" in starts:
        return
    for before, after in ((LONGEST, LONGEST), *MIDDLES):
        between = crossed(frozenset(text[-before:] for text in ends), frozenset(text[:after] for text in starts))
        if between is not None:
            yield frozenset(map(window, between))
            if before == LONGEST:
                return


def _starts(found: Found) -> Strings:
    return found.starts if found.exact is None else found.exact


def _ends(found: Found) -> Strings:
    return found.ends if found.exact is None else found.exact


def _of_options(options: list[Found]) -> Found:
    exact: Strings | None = None
    if all(option.exact is not None for option in options):
        exact = frozenset().union(*(option.exact for option in options if option.exact is not None))
        exact = exact if len(exact) <= MOST else None
    starts = shortened(frozenset().union(*(option.starts for option in options)), front)
    ends = shortened(frozenset().union(*(option.ends for option in options)), back)
    each = [required(option) for option in options]
    within = frozenset().union(*(one for one in each if one is not None)) if all(one is not None for one in each) else None
    return Found(exact, starts, ends, within)


def _of_repeat(tree: Repeat) -> Found:
    part = found_in(tree.part)
    if tree.least == 0:
        once = part.exact | EMPTY if tree.most == 1 and part.exact is not None else None
        return Found(once, part.starts | EMPTY, part.ends | EMPTY, None)
    copies = functools.reduce(_followed, [part] * min(tree.least, COPIES))
    if tree.most == tree.least <= COPIES:
        return copies
    return Found(None, _starts(copies), _ends(copies), required(copies))
