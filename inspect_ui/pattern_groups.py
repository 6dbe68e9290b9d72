"""Groups of an RE2 pattern that capture, made into groups that do not, so that the whole match can be named."""

from __future__ import annotations

import re

# What is not a group: an escape, a quoted part, a class (whose first `]` is a member); then what opens one that captures.
_PARTS = re.compile(r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|(\((?:\?P?<\w+>|(?!\?)))", re.DOTALL)


def without_captures(pattern: str) -> str:
    """`pattern` matching the same, with `(?:` for every group that captures."""
    return _PARTS.sub(lambda part: "(?:" if part[1] else part[0], pattern)
