"""What every count and every signal is, in plain Python: the tests' oracle and the benchmark's other side.

Written from the published filters (datatrove's for Gopher, C4 and FineWeb), one expression each where that is possible,
with no thought of speed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter

from rules.text.characters import CJK_BLOCKS, STOP_WORDS, SYMBOLS, TERMINAL_PUNCTUATION

Words = list[str]


def read(raw: bytes) -> str:
    """UTF-8 with U+FFFD for each byte that starts no character."""
    text = ""
    while raw:
        size = next((size for size in range(1, 5) if _is_character(raw[:size])), 0)
        text += raw[:size].decode() if size else "\ufffd"
        raw = raw[size or 1 :]
    return text


def _is_character(raw: bytes) -> bool:
    try:
        return len(raw.decode()) == 1
    except UnicodeDecodeError:
        return False


# ---- words


def kind(character: str) -> str:
    """What a visible character is to the `unicode` splitter."""
    if character.isalnum():
        return "cjk" if any(ord(character) in block for block in CJK_BLOCKS) else "letter"
    category = unicodedata.category(character)
    return "mark" if category[0] == "M" or (category == "Cf" and character != "\u200b") else "other"


def split_words(text: str, words: str) -> Words:
    if words == "space":
        return text.split()
    found: Words = []
    for chunk in text.split():
        open_kind = ""
        for character in chunk:
            new = kind(character)
            goes_on = new == "mark" or (new == open_kind == "letter") or (new == open_kind == "other" and character == found[-1][0])
            if open_kind and goes_on:
                found[-1] += character
            else:
                found.append(character)
                open_kind = "letter" if new == "mark" else new
    return found


# ---- sentences


def is_closing(character: str) -> bool:
    return character in "\"'" or unicodedata.category(character) in ("Pe", "Pf")


def is_wide(character: str) -> bool:
    return unicodedata.category(character) == "Po" and unicodedata.east_asian_width(character) in "WFH"


def sentence_end(text: str, place: int) -> int:
    """Where the sentence ends whose last mark is text[place]; 0 if none does."""
    if text[place] not in TERMINAL_PUNCTUATION:
        return 0
    after = place + 1
    while after < len(text) and is_closing(text[after]):
        after += 1
    ends = after == len(text) or text[after].isspace() or (is_wide(text[place]) and text[after] not in TERMINAL_PUNCTUATION)
    return after if ends else 0


def sentences_of(line: str) -> int:
    ends = [end for place in range(len(line)) if (end := sentence_end(line, place))]
    return len(ends) + bool(line[ends[-1] if ends else 0 :].strip())


# ---- repetition: datatrove's functions


def find_duplicates(elements: list[str]) -> tuple[int, int]:
    unique, count, chars = set(), 0, 0
    for element in elements:
        if element in unique:
            count += 1
            chars += len(element)
        unique.add(element)
    return count, chars


def top_ngram_chars(words: Words, n: int) -> int:
    ngrams = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
    return max((len(text) * number for text, number in Counter(ngrams).most_common(1)), default=0)


def dup_ngram_chars(words: Words, n: int) -> int:
    unique, chars, i = set(), 0, 0
    while i < len(words) - n + 1:
        ngram = "".join(words[i : i + n])
        if ngram in unique:
            chars += len(ngram)
            i += n
        else:
            unique.add(ngram)
            i += 1
    return chars


# ---- all counts


def counts(text: str, words: str) -> dict[str, int]:
    return {**character_counts(text), **line_counts(text), **word_counts(split_words(text, words))}


def character_counts(text: str) -> dict[str, int]:
    return {
        "bytes": len(text.encode()),
        "chars": len(text),
        "newlines": text.count("\n"),
        "hashes": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        "curly_brackets": text.count("{"),
        "digit_chars": sum(c.isdecimal() for c in text),
        "uppercase_chars": sum(c.isupper() for c in text),
        "white_chars": sum(c.isspace() for c in text),
        "sentence_ends": sum(bool(sentence_end(text, place)) for place in range(len(text))),
    }


def line_counts(text: str) -> dict[str, int]:
    lines, rows = text.splitlines(), text.split("\n") if text else []
    visible = [row for row in rows if row.strip()]
    runs = re.split("\n+", text) if text else []
    paragraphs = re.split(r"\n{2,}", text.strip()) if text else []
    dup_runs, dup_run_chars = find_duplicates(runs)
    dup_paragraphs, dup_paragraph_chars = find_duplicates(paragraphs)
    return {
        "lines": len(lines),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
        "open_lines": sum(sentences_of(line) - sum(bool(sentence_end(line, place)) for place in range(len(line))) for line in lines),
        "rows": len(rows),
        "row_ends": sum(row.endswith((".", "'", '"', "!", "?")) for row in rows),
        "short_rows": sum(len(row) <= 30 for row in rows),
        "visible_rows": len(visible),
        "visible_row_ends": sum(row.endswith(tuple(TERMINAL_PUNCTUATION)) for row in visible),
        "short_visible_rows": sum(len(row) <= 30 for row in visible),
        "dup_visible_row_chars": find_duplicates(visible)[1],
        "line_runs": len(runs),
        "dup_line_runs": dup_runs,
        "dup_line_run_chars": dup_run_chars,
        "paragraphs": len(paragraphs),
        "dup_paragraphs": dup_paragraphs,
        "dup_paragraph_chars": dup_paragraph_chars,
    }


def word_counts(words: Words) -> dict[str, int]:
    non_symbol = [word for word in words if any(c not in SYMBOLS for c in word)]
    return {
        "words": len(words),
        "non_symbol_words": len(non_symbol),
        "non_symbol_word_chars": sum(map(len, non_symbol)),
        "alpha_words": sum(any(c.isalpha() for c in word) for word in words),
        "stop_words": len(set(STOP_WORDS) & set(words)),
        "longest_word_chars": max(map(len, words), default=0),
        **{f"top_{n}_gram_chars": top_ngram_chars(words, n) for n in (2, 3, 4)},
        **{f"dup_{n}_gram_chars": dup_ngram_chars(words, n) for n in range(5, 11)},
    }


# ---- all signals, as the filters compute them


def fraction(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def signals(text: str, splitter: str) -> dict[str, float]:
    words, lines, rows = split_words(text, splitter), text.splitlines(), [row for row in text.split("\n") if row.strip()]
    all_rows = text.split("\n") if text else []
    non_symbol = [word for word in words if any(c not in SYMBOLS for c in word)]
    found: dict[str, float] = {
        "bytes": len(text.encode()),
        "chars": len(text),
        "words": len(words),
        "lines": len(lines),
        "sentences": sum(map(sentences_of, lines)),
        "digit_char_frac": fraction(sum(c.isdecimal() for c in text), len(text)),
        "uppercase_char_frac": fraction(sum(c.isupper() for c in text), len(text)),
        "whitespace_char_frac": fraction(sum(c.isspace() for c in text), len(text)),
        "curly_brackets": text.count("{"),
        "non_symbol_words": len(non_symbol),
        "mean_word_chars": fraction(sum(map(len, non_symbol)), len(non_symbol)),
        "hash_word_ratio": fraction(text.count("#"), len(words)),
        "ellipsis_word_ratio": fraction(text.count("...") + text.count("…"), len(words)),
        "bullet_line_frac": fraction(sum(s.lstrip().startswith("•") or s.lstrip().startswith("-") for s in lines), len(lines)),
        "ellipsis_line_frac": fraction(sum(s.rstrip().endswith("...") or s.rstrip().endswith("…") for s in lines), len(lines)),
        "alpha_word_frac": fraction(sum(any(c.isalpha() for c in w) for w in words), len(words)),
        "stop_words": len(set(STOP_WORDS) & set(words)),
        "line_end_punct_frac": fraction(sum(row.endswith(tuple(TERMINAL_PUNCTUATION)) for row in rows), len(rows)),
        "short_line_frac": fraction(sum(len(row) <= 30 for row in rows), len(rows)),
        "fineweb_dup_line_char_frac": fraction(find_duplicates(rows)[1], len(text.replace("\n", ""))),
        "newline_word_ratio": fraction(text.count("\n"), len(words)),
        "longest_word_chars": max(map(len, words), default=0),
        "fineweb_v1_line_end_punct_frac": fraction(sum(r.endswith((".", "'", '"', "!", "?")) for r in all_rows), len(all_rows)),
        "fineweb_v1_short_line_frac": fraction(sum(len(row) <= 30 for row in all_rows), len(all_rows)),
    }
    paragraphs = re.split(r"\n{2,}", text.strip()) if text else []
    runs = re.split("\n+", text) if text else []
    for name, pieces in (("paragraph", paragraphs), ("line", runs)):
        duplicates, chars = find_duplicates(pieces)
        found[f"dup_{name}_frac"], found[f"dup_{name}_char_frac"] = fraction(duplicates, len(pieces)), fraction(chars, len(text))
    found["paragraphs"] = len(paragraphs)
    for n in (2, 3, 4):
        found[f"top_{n}_gram_char_frac"] = fraction(top_ngram_chars(words, n), len(text))
    for n in range(5, 11):
        found[f"dup_{n}_gram_char_frac"] = fraction(dup_ngram_chars(words, n), len(text))
    return found
