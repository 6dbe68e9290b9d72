"""Other tools' configurations become jobs and packs that load, give the same verdicts, and say what is missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.checks import CHECKS, Configuration
from oracle.ours import pack_of

from curation.convert.data_juicer import FILTERS as DATA_JUICER
from curation.convert.data_juicer import convert_data_juicer
from curation.convert.datatrove import convert_datatrove
from curation.convert.datatrove_filters import C4_LINES, FINEWEB, GOPHER_QUALITY, GOPHER_REPETITION
from curation.convert.detect import convert_file, tool_of
from curation.convert.dolma import convert_dolma, signal_of
from curation.convert.matching import matching_text
from curation.convert.result import Converted, ConvertError, write
from curation.job import load_job
from rules.engine import apply
from rules.format.pack import load_pack
from rules.measures.signals import SIGNALS

ROOT = Path(__file__).parents[1]
CLASSES = {"gopher_quality": "GopherQualityFilter", "gopher_repetition": "GopherRepetitionFilter", "c4": "C4QualityFilter", "fineweb": "FineWebQualityFilter"}
TEXTS = pa.array(
    [
        "",
        "a b c d e f g h i j k l",
        "#fun #sun #travel #beach",
        "Home\nNews\nContact\nHome\nNews\nContact",
        "- one\n- two\n- three",
        "The mayor said that...\nThe team won and...\nThe end of it.",
        "This is a sentence that ends. " * 30,
        "Here is one. Here is two.\nHere is three. Here is four.\nA line of the house that we have.\nRead more",
        "Lorem ipsum dolor sit amet, and that is the text of this page, to be read with care.",
        "function f() { return 1; }\nThe code of the page is here, and it is to be read.",
        "10 20 30 40 50 sum 60 70 80 the be to of and that",
        " ".join(f"word{i}" for i in range(60)) + " the and of to.",
    ],
    pa.large_string(),
)


def converted_of(tmp_path: Path, name: str, text: str) -> tuple[Converted, Path]:
    path = tmp_path / name
    path.write_text(text)
    converted = convert_file(path)
    write(converted, tmp_path / "converted")
    return converted, tmp_path / "converted"


FILTERS = st.sampled_from(sorted(CLASSES))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_verdicts_are_those_of_the_shipped_packs_with_the_same_settings(tmp_path_factory, data):
    """Against the mapping that the comparison with datatrove itself uses."""
    name = data.draw(FILTERS)
    chosen = {}
    for check in CHECKS[name]:
        if not check.setting or "." in check.setting or not data.draw(st.booleans()):
            continue
        boolean = isinstance(check.off, bool)
        numbers = st.integers(1, 60) if "words" in check.setting or "sentences" in check.setting else st.floats(0.01, 12).map(lambda x: round(x, 2))
        chosen[check.setting] = data.draw(st.booleans()) if boolean else data.draw(numbers)
    folder = tmp_path_factory.mktemp("convert")
    path = folder / "steps.yaml"
    path.write_text(yaml.safe_dump([{CLASSES[name]: dict(chosen)}]))
    converted = convert_datatrove(path, words="unicode")
    assert not converted.notes
    write(converted, folder / "out")
    pack = load_pack(folder / "out" / converted.job["packs"][0])
    ours, wanted = apply([pack], TEXTS), apply([pack_of(Configuration("x", name, {k: v for k, v in chosen.items() if v is not True}), "unicode")], TEXTS)
    assert ours.dropped.tolist() == wanted.dropped.tolist()
    assert ours.texts.to_pylist() == wanted.texts.to_pylist()


def test_what_the_mapping_names_is_what_the_comparison_names():
    pairs = {"gopher_quality": GOPHER_QUALITY, "gopher_repetition": GOPHER_REPETITION, "fineweb": FINEWEB}
    for name, checks in pairs.items():
        theirs = {(c.setting, c.rule, c.operator) for c in CHECKS[name] if c.setting and "." not in c.setting and c.rule != "stop-words"}
        assert {(c.setting, c.rule, c.operator) for c in checks} == theirs
    assert {(key, rule) for key, (rule, *_) in C4_LINES.items()} < {(c.setting, c.rule) for c in CHECKS["c4"]}


SCRIPT = '''
from datatrove.pipeline.filters import *
raise SystemExit("a script is never run")
DUMP = "CC-MAIN-2023-50"
BASE = f"s3://bucket/{DUMP}"
stage1 = [
    WarcReader(f"{BASE}/warc", glob_pattern="*.warc.gz"),
    URLFilter(use_integrated_lists=False, extra_domains=["copies.example"], soft_banned_words=["free", "casino"]),
    Trafilatura(favour_precision=True),
    LanguageFilter("eng", exclusion_writer=JsonlWriter(f"{BASE}/removed")),
    GopherRepetitionFilter(top_n_grams=((2, 0.25), (3, 0.18)), exclusion_writer=JsonlWriter("elsewhere")),
    GopherQualityFilter(min_doc_words=20, min_stop_words=1, stop_words=["le", "la"], max_doc_words=compute()),
    RegexFilter(r"(?i)free\\s+casino|x{3}"),
    JsonlWriter(f"{BASE}/filtered"),
]
config = MinhashConfig(num_buckets=20, hashes_per_bucket=5)
stage2 = [JsonlReader(f"{BASE}/filtered"), MinhashDedupSignature(output_folder="sigs", config=config), MinhashDedupBuckets("sigs", "b")]
stage3 = [MinhashDedupFilter("b", exclusion_writer=JsonlWriter("dups")), SamplerFilter(0.5), JsonlWriter(f"{BASE}/final")]
'''


def test_a_script_is_parsed_and_never_run(tmp_path):
    converted, folder = converted_of(tmp_path, "pipeline.py", SCRIPT)
    job = converted.job
    assert job["input"] == "s3://bucket/CC-MAIN-2023-50/warc/*.warc.gz" and job["output"] == "s3://bucket/CC-MAIN-2023-50/final"
    assert job["language"] == {"keep": ["en"], "min_score": 0.65} and job["extract"] == {"html": "trafilatura"}
    assert job["near"] == {"bands": 20, "rows": 5, "hashes": 100, "ngram": 5, "seed": 1, "compatible": "datatrove", "keep": "first"}
    told = [note.what for note in converted.notes if not note.equal]
    assert told == ["GopherQualityFilter(max_doc_words=...)", "SamplerFilter"]
    quality = converted.packs["datatrove_gopher_quality"]
    assert quality["lists"]["stop"]["words"] == ["le", "la"]
    loaded = load_job(folder / "job.yaml")  # every pack with its examples, and every setting
    assert [pack.name for pack in loaded.packs] == ["datatrove_urls", "datatrove_gopher_repetition", "datatrove_gopher_quality", "datatrove_regex"]


DATA_JUICER_RECIPE = """
dataset_path: in.jsonl
export_path: out/cleaned.jsonl
text_keys: content
hpo_config: x.yaml
process:
  - document_deduplicator: {lowercase: true}
  - clean_email_mapper:
  - fix_unicode_mapper:
  - alphanumeric_filter: {tokenization: false, min_ratio: 0.1}
  - text_length_filter: {min_len: 100, max_len: 1000}
  - text_length_filter: {min_len: 200}
  - word_repetition_filter: {rep_len: 5, max_ratio: 0.3}
  - language_id_score_filter: {lang: [en, de], min_score: 0.5}
  - document_minhash_deduplicator: {num_permutations: 128, jaccard_threshold: 0.8}
  - image_blur_mapper: {radius: 2}
