"""datatrove pipelines as jobs: a Python script (parsed, never run), or steps with settings in YAML or JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from curation.convert.datatrove_filters import FILTERS, filter_pack
from curation.convert.matching import matching_text
from curation.convert.result import NO_INPUT, NO_OUTPUT, Converted, ConvertError
from curation.convert.settings import Reader
from curation.convert.steps import UNKNOWN, Step, read_yaml, steps_of_data, steps_of_script

READERS = {"ParquetReader": "**/*.parquet", "JsonlReader": "**/*.jsonl*", "WarcReader": "**/*.warc.gz", "IpcReader": "**/*.arrow", "HuggingFaceDatasetReader": "**/*.parquet"}
WRITERS = ("JsonlWriter", "ParquetWriter", "HuggingFaceDatasetWriter")
IGNORED = {
    "MinhashDedupBuckets": "", "MinhashDedupCluster": "", "MinhashDedupFilter": "", "MinhashConfig": "", "HashConfig": "",
    "UrlDedupFilter": "", "UrlFindDedups": "", "ExactFindDedups": "", "ESMergeSequences": "", "ESRangeRemover": "",
    "LocalPipelineExecutor": "", "SlurmPipelineExecutor": "",
}  # fmt: skip
UNEQUAL = {
    "SentenceDedupSignature": "runs of sentences repeated across documents; `substrings: {min_words: 50}` cuts repeated stretches of words, `lines:` repeated lines",
    "SamplerFilter": "a random sample; `gristmill run` takes all of its input",
    "LambdaFilter": "Python code; write a rule for what it looks for",
    "UnigramLogProbFilter": "its English word frequencies do not come along; build a profile (`gristmill profile build`) and compare unigram_logprob(NAME)",
    "FastTextClassifierFilter": "name the model in a pack (`classifiers:`) and compare classifier.NAME: see docs/classifier.md",
    "SymbolLinesFormatter": "lines of symbols alone; write a line rule with `match`",
    "BloomFilter": "a Bloom filter also removes what it only seems to know; `exact: {}` does not",
    "NGramsDecontIndexer": "its tasks are downloaded; save their items as JSON lines and name them in `decontaminate: {files: ...}`",
    "TokensCounter": "", "DocumentTokenizer": "`pack: {tokenizer: tokenizer.json}` packs for training",
}  # fmt: skip
POSITIONAL = {
    **{name: ("data_folder",) for name in READERS}, **{name: ("output_folder",) for name in WRITERS},
    "GopherQualityFilter": ("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length"),
    "GopherRepetitionFilter": ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"),
    "LanguageFilter": ("languages", "language_threshold"), "RegexFilter": ("regex_exp",), "URLFilter": ("soft_word_threshold",),
    "MinhashConfig": ("n_grams", "num_buckets", "hashes_per_bucket"), "Trafilatura": ("favour_precision",),
}  # fmt: skip


def convert_datatrove(path: Path, words: str = "spacy") -> Converted:
    """The job and packs of a pipeline. `words`: how its packs divide words. Raises ConvertError."""
    names = {*FILTERS, *HANDLERS, *IGNORED, *UNEQUAL, *POSITIONAL}
    if path.suffix == ".py":
        steps = steps_of_script(path, POSITIONAL, names)
    else:
        steps = steps_of_data(read_yaml(path), path)
    if not any(step.name in names for step in steps):
        raise ConvertError(f"{path}: no step of datatrove that gristmill knows; it looks for class names such as GopherQualityFilter")
    converted = Converted(path.name, "datatrove", {"input": NO_INPUT, "output": NO_OUTPUT})
    order: list[str] = []
    for step in steps:
        _convert(step, converted, words, order)
    _finish(converted, order, words)
    return converted


def _convert(step: Step, converted: Converted, words: str, order: list[str]) -> None:
    if step.name in FILTERS:
        pack = filter_pack(step, converted, words)
        converted.add_pack(pack)
        order.append("rules")
    elif step.name in HANDLERS:
        reader = Reader(step, converted)
        order += HANDLERS[step.name](reader) or ()
        reader.done()
    elif step.name in UNEQUAL:
        converted.missing(step.where, step.name, UNEQUAL[step.name] or "nothing here is like it")
    elif step.name not in IGNORED:
        converted.missing(step.where, step.name, "unknown to gristmill")


def _finish(converted: Converted, order: list[str], words: str) -> None:
    """The order of stages, as far as it differs from the usual one; what is to be known of words."""
    from curation.job_settings import STAGES

    kept = list(dict.fromkeys(order))
    usual = [stage for stage in STAGES if stage in kept]
    if kept != usual:
        converted.job["order"] = kept + [stage for stage in STAGES if stage not in kept]
    if "packs" in converted.job and words == "spacy":
        converted.differs(converted.source, "words: spacy", "datatrove divides English into spaCy's tokens; pip install 'gristmill[spacy]', or convert with --words unicode, which is faster and close")


def _reader(reader: Reader) -> None:
    folder = reader.left.pop("data_folder", reader.left.pop("dataset", None))
    if isinstance(folder, str) and folder.rstrip("/") in reader.converted.outputs:
        reader.left.clear()
        return
    if not isinstance(folder, str):
        reader.converted.missing(reader.step.where, reader.step.name, "its folder is computed when the script runs; name it under `input:` unless an earlier step writes it")
    pattern = reader.take("glob_pattern", None) or READERS[reader.step.name]
    _ = reader.left.pop("default_metadata", None)  # columns of the input come along; nothing else is invented
    for key in ("limit", "skip", "shuffle_files", "compression", "recursive", "doc_progress", "file_progress", "progress", "dataset_options", "streaming"):
        if reader.left.get(key) in (None, -1, 0, False, True, "infer"):
            reader.left.pop(key, None)
    if isinstance(folder, str):
        found = folder.rstrip("/") + "/" + pattern if not folder.endswith((".parquet", ".jsonl", ".gz", ".zst")) else folder
        have = reader.converted.job["input"]
        reader.converted.job["input"] = found if have == NO_INPUT else [*([have] if isinstance(have, str) else have), found]
    for key, own in (("text_key", "text_column"), ("id_key", "id_column")):
        value = reader.take(key, None)
        if value and value != own.removesuffix("_column"):
            reader.converted.job.setdefault("read", {})[own] = value


def _writer(reader: Reader) -> None:
    folder = reader.take("output_folder", None)
    if isinstance(folder, str):
        reader.converted.job["output"] = folder.rstrip("/")
        reader.converted.outputs.add(folder.rstrip("/"))
    reader.left.clear()  # how files are named and compressed is gristmill's own: see docs/run-directory.md


def _trafilatura(reader: Reader) -> None:
    reader.converted.job["extract"] = {"html": "trafilatura"}
    for key in ("favour_precision", "timeout", "deduplicate"):
        reader.left.pop(key, None)


def _language(reader: Reader) -> list[str]:
    settings: dict[str, Any] = {}
    keep = reader.languages("languages")
    if keep:
        settings["keep"] = keep
    score = reader.number("language_threshold", 0.65)
    if score:
        settings["min_score"] = score
    if reader.take("backend", "ft176") == "glotlid":
        settings["model"] = "glotlid"
    if reader.take("label_only", False):
        reader.converted.missing(reader.step.where, "label_only=True", "the language stage labels every document, but also removes what is not in `keep`; leave `keep` out to label only")
    reader.left.pop("keep_top_pairs_threshold", None)
    reader.converted.job["language"] = settings
    return ["language"]


def _minhash(reader: Reader) -> list[str]:
    config = reader.left.pop("config", None)
    reader.left.clear()
    values: dict[str, Any] = config.settings if isinstance(config, Step) else config if isinstance(config, dict) else {}
    if config is UNKNOWN:
        reader.converted.missing(reader.step.where, "MinhashDedupSignature(config=...)", "it is computed when the script runs; here are datatrove's defaults")
    numbers = {key: values.get(key, default) for key, default in (("n_grams", 5), ("num_buckets", 14), ("hashes_per_bucket", 8), ("seed", 1))}
    bad = [key for key, value in numbers.items() if not isinstance(value, int)]
    if bad:
        reader.converted.missing(reader.step.where, ", ".join(bad), "computed when the script runs; here are datatrove's defaults")
    n, bands, rows, seed = (value if isinstance(value, int) else default for value, default in zip(numbers.values(), (5, 14, 8, 1)))
    reader.converted.job["near"] = {"bands": bands, "rows": rows, "hashes": bands * rows, "ngram": n, "seed": seed, "compatible": "datatrove", "keep": "first"}
    return ["near"]


def _url_dedup(reader: Reader) -> list[str]:
    reader.left.clear()
    reader.converted.job["exact"] = {"by": "url", "keep": "first"}
    return ["exact"]


def _exact_dedup(reader: Reader) -> list[str]:
    reader.left.clear()
    reader.converted.job["exact"] = {"by": "text", "normalise": False, "keep": "first"}
    return ["exact"]


def _substrings(reader: Reader) -> list[str]:
    reader.left.clear()
    reader.converted.job["substrings"] = {"min_words": 50}
    reader.converted.differs(reader.step.where, reader.step.name, "stretches of 50 tokens there, of 50 words here")
    return ["substrings"]


def _ftfy(reader: Reader) -> list[str]:
    reader.left.clear()
    reader.converted.job.setdefault("packs", []).append("text_repair")
    reader.converted.differs(reader.step.where, "FTFYFormatter", "the pack text_repair is in its place: ftfy as there, and letters with their marks as one character (NFC)")
    return ["rules"]


def _pii(reader: Reader) -> list[str]:
    reader.left.clear()
    reader.converted.job.setdefault("packs", []).append("pii")
    reader.converted.missing(reader.step.where, "PIIFormatter", "the pack pii is in its place: it finds more, and writes <email> and <ip> instead of invented addresses")
    return ["rules"]


def _regex(reader: Reader) -> list[str]:
    pattern = reader.take("regex_exp", None)
    example = matching_text(pattern) if isinstance(pattern, str) else None
    if example is None:
        reader.converted.missing(reader.step.where, f"RegexFilter({pattern!r})", "no text was found that it matches, or no pattern: write a rule with `match` and examples")
        return []
    rule = {"id": "pattern", "why": "The pipeline removes what matches.", "match": pattern, "examples": {"drop": [example], "keep": [""]}}
    reader.converted.add_pack({"pack": "datatrove_regex", "about": f"RegexFilter of {reader.converted.source}.", "rules": [rule]})
    reader.converted.differs(reader.step.where, "RegexFilter", "patterns are RE2 and look at one line at a time")
    return ["rules"]


def _urls(reader: Reader) -> list[str]:
    rules = []
    if reader.take("use_integrated_lists", True):
        reader.converted.missing(reader.step.where, "URLFilter(use_integrated_lists=True)", "datatrove's own lists do not come along; name list files in `url: {host: FILE}`")
    at_least = reader.number("soft_word_threshold", 2) or 2
    wanted = (("extra_domains", "hosts", lambda v: {"host": v}), ("banned_words", "words", lambda v: {"words": v}), ("soft_banned_words", "soft-words", lambda v: {"words": v, "at_least": int(at_least)}))
    for key, name, body in wanted:
        values = reader.texts(key)
        if values:
            rules.append({"id": f"url-{name}", "why": "The pipeline blocks these.", "url": body(values), "examples": _url_examples(name, values, int(at_least))})
    for key in ("extra_urls", "banned_subwords"):
        if reader.texts(key):
            reader.converted.missing(reader.step.where, f"URLFilter({key})", "write a rule with `url: {match: ...}`")
    if rules:
        reader.converted.add_pack({"pack": "datatrove_urls", "about": f"URLFilter of {reader.converted.source}.", "rules": rules})
    return ["rules"] if rules else []


def _url_examples(name: str, values: list[str], at_least: int) -> dict[str, list[str]]:
    drop = f"https://{values[0]}/" if name == "hosts" else "https://host.example/" + "-".join(values[: at_least if name == "soft-words" else 1])
    return {"drop": [drop], "keep": ["https://host.example/"]}


HANDLERS: dict[str, Callable[[Reader], list[str] | None]] = {
    **dict.fromkeys(READERS, _reader), **dict.fromkeys(WRITERS, _writer),
    "Trafilatura": _trafilatura, "LanguageFilter": _language, "MinhashDedupSignature": _minhash,
    "UrlDedupSignature": _url_dedup, "ExactDedupSignature": _exact_dedup, "ESDatasetToSequence": _substrings, "PIIFormatter": _pii, "FTFYFormatter": _ftfy,
    "RegexFilter": _regex, "URLFilter": _urls,
}  # fmt: skip
