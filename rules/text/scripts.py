"""Scripts: which a text is written in, and which a language is.

The script of a character is Unicode's property of that name, from fontTools; the scripts of a language are those that
CLDR's likely subtags give it anywhere in the world, from Babel (`uz`: Latin, Cyrillic, Arabic). Codes are of ISO 15924.
Letters that are of every script or of none (`Zyyy`, `Zinh`, `Zzzz`: digits, punctuation, marks, emoji) are not counted.
A table of a byte for each code point takes 10 ms and 1.1 MB, once per process; counting takes 2 ns a character.
"""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa

from rules.languages import language_names, normalise
from rules.measures.signal import ratio
from rules.text.characters import CODE_POINTS
from rules.text.decode import character_at
from rules.text.kernels import kernel, kernel_texts, unowned

NO_SCRIPTS = ("Zyyy", "Zinh", "Zzzz")  # common, inherited, unknown
MADE_OF = {  # scripts that languages are said to have, and what Unicode calls their letters
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hanb": ("Hani", "Bopo"),
    "Jamo": ("Hang",),
    "Hrkt": ("Hira", "Kana"),
}
SCRIPTS_OF = {  # languages that identifiers name and CLDR does not
    "hbs": ("Cyrl", "Latn"),
    "bih": ("Deva",),
    "eml": ("Latn",),
    "nah": ("Latn",),
}


@functools.cache
def script_codes() -> tuple[str, ...]:
    """The scripts of Unicode's characters; the first three are NO_SCRIPTS."""
    from fontTools.unicodedata import Scripts

    return NO_SCRIPTS + tuple(sorted(set(Scripts.VALUES) - set(NO_SCRIPTS)))


@functools.cache
def script_table() -> np.ndarray:
    """Which of `script_codes` each code point is of, uint8 [0x110000], read-only."""
    from fontTools.unicodedata import Scripts

    places = {code: place for place, code in enumerate(script_codes())}
    ends = [*Scripts.RANGES[1:], CODE_POINTS]
    table = np.repeat(np.array([places[code] for code in Scripts.VALUES], np.uint8), np.diff([*Scripts.RANGES, ends[-1]]))
    table.flags.writeable = False
    return table


def script_counts(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """How many characters of each script each text has, int64 [docs, scripts]; none are counted of NO_SCRIPTS."""
    offsets, data = kernel_texts(texts)
    counts = np.zeros((len(offsets) - 1, len(script_codes())), np.int64)
    count_scripts(offsets, data, script_table(), counts)
    counts[:, : len(NO_SCRIPTS)] = 0
    return counts


@kernel
def count_scripts(offsets: np.ndarray, data: np.ndarray, table: np.ndarray, counts: np.ndarray) -> None:
    """Add the characters of each text to `counts`."""
    bytes_, scripts = unowned(data), unowned(table)
    for d in range(offsets.size - 1):
        i, end = offsets[d], offsets[d + 1]
        row = unowned(counts[d])
        while i < end:
            code, size = character_at(bytes_, i, end)
            row[np.uint64(scripts[np.uint64(code)])] += 1
            i += size


def main_scripts(counts: np.ndarray) -> pa.StringArray:
    """The script that most characters of each text are of; null where none is of any."""
    codes = pa.array(script_codes(), pa.string()).take(pa.array(counts.argmax(1) if len(counts) else np.zeros(0, np.int64)))
    return pa.array([code if some else None for code, some in zip(codes.to_pylist(), counts.max(axis=1, initial=0) > 0)], pa.string())


def fraction_in(counts: np.ndarray, scripts: tuple[str, ...]) -> np.ndarray:
    """The share of each text's characters that are of one of `scripts`, float64; NaN where it has none of any script."""
    places = [place for place, code in enumerate(script_codes()) if code in scripts]
    totals = counts.sum(1)
    return ratio(counts[:, places].sum(1), totals)


@functools.cache
def scripts_of(language: str) -> tuple[str, ...]:
    """The scripts that a language (any code or name of it) is written in, as Unicode names letters; () if nobody says."""
    try:
        code = normalise(language)
    except ValueError:
        return ()
    likely = _likely_scripts()
    found = SCRIPTS_OF.get(code) or likely.get(code) or likely.get(language_names(code).macro, ())
    return tuple(dict.fromkeys(letters for script in found for letters in letters_of(script)))


def letters_of(script: str) -> tuple[str, ...]:
    """The scripts of the letters of a script: `Jpan` is written with `Hira`, `Kana` and `Hani`."""
    return MADE_OF.get(script, (script,))


def script_name(script: str) -> str:
    """The English name of a script: `Cyrl` is Cyrillic; the code itself if it has none."""
    from babel import Locale

    return str(Locale("en").scripts.get(script, script))


@functools.cache
def _likely_scripts() -> dict[str, tuple[str, ...]]:
    """The scripts of each language in CLDR's likely subtags, by our code of it."""
    from babel.core import get_global

    found: dict[str, dict[str, None]] = {}
    for tags in get_global("likely_subtags").items():
        for tag in reversed(tags):  # the likeliest first
            language, *rest = tag.split("_")
            if rest and len(rest[0]) == 4 and language != "und":
                found.setdefault(_own_code(language), {})[rest[0]] = None
    return {language: tuple(scripts) for language, scripts in found.items()}


def _own_code(language: str) -> str:
    try:
        return normalise(language)
    except ValueError:
        return language
