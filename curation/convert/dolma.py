"""dolma's mixer configurations as jobs: a stream's filters on taggers' attributes become rules on the signals that they are.

Filters are JSONPath or jq expressions. Those that compare one attribute with a number are converted; everything else is told.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from curation.convert.result import NO_INPUT, NO_OUTPUT, Comparison, Converted, ConvertError, threshold_rule
from curation.convert.steps import read_yaml

GOPHER = {
    "word_count": "words",
    "median_word_length": "dolma_median_word_chars",
    "symbol_to_word_ratio": "dolma_symbol_word_frac",
    "fraction_of_words_with_alpha_character": "alpha_word_frac",
    "required_word_count": "dolma_stop_words",
    "fraction_of_lines_starting_with_bullet_point": "dolma_{v}_bullet_line_frac",
    "fraction_of_lines_ending_with_ellipsis": "dolma_{v}_ellipsis_line_frac",
    "fraction_of_duplicate_lines": "dolma_{v}_dup_line_frac",
    "fraction_of_characters_in_duplicate_lines": "dolma_dup_line_char_frac",
    **{f"fraction_of_characters_in_most_common_{n}gram{s}": f"dolma_top_{n}_gram_char_frac" for n in (2, 3, 4) for s in ("", "s")},
    **{f"fraction_of_characters_in_duplicate_{n}gram{s}": f"dolma_dup_{n}_gram_char_frac" for n in range(5, 11) for s in ("", "s")},
}
C4 = {
    "line_count": "dolma_lines",
    "has_curly_brace": "curly_brackets",
    "has_lorem_ipsum": "dolma_lorem_ipsums",
    "has_javascript": "dolma_{v}_javascripts",
    "lines_with_no_ending_punctuation": "dolma_no_end_punct_line_frac",
    "lines_with_too_few_words": "dolma_few_word_line_frac",
}
ATTRIBUTES = {"gopher": GOPHER, "c4": C4, "char_length_v1": {"length": "chars"}, "char_length_with_strip_v1": {"length": "dolma_stripped_chars"}, "whitespace_tokenizer_v1": {"length": "dolma_whitespace_tokens"}}
NAME = r"(?P<attribute>[A-Za-z0-9_]+)"
LAST = re.compile(rf"\.{NAME}\s*\[0\]\s*\[2\]\s*(?P<operator><=|>=|<|>|==)\s*(?P<value>-?[0-9.]+(?:[eE][-+]?\d+)?)")
NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<"}
DUPLICATES = ("bff_duplicate", "dedupe_", "duplicate_docs", "duplicate_paragraph")
STREAM_SILENT = {"name", "documents", "attributes", "output", "filter", "span_replacement", "compression"}


def convert_dolma(path: Path, words: str = "space") -> Converted:
    """The job and the pack of a mixer configuration of one stream. Raises ConvertError."""
    data = read_yaml(path)
    streams = data.get("streams") if isinstance(data, dict) else None
    if not isinstance(streams, list) or not streams or not all(isinstance(stream, dict) for stream in streams):
        raise ConvertError(f"{path}: a mixer configuration of dolma has a list `streams:`")
    stream = streams[0]
    output = stream.get("output") if isinstance(stream.get("output"), dict) else {}
    documents = stream.get("documents") or [NO_INPUT]
    converted = Converted(path.name, "dolma", {"input": documents if len(documents) > 1 else documents[0], "output": str(output.get("path") or NO_OUTPUT)})
    for other in streams[1:]:
        converted.missing(path.name, f"stream {other.get('name')!r}", "a job has one stream; write it to a file of its own and convert that")
    rules = _filter_rules(stream, path, converted) + _length_rule(output)
    if rules:
        name = re.sub(r"[^a-z0-9_]+", "_", str(stream.get("name") or "mixer").lower()).strip("_") or "mixer"
        converted.add_pack({"pack": f"dolma_{name}", "about": f"The filters of the stream {stream.get('name')} of {path.name}.", "words": words, "rules": rules})
    for replaced in stream.get("span_replacement") or ():
        _spans(replaced, path, converted)
    for key in sorted(set(stream) - STREAM_SILENT):
        converted.missing(path.name, f"{key}:", "this setting has no equal here")
    return converted


def _length_rule(output: dict[str, Any]) -> list[dict[str, Any]]:
    least = output.get("min_text_length")
    if not isinstance(least, int) or least < 1:
        return []
    return [threshold_rule("min-text-length", "The mixer leaves out shorter texts.", "dolma_stripped_chars", [("<", float(least))])]


def _filter_rules(stream: dict[str, Any], path: Path, converted: Converted) -> list[dict[str, Any]]:
    """One rule a signal, in the order of the file; comparisons of one signal are alternatives."""
    filters = stream.get("filter") if isinstance(stream.get("filter"), dict) else {}
    found: dict[str, list[Comparison]] = {}
    for kind in ("exclude", "include"):
        expressions = filters.get(kind) or ()
        if kind == "include" and len(expressions) > 1:
            converted.missing(path.name, "include:", "of several expressions any may hold in dolma; a rule drops where all fail, so write it by hand")
            continue
        for expression in expressions:
            _read_filter(str(expression), kind, path, converted, found)
    return [threshold_rule(_rule_id(signal), "The mixer leaves these documents out.", signal, pairs) for signal, pairs in found.items()]


def _read_filter(expression: str, kind: str, path: Path, converted: Converted, found: dict[str, list[Comparison]]) -> None:
    matches = list(LAST.finditer(" ".join(expression.split())))
    shown = " ".join(expression.split())
    shown = shown if len(shown) <= 100 else shown[:97] + "..."
    if any(name in expression for name in DUPLICATES):
        stage = "exact: {}" if "doc" in expression else "lines: {}"
        converted.missing(path.name, shown, f"it removes what a Bloom filter has seen; `{stage}` in the job is exact")
        return
    if "_lang_id" in expression or "lang_score" in expression:
        converted.missing(path.name, shown, "languages have a stage here: `language: {keep: [en], min_score: 0.5}` in the job")
        return
    signal = signal_of(matches[0]["attribute"]) if len(matches) == 1 else None
    operator = matches[0]["operator"] if matches else ""
    operator = operator if kind == "exclude" else NEGATED.get(operator, "")
    if signal is None or operator not in ("<", ">", "<=", ">="):
        converted.missing(path.name, shown, "no comparison of one attribute that gristmill measures with a number")
        return
    pair = (operator, float(matches[0]["value"]))
    if pair not in found.setdefault(signal, []):
        found[signal].append(pair)


def signal_of(attribute: str) -> str | None:
    """The signal of an attribute such as gopher_rules__gopher_v1__word_count (experiment, tagger, name); None if there is none."""
    *_, tagger, name = ["", "", *attribute.split("__")]
    version = "v2" if "v2" in tagger else "v1"
    for family, names in ATTRIBUTES.items():
        if tagger.startswith(family) and name in names:
            return names[name].format(v=version)
    return None


def _rule_id(signal: str) -> str:
    return signal.removeprefix("dolma_").replace("_", "-")


def _spans(replaced: Any, path: Path, converted: Converted) -> None:
    span = str(replaced.get("span") if isinstance(replaced, dict) else replaced)
    if "pii" in span:
        if "pii" not in converted.job.setdefault("packs", []):
            converted.job["packs"].append("pii")
        why = "the pack pii is in its place: it writes <email>, <ip> and <phone>"
    elif any(name in span for name in DUPLICATES):
        why = "it cuts paragraphs that a Bloom filter has seen; `lines: {unit: paragraph}` in the job is exact"
    else:
        why = "spans of taggers have no equal here; a line rule cuts what matches a pattern"
    converted.missing(path.name, f"span_replacement {span}", why)
