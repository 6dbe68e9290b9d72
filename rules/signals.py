"""The signals: named measures of a document that rules compare with thresholds. Arithmetic on counts (counts.py).

A signal that a document does not have (a fraction of nothing) is NaN, which meets no comparison. To add one: count
what it needs in a kernel, name the count beside it, add a Signal here, and its definition to the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rules.counts import Counts, count

GOPHER = "Gopher, arXiv:2112.11446, table A1"
C4 = "C4, arXiv:1910.10683, section 2.2"
FINEWEB = "FineWeb, arXiv:2406.17557, section 3.6"
PLAIN = "plain count"


@dataclass(frozen=True)
class Signal:
    """A measure of a document. `value` makes float64 [docs] from counts; `needs` names the counts."""

    name: str
    meaning: str
    unit: str
    source: str
    needs: tuple[str, ...]
    value: Callable[[Counts], np.ndarray]


def _plain(name: str, meaning: str, unit: str, source: str, needs: str = "") -> Signal:
    """A signal that is a count."""
    needs = needs or name
    return Signal(name, meaning, unit, source, (needs,), lambda counts: counts[needs].astype(np.float64))


def _ratio(name: str, meaning: str, source: str, top: str, bottom: str, unit: str = "fraction") -> Signal:
    """Sum of the counts `top` over `bottom`, each names joined by + (and - for what is taken away)."""
    needs = tuple(part.strip("-") for part in (top + "+" + bottom).replace("-", "+-").split("+"))

    def value(counts: Counts) -> np.ndarray:
        above, below = (_sum(counts, names) for names in (top, bottom))
        return np.divide(above, below, out=np.full(len(above), np.nan), where=below != 0)

    return Signal(name, meaning, unit, source, needs, value)


def _sum(counts: Counts, names: str) -> np.ndarray:
    parts = names.replace("-", "+-").split("+")
    return sum((-counts[p[1:]] if p.startswith("-") else counts[p]).astype(np.float64) for p in parts)


_DEFINED = [
    _plain("chars", "characters (code points)", "characters", PLAIN),
    _plain("words", "words, punctuation marks included where the splitter takes them apart", "words", PLAIN),
    _plain("lines", "lines, as str.splitlines counts them", "lines", PLAIN),
    _plain("bytes", "UTF-8 bytes", "bytes", PLAIN),
    _plain("paragraphs", "paragraphs: parts of the stripped text between two or more newlines", "paragraphs", PLAIN),
    _plain("longest_word_chars", "characters of the longest word", "characters", PLAIN),
    _plain("non_symbol_words", "words with a character that is no punctuation", "words", GOPHER),
    _ratio("mean_word_chars", "mean characters of words that are no symbols", GOPHER, "non_symbol_word_chars", "non_symbol_words", "characters"),
    _ratio("hash_word_ratio", "number signs / words", GOPHER, "hash_signs", "words"),
    _ratio("ellipsis_word_ratio", "ellipses (... or U+2026) / words", GOPHER, "ellipses", "words"),
    _ratio("bullet_line_frac", "lines that begin with - or a bullet / lines", GOPHER, "bullet_lines", "lines"),
    _ratio("ellipsis_line_frac", "lines that end with an ellipsis / lines", GOPHER, "ellipsis_lines", "lines"),
    _ratio("alpha_word_frac", "words with a letter / words", GOPHER, "alpha_words", "words"),
    _plain("stop_words", "how many of the, be, to, of, and, that, have, with occur", "words", GOPHER),
    _ratio("dup_paragraph_frac", "paragraphs that occurred before / paragraphs", GOPHER, "dup_paragraphs", "paragraphs"),
    _ratio("dup_paragraph_char_frac", "characters of paragraphs that occurred before / characters", GOPHER, "dup_paragraph_chars", "chars"),
    _ratio("dup_line_frac", "lines (runs of newlines split) that occurred before / lines", GOPHER, "dup_lines", "line_pieces"),
    _ratio("dup_line_char_frac", "characters of lines that occurred before / characters", GOPHER, "dup_line_chars", "chars"),
    *(
        _ratio(f"top_{n}_gram_char_frac", f"characters of the most frequent {n} words, spaces included, times its count / characters", GOPHER, f"top_{n}_gram_chars", "chars")
        for n in (2, 3, 4)
    ),
    *(
        _ratio(f"dup_{n}_gram_char_frac", f"characters, without spaces, of {n} words that occurred before / characters", GOPHER, f"dup_{n}_gram_chars", "chars")
        for n in range(5, 11)
    ),
    _plain("sentences", "sentences: up to terminal punctuation before white space, or the end of the line", "sentences", C4),
    _plain("curly_brackets", "opening curly brackets", "characters", C4),
    _ratio("line_end_punct_frac", "lines that end with terminal punctuation / lines that are not blank", FINEWEB, "ended_lines", "filled_lines"),
    _ratio("short_line_frac", "lines of at most 30 characters / lines that are not blank", FINEWEB, "short_lines", "filled_lines"),
    _ratio("fineweb_dup_line_char_frac", "characters of not blank lines that occurred before / characters but newlines", FINEWEB, "filled_dup_chars", "chars-newlines"),
    _ratio("newline_word_ratio", "newlines / words", FINEWEB, "newlines", "words"),
]  # fmt: skip

SIGNALS: dict[str, Signal] = {signal.name: signal for signal in _DEFINED}


def measure(texts: pa.Array | pa.ChunkedArray, names: Sequence[str], words: str = "unicode") -> dict[str, np.ndarray]:
    """Signals `names` of every text, float64 [docs] each; words are split as `words` (space or unicode) says."""
    wanted = [SIGNALS[name] for name in names]
    if not wanted:
        return {}
    counts = count(texts, [need for signal in wanted for need in signal.needs], words)
    return {signal.name: signal.value(counts) for signal in wanted}
