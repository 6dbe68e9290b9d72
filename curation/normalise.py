"""The words that duplicates are judged by: one definition, in plain Python, and the character table the kernels use.

A text is read one code point at a time, with no Unicode normalisation (neither NFC nor NFD), so that no mark is ever
taken off its letter: Hangul stays whole syllables, Thai and Devanagari keep their vowel and tone signs.
    separator   punctuation, white space, control and private-use characters (P*, Z*, Cc, Cs, Co), U+FFFD, U+200B and
                the ASCII symbols $+<=>^`|~ : ends a word; any run of them is one break
    ignored     the other format characters (Cf: soft hyphen, zero-width joiners, byte-order mark, direction marks) and
                variation selectors: the word goes on as if they were not there
    lone        a letter of a script written without spaces (Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer): a word of
                its own, together with the marks that follow it
    mark        (M*) stays with the word before it
    letter      the rest: letters, digits, symbols such as emoji, unassigned code points: part of a word
Case is folded where that gives one code point (A -> a, ς -> σ; ß stays). A composed letter and the same letter with
a combining mark are two different words: clean texts to NFC beforehand where that matters. Properties are those of
Python's own Unicode data, so a character that a later Python knows (CJK extension H in 3.12) may change its kind.

`normalised` costs about a microsecond a character and is for reading and tests; word_hashes.py computes hashes of the
same words at hundreds of megabytes a second. The table takes 20 ms and 4.5 MB, once per process.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

SEPARATOR, IGNORED, LETTER, LONE, MARK = range(5)

CODE_POINTS = 0x110000
ASCII_SYMBOLS = frozenset("$+<=>^`|~")
VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
SPACELESS = (  # blocks of scripts that are written without spaces between words
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x3005, 0x3008),  # ideographic iteration mark, zero
    range(0x3040, 0x3130),  # hiragana, katakana, bopomofo
    range(0x31A0, 0x3200),  # bopomofo and katakana extensions
    range(0x3400, 0xA000),  # Han
    range(0xF900, 0xFB00),  # Han compatibility
    range(0xFF66, 0xFFA0),  # half-width katakana
    range(0x1B000, 0x1B170),  # kana supplements
    range(0x20000, 0x32400),  # Han extensions
)
LAST_NAMED = 0x32400  # from here on every code point is unassigned or private, but for TAGS
TAGS = range(0xE0000, 0xE0200)
PRIVATE_PLANES = 0xF0000


# ---- the definition, in plain Python


def character_kind(character: str) -> int:
    """SEPARATOR, IGNORED, LETTER, LONE or MARK: the list at the top of this file."""
    code, category = ord(character), unicodedata.category(character)
    if any(code in block for block in VARIATION_SELECTORS):
        return IGNORED
    if category == "Cf":
        return SEPARATOR if code == 0x200B else IGNORED
    if category[0] in "PZ" or category in ("Cc", "Cs", "Co") or code == 0xFFFD or character in ASCII_SYMBOLS:
        return SEPARATOR
    if category[0] == "M":
        return MARK
    if category[0] == "L" and any(code in block for block in SPACELESS):
        return LONE
    return LETTER


def folded_character(character: str) -> str:
    """The case-folded character where that is one code point, else lower case where that is, else itself."""
    return next((c for c in (character.casefold(), character.lower()) if len(c) == 1), character)


def normalised(text: str) -> list[str]:
    """The words of `text`, folded: what exact and near duplicates compare."""
    words, current, lone = [], "", False
    for character in text:
        kind = character_kind(character)
        if kind == IGNORED:
            continue
        ends = kind == SEPARATOR or kind == LONE or (lone and kind == LETTER)
        if ends and current:
            words.append(current)
            current = ""
        if kind != SEPARATOR:
            current += folded_character(character)
        lone = kind == LONE or (kind == MARK and lone and len(current) > 1)
    return [*words, current] if current else words


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word of `normalised` begins and ends in `text`, in characters."""
    spans: list[list[int]] = []
    inside = lone = False
    size = 0
    for place, character in enumerate(text):
        kind = character_kind(character)
        if kind == IGNORED:
            continue
        inside = inside and not (kind == SEPARATOR or kind == LONE or (lone and kind == LETTER))
        if kind != SEPARATOR:
            if not inside:
                spans.append([place, place])
                size = 0
            inside, size = True, size + 1
            spans[-1][1] = place + 1
        lone = kind == LONE or (kind == MARK and lone and size > 1)
    return [(begin, end) for begin, end in spans]


