"""A text that a pattern matches: converted rules need an example, as all rules do."""

from __future__ import annotations

import re
import warnings
from re import _constants as names  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

CANDIDATES = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?-_/@#$%&*()[]{}<>'\"+=|~^`\\\t"


def matching_text(pattern: str) -> str | None:
    """One line that `pattern` (Python's syntax) finds something in; None if none was found or it is no pattern."""
    try:
        with warnings.catch_warnings():  # of sets that Python may read otherwise one day: the pattern is its author's
            warnings.simplefilter("ignore", FutureWarning)
            compiled, tree = re.compile(pattern), parser.parse(pattern)
        text = _text(tree)
    except (re.error, RecursionError, OverflowError, _NoText):
        return None
    return text if "\n" not in text and compiled.search(text) and not compiled.search("") else None


class _NoText(Exception):
    """A construction that no text is made for."""


def _text(tree: Any) -> str:
    return "".join(_item(operation, value) for operation, value in tree)


def _item(operation: Any, value: Any) -> str:
    if operation is names.LITERAL:
        return chr(value)
    if operation is names.ANY:
        return "a"
    if operation in (names.NOT_LITERAL, names.IN):
        return _of_class([(operation, value)] if operation is names.NOT_LITERAL else value)
    if operation in (names.MAX_REPEAT, names.MIN_REPEAT):
        least, _, inner = value
        return _text(inner) * least
    if operation is names.SUBPATTERN:
        return _text(value[-1])
    if operation is names.BRANCH:
        return _text(value[1][0])
    if operation is names.AT:
        return ""
    raise _NoText


def _of_class(items: Any) -> str:
    """The first candidate that the class has."""
    for character in CANDIDATES:
        if _has(items, ord(character)):
            return character
    raise _NoText


def _has(items: Any, code: int) -> bool:
    negated = bool(items) and items[0][0] is names.NEGATE
    return any(_is(operation, value, code) for operation, value in items if operation is not names.NEGATE) != negated


def _is(operation: Any, value: Any, code: int) -> bool:
    if operation is names.LITERAL:
        return code == value
    if operation is names.NOT_LITERAL:
        return code != value
    if operation is names.RANGE:
        return bool(value[0] <= code <= value[1])
    character = chr(code)
    kinds = {names.CATEGORY_DIGIT: character.isdigit(), names.CATEGORY_SPACE: character.isspace(), names.CATEGORY_WORD: character.isalnum() or character == "_"}
    opposite = {names.CATEGORY_NOT_DIGIT: names.CATEGORY_DIGIT, names.CATEGORY_NOT_SPACE: names.CATEGORY_SPACE, names.CATEGORY_NOT_WORD: names.CATEGORY_WORD}
    return not kinds[opposite[value]] if value in opposite else kinds.get(value, False)