"""


def test_a_data_juicer_recipe(tmp_path):
    converted, folder = converted_of(tmp_path, "recipe.yaml", DATA_JUICER_RECIPE)
    job = converted.job
    assert (job["input"], job["output"], job["read"]) == ("in.jsonl", "out/cleaned", {"text_column": "content"})
    assert job["near"] == {"ngram": 5, "hashes": 128, "keep": "first", "threshold": 0.8}
    assert job["packs"] == ["pii", "text_repair", "packs/data_juicer.yaml"]  # personal data goes before the filters look, as there
    assert job["order"][:4] == ["exact", "rules", "language", "near"]
    rules = {rule["id"]: rule["drop_when"] for rule in converted.packs["data_juicer"]["rules"]}
    assert rules["text-length"] == {"chars": ["< 100", "> 1000"]} and rules["text-length-2"] == {"chars": "< 200"}
    told = [note.what for note in converted.notes if not note.equal]
    assert told == ["hpo_config:", "clean_email_mapper", "word_repetition_filter(rep_len)", "image_blur_mapper"]
    load_job(folder / "job.yaml")


def test_operators_without_settings_are_the_shipped_pack():
    """data-juicer's defaults, once as the shipped pack has them and once as converted."""
    shipped = {(c.signal, p.operator, p.threshold) for rule in load_pack(ROOT / "rules/packs/datajuicer_default.yaml").rules for c in rule.drop_when for p in c.any_of}
    for made in DATA_JUICER.values():
        for operator, (_, default) in (("<", made.least), (">", made.most)):
            if made.signal.startswith("datajuicer") and 0 < default < sys.maxsize:
                assert (made.signal, operator, default) in shipped


