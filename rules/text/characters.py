"""What each code point is to a signal, as one table of bit flags.

White space, letters, digits and upper case are Python's own (`str.isspace`, `isalpha`, `isdecimal`, `isupper`); marks,
closing punctuation and wide characters come from unicodedata; the two punctuation sets are those published with
FineWeb's filters. The table takes 0.1 s and 2.2 MB, once per process.

For the `unicode` word splitter every visible character is of one kind:
    LETTER  a letter, digit or other number
    CJK     a letter of Han, kana or bopomofo: scripts whose words nothing separates
    MARK    a combining mark, joiner or other format character: goes with the character before it
    other   punctuation and symbols: none of the three flags
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

CODE_POINTS = 0x110000
REPLACEMENT = 0xFFFD  # what a malformed byte reads as

WHITE, VISIBLE, ALPHA, UPPER, DECIMAL, SYMBOL, TERMINAL, WIDE_TERMINAL, CLOSING, LETTER, CJK, MARK = (
    1 << bit for bit in range(12)
)

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher, section A.1.1

# Unicode's Sentence_Terminal characters, as FineWeb's line rules use them; ranges of code points.
_TERMINAL_RANGES = """
21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e 1735-1736 17d4-17d6 17d9-17da
1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b 1b5e-1b5f 1b7d-1b7e 1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e 2e3c 2e53-2e54
3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52 fe56-fe57 ff01 ff0e ff1f
ff61 10a56-10a57 10f55-10f59 10f86-10f89 11047-11048 110be-110c1 11141-11143 111c5-111c6 111cd 111de-111df 11238-11239
1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642 1173c-1173e 11944 11946 11a42-11a43 11a9b-11a9c
11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f 16af5 16b37-16b38 16b44 16e98 1bc9f 1da88
"""

CJK_BLOCKS = (
    range(0x3005, 0x3008),  # ideographic iteration mark, zero
    range(0x3021, 0x302A),  # Hangzhou numerals
    range(0x3031, 0x3130),  # kana repeat marks, hiragana, katakana, bopomofo
    range(0x31A0, 0x3200),  # bopomofo and katakana extensions
    range(0x3400, 0xA000),  # Han
    range(0xF900, 0xFB00),  # Han compatibility
    range(0xFF66, 0xFFA0),  # half-width katakana
    range(0x1AFF0, 0x1B170),  # kana extensions and supplements
    range(0x20000, 0x32400),  # Han extensions
)
LAST_NAMED = 0x32400  # from here on every code point is unassigned or private, but for TAGS
TAGS = range(0xE0000, 0xE0200)
SURROGATES = range(0xD800, 0xE000)  # no characters, though some versions of numpy take them for letters


def _from_ranges(text: str) -> frozenset[str]:
    ends = [[int(end, 16) for end in part.split("-")] for part in text.split()]
    return frozenset(chr(code) for end in ends for code in range(end[0], end[-1] + 1))


# Every mark that ends a sentence, in any script: 159 characters.
TERMINAL_PUNCTUATION = _from_ranges(_TERMINAL_RANGES)

# 129 characters: ASCII's, the controls but tab and newline, and marks common in web text (`１` is in the published set).
PUNCTUATION = frozenset(
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～"
) | frozenset(chr(code) for block in (range(9), range(11, 13), range(13, 32), range(127, 160)) for code in block)

# A word made of these alone is a symbol, not a word, to Gopher's rules as datatrove applies them: 281 characters.
SYMBOLS = PUNCTUATION | TERMINAL_PUNCTUATION


@functools.cache
def character_classes() -> np.ndarray:
    """The flags of every code point, uint16 [0x110000], read-only."""
    classes = np.full(CODE_POINTS, VISIBLE, np.uint16)
    for codes in (range(SURROGATES.start), range(SURROGATES.stop, LAST_NAMED), TAGS):
        classes[codes.start : codes.stop] = _classes(codes)
    for character in SYMBOLS:
        classes[ord(character)] |= SYMBOL
    for character in TERMINAL_PUNCTUATION:
        wide = unicodedata.category(character) == "Po" and unicodedata.east_asian_width(character) in "WFH"
        classes[ord(character)] |= TERMINAL | (WIDE_TERMINAL if wide else 0)
    classes.flags.writeable = False
    return classes


def _classes(codes: range) -> np.ndarray:
    """The flags of a range of code points (uint16), but for those of the punctuation sets."""
    numbers = np.arange(codes.start, codes.stop, dtype=np.uint32)
    characters = numbers.view("U1")
    alphanumeric = np.strings.isalnum(characters)
    categories = np.full(len(codes), "", "<U2")  # of letters and numbers nobody asks
    categories[~alphanumeric] = _categories(numbers[~alphanumeric])
    cjk = functools.reduce(np.logical_or, [(numbers >= block.start) & (numbers < block.stop) for block in CJK_BLOCKS])
    white = np.strings.isspace(characters)
    flags = {
        WHITE: white,
        VISIBLE: ~white,
        ALPHA: np.strings.isalpha(characters),
        UPPER: np.strings.isupper(characters),
        DECIMAL: np.strings.isdecimal(characters),
        CLOSING: np.isin(categories, ("Pe", "Pf")) | np.isin(numbers, [ord(quote) for quote in "\"'"]),
        LETTER: alphanumeric & ~cjk,
        CJK: alphanumeric & cjk,
        MARK: np.isin(categories, ("Mn", "Mc", "Me")) | ((categories == "Cf") & (numbers != 0x200B)),
    }
    classes = np.zeros(len(codes), np.uint16)
    for flag, holds in flags.items():
        classes[holds] |= flag
    return classes


def _categories(numbers: np.ndarray) -> np.ndarray:
    """Unicode's general categories of code points, <U2."""
    return np.frombuffer("".join(map(unicodedata.category, map(chr, numbers.tolist()))).encode("utf-32-le"), "<U2")
