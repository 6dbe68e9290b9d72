"""What the signals for Llama 3's heuristics are, in plain Python."""

from __future__ import annotations

import html.entities
import math
import re
from collections import Counter

from definitions import split_words

from rules.measures.markup_counts import ELEMENTS
from rules.models.profiles import Profile

TAG = re.compile(rf"</?(?:{'|'.join(ELEMENTS)})(?=[ \t\n\r\f\v/>])[^<>]*>", re.IGNORECASE | re.ASCII)
NAMED = "|".join([*html.entities.name2codepoint, "apos"])
ENTITY = re.compile(rf"&(?:{NAMED}|#[0-9]{{1,7}}|#[xX][0-9a-fA-F]{{1,7}});")
MARK = re.compile(r"^#{1,6} |^```|\*\*|\]\(", re.MULTILINE)


def fraction(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def coverage(words: list[str], n: int) -> int:
    """Words in n-grams that occur more than once."""
    ngrams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    number = Counter(ngrams)
    return len({i + k for i, ngram in enumerate(ngrams) if number[ngram] > 1 for k in range(n)})


def divergence(text: str, profile: Profile) -> float:
    """sum p * log(p / q), where q gives words that are not in the profile an equal share of what was left out."""
    words = Counter(word.lower().replace("ς", "σ") for word in split_words(text, "unicode"))
    known, all_words = dict(zip(profile.words, profile.counts)), sum(words.values())
    left_out, different = profile.all_words - sum(profile.counts), profile.different_words - len(profile.words)
    total = 0.0
    for word, number in words.items():
        q = known.get(word, (left_out + 1) / (different + 1)) / (profile.all_words + 1)
        total += number * math.log(number / all_words / q)
    return fraction(total, all_words)


def logprob(text: str, profile: Profile) -> float:
    """The mean of log q over the words."""
    words = [word.lower().replace("ς", "σ") for word in split_words(text, "unicode")]
    known = dict(zip(profile.words, profile.counts))
    left_out, different = profile.all_words - sum(profile.counts), profile.different_words - len(profile.words)
    return fraction(sum(math.log(known.get(word, (left_out + 1) / (different + 1)) / (profile.all_words + 1)) for word in words), len(words))


def outliers(text: str, profile: Profile) -> float:
    """The share of words that the profile does not have."""
    words = [word.lower().replace("ς", "σ") for word in split_words(text, "unicode")]
    return fraction(sum(word not in set(profile.words) for word in words), len(words))


def signals(text: str, words: str, english: Profile) -> dict[str, float]:
    split = split_words(text, words)
    return {
        "dup_ngram_coverage_5_frac": fraction(coverage(split, 5), len(split)),
        "dup_ngram_coverage_10_frac": fraction(coverage(split, 10), len(split)),
        "word_divergence_en": divergence(text, english),
        "html_tag_word_ratio": fraction(len(TAG.findall(text)), len(split)),
        "html_entity_word_ratio": fraction(len(ENTITY.findall(text)), len(split)),
        "markdown_mark_word_ratio": fraction(len(MARK.findall(text)), len(split)),
    }
