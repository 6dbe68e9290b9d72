"""datatrove's heuristic filters as packs that extend the shipped ones, which give the same verdicts (docs/parity.md).

Names, defaults and meanings of settings are those of datatrove 0.9 (pipeline/filters).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from curation.convert.result import Comparison, Converted, threshold_examples, threshold_rule
from curation.convert.settings import Reader
from curation.convert.steps import Step

STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]

OWN_STOP_WORDS = "Running text has some of the language's most frequent words."


class Check(NamedTuple):
    """A setting of the peer's, and the comparison of a shipped rule that it is the threshold of."""

    setting: str
    rule: str
    signal: str
    operator: str
    default: float


GOPHER_QUALITY = (
    Check("min_doc_words", "word-count", "non_symbol_words", "<", 50),
    Check("max_doc_words", "word-count", "non_symbol_words", ">", 100000),
    Check("min_avg_word_length", "mean-word-length", "mean_word_chars", "<", 3),
    Check("max_avg_word_length", "mean-word-length", "mean_word_chars", ">", 10),
    Check("max_symbol_word_ratio", "hash-words", "hash_word_ratio", ">", 0.1),
    Check("max_symbol_word_ratio", "ellipsis-words", "ellipsis_word_ratio", ">", 0.1),
    Check("max_bullet_lines_ratio", "bullet-lines", "bullet_line_frac", ">", 0.9),
    Check("max_ellipsis_lines_ratio", "ellipsis-lines", "ellipsis_line_frac", ">", 0.3),
    Check("max_non_alpha_words_ratio", "alpha-words", "alpha_word_frac", "<", 0.8),
)
GOPHER_REPETITION = (
    Check("dup_para_frac", "dup-paragraphs", "dup_paragraph_frac", ">", 0.3),
    Check("dup_para_char_frac", "dup-paragraph-chars", "dup_paragraph_char_frac", ">", 0.2),
    Check("dup_line_frac", "dup-lines", "dup_line_frac", ">", 0.3),
    Check("dup_line_char_frac", "dup-line-chars", "dup_line_char_frac", ">", 0.2),
)
TOP_N_GRAMS = {2: 0.2, 3: 0.18, 4: 0.16}
DUP_N_GRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
FINEWEB = (
    Check("line_punct_thr", "line-end-punctuation", "line_end_punct_frac", "<", 0.12),
    Check("short_line_thr", "short-lines", "short_line_frac", ">", 0.67),
    Check("char_duplicates_ratio", "dup-line-chars", "fineweb_dup_line_char_frac", ">", 0.01),
    Check("new_line_ratio", "list-like", "newline_word_ratio", ">", 0.3),
)
C4_SWITCHES = {
    "remove_citations": "citation-marks",
    "filter_no_terminal_punct": "no-end-punctuation",
    "filter_lorem_ipsum": "lorem-ipsum",
    "filter_javascript": "javascript-line",
    "filter_curly_bracket": "curly-bracket",
    "filter_policy": "policy-line",
}
C4_LINES = {"max_word_length": ("long-word", "line_longest_word_chars", ">", 1000), "min_words_per_line": ("few-words", "line_words", "<", 3)}


def thresholds(checks: Iterable[Check], reader: Reader) -> list[dict[str, Any]]:
    """Rules with other thresholds than the shipped pack's; a rule of which no comparison is left is off."""
    wanted: dict[str, tuple[str, list[Comparison], bool]] = {}
    values: dict[str, float | None] = {}
    for check in checks:
        if check.setting not in values:
            values[check.setting] = reader.number(check.setting, check.default)
        value = values[check.setting]
        signal, pairs, changed = wanted.get(check.rule, (check.signal, [], False))
        pairs = pairs if value is None else [*pairs, (check.operator, float(value))]
        wanted[check.rule] = (signal, pairs, changed or value != check.default)
    return [_changed(rule, signal, pairs) for rule, (signal, pairs, changed) in wanted.items() if changed]


def _changed(rule: str, signal: str, pairs: list[Comparison]) -> dict[str, Any]:
    if not pairs:
        return {"id": rule, "action": "off"}
    changed = threshold_rule(rule, "", signal, pairs)
    del changed["why"]  # the shipped rule's
    return changed


def gopher_quality(reader: Reader) -> list[dict[str, Any]]:
    """GopherQualityFilter. A threshold of 0 or None is no check, as in the peer."""
    rules = thresholds(_none_for_zero(GOPHER_QUALITY, reader), reader)
    least, words = reader.number("min_stop_words", 2), reader.texts("stop_words")
    _ = reader.take("language", "eng")
    if not least:
        return [*rules, {"id": "stop-words", "action": "off"}]
    if words and sorted(words) != sorted(STOP_WORDS):
        own = threshold_rule("own-stop-words", OWN_STOP_WORDS, "listed_distinct_words(stop)", [("<", float(least))])
        return [*rules, {"id": "stop-words", "action": "off"}, own]
    return [*rules, _changed("stop-words", "stop_words", [("<", float(least))])] if least != 2 else rules


