"""What dolma's taggers measure, in plain Python: the oracle of the signals named `dolma_`.

Written from what gopher_v1, gopher_v2, c4_v1, c4_v2, the length taggers and not_alphanum_paragraph_v1 do, with no
thought of speed. Where a tagger gives zero for want of a denominator, this gives NaN, and every number of an empty text
is zero; both as all signals have it.
"""

from __future__ import annotations

import itertools
import re
import statistics
import unicodedata
from collections import Counter

from definitions import Words, fraction, split_words

from rules.text.characters import STOP_WORDS


def signals(text: str, splitter: str) -> dict[str, float]:
    words, rows, runs = split_words(text, splitter), text.split("\n") if text else [], re.split("\n+", text) if text else []
    bullets, ellipses = sum(row.startswith(("*", "-")) for row in rows), sum(row.endswith("…") for row in rows)
    open_rows = [row for row in rows if not row.strip().endswith((".", "?", "!", '"'))]
    return {
        "dolma_median_word_chars": float(statistics.median(map(len, words))) if words else 0.0,
        "dolma_symbol_word_frac": fraction(sum("#" in word or "…" in word for word in words), len(words)),
        "dolma_stop_words": sum(word in STOP_WORDS for word in words),
        "dolma_v1_bullet_line_frac": fraction(bullets, len(rows)),
        "dolma_v2_bullet_line_frac": fraction(bullets, len(runs)),
        "dolma_v1_ellipsis_line_frac": fraction(ellipses, len(rows)),
        "dolma_v2_ellipsis_line_frac": fraction(ellipses, len(runs)),
        "dolma_v1_dup_line_frac": fraction(len(repeated(rows)), len(rows)),
        "dolma_v2_dup_line_frac": fraction(len(repeated(runs)), len(runs)),
        "dolma_dup_line_char_frac": fraction(sum(map(len, repeated(rows))), max(sum(map(len, text.split())), min(len(text), 1))),
        **{f"dolma_top_{n}_gram_char_frac": top_ngram_frac(words, n) for n in (2, 3, 4)},
        **{f"dolma_dup_{n}_gram_char_frac": dup_ngram_frac(words, n) for n in range(5, 11)},
        "dolma_lines": len(rows),
        "dolma_no_end_punct_line_frac": fraction(len(open_rows), len(rows)),
        "dolma_few_word_line_frac": fraction(sum(len(split_words(row, splitter)) < 3 for row in rows), len(rows)),
        "dolma_v1_javascripts": sum(word.lower() == "javascript" for word in words),
        "dolma_v2_javascripts": text.lower().count("javascript"),
        "dolma_lorem_ipsums": text.lower().count("lorem ipsum"),
        "dolma_stripped_chars": len(text.strip()),
        "dolma_whitespace_tokens": whitespace_tokens(text),
        "dolma_punct_lines": sum(bool(row.strip()) and is_all_punctuation(row) for row in rows),
    }


def repeated(pieces: list) -> list:
    """Those that occur more than once, with all copies."""
    copies = Counter(pieces)
    return [piece for piece in pieces if copies[piece] > 1]


def ngrams(words: Words, n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[k:] for k in range(n))))


def chars(words: tuple[str, ...]) -> int:
    return sum(map(len, words))


def top_ngram_frac(words: Words, n: int) -> float:
    top = Counter(ngrams(words, n)).most_common(1)
    return fraction(sum(copies * chars(ngram) for ngram, copies in top), sum(map(len, words)))


def dup_ngram_frac(words: Words, n: int) -> float:
    found = ngrams(words, n)
    return fraction(sum(map(chars, repeated(found))), sum(map(chars, found)))


# ---- the classes of the `regex` package

LETTERS_IN_SHAPES = [(0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)]
PICTURES = [(0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x2600, 0x26FF), (0x2700, 0x27BF)]


def is_in(character: str, ranges: list[tuple[int, int]]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


def is_space(character: str) -> bool:
    return character.isspace() and not "\x1c" <= character <= "\x1f"


def is_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category in ("Nd", "Nl", "Pc") or character in "\u200c\u200d" or is_in(character, LETTERS_IN_SHAPES)


def is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS" and not is_in(character, LETTERS_IN_SHAPES)


def whitespace_tokens(text: str) -> int:
    kinds = itertools.groupby(text, key=lambda c: "space" if is_space(c) else "word" if is_word(c) else "mark")
    return bool(text) + sum(kind != "space" for kind, _ in kinds)


def is_all_punctuation(row: str) -> bool:
    return all(is_space(c) or is_punctuation(c) or is_in(c, PICTURES) for c in row)
