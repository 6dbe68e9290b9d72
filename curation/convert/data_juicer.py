"""data-juicer configurations (`process:`, a list of operators) as jobs. Names and defaults are those of data-juicer 1.4."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from curation.convert.result import NO_INPUT, NO_OUTPUT, Converted, ConvertError, threshold_rule
from curation.convert.settings import Reader
from curation.convert.steps import Step, read_yaml, steps_of_data


class Filter(NamedTuple):
    """An operator that keeps documents of which a number lies between two bounds, and the signal that is this number."""

    signal: str
    why: str
    least: tuple[str, float]  # name of the setting, its default
    most: tuple[str, float]


FILTERS = {
    "alphanumeric_filter": Filter("datajuicer_alnum_char_frac", "Text is made of letters and numbers, within bounds.", ("min_ratio", 0.25), ("max_ratio", sys.maxsize)),
    "average_line_length_filter": Filter("datajuicer_mean_line_chars", "Lines of running text have an ordinary length.", ("min_len", 10), ("max_len", sys.maxsize)),
    "maximum_line_length_filter": Filter("datajuicer_longest_line_chars", "The longest line is neither a label nor data.", ("min_len", 10), ("max_len", sys.maxsize)),
    "character_repetition_filter": Filter("datajuicer_char_10_gram_frac", "A few runs of characters do not make up the text.", ("min_ratio", 0.0), ("max_ratio", 0.5)),
    "word_repetition_filter": Filter("datajuicer_word_10_gram_frac", "Runs of words that repeat do not make up the text.", ("min_ratio", 0.0), ("max_ratio", 0.5)),
    "special_characters_filter": Filter("datajuicer_special_char_frac", "Marks, digits, white space and emoji do not make up the text.", ("min_ratio", 0.0), ("max_ratio", 0.25)),
    "text_length_filter": Filter("chars", "Texts are neither stubs nor dumps.", ("min_len", 10), ("max_len", sys.maxsize)),
    "words_num_filter": Filter("datajuicer_words", "Texts are neither stubs nor dumps.", ("min_num", 10), ("max_num", sys.maxsize)),
    "word_num_filter": Filter("datajuicer_words", "Texts are neither stubs nor dumps.", ("min_num", 10), ("max_num", sys.maxsize)),
}
LOWEST = {"datajuicer_alnum_char_frac", "datajuicer_char_10_gram_frac", "datajuicer_word_10_gram_frac", "datajuicer_special_char_frac", "chars", "datajuicer_words"}  # never below 0
UNEQUAL = {
    "flagged_words_filter": "its word lists do not come along; name yours in a pack's `lists:` and compare listed_word_frac(LIST)",
    "stopwords_filter": "its word lists do not come along; name yours in a pack's `lists:` and compare listed_word_frac(LIST)",
    "perplexity_filter": "its KenLM models do not come along; name yours in a pack's `language_models:` and compare perplexity(NAME)",
    "suffix_filter": "name the files in `input:`",
    "document_simhash_deduplicator": "near duplicates are found by MinHash: `near: {}`",
    "clean_html_mapper": "HTML becomes text when it is read: `extract:`",
}
_PII = "the pack pii is in its place: it writes {} where data-juicer writes nothing, and finds other personal data, too"
MAPPERS = {  # the pack in the place of a mapper, and how that is told
    "clean_email_mapper": ("pii", _PII.format("<email>")),
    "clean_ip_mapper": ("pii", _PII.format("<ip>")),
    "fix_unicode_mapper": ("text_repair", "the pack text_repair is in its place: ftfy, and letters with their marks as one character (NFC)"),
}
GLOBAL_SILENT = {
    "project_name", "description", "np", "open_tracer", "process", "dataset_path", "export_path", "text_keys", "text_key", "use_cache", "ds_cache_dir", "use_checkpoint",
    "temp_dir", "op_list_to_trace", "trace_num", "op_fusion", "fusion_strategy", "cache_compress", "executor_type", "ray_address", "open_monitor", "turbo",
    "skip_op_error", "export_shard_size", "export_in_parallel", "export_type", "keep_stats_in_res_ds", "keep_hashes_in_res_ds", "work_dir", "adaptive_batch_size",
}  # fmt: skip


def convert_data_juicer(path: Path, words: str = "unicode") -> Converted:
    """The job and the pack of a configuration. Raises ConvertError."""
    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("process"), list):
        raise ConvertError(f"{path}: a data-juicer configuration has a list `process:`")
    converted = Converted(path.name, "data-juicer", {"input": _input(data), "output": _output(data)})
    column = data.get("text_keys") or data.get("text_key")
    column = column[0] if isinstance(column, list) and column else column
    if isinstance(column, str) and column != "text":
        converted.job["read"] = {"text_column": column}
    for key in sorted(set(data) - GLOBAL_SILENT):
        converted.missing(path.name, f"{key}:", "this setting has no equal here")
    rules: list[dict[str, Any]] = []
    order: list[str] = []
    for step in steps_of_data(data["process"], path):
        _convert(step, converted, rules, order)
    _finish(converted, rules, order, words)
    return converted


def _input(data: dict[str, Any]) -> str:
    path = data.get("dataset_path")
    return path if isinstance(path, str) and path else NO_INPUT


def _output(data: dict[str, Any]) -> str:
    """data-juicer writes a file; a run writes a folder beside it."""
    path = Path(str(data.get("export_path") or NO_OUTPUT))
    return str(path.with_suffix("")) if path.suffix in (".jsonl", ".json", ".parquet") else str(path)


def _convert(step: Step, converted: Converted, rules: list[dict[str, Any]], order: list[str]) -> None:
    reader = Reader(step, converted)
    for key in ("text_key", "num_proc", "mem_required", "accelerator", "batch_size", "cpu_required", "work_dir"):
        reader.left.pop(key, None)
    if step.name in FILTERS:
        rule = _rule(reader, FILTERS[step.name], {rule["id"] for rule in rules})
        rules += [rule] if rule else []
        order.append("rules")
        reader.done()
    elif step.name in HANDLERS:
        order += HANDLERS[step.name](reader)
        reader.done()
    elif step.name in MAPPERS:
        pack, told = MAPPERS[step.name]
        if pack not in converted.job.setdefault("packs", []):
            converted.job["packs"].append(pack)
        order.append(pack)
        (converted.missing if pack == "pii" else converted.differs)(step.where, step.name, told)
    else:
        converted.missing(step.where, step.name, UNEQUAL.get(step.name, "this operator has no equal here"))


def _rule(reader: Reader, made: Filter, taken: set[str]) -> dict[str, Any] | None:
    """The rule of an operator; None if nothing is left of it."""
    if reader.take("tokenization", False):
        reader.converted.missing(reader.step.where, f"{reader.step.name}(tokenization: true)", "counted in characters or words between white space, not in tokens")
    if "rep_len" in reader.left and reader.number("rep_len", 10) != 10:
        reader.converted.missing(reader.step.where, f"{reader.step.name}(rep_len)", f"{made.signal} has runs of 10")
    _ = reader.take("lang", "en"), reader.take("hf_tokenizer", None)
    least, most = reader.number(*made.least), reader.number(*made.most)
    pairs = [("<", float(least))] if least is not None and (least > 0 or made.signal not in LOWEST) else []
    pairs += [(">", float(most))] if most is not None and most < sys.maxsize else []
    name, number = reader.step.name.removesuffix("_filter").replace("_", "-"), 2
    while name in taken:
        name, number = f"{name.rstrip('0123456789-')}-{number}", number + 1
    return threshold_rule(name, made.why, made.signal, pairs, source=f"data-juicer, {reader.step.name}") if pairs else None


def _language(reader: Reader) -> list[str]:
    settings: dict[str, Any] = {}
    keep = reader.languages("lang")
    if keep:
        settings["keep"] = keep
    settings["min_score"] = reader.number("min_score", 0.8)
    reader.converted.job["language"] = settings
    return ["language"]


def _exact(reader: Reader) -> list[str]:
    normalise_words = any([reader.take("lowercase", False), reader.take("ignore_non_character", False)])
    reader.converted.job["exact"] = {"normalise": normalise_words, "keep": "first"}
    if normalise_words:
        reader.converted.differs(reader.step.where, reader.step.name, "`normalise` folds case, marks and white space at once")
    return ["exact"]


def _near(reader: Reader) -> list[str]:
    hashes, threshold = reader.number("num_permutations", 256), reader.number("jaccard_threshold", 0.7)
    settings: dict[str, Any] = {"ngram": int(reader.number("window_size", 5) or 5), "hashes": int(hashes or 256), "keep": "first"}
    bands, rows = reader.number("num_bands", None), reader.number("num_rows_per_band", None)
    settings |= {"bands": int(bands), "rows": int(rows)} if bands and rows else {"threshold": threshold}
    unit = reader.take("tokenization", "space")
    if unit == "character":
        settings["unit"] = "characters"
    elif unit not in ("space", "punctuation"):
        reader.converted.missing(reader.step.where, f"tokenization: {unit}", "shingles are of words or characters")
    _ = reader.take("lowercase", True)
    if reader.take("ignore_pattern", None):
        reader.converted.missing(reader.step.where, "ignore_pattern", "texts are normalised in one way: see docs/duplicates.md")
    for key in ("num_bands", "num_rows_per_band", "union_find_parallel_num", "union_threshold", "max_pending_edge_buffer_task", "num_edge_buffer_task_returns", "max_pending_filter_tasks", "num_filter_task_returns", "merge_batch_size", "tokenizer_model"):
        reader.left.pop(key, None)
    reader.converted.job["near"] = settings
    return ["near"]


HANDLERS: dict[str, Callable[[Reader], list[str]]] = {
    "language_id_score_filter": _language,
    "document_deduplicator": _exact, "ray_document_deduplicator": _exact,
    "document_minhash_deduplicator": _near, "ray_bts_minhash_deduplicator": _near,
}  # fmt: skip


def _finish(converted: Converted, rules: list[dict[str, Any]], order: list[str], words: str) -> None:
    from curation.job_settings import STAGES

    changing = {pack for pack, _ in MAPPERS.values()}  # they change texts, before or after the filters look
    late = {pack for pack in changing.intersection(order) if "rules" in order and order.index("rules") < order.index(pack)}
    if rules:
        converted.add_pack({"pack": "data_juicer", "about": f"The filters of {converted.source}.", "source": "https://arxiv.org/abs/2309.02033", "words": words, "rules": rules})
    converted.job.get("packs", []).sort(key=late.__contains__)
    kept = list(dict.fromkeys("rules" if stage in changing else stage for stage in order))
    if kept != [stage for stage in STAGES if stage in kept]:
        converted.job["order"] = kept + [stage for stage in STAGES if stage not in kept]
