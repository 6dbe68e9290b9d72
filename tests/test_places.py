"""YAML with places: every mistake where it is, all of them at once, and nothing read that was not meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.places import KEY, Problems, SettingError, build, load, loads


@dataclass(frozen=True)
class Inner:
    keep: tuple[str, ...] = ()
    score: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 1
    mode: Literal["fast", "slow"] = "fast"
    workers: Literal["auto"] | int = "auto"
    inner: Inner | None = None
    with_: str = field(default="", metadata={"yaml": "with"})
    flags: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise SettingError("count", "count cannot be negative")


def messages(text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        build(Outer, loads(text, "f.yaml"))
    return [str(p) for p in caught.value.problems]


def test_builds_the_tree():
    text = "name: x\ncount: 3\nworkers: 2\ninner: {keep: [no, off, yes], score: 1e-3}\nwith: y\nflags: {a: true}\n"
    assert build(Outer, loads(text)) == Outer("x", 3, "fast", 2, Inner(("no", "off", "yes"), 0.001), "y", {"a": True})


def test_every_mistake_is_reported_at_its_place():
    text = "name: 5\ncuont: 2\nmode: fst\nworkers: [1]\ninner:\n  scor: 1\n  keep: en\nflags: {a: yes}\n"
    assert messages(text) == [
        "f.yaml:1:7: R103 expected text, got 5",
        "f.yaml:2:1: R101 unknown key 'cuont', did you mean 'count'?",
        "f.yaml:3:7: R103 expected one of fast, slow, got 'fst', did you mean 'fast'?",
        "f.yaml:4:10: R103 expected one of auto, got a list",
        "f.yaml:6:3: R101 unknown key 'scor', did you mean 'score'?",
        "f.yaml:7:9: R103 expected a list, got 'en'",
        "f.yaml:8:12: R103 expected true or false, got 'yes'",
    ]


def test_missing_key_and_own_checks():
    assert messages("count: 1") == ["f.yaml:1:1: R101 missing key 'name'"]
    assert messages("name: x\ncount: -1") == ["f.yaml:2:8: R103 count cannot be negative"]
    assert messages("[1]") == ["f.yaml:1:1: R103 expected a mapping of settings, got a list"]
    assert messages("") == ["f.yaml:1:1: R103 expected a mapping of settings, got nothing"]


def test_true_is_not_a_number():
    assert messages("name: x\ncount: true") == ["f.yaml:2:8: R103 expected a whole number, got True"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "f:2:1: R101 duplicate key 'a'"),
        ("a: [", "f:1:5: R100"),
        ("a: \x01", "f:1:4: R100 a character that YAML does not allow"),
        ("a:\n  - b\n- c", "f:3:1: R100 expected <block end>, but found '-' while parsing a block mapping (it does not stand under the items"),
        ("a: b\n c: d", "f:2:3: R100 mapping values are not allowed here (a text with ': '"),
        ('a: "\\d"', "f:1:6: R100 found unknown escape character 'd' while scanning a double-quoted scalar (a backslash in double"),
        ("a:\n\tb: c", "f:2:1: R100 found character '\\t' that cannot start any token while scanning for the next token (indent by spaces"),
        ("a: %x", "f:1:4: R100 found character '%' that cannot start any token while scanning for the next token (put the text in single"),
        ("a: 'it's'", "f:1:8: R100 expected <block end>, but found '<scalar>' while parsing a block mapping (a text ended before it"),
        ("? [a]\n: b", "f:1:3: R100 a key must be plain text"),
        ("a: !!python/object/apply:os.system [ls]", "f:1:4: R100"),
        ("a: !!int x", "f:1:4: R100 cannot read 'x' as int"),
    ],
)
def test_bad_yaml(text, message):
    with pytest.raises(Problems) as caught:
        located = loads(text, "f")
        assert located.data != {"a": 0}
    assert str(caught.value).startswith(message)


def test_booleans_of_yaml_1_2_only():
    assert loads("no: off\non: yes\nt: true").data == {"no": "off", "on": "yes", "t": True}
    assert loads("1: a").data == {1: "a"}
    assert loads("d: 2024-01-01").data == {"d": "2024-01-01"}


def test_billion_laughs_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(Problems, match="too many aliases"):
        loads("\n".join(lines))


def test_deep_nesting_is_refused():
    with pytest.raises(Problems):
        loads("[" * 150 + "]" * 150)


def test_unreadable_file(tmp_path):
    with pytest.raises(Problems, match="cannot read this file"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\xff")
    with pytest.raises(Problems, match="not UTF-8"):
        load(tmp_path / "latin.yaml")


plain = st.recursive(
    st.integers(-1000, 1000) | st.text("abc é☃", max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcd", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_reads_what_yaml_writes_and_knows_every_place(data):
    located = loads(yaml.safe_dump(data, allow_unicode=True))
    assert located.data == data

    def walk(value, at):
        assert at in located.places
        if isinstance(value, dict):
            for key, item in value.items():
                assert (*at, key, KEY) in located.places
                walk(item, (*at, key))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                walk(item, (*at, i))

    walk(data, ())


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_never_a_crash(text):
    try:
        loads(text)
    except Problems as found:
        assert all(p.line >= 1 and p.col >= 1 for p in found.problems)


def test_data_where_yaml_is_meant_is_told(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(Problems, match="R100 this is data, not YAML; .*--sample"):
        load(tmp_path / "a.jsonl")
