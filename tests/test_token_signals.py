"""Signals of tokens are what `tokenizers` says of each text; a pack that lacks a tokenizer is told where."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tokenizer import HARD_TEXTS, corpus
from tokenizers import Tokenizer

from curation.job import load_job
from curation.tokenizer import save_tokenizer, train_tokenizer
from rules.engine import apply
from rules.format.pack import load_pack
from rules.identity import column_identities
from rules.measures import tokenizers
from rules.measures.token_signals import TOKEN_SIGNALS
from rules.places import Problems

PACK = """\
pack: of_tokens
about: Signals of tokens.
{tokenizer}words: space
rules:
  - {{id: few-tokens, why: Timed., drop_when: {{token_count: "< 5"}}, examples: {{drop: [mill], keep: [{{token_count: 5}}]}}}}
  - {{id: fertile, why: Timed., drop_when: {{token_fertility: "> 3"}}, examples: {{drop: [antidisestablishmentarianism], keep: [the mill]}}}}
  - {{id: short-tokens, why: Timed., drop_when: {{chars_per_token: "< 2.5"}}, examples: {{drop: ["0123456789"], keep: [the mill grinds grain]}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    save_tokenizer(train_tokenizer([corpus()], vocab_size=400), folder / "own.json")
    (folder / "named.yaml").write_text(PACK.format(tokenizer="tokenizer: own.json\n"))
    (folder / "none.yaml").write_text(PACK.format(tokenizer=""))
    return folder


def same(found: float, expected: float) -> bool:
    return found == expected or math.isnan(found) and math.isnan(expected)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(any_texts | st.sampled_from([*HARD_TEXTS, *corpus()[:5]]), max_size=5))
def test_they_are_the_tokens_of_tokenizers(folder, texts):
    record = json.loads((folder / "own.json").read_text())
    peer = Tokenizer.from_str(json.dumps({**record, "added_tokens": [], "post_processor": None}))
    found = apply([load_pack(folder / "named.yaml")], pa.array(texts, pa.large_string())).signals.to_pydict()
    for row, text in enumerate(texts):
        tokens, words = len(peer.encode(text, add_special_tokens=False).ids), len(text.split())
        assert found["of_tokens.token_count"][row] == tokens
        assert same(found["of_tokens.token_fertility"][row], tokens / words if words else math.nan)
        assert same(found["of_tokens.chars_per_token"][row], len(text) / tokens if tokens else math.nan)


def test_texts_are_counted_as_line_rules_left_them(folder):
    rule = "  - {id: shout, why: Noise., lines: drop, match: '^MENU'}\n"
    path = folder / "lines.yaml"
    path.write_text(PACK.format(tokenizer="tokenizer: own.json\n").replace("pack: of_tokens", "pack: cut") + rule)
    before, after = load_pack(folder / "named.yaml"), load_pack(path)
    found = apply([before, after], pa.array(["the mill\nMENU and more\ngrinds", "the mill\ngrinds"])).signals
    assert found["cut.token_count"].to_pylist() == [found["of_tokens.token_count"][1].as_py()] * 2
    assert found["of_tokens.token_count"][0].as_py() > found["cut.token_count"][0].as_py()


def problems(load: Callable[[], object]) -> list[tuple[str, int, int, str]]:
    with pytest.raises(Problems) as raised:
        load()
    return [(Path(problem.path).name, problem.line, problem.col, problem.code) for problem in raised.value.problems]


def test_a_pack_without_a_tokenizer_is_told_at_each_signal(folder):
    lines = (folder / "none.yaml").read_text().splitlines()
    expected = [("none.yaml", line, lines[line - 1].index(name) + 1, "R102") for line, name in zip((5, 6, 7), TOKEN_SIGNALS)]
    assert problems(lambda: load_pack(folder / "none.yaml")) == expected


def test_a_file_that_is_no_tokenizer_is_told_where_it_is_named(folder):
    (folder / "broken.json").write_text("{}")
    for name in ("broken.json", "absent.json"):
        path = folder / "wrong.yaml"
        path.write_text(PACK.format(tokenizer=f"tokenizer: {name}\n"))
        assert ("wrong.yaml", 3, 12, "R103") in problems(lambda path=path: load_pack(path))


def test_the_job_s_tokenizer_serves_packs_that_name_none(folder):
    (folder / "in.jsonl").write_text('{"text": "the mill"}\n')
    job = folder / "job.yaml"
    job.write_text("input: in.jsonl\noutput: out\npacks: [none.yaml]\npack: {tokenizer: own.json}\n")
    [pack] = load_job(job).packs
    assert pack.tokenizer == load_pack(folder / "named.yaml").tokenizer
    assert column_identities([pack])["of_tokens.token_count"] != column_identities([load_pack(folder / "none.yaml", tokenizer=other(folder))])["of_tokens.token_count"]


def other(folder: Path) -> Path:
    path = folder / "other.json"
    save_tokenizer(train_tokenizer([corpus()[:40]], vocab_size=300), path)
    return path


def test_a_pack_that_extends_another_has_its_tokenizer(folder):
    path = folder / "deeper" / "more.yaml"
    path.parent.mkdir()
    path.write_text("pack: more\nabout: More.\nextends: [../named.yaml]\nrules:\n  - {id: few-tokens, drop_when: {token_count: '< 9'}}\n")
    assert load_pack(path).tokenizer == load_pack(folder / "named.yaml").tokenizer


def test_without_anybody_who_counts(folder, monkeypatch):
    monkeypatch.setattr(tokenizers, "_openers", [])
    assert problems(lambda: load_pack(folder / "named.yaml"))[0] == ("named.yaml", 3, 12, "R103")


def test_every_signal_says_what_it_is():
    assert all(one.name == name and one.meaning and one.unit and one.source for name, one in TOKEN_SIGNALS.items())
