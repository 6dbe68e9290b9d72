"""The page of results, what runs a benchmark, and the tables of figures in README and docs/."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import figures, results, results_page

ROOT = Path(__file__).parents[1]
SPEEDS = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=5)


def figure(**changes) -> dict:
    made = {"key": "made-up", "what": "a | thing", "ours": [2.0, 4.0, 3.0], "unit": "MB/s", "peer": "peer 1.0", "theirs": [1.0], "on": "9 documents", "note": ""}
    return made | changes


def results_with(*of: dict, error: str | None = None) -> dict:
    one = {"name": "made", "command": "python -m benchmarks.made", "seconds": 60.0, "processor_seconds": 50.0, "load": 0.5, "error": error, "printed": "a line\n", "figures": list(of)}
    return {"machine": "a machine", "versions": ["Python 3"], "peers": ["peer 1.0"], "runs": 3, "benchmarks": [one]}


@settings(max_examples=60, deadline=None)
@given(SPEEDS, SPEEDS)
def test_a_ratio_is_that_of_medians_between_those_of_the_extremes(ours, theirs):
    middle, least, most = results_page.ratio(figure(ours=ours, theirs=theirs))
    assert middle == pytest.approx(median(ours) / median(theirs))
    assert least <= middle * (1 + 1e-9) and middle <= most * (1 + 1e-9)
    assert results_page.ratio(figure(ours=[1 / each for each in ours], theirs=[1 / each for each in theirs], unit="s"))[1:] == pytest.approx((least, most))


def test_the_page_has_a_row_for_each_figure_and_for_what_failed():
    page = results_page.page(results_with(figure(), figure(key="alone", theirs=[], peer=""), error="Traceback\nValueError: no such file"))
    assert "| a \\| thing | 3.0 MB/s (2.0 to 4.0) | peer 1.0 | 1.00 MB/s | **3.0** (2.0 to 4.0) | 3 and 1 | 9 documents |" in page
    assert "| a \\| thing | 3.0 MB/s (2.0 to 4.0) | 3 | 9 documents |" in page
    assert "| made | ValueError: no such file |" in page
    assert "```\na line\n```" in page


def test_a_table_is_written_between_its_marks_and_nothing_else_changes():
    text = "before\n<!-- figures: made-up unknown -->\nold\n<!-- /figures -->\nafter\n"
    filled = results_page.filled(text, results_with(figure()))
    assert filled.startswith("before\n<!-- figures: made-up unknown -->\n") and filled.endswith("<!-- /figures -->\nafter\n")
    assert "| a \\| thing | 3.0 MB/s | 3.0 times peer 1.0 | `python -m benchmarks.made` |" in filled and "old" not in filled
    assert results_page.filled(filled, results_with(figure())) == filled
    assert results_page.named(text, "figures") == ["made-up", "unknown"]


def test_a_table_that_a_benchmark_noted_stands_in_a_page_as_it_is():
    noted = {"table": "made-up", "header": ["what", "MB"], "rows": [["a | thing", "3.0"]], "numbers": 1, "on": "9 documents"}
    found = results_with()
    found["benchmarks"][0]["tables"] = [noted]
    text = "<!-- figures: made-up -->\n<!-- /figures -->\n<!-- table: made-up -->\nold\n<!-- /table -->\n<!-- table: other -->\n<!-- /table -->\n"
    filled = results_page.filled(text, found)
    assert "| what | MB |\n| --- | ---: |\n| a \\| thing | 3.0 |\n\n9 documents; a machine; one run of `python -m benchmarks.made`.\n\n<!-- /table -->" in filled
    assert "old" not in filled and filled.endswith("<!-- table: other -->\n\nnot measured yet.\n\n<!-- /table -->\n")
    assert results_page.filled(filled, found) == filled
    assert results_page.named(text, "table") == ["made-up", "other"]


@pytest.mark.parametrize("path", results_page.pages(), ids=lambda path: path.name)
def test_figures_of_the_docs_are_those_of_the_results(path):
    found, text = results_page.load(), path.read_text(encoding="utf-8")
    assert text == results_page.filled(text, found), "run: python scripts/write_docs.py"
    if {benchmark["name"] for benchmark in found["benchmarks"] if benchmark["error"] is None} == set(results.BENCHMARKS):
        assert set(results_page.named(text, "figures")) <= set(results_page.figures_of(found)), "figures that no benchmark measures"
        assert set(results_page.named(text, "table")) <= set(results_page.tables_of(found)), "tables that no benchmark shows"


def test_the_page_is_that_of_its_data():
    assert results_page.RESULTS.with_suffix(".md").read_text(encoding="utf-8") == results_page.page(results_page.load())


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_no_page_states_a_speed_outside_the_tables_of_figures(path):
    text = results_page.MARKED.sub("", path.read_text(encoding="utf-8"))
    stated = r"\d[\d,.]* ?(?:[MG]B/s|documents/s|tokens/s|ns a byte)|\d[\d,.]* times (?:as fast|faster|the speed of|datatrove|fasttext|tokenizers|datasketch)"
    assert not re.findall(stated, text), "a figure comes from benchmarks/RESULTS.json: name it between marks, and run scripts/write_docs.py"


def test_the_page_of_performance_states_no_measured_amount_outside_its_tables():
    """Sizes that settings or the estimate's question name are whole; seconds and what was measured in them are not there at all."""
    text = results_page.MARKED.sub("", (ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))
    assert not re.findall(r"\d[\d,.]* ?(?:m?s|ns|min|minutes|hours|times|%)\b|\d\.\d+ ?(?:[kMGT]?B)\b", text)


