"""Repeated lines against a plain Python definition, and through whole runs."""

from __future__ import annotations

import collections
import random

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_duplicates import run, table

from curation.job import load_job
from curation.line_counts import PARTITIONS, LineCountWriter, added_up, repeated_keys
from curation.normalise import normalised
from curation.run import run_job
from curation.stages.lines import LineJudge, LinesSettings, count_units, remove_lines
from rules.places import SettingError


def plain_units(text: str, how: LinesSettings) -> list[list[int]]:
    """The line numbers of each unit."""
    units: list[list[int]] = []
    before_blank = True
    for number, line in enumerate(text.split("\n")):
        blank = not line.strip(" \t\r\v\f")
        if not blank:
            if how.unit == "paragraph" and not before_blank:
                units[-1].append(number)
            else:
                units.append([number])
        before_blank = blank
    return units


def plain_candidates(row: dict, how: LinesSettings) -> list[tuple[tuple, list[int]]]:
    """(what is compared, line numbers) of every unit that may go."""
    lines, units = row["text"].split("\n"), plain_units(row["text"], how)
    allowed = {tuple(normalised(line)) for line in how.allow}
    found = []
    for place, numbers in enumerate(units):
        words = tuple(normalised("\n".join(lines[n] for n in numbers)))
        where = {"head": place < how.edge, "foot": place >= len(units) - how.edge}
        where["middle"] = not (where["head"] or where["foot"])
        if len(words) >= how.min_words and words not in allowed and any(where[name] for name in how.at):
            group = {"corpus": "", "source": row["source"], "language": row["lang"], "host": row["url"]}[how.within]
            found.append(((words, group), numbers))
    return found


def plain_result(rows: list[dict], how: LinesSettings) -> list[str | None]:
    """The texts that stay, None where nothing is left."""
    counts = collections.Counter(key for row in rows for key in {key for key, _ in plain_candidates(row, how)})
    totals = collections.Counter({"corpus": "", "source": row["source"], "language": row["lang"], "host": row["url"]}[how.within] for row in rows)
    texts: list[str | None] = []
    for row in rows:
        gone = set()
        for key, numbers in plain_candidates(row, how):
            if counts[key] > how.max_repeats * max(1, totals[key[1]] / how.per):
                gone |= set(numbers)
        lines = row["text"].split("\n")
        if how.unit == "paragraph":
            for number, line in enumerate(lines):
                if number and number - 1 in gone and not line.strip(" \t\r\v\f"):
                    gone.add(number)
        text = "\n".join(line for number, line in enumerate(lines) if number not in gone)
        texts.append(None if gone and not text.strip() else text)
    return texts


LINES = st.sampled_from(["Home News", "home, NEWS!", "a line of words", "another line", "", "  ", "x", "Über die Straße", "----", "漢字かな", "\r"])
ROWS = st.fixed_dictionaries({
    "text": st.lists(LINES, max_size=7).map("\n".join), "source": st.sampled_from(["a", "b", None]),
    "lang": st.sampled_from(["en", None]), "url": st.sampled_from(["x.org", "y.org"]),
})  # fmt: skip
HOW = st.builds(
    LinesSettings, max_repeats=st.integers(1, 2), per=st.integers(1, 4), min_words=st.integers(1, 2), unit=st.sampled_from(["line", "paragraph"]),
    within=st.sampled_from(["corpus", "source", "language", "host"]), at=st.sampled_from([("head",), ("foot",), ("middle",), ("foot", "head"), ("head", "foot", "middle")]),
    edge=st.integers(1, 2), allow=st.sampled_from([(), ("ANOTHER line",)]),
)  # fmt: skip


