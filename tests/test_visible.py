"""Text from the web is shown, never obeyed."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rules.visible import excerpt, shown_path, visible


def test_escapes_overrides_and_invisibles_are_shown():
    assert visible("a\x1b[31mred\x07") == "a<U+001B>[31mred<U+0007>"
    assert visible("\u202eevil\u200b\ufeff\x85") == "<U+202E>evil<U+200B><U+FEFF><U+0085>"
    assert visible("tab\tand\nnewline é 漢 🙂") == "tab\tand\nnewline é 漢 🙂"


@given(st.text(max_size=200), st.integers(2, 50))
def test_an_excerpt_is_one_short_safe_line(text, characters):
    line = excerpt(text, characters)
    assert len(line) <= characters
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029\u202e" for c in line)


def test_a_path_is_shown_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "out" / "x") == shown_path(Path("out/x")) == "out/x"
    assert shown_path(tmp_path.parent / "x") == str(tmp_path.parent / "x")
