"""Patterns of rules: are they RE2, do their replacements fit, and do they mean what they seem to mean outside English?"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rules.places import KeyPath, Located, Problem

_INSTEAD = {
    r"\w": r"[\p{L}\p{M}\p{N}_]", r"\W": r"[^\p{L}\p{M}\p{N}_]", r"\d": r"\p{Nd}", r"\D": r"\P{Nd}", r"\s": r"[\s\p{Z}]",
    r"\S": r"[^\s\p{Z}]", r"\b": r"(^|[^\p{L}\p{N}])", r"\B": r"an explicit class",
}  # fmt: skip
_CLASSES = re.compile(r"\\(?:\\|p\{\^?\w+\}|P\{\^?\w+\}|.)", re.DOTALL)


def pattern_error(pattern: str) -> str | None:
    """Why `pattern` is not a pattern for RE2, or None."""
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ")
    return None


def check_pattern(whole: dict[str, Any], data: dict[str, Any], located: Located, at: KeyPath, problems: list[Problem]) -> None:
    """Problems of a rule's `match`, and of its `with`; `data` is what is written at `at`, `whole` what it adds up to."""
    pattern = whole.get("match")
    if not isinstance(pattern, str):
        return
    where = (*at, "match") if "match" in data else at
    error = pattern_error(pattern)
    if error:
        problems.append(_not_re2(error, located, where))
    elif whole.get("lines") in ("trim", "replace") and cuts_characters(pattern):
        name = cuts_characters(pattern)
        problems.append(located.problem(where, "R104", f"{name} may be inside a character of several bytes; cutting there would break it"))
    elif isinstance(whole.get("with"), str):
        _check_replacement(pattern, whole["with"], located, (*at, "with") if "with" in data else at, problems)


def check_url_pattern(pattern: Any, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    error = pattern_error(pattern) if isinstance(pattern, str) else None
    if error:
        problems.append(_not_re2(error, located, at))


def _not_re2(error: str, located: Located, at: KeyPath) -> Problem:
    return located.problem(at, "R104", f"not an RE2 pattern: {error} (RE2 has no look-around and no back-references)")


def _check_replacement(pattern: str, text: str, located: Located, at: KeyPath, problems: list[Problem]) -> None:
    if "\n" in text:
        problems.append(located.problem(at, "R104", "a replacement stays on one line"))
    try:
        pc.replace_substring_regex(pa.array([""]), pattern, text)
    except pa.ArrowInvalid as error:
        problems.append(located.problem(at, "R104", f"bad replacement: {error}"))


def cuts_characters(pattern: str) -> str | None:
    """What in `pattern` RE2 may find inside a character, so that cutting or replacing there would break it; or None.

    `\\B` is where two bytes are both no ASCII word, `\\C` is any byte."""
    tokens = {match.group() for match in _CLASSES.finditer(pattern)}
    return next((name for name in (r"\B", r"\C") if name in tokens), None)


def ascii_only(pattern: str) -> dict[str, str]:
    r"""Classes of `pattern` that RE2 knows for ASCII only, and what to write instead.

    Beside `\p{...}` in one bracket they are part of a whole; and `\b` before an ASCII letter, or after a digit, is what
    people mean (after a letter it is not: `caf\b` finds "caf" in "café")."""
    found: dict[str, str] = {}
    for match in _CLASSES.finditer(pattern):
        name = match.group()
        if name in _INSTEAD and not _is_meant(pattern, match.start(), match.end(), name):
            found[name] = _INSTEAD[name]
    return found


def _is_meant(pattern: str, start: int, end: int, name: str) -> bool:
    if name in (r"\b", r"\B"):
        after, before = pattern[end : end + 1], pattern[max(start - 1, 0) : start]
        return bool(re.match(r"[A-Za-z0-9\[(]", after) or re.match(r"[0-9\]}]", before))
    opening = pattern.rfind("[", 0, start)
    if opening < 0 or "]" in pattern[opening + 1 : start]:
        return False
    closing = pattern.find("]", end)
    return r"\p{" in pattern[opening : closing if closing > 0 else len(pattern)]
