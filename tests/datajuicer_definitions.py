"""What every signal of data-juicer's filters is, in plain Python, from the semantics of its filters.

One thing differs from there: in lower case a sigma is σ at the end of a word, too.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from rules.families.datajuicer_characters import special_characters


def fraction(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def is_special(character: str) -> bool:
    return bool(special_characters()[ord(character)])


def lower(text: str) -> str:
    return text.lower().replace("ς", "σ")


def strip(word: str) -> str:
    while word and is_special(word[0]):
        word = word[1:]
    while word and is_special(word[-1]):
        word = word[:-1]
    return word


def char_repetition(text: str) -> float:
    """A few runs that are very frequent make a text repetitive; how many are a few grows with the square root."""
    runs = Counter(text[i : i + 10] for i in range(len(text) - 9))
    frequencies = sorted(runs.values(), reverse=True)
    few = min(int(math.sqrt(len(runs))), sum(number > 1 for number in frequencies))
    return fraction(sum(frequencies[:few]), sum(frequencies))


def word_repetition(text: str) -> float:
    words = [word for piece in re.split(" |\n|\t", text) if (word := strip(lower(piece)))]
    runs = Counter(tuple(words[i : i + 10]) for i in range(len(words) - 9))
    return fraction(sum(number for number in runs.values() if number > 1), sum(runs.values()))


def signals(text: str) -> dict[str, float]:
    lines = text.splitlines()
    return {
        "datajuicer_alnum_char_frac": fraction(sum(map(str.isalnum, text)), len(text)),
        "datajuicer_special_char_frac": fraction(sum(map(is_special, text)), len(text)),
        "datajuicer_mean_line_chars": fraction(len(text), len(lines)),
        "datajuicer_longest_line_chars": max(map(len, lines), default=0),
        "datajuicer_words": sum(bool(strip(word)) for word in re.split(" |\n|\t", text)),
        "datajuicer_char_10_gram_frac": char_repetition(text),
        "datajuicer_word_10_gram_frac": word_repetition(text),
    }
