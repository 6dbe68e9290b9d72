"""Text from the web, made safe to show: control characters, escapes and direction overrides become visible.

A document may hold terminal escapes or bidirectional overrides; they are shown as what they are and never obeyed.
"""

from __future__ import annotations

import re
from pathlib import Path

# C0 and C1 controls but tab and newline, bidirectional controls, zero-width and other format characters, line separators,
# soft hyphens, letters that are blank (Hangul fillers, Braille blank), and tags (letters of plane 14 that nothing shows).
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """`text` with every character that would move a cursor, hide or reorder text written as <U+XXXX>."""
    return _HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def is_hidden(character: str) -> bool:
    """Is it one of the characters that `visible` writes as <U+XXXX>?"""
    return _HIDDEN.match(character) is not None


def excerpt(text: str, characters: int) -> str:
    """The first `characters` of `text` on one line, safe to show."""
    line = visible(" ".join(text[: 4 * characters].split()))
    return line if len(line) <= characters else line[: characters - 1] + "…"


def shown_path(path: Path) -> str:
    """A path as short as it can be said from the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
