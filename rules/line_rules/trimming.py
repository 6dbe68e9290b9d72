r"""Trimming both ends of lines without RE2: a pattern `^[class]+|[class]+$` cuts what a class has at the ends, and RE2 says
once what the class has.

Many packs begin with such a rule, which changes every indented line. The result is part of the line, so strings that the
line has not had before are not in it.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from rules.matching.pattern_classes import exactly
from rules.text.characters import REPLACEMENT
from rules.text.decode import character_at, character_before
from rules.text.kernels import inlined, kernel, unowned

_ENDS = re.compile(r"\^(?P<one>\[(?:[^\[\]\\]|\\[^Q])+\]|\\s)\+\|(?P=one)\+\$")


@functools.lru_cache(256)
def trimmed_class(pattern: str) -> np.ndarray | None:
    """Which code points (bool [0x110000]) `pattern` cuts at both ends; None if that is not all it does."""
    found = _ENDS.fullmatch(pattern)
    cut = exactly(found["one"]) if found else None
    return cut if cut is not None and not cut[REPLACEMENT] else None  # as which malformed bytes are read


# ---- kernels


@kernel
def trimmed_spans(data: np.ndarray, begins: np.ndarray, ends: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the texts data[begins[k]:ends[k]] begin and end without the characters `cut` at their ends."""
    firsts, lasts = np.empty(begins.size, np.int64), np.empty(begins.size, np.int64)
    data, begins, ends, cut, to, until = unowned(data), unowned(begins), unowned(ends), unowned(cut), unowned(firsts), unowned(lasts)
    for k in range(begins.size):
        to[k], until[k] = trimmed_span(data, begins[k], ends[k], cut)
    return firsts, lasts


@inlined
def trimmed_span(data: np.ndarray, begin: int, end: int, cut: np.ndarray) -> tuple[int, int]:
    size = 1
    while begin < end and size > 0:
        code, size = character_at(data, begin, end)
        size *= cut[code]
        begin += size
    size = 1
    while begin < end and size > 0:
        code, size = character_before(data, begin, end)
        size *= cut[code]
        end -= size
    return begin, end