def filters(*expressions: str) -> str:
    return json.dumps({"streams": [{"name": "web", "documents": ["a.jsonl"], "output": {"path": "out", "min_text_length": 5}, "filter": {"exclude": list(expressions)}}]})


def attribute(name: str, rest: str) -> str:
    return f"$.attributes[?(@.{name} && @.{name}[0] && @.{name}[0][2] {rest})]"


def test_a_mixer_of_dolma(tmp_path):
    text = filters(
        attribute("gopher_rules__gopher_v1__word_count", "< 50"),
        attribute("gopher_rules__gopher_v1__word_count", "> 100000"),
        ".attributes.c4__c4_v2__has_javascript[0][2] > 0",
        attribute("x__gopher_v2__fraction_of_characters_in_most_common_2grams", ">= 0.2"),
        attribute("bff_duplicate_docs", ">= 1.0"),
        attribute("mine__my_tagger__score", "> 0.5"),
        attribute("exp__ft_lang_id_en_paragraph_with_doc_score_v2__doc_en", "<= 0.5"),
    )
    converted, folder = converted_of(tmp_path, "mixer.json", text)
    rules = [rule["drop_when"] for rule in converted.packs["dolma_web"]["rules"]]
    assert rules == [{"words": ["< 50", "> 100000"]}, {"dolma_v2_javascripts": "> 0"}, {"dolma_top_2_gram_char_frac": ">= 0.2"}, {"dolma_stripped_chars": "< 5"}]
    assert [bool(re.search("bff_duplicate|my_tagger", note.what)) for note in converted.notes] == [True, True, False]
    assert "`language: {keep: [en]" in converted.notes[2].why
    load_job(folder / "job.yaml")


def test_attributes_name_signals_that_exist():
    assert signal_of("a__gopher_v1__fraction_of_duplicate_lines") == "dolma_v1_dup_line_frac"
    assert signal_of("word_count") is None
    for tagger in ("gopher_v1", "gopher_v2", "c4_v1", "c4_v2"):
        from curation.convert.dolma import C4, GOPHER

        for name in GOPHER if tagger.startswith("gopher") else C4:
            assert signal_of(f"x__{tagger}__{name}") in SIGNALS


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"\A[a-c\\dws.+*?(|)\[\]^$]{1,12}\Z"))
def test_an_example_of_a_pattern_matches_it(pattern):
    found = matching_text(pattern)
    if found is not None:
        assert re.search(pattern, found) and not re.search(pattern, "")


def test_patterns_of_which_no_text_is_made():
    assert matching_text(r"(?=a)b") is None and matching_text("(") is None and matching_text("a*") is None
    assert matching_text(r"[^\w]x{3}(a|b)\d") is not None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "- [", "not YAML"),
        ("a.py", "def (", "not Python"),
        ("a.yaml", "just text", "a pipeline is a mapping"),
        ("a.yaml", "Unknown: {}", "no step of datatrove"),
        ("a.yaml", "GopherQualityFilter: 3", "are no mapping"),
        ("a.yaml", "- 3", "a step is a name"),
    ],
)
def test_what_is_no_configuration_is_told(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConvertError, match=says):
        convert_file(path)


def test_other_keys_are_other_tools(tmp_path):
    for text, tool, convert in (("process: x", "data-juicer", convert_data_juicer), ("streams: x", "dolma", convert_dolma)):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        assert tool_of(path) == tool
        with pytest.raises(ConvertError, match="has a list"):
            convert(path)


def test_the_command(tmp_path):
    (tmp_path / "steps.yaml").write_text("- GopherQualityFilter: {min_doc_words: 20}\n- SamplerFilter: {rate: 0.5}\n")
    command = [sys.executable, str(ROOT / "gristmill.py"), "convert", str(tmp_path / "steps.yaml"), "-o", str(tmp_path / "out")]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 1 and "no equal: steps.yaml: SamplerFilter" in first.stdout
    assert (tmp_path / "out/job.yaml").read_text().startswith("# From datatrove: steps.yaml\n# NOT CONVERTED: steps.yaml: SamplerFilter")
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 2 and "is not empty" in again.stderr and "Traceback" not in again.stderr