# ---- running


def test_a_benchmark_is_run_with_its_figures_and_its_failure_is_told(monkeypatch):
    monkeypatch.setitem(results.BENCHMARKS, "made", ["machine"])
    good = results.run("made", 2)
    assert (good["error"], good["figures"], good["command"]) == (None, [], "python -m benchmarks.machine")
    assert good["tables"] == []
    monkeypatch.setitem(results.BENCHMARKS, "made", ["no_such_benchmark"])
    assert "no_such_benchmark" in results.run("made", 2)["error"]
    code = "import time\nprint('begun', flush=True)\ntime.sleep(60)"
    assert results.watched([sys.executable, "-c", code], dict(os.environ), 1.5)[0] is None


def test_every_benchmark_is_run(tmp_path):
    for name, text in {"added": "pass\nif __name__ == '__main__':\n    pass\n", "some_peer": "\nif __name__ == ''", "part": "pass", "language_packs": "\nif __name__ =="}.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert results.benchmarks(tmp_path) == results.LISTED | {"added": ["added"]}
    assert all((ROOT / "benchmarks" / f"{module}.py").exists() for module, *_ in results.BENCHMARKS.values())


def test_figures_are_noted_where_they_are_asked_for(tmp_path):
    code = "from benchmarks.figures import record, show_table, timed\nrecord('k', 'what', timed(lambda: None), 's', on='nothing')\nshow_table('t', ['a', 'b'], [['c', '1']], numbers=1)"
    environment = os.environ | {"BENCHMARK_RUNS": "2", "BENCHMARK_FIGURES": str(tmp_path / "f"), "PYTHONPATH": str(ROOT)}
    printed = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True).stdout
    figure_noted, table_noted = map(json.loads, (tmp_path / "f").read_text().splitlines())
    assert figure_noted["key"] == "k" and len(figure_noted["ours"]) == 2
    assert table_noted == {"table": "t", "header": ["a", "b"], "rows": [["c", "1"]], "numbers": 1, "on": ""}
    assert printed == "| a | b |\n| --- | ---: |\n| c | 1 |\n"


def test_works_are_timed_in_turns():
    calls: list[str] = []
    found = figures.in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert "".join(calls) == "ababab" and {name: len(each) for name, each in found.items()} == {"a": 2, "b": 2}
