"""What line rules do to lines that no pattern could say: repair of broken encodings, and Unicode's normal forms.

    ftfy   text that was decoded with the wrong encoding, twice or in part ("schÃ¶n") becomes what it was; HTML entities in
           lines without "<", terminal escapes and control characters go. Quotes, ligatures, full-width characters and the
           normal form stay as they are: models should see how people write. These are datatrove's settings.
    nfc    characters and combining marks become one character where Unicode has it (é of two code points)
    nfkc   as nfc, and forms that only look different become the plain ones (ﬁ, ², Ａ)

Such a rule has a pattern all the same: that of every character without which a line cannot change, so that only few lines
are looked at closely. ftfy takes those one by one, each different one once; the normal forms are pyarrow's, on columns.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
import unicodedata
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

LINE_FORMS = ("ftfy", "nfc", "nfkc")
JAMO = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))  # vowels and finals: they become one with what is before
REMOVED = (*range(0x09), 0x0B, *range(0x0E, 0x20), *range(0x7F, 0xA0), *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD))


def reformed(form: str, lines: pa.LargeStringArray) -> pa.LargeStringArray:
    """`lines` in a form of LINE_FORMS."""
    if form != "ftfy":
        return pc.utf8_normalize(lines, form.upper())
    distinct = lines.dictionary_encode()
    repaired = pa.array(map(repair, distinct.dictionary.to_pylist()), pa.large_string())
    return repaired.take(distinct.indices)


def repair(line: str) -> str:
    """One line as ftfy repairs it; still one line, whatever entities it had."""
    import ftfy  # 30 ms that only packs with such a rule should take
    from ftfy.badness import is_bad

    if not (is_bad(line) or _removed().search(line)):  # then it stays, and most do: fix_text finds out in ten times the time
        return line
    return " ".join(ftfy.fix_text(line, _settings()).replace("\r", "\n").split("\n"))


@functools.cache
def _removed() -> re.Pattern[str]:
    """What ftfy changes in text that is not broken: control characters and entities."""
    return re.compile("[" + "".join(map(re.escape, map(chr, REMOVED))) + "]|&[#A-Za-z]")


@functools.cache
def _settings() -> Any:
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        fix_latin_ligatures=False, fix_character_width=False, uncurl_quotes=False, fix_line_breaks=False, normalization=None, explain=False
    )


def form_version(form: str) -> str:
    """What else than the line decides what it becomes."""
    return f"ftfy {importlib.metadata.version('ftfy')}" if form == "ftfy" else ""


@functools.cache
def form_pattern(form: str) -> str:
    """An RE2 pattern that matches every line which the form changes, and some that it does not."""
    if form == "ftfy":
        return f"[{_class(set(REMOVED))}]|&[#A-Za-z]|{_badness()}"
    changed = (code for code in range(0x80, sys.maxunicode + 1) if _may_change(chr(code), form.upper()))
    return rf"\p{{M}}|[{_class({*JAMO, *changed})}]"


def _may_change(character: str, form: Any) -> bool:
    return not 0xD800 <= ord(character) < 0xE000 and (not unicodedata.is_normalized(form, character) or bool(unicodedata.combining(character)))


def _badness() -> str:
    """What ftfy takes for a sign of a broken encoding (its own pattern), for RE2; where that cannot be, the characters that
    bytes from 128 on are taken for in encodings of one byte, without which no text is broken."""
    from ftfy.badness import BADNESS_RE
    from ftfy.chardata import CHARMAP_ENCODINGS

    pattern = _without_comments(BADNESS_RE.pattern)
    for name, python in {r"\s": r"[\s\x{b}\x{1c}-\x{1f}\x{85}\p{Z}]", r"\w": r"[\p{L}\p{M}\p{N}_]"}.items():  # RE2's know ASCII only
        pattern = pattern.replace(name, python)
    pattern = "|".join(filter(None, pattern.split("|")))
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        codes = {ord(c) for encoding in CHARMAP_ENCODINGS for byte in range(128, 256) for c in bytes([byte]).decode(encoding, "ignore")}
        return f"[{_class(codes)}]"
    return pattern


def _without_comments(pattern: str) -> str:
    """A pattern that was written with re.VERBOSE, without comments, and white space outside of classes."""
    parts = re.finditer(r"\\.|\[(?:\\.|[^\]\\])*\]|#[^\n]*|\s+|.", pattern, re.DOTALL)
    return "".join(part[0] for part in parts if not (part[0].isspace() or part[0].startswith("#")))


def _class(codes: set[int]) -> str:
    """The inside of a character class of RE2."""
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\x{{{first:x}}}" + (f"-\\x{{{last:x}}}" if last > first else "") for first, last in ranges)
