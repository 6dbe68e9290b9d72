"""What planning made is read back as it was; anything else in a file is as good as no file."""

from __future__ import annotations

import numpy as np
import pytest

from rules.line_rules.filter_tables import filter_tables, planned, to_arrays
from rules.line_rules.line_filter import LineFilter
from rules.matching.kept_automata import automata
from rules.matching.kept_automata import from_arrays as automata_from
from rules.matching.kept_automata import to_arrays as automata_arrays
from rules.text import kept_arrays
from rules.text.kept_arrays import cache_folder, content_key, keep, kept

PATTERNS = (r"(?i)^[\s•]*(?:home|log in)$", r"lorem ipsum|\d{3}-\d{4}", r"^#|;$", "[!-~]{200}", r"[^.?!]$", "a*")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("rules.line_rules.filter_tables.LONG_SECONDS", -1.0)
    monkeypatch.setattr("rules.matching.kept_automata.LONG_SECONDS", -1.0)
    return tmp_path / "cache"


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one)


def test_tables_are_read_as_they_were_made(folder, monkeypatch):
    made, states = to_arrays(filter_tables(PATTERNS)), automata_arrays(automata(PATTERNS))
    assert len(list(folder.glob("*.npz"))) == 2
    monkeypatch.setattr("rules.line_rules.filter_tables.planned", lambda patterns: pytest.fail("planned again") if patterns else planned(patterns))
    monkeypatch.setattr("rules.matching.kept_automata.automaton", lambda pattern: pytest.fail("made again"))
    assert same(to_arrays(filter_tables(PATTERNS)), made) and same(automata_arrays(automata(PATTERNS)), states)
    assert same(made, to_arrays(planned(PATTERNS)))
    assert [one is None for one in automata(PATTERNS)] == [False, True, True, True, True, True]


@pytest.mark.parametrize("harm", [lambda whole: b"", lambda whole: b"no archive", lambda whole: whole[: len(whole) // 2], lambda whole: bytes(len(whole))])
def test_a_broken_file_is_made_anew(folder, harm):
    made = to_arrays(filter_tables(PATTERNS))
    (path,) = folder.glob("*.npz")
    path.write_bytes(harm(path.read_bytes()))
    assert same(to_arrays(filter_tables(PATTERNS)), made)
    assert same(kept(path.stem), made)


@pytest.mark.parametrize(("name", "change"), [
    ("heads.patterns", lambda a: a + len(PATTERNS)), ("short.gram_from", lambda a: a - 1), ("long.pair_from", lambda a: a + 100),
    ("short.values", lambda a: a[1:]), ("short.gram_bits", lambda a: a[1:]), ("edge_patterns", lambda a: a + 99), ("groups", lambda a: a[1:]),
    ("plans", lambda a: a[1:]), ("plans", lambda a: a.astype(np.int32)), ("short.places", lambda a: a - 1),
])  # fmt: skip
def test_tables_that_lead_outside_are_not_used(name, change):
    made = to_arrays(filter_tables(PATTERNS))
    key = next(iter(cache_folder().glob("*.npz"))).stem
    keep(key, {**made, name: change(made[name])})
    assert same(to_arrays(filter_tables(PATTERNS)), made)


def test_automata_of_another_shape_are_not_used():
    made = automata_arrays(automata(PATTERNS))
    assert automata_from(made, len(PATTERNS)) is not None
    for wrong in ({**made, "follow": made["follow"][1:]}, {**made, "sizes": made["sizes"] * 2}, {**made, "sizes": -made["sizes"]}, {"sizes": made["sizes"]}):
        assert automata_from(wrong, len(PATTERNS)) is None


def test_objects_are_not_unpickled(folder):
    folder.mkdir()
    np.savez(folder / "x.npz", a=np.array([object()], dtype=object), allow_pickle=True)
    assert kept("x") is None


def test_keys_tell_contents_apart():
    assert len({content_key("a", "bc"), content_key("ab", "c"), content_key("abc"), content_key()}) == 4


def test_nothing_is_kept_where_nothing_can_be(tmp_path, monkeypatch):
    made = to_arrays(LineFilter(PATTERNS).tables)
    (tmp_path / "file").write_text("")
    for value in ("", str(tmp_path / "file"), str(tmp_path / "file" / "below")):
        monkeypatch.setenv("GRISTMILL_CACHE", value)
        assert same(to_arrays(filter_tables(PATTERNS)), made)
        assert kept("x") is None
    assert (tmp_path / "file").read_text() == ""


def test_the_oldest_files_go(folder, monkeypatch):
    monkeypatch.setattr(kept_arrays, "MOST_FILES", 3)
    for number in range(6):
        keep(str(number), {"a": np.arange(number)})
    assert len(list(folder.iterdir())) == 3 and kept("5")["a"].tolist() == [0, 1, 2, 3, 4]


def test_a_user_without_the_variable_has_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.delenv("GRISTMILL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gristmill"
