"""What every signal of NeMo Curator's filters is, in plain Python, from the semantics of its filters.

Ties between top n-grams go to the first, where the filter lets the hash seed of the process decide.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import nemo_code_definitions
import regex
from definitions import split_words

from rules.families.nemo_boilerplate import NOTICES
from rules.families.nemo_characters import BRACKETS, BULLETS, ELLIPSIS_MARKS
from rules.text.characters import STOP_WORDS

URL = re.compile(r"https?://(?:[A-Za-z0-9$\-_@.&+/:=?#~!*(),]|%[0-9A-Fa-f]{2})+")
ALPHABETIC = regex.compile(r"\p{Alphabetic}")


def is_alphabetic(character: str) -> bool:
    """Unicode's Alphabetic, as far as this Python knows characters."""
    return bool(ALPHABETIC.match(character)) and unicodedata.category(character) != "Cn"


def fraction(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def character_signals(text: str) -> dict[str, float]:
    urls = URL.findall(text)
    counts = {
        "nemo_non_plain_char_frac": len(text) - len(re.findall(r"[a-zA-Z0-9\n?!,.]", text)),
        "nemo_digit_char_frac": len(re.findall("[0-9]", text)),
        "nemo_whitespace_char_frac": sum(c in "\t\n\r\b " for c in text),
        "nemo_bracket_char_frac": sum(c in BRACKETS for c in text),
        "nemo_alpha_char_frac": sum(map(is_alphabetic, text)),
        "nemo_url_char_frac": sum(map(len, urls)),
    }
    found = {name: fraction(count, len(text)) for name, count in counts.items()}
    return found | {"nemo_porn_urls": sum("porn" in url for url in urls), "nemo_xml_headers": int("<?xml version=" in text[:100])}


def is_symbol(word: str) -> bool:
    return word in ELLIPSIS_MARKS or len(re.findall("#+", word)) / len(word) > 0.5


def word_signals(words: list[str]) -> dict[str, float]:
    return {
        "nemo_mean_word_chars": fraction(sum(map(len, words)), len(words)),
        "nemo_symbol_word_frac": fraction(sum(map(is_symbol, words)), len(words)),
        "nemo_alpha_word_frac": fraction(sum(any(map(is_alphabetic, word)) for word in words), len(words)),
        "nemo_common_words": sum(word in STOP_WORDS for word in words),
    }


def line_signals(text: str) -> dict[str, float]:
    lines = [line for line in text.split("\n") if line.strip()]
    stripped = [line.strip() for line in lines]
    return {
        "nemo_code_lines": text.count("\n") + 1 if text else 0,
        "nemo_bullet_line_frac": fraction(sum(line.startswith(tuple(BULLETS)) for line in stripped), len(lines)),
        "nemo_open_line_frac": fraction(sum(not line.endswith((".", "?", "!", '"', "'")) for line in stripped), len(lines)),
        "nemo_ellipsis_line_frac": fraction(sum(line.lower().endswith(ELLIPSIS_MARKS) for line in stripped), len(lines)),
        "nemo_unique_line_frac": fraction(len(set(lines)), len(lines)),
        "nemo_unique_line_char_frac": fraction(len("".join(set(lines))), len("".join(lines))),
    }


def is_boilerplate(paragraph: str) -> bool:
    return any(notice in paragraph.lower() for notice in NOTICES)


def paragraph_signals(text: str) -> dict[str, float]:
    paragraphs = text.split("\n\n") if text else []
    boilerplate = len(paragraphs) if "lorem ipsum" in text.lower() else sum(map(is_boilerplate, paragraphs))
    return {
        "nemo_unique_paragraph_frac": fraction(len(set(paragraphs)), len(paragraphs)),
        "nemo_unique_paragraph_char_frac": fraction(len("".join(set(paragraphs))), len("".join(paragraphs))),
        "nemo_boilerplate_paragraph_frac": fraction(boilerplate, len(paragraphs)),
    }


def ngrams_of(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def top_chars(text: str, words: list[str], n: int) -> int:
    if len(words) < n:
        return len(text)
    top = Counter(ngrams_of(words, n)).most_common(1)[0][0]
    return len(text) - len(text.replace(" ".join(top), ""))


def dup_chars(text: str, words: list[str], n: int) -> int:
    """Each duplicated n-gram adds its words and n - 1 spaces, or those words that the one before left over, each with a space."""
    if len(words) < n:
        return len(text)
    seen, total, overlap = set(), 0, 0
    for ngram in ngrams_of(words, n):
        if ngram in seen:
            total += sum(map(len, ngram[overlap:])) + min(n - overlap, n - 1)
            overlap = n
        seen.add(ngram)
        overlap = max(overlap - 1, 0)
    return total


def signals(text: str, words: str) -> dict[str, float]:
    split = split_words(text, words)
    found = character_signals(text) | word_signals(split) | line_signals(text) | paragraph_signals(text) | nemo_code_definitions.signals(text)
    for n in (2, 3, 4):
        found[f"nemo_top_{n}_gram_char_frac"] = fraction(top_chars(text, split, n), len(text))
    for n in (2, 5, 6, 7, 8, 9, 10):
        found[f"nemo_dup_{n}_gram_char_frac"] = fraction(dup_chars(text, split, n), len(text))
    return found
