"""The Python API: three lines from a table to what stays and why the rest goes."""

from __future__ import annotations

import pyarrow as pa
import pytest


def test_three_lines():
    from rules import apply, load_pack

    texts = ["the cat and the dog have to be with that mouse. " * 10, "Accept all cookies\nHello there.", None]
    table = pa.table({"name": [1, 2, 3], "text": texts, "lang": ["eng_Latn", "English", "xx?"], "url": ["http://a.org", None, "b"]})
    result = apply(table, [load_pack("web_chrome"), load_pack("gopher_quality")])
    assert result.kept["name"].to_pylist() == [1] and result.kept.column_names == table.column_names
    assert result.removed["name"].to_pylist() == [2, 3] and result.removed["reason"][0].as_py() == "gopher_quality/word-count"
    assert result.removed["text"][0].as_py() == texts[1], "removed documents are as they came"
    assert result.edits.to_pylist()[0]["before"] == "Accept all cookies" and result.edits["row"].to_pylist() == [1]
    assert len(result.signals) == 3 and result.signals["gopher_quality.non_symbol_words"].to_pylist()[2] == 0
    hit = result.removed["hits"][0].as_py()[0]
    assert (hit["signal"], hit["value"], hit["threshold"]) == ("non_symbol_words", 2.0, 50.0)


def test_a_pack_by_itself_is_a_list_of_one():
    from rules import apply, load_pack

    table = pa.table({"text": ["Accept all cookies\nHello there."]})
    assert apply(table, load_pack("web_chrome")).edits.equals(apply(table, [load_pack("web_chrome")]).edits)


def test_other_column_names_and_types():
    from rules import apply, load_pack

    table = pa.table({"content": pa.array(["x"], pa.string())})
    assert apply(table, [load_pack("gopher_quality")], text="content").removed.schema.field("content").type == pa.string()
    with pytest.raises(KeyError):
        apply(table, [load_pack("gopher_quality")])


def test_names_that_are_not_there():
    import rules

    with pytest.raises(AttributeError, match="has no attribute 'appl'"):
        _ = rules.appl
    with pytest.raises(ValueError, match="did you mean 'gopher_quality'"):
        rules.load_pack("gopher_qualit")