@settings(deadline=None, max_examples=150)  # the first call may compile
@given(st.lists(ROWS, min_size=1, max_size=8), HOW, st.integers(0, 8))
@example([{"text": "a line of words\n\nx", "source": None, "lang": None, "url": "x"}] * 3, LinesSettings(max_repeats=1, unit="paragraph"), 1)
@example([{"text": "a line of words\n\n", "source": None, "lang": None, "url": "x"}] * 3, LinesSettings(max_repeats=1), 1)
def test_lines_that_go_are_those_of_the_definition(tmp_path_factory, rows, how, cut):
    documents = pa.table({
        "id": [str(n) for n in range(len(rows))],
        **{name: pa.array([row[name] for row in rows], pa.string()) for name in ("source", "lang", "url")},
        "text": pa.array([row["text"] for row in rows], pa.large_string()),
    })  # fmt: skip
    judge, folder = LineJudge(how), tmp_path_factory.mktemp("counts")
    files = []
    for number, part in enumerate((documents.slice(0, cut), documents.slice(cut))):
        writer = LineCountWriter(folder / f"{number}.arrow")
        for row in range(len(part)):
            writer.write(count_units(part.slice(row, 1), judge))
        writer.write(count_units(part.slice(0, 0), judge))
        writer.close()
        files.append(pa.ipc.open_file(str(writer.path)))
    groups = added_up([file.get_batch(PARTITIONS) for file in files])
    parts = [repeated_keys(added_up([file.get_batch(p) for file in files]), groups, how) for p in range(PARTITIONS)]
    repeated = pa.concat_arrays([pa.array(part) for part in parts]).to_numpy()
    outcome = remove_lines(documents, judge, repeated)
    expected = plain_result(rows, how)
    texts = dict(zip(outcome.kept["id"].to_pylist(), outcome.kept["text"].to_pylist()))
    assert [texts.get(str(n)) for n in range(len(rows))] == expected
    assert outcome.removed is None or outcome.removed["text"].to_pylist() == [row["text"] for row, text in zip(rows, expected) if text is None]
    for number, text in enumerate(expected):
        edits = [row for row in (outcome.edits.to_pylist() if outcome.edits is not None else []) if row["id"] == str(number)]
        lines = (text or "").split("\n") if text or not edits or text == "" else []
        for edit in edits:
            lines.insert(edit["line"] - 1, edit["before"])
        if text is not None and (text or not edits):
            assert "\n".join(lines) == rows[number]["text"]


def pages(count: int = 40) -> list[dict]:
    rng = random.Random(1)
    found = []
    for n in range(count):
        body = [" ".join(rng.choice("sea river town stone bread light".split()) + str(rng.randint(0, 99)) for _ in range(9)) for _ in range(8)]
        found.append({"id": f"p{n:02d}", "text": "\n".join(["Home About us Contact", "Skip to the content", *body, "All rights are reserved"]), "source": f"s{n % 2}", "url": f"http://h{n % 3}.org/{n}"})
    return found


@pytest.mark.parametrize(("seed", "files", "workers"), [(1, 3, "inline"), (2, 1, "inline"), (3, 5, 2)])
def test_a_run_removes_them_in_any_order_and_division(tmp_path, seed, files, workers):
    rows = pages()
    stages = "exact: {}\nlines: {max_repeats: 6, allow: [Skip to the content]}"
    first = run(tmp_path / "first", rows, stages)
    kept = {row["id"]: row["text"] for row in table(first, "clean")}
    assert set(kept) == {row["id"] for row in rows}
    assert all(text.startswith("Skip to the content\n") and "rights" not in text and "Home" not in text for text in kept.values())
    edits = table(first, "edits")
    assert len(edits) == 80 and {edit["rule"] for edit in edits} == {"lines/repeated"} and {edit["line"] for edit in edits} == {1, 11}
    other = run(tmp_path / "other", random.Random(seed).sample(rows, len(rows)), stages, files, workers)
    assert {row["id"]: row["text"] for row in table(other, "clean")} == kept
    assert sorted(map(str, table(other, "edits"))) == sorted(map(str, edits))
    report = (first / "report/report.md").read_text()
    assert "lines/repeated" in report


def test_counted_in_what_is_left_and_thresholds_do_not_read_again(tmp_path):
    rows = [*pages(8), *({"id": f"c{n}", "text": "Only here a line\nand a second line here"} for n in range(9))]
    output = run(tmp_path, rows, "exact: {}\nlines: {max_repeats: 7}")
    assert "Only here a line" in {row["text"].split("\n")[0] for row in table(output, "clean")}
    assert all("Home" not in row["text"] for row in table(output, "clean"))
    job = tmp_path / "job.yaml"
    job.write_text(job.read_text().replace("max_repeats: 7", "max_repeats: 8"))
    result = run_job(load_job(job))
    assert result.done_before >= 3 and any("Home" in row["text"] for row in table(output, "clean"))


def test_documents_of_which_nothing_is_left_are_removed_and_told(tmp_path):
    rows = [{"id": f"n{n}", "text": f"the same line everywhere{'.' * n}"} for n in range(4)]
    output = run(tmp_path, rows, "lines: {max_repeats: 3}")
    assert not table(output, "clean") and {row["reason"] for row in table(output, "removed")} == {"lines/empty"}


@pytest.mark.parametrize(("key", "given"), [("max_repeats", {"max_repeats": 0}), ("at", {"at": ()}), ("at", {"at": ("head", "head")}), ("min_words", {"min_words": 0})])
def test_settings_that_make_no_sense(key, given):
    with pytest.raises(SettingError) as error:
        LinesSettings(**given)
    assert error.value.key == key
