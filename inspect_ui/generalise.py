"""From texts to a pattern: quoted, anchored, and, of several texts, with classes for numbers and names of months and days.

A text is cut into tokens: numbers, words, white space, other characters. Texts that are alike but for their numbers and
names become one alternative; the others stand beside it. What a class adds is what the pattern matches and the quoted
texts do not: inspect_ui/draft.py shows it. Patterns are RE2's, case does not matter, and classes know all scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from inspect_ui.calendar_words import days, months
from rules.visible import is_hidden

Edge = Literal["line", "start", "end", "inside"]  # what of a line the texts are: all of it, how it begins, how it ends, or within
TokenKind = Literal["number", "month", "day", "word", "space", "other"]

WHITE = r"[\s\p{Z}]"
NUMBER = r"\p{Nd}+(?:[.,]\p{Nd}+)*"
FIRST_IDEOGRAPH = 0x2E80
NO_WORD = r"[^\p{L}\p{M}\p{N}]"
_SPACE = "\t\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # what WHITE matches
_TOKEN = re.compile(rf"(?P<number>\d+(?:[.,]\d+)*)|(?P<word>[^\W\d_]+)|(?P<space>[{_SPACE}]+)|(?P<other>.)", re.DOTALL)
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


@dataclass(frozen=True)
class Token:
    kind: TokenKind
    text: str


def tokens(text: str) -> list[Token]:
    """The parts of a text, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        word = match[0].lower()
        if kind == "word" and any(word in names for names in months().values()):
            kind = "month"
        elif kind == "word" and any(word in names for names in days().values()):
            kind = "day"
        found.append(Token(kind, match[0]))
    return found


def template_of(text: str) -> str:
    """A text with <number>, <month> and <day> in the place of what may change."""
    return "".join(f"<{token.kind}>" if token.kind in ("number", "month", "day") else token.text for token in tokens(text))


def quoted(text: str) -> str:
    """A text as a pattern that matches it alone, but for the amount of white space; characters that cannot be seen as \\x{...}."""
    parts = []
    for token in tokens(text):
        parts.append(f"{WHITE}+" if token.kind == "space" else "".join(map(_quoted_character, token.text)))
    return "".join(parts)


def _quoted_character(character: str) -> str:
    if is_hidden(character):
        return f"\\x{{{ord(character):X}}}"
    return "\\" + character if _SPECIAL.match(character) else character


def literal_pattern(texts: Sequence[str], edge: Edge) -> str:
    """A pattern that matches these texts and nothing else, but for case and white space."""
    return _anchored(list(dict.fromkeys(quoted(text.strip()) for text in texts)), texts, edge)


def general_pattern(texts: Sequence[str], edge: Edge) -> str:
    """A pattern for several texts, with classes where they have numbers and names; of one text, the text.

    Raises ValueError where there is no text."""
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise ValueError("nothing is selected")
    if len(set(texts)) == 1:
        return literal_pattern(texts, edge)
    shapes: dict[tuple, list[list[Token]]] = {}
    for text in dict.fromkeys(texts):
        found = tokens(text)
        shapes.setdefault(_shape(found), []).append(found)
    return _anchored(list(dict.fromkeys(_alternative(alike) for alike in shapes.values())), texts, edge)


def _shape(found: Sequence[Token]) -> tuple:
    """What two texts must share to be one alternative."""
    return tuple(token.text.lower() if token.kind in ("word", "other") else token.kind for token in found)


def _alternative(alike: Sequence[Sequence[Token]]) -> str:
    return "".join(_part(column) for column in zip(*alike))


def _part(column: Sequence[Token]) -> str:
    """The pattern for tokens in the same place."""
    kind = column[0].kind
    if kind == "number":
        return NUMBER
    if kind == "space":
        return f"{WHITE}+"
    if kind in ("month", "day"):
        return _names({token.text.lower() for token in column}, months() if kind == "month" else days())
    return "".join(map(_quoted_character, column[0].text))


def _names(seen: set[str], table: dict[str, frozenset[str]]) -> str:
    """All names of the first language that has those that were seen; of none, of every language that has one."""
    whole = next((names for names in table.values() if seen <= names), None)
    names: Iterable[str] = whole or {name for known in table.values() if known & seen for name in known}
    return f"(?:{'|'.join(sorted(names, key=lambda name: (-len(name), name)))})"


def _anchored(alternatives: Sequence[str], texts: Sequence[str], edge: Edge) -> str:
    """The alternatives, tied to the edges of the line, or else to the edges of words where the texts end in some."""
    before, after = "", ""
    if edge in ("line", "start"):
        before = f"^{WHITE}*"
    elif _all_in_words(text.strip()[:1] for text in texts):
        before = f"(?:^|{NO_WORD})"
    if edge in ("line", "end"):
        after = f"{WHITE}*$"
    elif _all_in_words(text.strip()[-1:] for text in texts):
        after = f"(?:{NO_WORD}|$)"
    body = alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
    return f"(?i){before}{body}{after}"


def _all_in_words(characters: Iterable[str]) -> bool:
    """Is every one of these a letter or digit of a script that puts spaces between words?"""
    return all(character.isalnum() and ord(character) < FIRST_IDEOGRAPH for character in characters)