def _none_for_zero(checks: Iterable[Check], reader: Reader) -> Iterable[Check]:
    for check in checks:
        if reader.left.get(check.setting, 1) == 0 and reader.left.get(check.setting) is not False:
            reader.left[check.setting] = None
    return checks


def gopher_repetition(reader: Reader) -> list[dict[str, Any]]:
    """GopherRepetitionFilter."""
    rules = thresholds(_none_for_zero(GOPHER_REPETITION, reader), reader)
    _ = reader.take("language", "eng")
    rules += _n_grams("top_n_grams", "top-{}-gram", "top_{}_gram_char_frac", TOP_N_GRAMS, reader)
    return rules + _n_grams("dup_n_grams", "dup-{}-grams", "dup_{}_gram_char_frac", DUP_N_GRAMS, reader)


def _n_grams(key: str, rule: str, signal: str, defaults: dict[int, float], reader: Reader) -> list[dict[str, Any]]:
    given = reader.take(key, None)
    wanted = dict(defaults) if given is None else {int(n): float(value) for n, value in given}
    for n in sorted(set(wanted) - set(defaults)):
        reader.converted.missing(reader.step.where, f"{reader.step.name}({key}: n = {n})", f"{signal.format('N')} is measured for n from {min(defaults)} to {max(defaults)}")
    rules = [_changed(rule.format(n), signal.format(n), [(">", wanted[n])]) for n in defaults if n in wanted and wanted[n] != defaults[n]]
    return rules + [{"id": rule.format(n), "action": "off"} for n in defaults if n not in wanted]


def fineweb(reader: Reader) -> list[dict[str, Any]]:
    """FineWebQualityFilter."""
    rules = thresholds(FINEWEB, reader)
    _ = reader.take("language", "eng")
    if reader.take("line_punct_exclude_zero", False):
        reader.converted.missing(reader.step.where, "line_punct_exclude_zero", "a comparison cannot leave out zero; pages without any end punctuation are removed, too")
    if reader.take("short_line_length", 30) != 30:
        reader.converted.missing(reader.step.where, "short_line_length", "short_line_frac means lines of at most 30 characters")
    return rules


def c4(reader: Reader) -> list[dict[str, Any]]:
    """C4QualityFilter; -1 turns a check off."""
    rules: list[dict[str, Any]] = []
    for key, (rule, signal, operator, default) in C4_LINES.items():
        value = reader.number(key, default)
        if value == -1:
            rules.append({"id": rule, "action": "off"})
        elif value is not None and value != default:
            pairs = [(operator, float(value))]
            rules.append({"id": rule, "when": {signal: f"{operator} {value}"}, "examples": threshold_examples(signal, pairs)})
    rules += [{"id": rule, "action": "off"} for key, rule in C4_SWITCHES.items() if not reader.take(key, True)]
    sentences = reader.number("min_num_sentences", 5)
    if sentences == -1:
        rules.append({"id": "few-sentences", "action": "off"})
    elif sentences is not None and sentences != 5:
        rules.append(_changed("few-sentences", "sentences", [("<", float(sentences))]))
    _ = reader.take("language", "eng")
    if not reader.take("split_paragraph", True):
        reader.converted.missing(reader.step.where, "split_paragraph=False", "rules act on lines, not on sentences")
    return rules


FILTERS: dict[str, tuple[str, Callable[[Reader], list[dict[str, Any]]]]] = {
    "GopherQualityFilter": ("gopher_quality", gopher_quality),
    "GopherRepetitionFilter": ("gopher_repetition", gopher_repetition),
    "C4QualityFilter": ("c4", c4),
    "FineWebQualityFilter": ("fineweb", fineweb),
}


def filter_pack(step: Step, converted: Converted, words: str) -> dict[str, Any]:
    """The pack of a filter with its settings: it extends the shipped one."""
    shipped, convert = FILTERS[step.name]
    reader = Reader(step, converted)
    rules = convert(reader)
    reader.done()
    pack: dict[str, Any] = {"pack": f"datatrove_{shipped}", "about": f"{step.name} with the settings of {converted.source}.", "extends": [shipped], "words": words}
    if any(rule["id"] == "own-stop-words" for rule in rules):
        pack["lists"] = {"stop": {"case": "exact", "words": [str(word) for word in step.settings["stop_words"]]}}
    pack["rules"] = rules
    return pack