def normalised_characters(text: str) -> str:
    """The folded characters of `text`, each run of separators one space, none at the ends: for n-grams of characters."""
    found, gap = "", False
    for character in text:
        kind = character_kind(character)
        if kind == SEPARATOR:
            gap = bool(found)
        elif kind != IGNORED:
            found += " " * gap + folded_character(character)
            gap = False
    return found


# ---- the table

_FOLDED_AT_ONCE = 256  # characters that are asked together whether folding changes any
_CATEGORIES = {name: number for number, name in enumerate("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split())}
_SURROGATES = range(0xD800, 0xE000)  # no letters, though some versions of numpy take them for such


@functools.cache
def character_table() -> np.ndarray:
    """Per code point (uint32 [0x110000]): `character_kind` << 24 | the code point of `folded_character`."""
    kinds, folded = np.full(CODE_POINTS, LETTER, np.uint32), np.arange(CODE_POINTS, dtype=np.uint32)
    kinds[PRIVATE_PLANES:] = SEPARATOR
    for codes in (range(LAST_NAMED), TAGS):
        kinds[codes.start : codes.stop] = _kinds(codes)
        for start in range(codes.start, codes.stop, _FOLDED_AT_ONCE):
            characters = folded[start : min(start + _FOLDED_AT_ONCE, codes.stop)].tobytes().decode("utf-32-le", "surrogatepass")
            if characters.casefold() != characters or characters.lower() != characters:  # few do
                folded[start : start + len(characters)] = np.frombuffer(_folded(characters).encode("utf-32-le"), np.uint32)
    return kinds << np.uint32(24) | folded


def _folded(characters: str) -> str:
    """`folded_character` of each."""
    together = characters.casefold()  # as long where each becomes one: none becomes fewer
    return together if len(together) == len(characters) else "".join(map(folded_character, characters))


def _kinds(codes: range) -> np.ndarray:
    """`character_kind` of a range of code points, from one category look-up for each that is no letter or number."""
    numbers = np.arange(codes.start, codes.stop, dtype=np.uint32)
    characters, named = numbers.view("U1"), (numbers < _SURROGATES.start) | (numbers >= _SURROGATES.stop)
    letters, others = np.strings.isalpha(characters) & named, ~(np.strings.isalnum(characters) & named)
    kinds = np.full(len(codes), LETTER, np.uint32)
    kinds[others] = _kinds_of_categories(numbers[others])
    spaceless = functools.reduce(np.logical_or, [(numbers >= b.start) & (numbers < b.stop) for b in SPACELESS])
    kinds[letters & spaceless] = LONE
    exceptions = {*map(ord, ASCII_SYMBOLS), 0x200B, 0xFFFD}.union(*VARIATION_SELECTORS)
    for code in filter(codes.__contains__, exceptions):
        kinds[code - codes.start] = character_kind(chr(code))
    return kinds


def _kinds_of_categories(numbers: np.ndarray) -> np.ndarray:
    """The kind that most characters of a code point's general category have."""
    names = map(unicodedata.category, map(chr, numbers.tolist()))
    categories = np.fromiter(map(_CATEGORIES.__getitem__, names), np.uint8, len(numbers))
    return np.array([_kind_of_category(name) for name in _CATEGORIES], np.uint32)[categories]


def _kind_of_category(name: str) -> int:
    """The kind of most characters of a general category."""
    if name[0] in "PZ" or name in ("Cc", "Cs", "Co"):
        return SEPARATOR
    return {"M": MARK}.get(name[0], IGNORED if name == "Cf" else LETTER)
