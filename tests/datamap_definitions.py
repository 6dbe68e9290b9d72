"""What datamap-rs's filters measure, in plain Python: the oracle of the signals named `datamap_`.

Written from what its filters do, with no thought of speed, but for what every signal has its own way with: a fraction
of nothing is NaN, every number of an empty text is zero, letters and white space are Python's, words the pack's.
"""

from __future__ import annotations

from collections import Counter

from definitions import Words, fraction, split_words
from dolma_definitions import ngrams, repeated

from rules.text.characters import STOP_WORDS

BULLETS, ELLIPSES = ("●", "•", "*", "-"), ("...", ". . .", "…")


def signals(text: str, splitter: str) -> dict[str, float]:
    split = split_words(text, splitter)
    words, rows = [word for word in split if any(c.isalnum() for c in word)], text.split("\n") if text else []
    full_rows, blocks, full_lines = [row for row in rows if row], [b for b in text.split("\n\n") if b], [line for line in lines(text) if line]
    symbols = sum(text.count(symbol) for symbol in ("#", *ELLIPSES))
    stops = [word.lower() for word in split if word.lower() in STOP_WORDS]
    return {
        "datamap_mean_word_bytes": fraction(size(split), len(split)),
        "datamap_symbol_word_ratio": fraction(symbols, len(split_words(text.replace(". . .", "..."), splitter))),
        "datamap_bullet_line_frac": fraction(sum(row.startswith(BULLETS) for row in rows), len(rows)),
        "datamap_ellipsis_line_frac": fraction(sum(line.endswith(ELLIPSES) for line in full_lines), len(full_lines)),
        "datamap_non_alpha_word_frac": fraction(sum(not any(c.isalpha() for c in word) for word in split), len(split)),
        "datamap_stop_words": len(stops),
        "datamap_distinct_stop_words": len(set(stops)),
        "datamap_words": len(words),
        "datamap_alnum_chars": sum(c.isalnum() for c in text),
        "datamap_lines": len(lines(text)),
        "datamap_sentences": max(sum(c in ".!?" for c in text), min(len(text), 1)),
        "datamap_paragraphs": max(sum(bool(block.strip()) for block in blocks), min(len(text), 1)),
        "datamap_dup_line_frac": fraction(len(repeated(full_rows)), len(full_rows)),
        "datamap_dup_line_byte_frac": fraction(size(repeated(full_rows)), size(full_rows)),
        "datamap_dup_paragraph_frac": fraction(len(repeated(blocks)), len(blocks)),
        "datamap_dup_paragraph_byte_frac": fraction(size(repeated(blocks)), size(blocks)),
        **{f"datamap_top_{n}_gram_byte_frac": fraction(size(covered(words, n, top_ngrams(words, n))), size(words)) for n in (2, 3, 4)},
        **{f"datamap_dup_{n}_gram_byte_frac": fraction(size(covered(words, n, set(repeated(ngrams(words, n))))), size(words)) for n in range(5, 11)},
    }


def size(pieces: Words) -> int:
    return len("".join(pieces).encode())


def lines(text: str) -> list[str]:
    """Lines as Rust's str::lines() gives them."""
    *ended, last = text.split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])


def top_ngrams(words: Words, n: int) -> set[tuple[str, ...]]:
    """The most frequent n-gram that occurs twice or more, of several the largest, of those the first; or none."""
    copies = Counter(ngrams(words, n))
    found = [ngram for ngram in copies if copies[ngram] > 1]
    return {max(found, key=lambda ngram: (copies[ngram], size(ngram)))} if found else set()


def covered(words: Words, n: int, chosen: set[tuple[str, ...]]) -> Words:
    """The words that lie in one of the chosen n-grams."""
    places = {j + k for j, ngram in enumerate(ngrams(words, n)) if ngram in chosen for k in range(n)}
    return [words[place] for place in sorted(places)]
