"""Character classes of RE2 as ranges of code points, taken from RE2 itself where its Unicode tables matter."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from rules.text.buffers import match_rows, strings_from

Ranges = tuple[tuple[int, int], ...]  # first and last code point, ascending, apart from each other

LAST = 0x10FFFF
EVERYTHING: Ranges = ((0, LAST),)
ASKED = 0x20000  # code points from here on have no case, and go into a named class all together
PRIVATE: Ranges = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))  # \p{Co}, which Unicode never changes
SURROGATES = range(0xD800, 0xE000)
MOST_FOLDED = 200  # ranges of a class whose other cases are looked up; one of more becomes everything

_DIGITS, _UPPER, _LOWER = (48, 57), (65, 90), (97, 122)
_PERL: dict[str, Ranges] = {"d": (_DIGITS,), "s": ((9, 10), (12, 13), (32, 32)), "w": (_DIGITS, _UPPER, (95, 95), _LOWER)}
_POSIX: dict[str, Ranges] = {
    "alnum": (_DIGITS, _UPPER, _LOWER), "alpha": (_UPPER, _LOWER), "ascii": ((0, 127),), "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)), "digit": (_DIGITS,), "graph": ((33, 126),), "lower": (_LOWER,), "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)), "space": ((9, 13), (32, 32)), "upper": (_UPPER,),
    "word": _PERL["w"], "xdigit": (_DIGITS, (65, 70), (97, 102)),
}  # fmt: skip


def union(*parts: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(r for part in parts for r in part):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """Every code point that is not in `ranges` (as `union` makes them)."""
    bounds = [-1] + [bound for low, high in ranges for bound in (low, high)] + [LAST + 1]
    return tuple((low + 1, high - 1) for low, high in zip(bounds[::2], bounds[1::2]) if high - low > 1)


def size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def perl_class(letter: str) -> Ranges | None:
    """The class that \\d, \\s or \\w means (and, before it is complemented, \\D, \\S or \\W)."""
    return _PERL.get(letter.lower()) if letter else None


def posix_class(name: str) -> Ranges | None:
    return _POSIX.get(name)


@functools.cache
def named_class(name: str) -> Ranges:
    """All that \\p{name} matches, and everything from ASKED on if it matches anything there."""
    if name == "Co":
        return PRIVATE
    codes, texts = _characters()
    beyond = ((ASKED, LAST),) if match_rows(_beyond(), f"\\p{{{name}}}")[0] else ()
    return union(_ranges(codes[match_rows(texts, f"\\p{{{name}}}")]), beyond)


@functools.cache
def folded(ranges: Ranges) -> Ranges:
    """All that (?i) makes of a class: its characters and their other cases, as RE2 folds them."""
    if len(ranges) > MOST_FOLDED:
        return EVERYTHING
    codes, texts = _cased()
    if all(np.searchsorted(codes, low) == np.searchsorted(codes, high, "right") for low, high in ranges):
        return ranges
    inside = "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in ranges)
    return union(ranges, _ranges(codes[match_rows(texts, f"(?i)[{inside}]")]))


def exactly(name: str) -> np.ndarray | None:
    """Which code points (bool [0x110000]) RE2 takes for one of a class, written as in a pattern; None if it knows some
    beyond ASKED, where not each is asked for."""
    codes, texts = _characters()
    if match_rows(_beyond(), name)[0]:
        return None
    known = np.zeros(LAST + 1, bool)
    known[codes[match_rows(texts, f"^{name}$")]] = True
    return known


@functools.cache
def _characters() -> tuple[np.ndarray, pa.Array]:
    """Every code point below ASKED but the surrogates, and each as a text."""
    codes = np.concatenate([np.arange(SURROGATES.start), np.arange(SURROGATES.stop, ASKED)])
    sizes = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return codes, strings_from(offsets, np.frombuffer(_utf8(codes), np.uint8))


@functools.cache
def _beyond() -> pa.Array:
    """Every code point from ASKED on, as one text."""
    return pa.array([_utf8(np.arange(ASKED, LAST + 1)).decode()], pa.large_string())


def _utf8(codes: np.ndarray) -> bytes:
    return codes.astype("<u4").tobytes().decode("utf-32-le").encode()


@functools.cache
def _cased() -> tuple[np.ndarray, pa.Array]:
    """The characters that may have another case: letters, Roman numerals, iota below, and letters in circles."""
    codes, texts = _characters()
    cased = match_rows(texts, r"[\p{Lu}\p{Ll}\p{Lt}\p{Nl}\x{345}\x{24b6}-\x{24e9}]")
    return codes[cased], texts.filter(pa.array(cased))


def _ranges(codes: np.ndarray) -> Ranges:
    """Ascending code points as ranges."""
    if not len(codes):
        return ()
    cuts = np.flatnonzero(np.diff(codes) > 1)
    lows, highs = codes[np.concatenate([[0], cuts + 1])], codes[np.concatenate([cuts, [len(codes) - 1]])]
    return tuple(zip(lows.tolist(), highs.tolist()))
