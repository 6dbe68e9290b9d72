"""Signals for the kinds of heuristics that the Llama 3 paper names: repeated n-grams, unusual words, leftover markup.

The paper says what it measures, but not of which size or from which threshold; both are chosen here.
"""

from __future__ import annotations

from rules.measures.ngram_coverage import COVERAGE_SIZES
from rules.measures.signal import Signal, ratio
from rules.models.profiles import nats

LLAMA3 = "Llama 3, arXiv:2407.21783, section 3.1.1"


def _coverage(n: int) -> Signal:
    meaning = f"words in {n}-grams of words that occur more than once, all occurrences included / words"
    return Signal(f"dup_ngram_coverage_{n}_frac", meaning, "fraction", LLAMA3, (f"covered_{n}_gram_words", "words"), ratio)


LLAMA3_SIGNALS = (
    *map(_coverage, COVERAGE_SIZES),
    Signal("word_divergence_en", "Kullback-Leibler divergence of the distribution of words, in lower case, from that of English", "nats", LLAMA3, ("profile_en_micronats", "profile_en_words"), nats),
    Signal("html_tag_word_ratio", "HTML tags / words", "ratio", LLAMA3, ("html_tags", "words"), ratio, "One line<br>Another <b>line</b>"),
    Signal("html_entity_word_ratio", "HTML entities / words", "ratio", LLAMA3, ("html_entities", "words"), ratio, "Bread &amp; butter&nbsp;- &#8364; 2"),
    Signal("markdown_mark_word_ratio", "marks of Markdown (headings, fences, ** and links) / words", "ratio", LLAMA3, ("markdown_marks", "words"), ratio),
)  # fmt: skip
