"""Every count and signal in plain Python, by its published definition: the oracle of the kernels, and the benchmark's slow side.

Repetition follows datatrove's filters: find_duplicates, find_top_duplicate, find_all_duplicate.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from rules.characters import CJK_BLOCKS, STOP_WORDS, SYMBOLS, TERMINAL_PUNCTUATION


def is_mark(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "M" or (category == "Cf" and character != "\u200b")


def split_unicode(text: str) -> list[str]:
    """Runs of letters and digits, CJK letters alone, runs of one and the same other character; marks join what is before."""
    words: list[str] = []
    kind: object = None
    for character in text:
        alphanumeric = character.isalnum()
        cjk = alphanumeric and any(ord(character) in block for block in CJK_BLOCKS)
        if character.isspace():
            kind = None
        elif is_mark(character) and kind is not None:
            words[-1] += character
        elif alphanumeric and not cjk and kind == "letters":
            words[-1] += character
        elif not alphanumeric and kind == character:
            words[-1] += character
        else:
            words.append(character)
            kind = "letters" if (alphanumeric and not cjk) or is_mark(character) else "cjk" if cjk else character
    return words


def split_words(text: str, words: str) -> list[str]:
    return text.split() if words == "space" else split_unicode(text)


def find_duplicates(pieces: list[str]) -> tuple[int, int]:
    """How many pieces occurred before, and their characters."""
    seen: set[str] = set()
    count = chars = 0
    for piece in pieces:
        if piece in seen:
            count, chars = count + 1, chars + len(piece)
        seen.add(piece)
    return count, chars


def top_ngram_chars(words: list[str], size: int) -> int:
    ngrams = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    if not ngrams:
        return 0
    (ngram, times), *_ = Counter(ngrams).most_common(1)
    return len(ngram) * times


def dup_ngram_chars(words: list[str], size: int) -> int:
    seen: set[str] = set()
    chars = i = 0
    while i < len(words) - size + 1:
        ngram = "".join(words[i : i + size])
        if ngram in seen:
            chars += len(ngram)
            i += size
        else:
            seen.add(ngram)
            i += 1
    return chars


def count_sentences(text: str) -> int:
    """Pieces of lines, cut after terminal punctuation (and closing marks after it) that white space follows."""
    count = 0
    for line in re.split("[\n\r\u2028\u2029\x85]", text):
        piece = marked = False
        for character in line:
            if character.isspace():
                piece = piece and not marked
                marked = False
                continue
            count += not piece
            piece = True
            closing = character in "\"'" or unicodedata.category(character) in ("Pe", "Pf")
            marked = character in TERMINAL_PUNCTUATION or (marked and closing)
    return count


def counts(text: str, words: str = "unicode") -> dict[str, int]:
    """Every count of rules.counts, by name."""
    found = split_words(text, words)
    plain = [w for w in found if any(c not in SYMBOLS for c in w)]
    lines = text.splitlines()
    filled = [line for line in text.split("\n") if line.strip()]
    pieces = re.split("\n+", text)
    paragraphs = re.split("\n{2,}", text.strip())
    dup_lines, dup_line_chars = find_duplicates(pieces)
    dup_paragraphs, dup_paragraph_chars = find_duplicates(paragraphs)
    return {
        "chars": len(text),
        "bytes": len(text.encode()),
        "newlines": text.count("\n"),
        "hash_signs": text.count("#"),
        "curly_brackets": text.count("{"),
        "ellipses": text.count("...") + text.count("…"),
        "lines": len(lines),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
        "filled_lines": len(filled),
        "ended_lines": sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in filled),
        "short_lines": sum(len(line) <= 30 for line in filled),
        "filled_dup_chars": find_duplicates(filled)[1],
        "line_pieces": len(pieces),
        "dup_lines": dup_lines,
        "dup_line_chars": dup_line_chars,
        "paragraphs": len(paragraphs),
        "dup_paragraphs": dup_paragraphs,
        "dup_paragraph_chars": dup_paragraph_chars,
        "sentences": count_sentences(text),
        "words": len(found),
        "non_symbol_words": len(plain),
        "non_symbol_word_chars": sum(map(len, plain)),
        "alpha_words": sum(any(c.isalpha() for c in w) for w in found),
        "stop_words": len(set(STOP_WORDS) & set(found)),
        "longest_word_chars": max(map(len, found), default=0),
        **{f"top_{n}_gram_chars": top_ngram_chars(found, n) for n in (2, 3, 4)},
        **{f"dup_{n}_gram_chars": dup_ngram_chars(found, n) for n in range(5, 11)},
    }


def signals(text: str, words: str = "unicode") -> dict[str, float | None]:
    """Every signal of rules.signals; None where the document does not have it."""
    c = counts(text, words)

    def over(top: int, bottom: int) -> float | None:
        return top / bottom if bottom else None

    return {
        **{name: c[name] for name in ("chars", "bytes", "words", "lines", "paragraphs", "longest_word_chars", "non_symbol_words", "stop_words", "sentences", "curly_brackets")},
        "mean_word_chars": over(c["non_symbol_word_chars"], c["non_symbol_words"]),
        "hash_word_ratio": over(c["hash_signs"], c["words"]),
        "ellipsis_word_ratio": over(c["ellipses"], c["words"]),
        "bullet_line_frac": over(c["bullet_lines"], c["lines"]),
        "ellipsis_line_frac": over(c["ellipsis_lines"], c["lines"]),
        "alpha_word_frac": over(c["alpha_words"], c["words"]),
        "dup_paragraph_frac": over(c["dup_paragraphs"], c["paragraphs"]),
        "dup_paragraph_char_frac": over(c["dup_paragraph_chars"], c["chars"]),
        "dup_line_frac": over(c["dup_lines"], c["line_pieces"]),
        "dup_line_char_frac": over(c["dup_line_chars"], c["chars"]),
        **{f"top_{n}_gram_char_frac": over(c[f"top_{n}_gram_chars"], c["chars"]) for n in (2, 3, 4)},
        **{f"dup_{n}_gram_char_frac": over(c[f"dup_{n}_gram_chars"], c["chars"]) for n in range(5, 11)},
        "line_end_punct_frac": over(c["ended_lines"], c["filled_lines"]),
        "short_line_frac": over(c["short_lines"], c["filled_lines"]),
        "fineweb_dup_line_char_frac": over(c["filled_dup_chars"], c["chars"] - c["newlines"]),
        "newline_word_ratio": over(c["newlines"], c["words"]),
    }  # fmt: skip
