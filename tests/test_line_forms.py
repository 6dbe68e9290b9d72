"""Line rules that repair encodings and normalise: what the libraries do to each line, and an edit for every line that changed."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import ftfy
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ftfy.badness import is_bad
from hostile_texts import any_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import apply
from rules.format.pack import load_pack
from rules.line_rules.line_forms import LINE_FORMS, form_pattern, reformed, repair
from rules.places import Problems
from rules.rule import Pack, Rule

MARKED = st.text(st.sampled_from("aeoAéê\u0301\u0308\u0327ﬁ²Ａ한\u1112\u1161\u11ab각क\u093cＡ\u2126\u212b\u0344각漢\uf900\u0958"), max_size=12)
BROKEN = st.text(st.sampled_from("aéöüß“’–€漢字Жяकий "), max_size=10).map(lambda text: text.encode().decode("windows-1252", "ignore"))
lines = any_texts.map(lambda text: " ".join(text.splitlines())) | MARKED | BROKEN | st.sampled_from(["a &lt; b", "&#10;", "a &amp;amp; b <", "\x1b[31mred\x1b[0m", "\ufeffa", "x\x85y"])


def defined(form: str, line: str) -> str:
    """The form of one line, by the library."""
    if form != "ftfy":
        return unicodedata.normalize(form.upper(), line)
    kept = {"fix_latin_ligatures": False, "fix_character_width": False, "uncurl_quotes": False, "fix_line_breaks": False, "normalization": None}
    return ftfy.fix_text(line, **kept).replace("\r", " ").replace("\n", " ")


@pytest.mark.parametrize("form", LINE_FORMS)
@settings(max_examples=100, deadline=None)
@given(found=st.lists(lines.map(lambda line: line.replace("\r", "").replace("\n", "")), min_size=1, max_size=6))
def test_a_rule_makes_every_line_what_the_library_makes_it(form, found):
    pack = Pack("p", "", (Rule("r", "w", lines=form, match=form_pattern(form)),))
    applied = apply([pack], pa.array(["\n".join(found), "nothing"], pa.large_string()))
    wanted = [defined(form, line) for line in found]
    assert applied.texts.to_pylist() == ["\n".join(wanted), "nothing"]
    edits = [(number, before, after) for number, (before, after) in enumerate(zip(found, wanted), 1) if before != after]
    assert list(zip(*(applied.edits[name].to_pylist() for name in ("line", "before", "after")))) == edits


@pytest.mark.parametrize("form", ["nfc", "nfkc"])
def test_no_character_that_changes_is_overlooked(form):
    changed = pa.array([chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.normalize(form.upper(), chr(c)) != chr(c)])
    assert pc.all(pc.match_substring_regex(changed, form_pattern(form))).as_py()
    assert not pc.match_substring_regex(pa.array(["plain text, schöne Grüße, 漢字 каша"]), form_pattern(form))[0].as_py()


@pytest.mark.parametrize("line", ["É»я", "É»字", "É»_", "a\u2003Â b", "a\u00a0Ã "])
def test_ftfys_signs_hold_for_letters_and_spaces_of_all_scripts(line):
    """Python's and not RE2's, which know ASCII only."""
    assert is_bad(line) and pc.match_substring_regex(pa.array([line]), form_pattern("ftfy"))[0].as_py()


def test_entities_make_no_new_lines():
    assert repair("one&#10;two&#13;three") == "one two three"
    assert reformed("ftfy", pa.array(["", "a"], pa.large_string())).to_pylist() == ["", "a"]


def pack_of(folder: Path, rules: str) -> Pack:
    (folder / "p.yaml").write_text(f"pack: p\nabout: A test.\nrules:\n{rules}")
    return load_pack(folder / "p.yaml")


def test_a_pack_says_it_without_a_pattern(tmp_path):
    pack = pack_of(tmp_path, "  - {id: a, why: A test., lines: ftfy, within: {last: 1}}\n  - {id: b, why: A test., lines: nfc, match: 'x'}\n")
    found = apply([pack], pa.array(["Ã¼\nÃ¼ cafe\u0301\nxe\u0301 Ã¼"], pa.large_string()))
    assert found.texts.to_pylist() == ["Ã¼\nÃ¼ cafe\u0301\nxé ü"]
    assert found.edits["rule"].to_pylist() == ["p/a", "p/b"]


def test_a_pack_that_extends_one_keeps_its_form(tmp_path):
    (tmp_path / "child.yaml").write_text("pack: child\nabout: A test.\nextends: [text_repair]\nrules:\n  - {id: mojibake, action: off}\n  - {id: composed, lines: nfkc}\n")
    found = apply([load_pack(tmp_path / "child.yaml")], pa.array(["â€” ﬁ"], pa.large_string()))
    assert found.texts.to_pylist() == ["â€” fi"]


def test_a_form_takes_no_replacement(tmp_path):
    with pytest.raises(Problems, match="with goes with lines: replace"):
        pack_of(tmp_path, "  - {id: a, why: A test., lines: nfc, with: x}\n")
    with pytest.raises(Problems, match="expected one of drop, trim, replace, ftfy, nfc, nfkc, got 'nfd'"):
        pack_of(tmp_path, "  - {id: a, why: A test., lines: nfd}\n")


def test_another_version_of_ftfy_is_another_rule(monkeypatch):
    rule = Rule("r", "w", lines="ftfy", match="x")
    before = rule.measured()
    monkeypatch.setattr("rules.line_rules.line_forms.importlib.metadata.version", lambda name: "99")
    assert rule.measured() != before and Rule("r", "w", lines="nfc").measured() == Rule("r", "w", lines="nfc").measured()
