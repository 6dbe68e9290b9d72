"""Which setting of datatrove's filters is which rule of gristmill's packs, and under which reason either drops.

Plain data: read here, and in the environment of its own where datatrove runs. A configuration is a name, a filter and
those settings that differ from the filter's own. `top_n_grams.2` is the threshold for n = 2 in the setting top_n_grams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Value = float | bool | None


class Check(NamedTuple):
    """One check of the peer's, and the rule (and which of its comparisons) that is the same check here."""

    setting: str  # empty: the peer has no setting for it
    reason: str  # empty: it acts on lines, not on documents
    rule: str
    operator: str  # empty: the rule has no threshold
    off: Value  # the value of the setting with which nothing is dropped


@dataclass(frozen=True)
class Configuration:
    name: str
    filter: str
    settings: dict[str, Value]


CHECKS: dict[str, tuple[Check, ...]] = {
    "gopher_quality": (
        Check("min_doc_words", "gopher_short_doc", "word-count", "<", None),
        Check("max_doc_words", "gopher_long_doc", "word-count", ">", None),
        Check("min_avg_word_length", "gopher_below_avg_threshold", "mean-word-length", "<", None),
        Check("max_avg_word_length", "gopher_above_avg_threshold", "mean-word-length", ">", None),
        Check("max_symbol_word_ratio", "gopher_too_many_hashes", "hash-words", ">", None),
        Check("max_symbol_word_ratio", "gopher_too_many_ellipsis", "ellipsis-words", ">", None),
        Check("max_bullet_lines_ratio", "gopher_too_many_bullets", "bullet-lines", ">", None),
        Check("max_ellipsis_lines_ratio", "gopher_too_many_end_ellipsis", "ellipsis-lines", ">", None),
        Check("max_non_alpha_words_ratio", "gopher_below_alpha_threshold", "alpha-words", "<", None),
        Check("min_stop_words", "gopher_enough_stop_words", "stop-words", "<", None),
    ),
    "gopher_repetition": (
        Check("", "empty", "empty", "<", None),
        Check("dup_para_frac", "dup_para_frac", "dup-paragraphs", ">", None),
        Check("dup_para_char_frac", "dup_para_char_frac", "dup-paragraph-chars", ">", None),
        Check("dup_line_frac", "dup_line_frac", "dup-lines", ">", None),
        Check("dup_line_char_frac", "dup_line_char_frac", "dup-line-chars", ">", None),
        *(Check(f"top_n_grams.{n}", f"top_{n}_gram", f"top-{n}-gram", ">", None) for n in (2, 3, 4)),
        *(Check(f"dup_n_grams.{n}", f"duplicated_{n}_n_grams", f"dup-{n}-grams", ">", None) for n in range(5, 11)),
    ),
    "c4": (
        Check("max_word_length", "", "long-word", ">", -1),
        Check("min_words_per_line", "", "few-words", "<", -1),
        Check("remove_citations", "", "citation-marks", "", False),
        Check("filter_no_terminal_punct", "", "no-end-punctuation", "", False),
        Check("filter_lorem_ipsum", "lorem_ipsum", "lorem-ipsum", "", False),
        Check("filter_javascript", "", "javascript-line", "", False),
        Check("filter_curly_bracket", "curly_bracket", "curly-bracket", "", False),
        Check("filter_policy", "", "policy-line", "", False),
        Check("min_num_sentences", "too_few_sentences", "few-sentences", "<", -1),
    ),
    "fineweb": (
        Check("", "empty", "empty", "<", None),
        Check("line_punct_thr", "line_punct_ratio", "line-end-punctuation", "<", 0),
        Check("short_line_thr", "short_line_ratio", "short-lines", ">", float("inf")),
        Check("char_duplicates_ratio", "char_dup_ratio", "dup-line-chars", ">", float("inf")),
        Check("new_line_ratio", "list_ratio", "list-like", ">", float("inf")),
    ),
}

DEFAULTS = tuple(Configuration(f"{name}: defaults", name, {}) for name in CHECKS)


# Without any check on lines the peer counts each blank line as a sentence; of one word at least, a line is not blank.
LEAST: dict[str, dict[str, Value]] = {"c4": {"min_words_per_line": 1}}


def without(filter: str, kept: str = "") -> dict[str, Value]:
    """Settings that switch off every check of the filter but `kept`."""
    return {check.setting: check.off for check in CHECKS[filter] if check.setting not in ("", kept)} | LEAST.get(filter, {})
