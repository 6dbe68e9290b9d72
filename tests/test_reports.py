"""The page of a run: what it shows is what the tables hold, hostile text stays text, and it looks right in Chromium."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import article, write_corpus, write_job
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import report as report_of_run
from curation.job import load_job
from curation.manifest import Entry
from curation.report import write_report
from curation.reports import shard_choice
from curation.reports.comparison import compare, write_comparison
from curation.reports.documents import Lowest, lowest_rows
from curation.reports.measured import Measured, columns_of, nearly_removed
from curation.reports.page import heights, size_ranges
from curation.reports.shard_choice import SHOWN
from curation.run import run_job

HOSTILE = [
    "<script>alert(1)</script><img src=https://evil.example/x.png onerror=alert(1)>",
    "</pre></details></body><style>body{display:none}</style>{{ 7 * 7 }}{% raw %}",
    "\x1b[2J\x1b]0;title\x07\u202eright to left\u202c\u200b\u2066",
    "\u0634\u0628\u06a9\u0647 \u0627\u062c\u062a\u0645\u0627\u0639\u06cc",
    "x" * 5000,
    "&lt;b&gt; &amp; \"quoted\" 'quoted'",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run over documents that try to break out of a page."""
    import random

    folder = tmp_path_factory.mktemp("reports")
    corpus, rng = write_corpus(folder / "corpus"), random.Random(3)
    hostile = [{"id": f"<b>{i}</b>\u202e", "text": text, "url": f"https://host{i}.example/\"><script>{text[:20]}", "source": "<i>s</i>"} for i, text in enumerate(HOSTILE)]
    hostile += [{"id": f"long-{i}", "text": f"{text}\n{article(rng)}", "url": "not a url", "source": "s"} for i, text in enumerate(HOSTILE)]
    (corpus / "part-9.jsonl").write_text("".join(json.dumps(row) + "\n" for row in hostile), encoding="utf-8")
    run_job(load_job(write_job(folder / "job.yaml", corpus, "<out>")))
    return folder / "<out>"


def tables(output: Path, folder: str) -> list[dict]:
    return [row for path in sorted((output / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def documents(output: Path) -> dict:
    return json.loads((output / "report/documents.json").read_text())


class Page(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_takes_nothing_from_elsewhere_and_obeys_no_document(finished):
    page = Page(finished / "report/report.html")
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "embed", "form", "i", "b"}
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for _, attributes in page.tags:
        assert not set(attributes) & {"src", "style", "srcset", "action"} and not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#funnel")[1:] in anchors, "every link leads to a part of the page"
    raw = (finished / "report/report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in raw and "url(" not in raw and "@import" not in raw
    assert not any(c in raw for c in "\x1b\x07\u202e\u202c\u200b\u2066") and "<U+001B>[2J" in page.text and "<U+202E>" in page.text
    assert "{{ 7 * 7 }}" in page.text and "alert(1)</script>" in page.text


def test_removed_documents_are_a_sample_of_those_the_rule_removed(finished):
    by_reason: dict[str, dict[str, str]] = {}
    for row in tables(finished, "removed"):
        by_reason.setdefault(row["reason"], {})[row["id"]] = row["text"]
    shown = documents(finished)["removed"]
    assert shown.keys() == by_reason.keys()
    for reason, some in shown.items():
        assert len(some) == min(SHOWN, len(by_reason[reason])) == len({document["id"] for document in some})
        for document in some:
            assert by_reason[reason][document["id"]].startswith(document["text"]) and document["text"]


def test_nearly_removed_are_kept_documents_nearest_to_the_threshold(finished):
    some = documents(finished)["nearly_removed"]["gopher_quality/alpha-words"]
    signals = {row["id"]: row for row in tables(finished, "signals") if row["verdict"] == "kept"}
    column = {i: row["gopher_quality.alpha_word_frac"] for i, row in signals.items()}
    threshold = some[0]["measured"][0]["any_of"][0]["threshold"]
    nearest = sorted(value - threshold for value in column.values() if value is not None and value >= threshold)[:SHOWN]
    assert [document["measured"][0]["value"] - threshold for document in some] == pytest.approx(nearest)
    assert all(column[document["id"]] == document["measured"][0]["value"] for document in some)


def test_numbers_of_the_page_are_those_of_the_tables(finished):
    report = json.loads((finished / "report/report.json").read_text())
    kept, removed, signals = (tables(finished, name) for name in ("clean", "removed", "signals"))
    assert report["looked_at"]["whole"] and report["looked_at"]["documents"] == len(signals)
    counted = {row["host"]: (row["in"], row["kept"]) for row in report["hosts"]["rows"]}
    for host, (came, stayed) in counted.items():
        assert stayed == sum(f"//{host}/" in row["url"] for row in kept) and came == stayed + sum(f"//{host}/" in row["url"] for row in removed)
    for histogram in report["histograms"]:
        values = [row[histogram["signal"]] for row in signals]
        assert sum(histogram["counts"]) == histogram["documents"] == sum(v is not None and np.isfinite(v) for v in values)
    tokens = report["tokens"]
    assert tokens["kept"] == tokens["stages"][-1] == sum(row["tokens"] for row in pq.read_table(finished / "packed/documents.parquet").to_pylist())
    assert f"{report['in']:,} in = {report['kept']:,} kept" in Page(finished / "report/report.html").text


def test_duplicates_are_shown_beside_what_was_kept(finished):
    texts = {row["id"]: row["text"] for row in tables(finished, "clean")}
    pairs = [pair for some in documents(finished)["duplicates"].values() for pair in some]
    assert pairs and {pair["removed"]["stage"] for pair in pairs} == {"exact", "near"}
    for pair in pairs:
        assert pair["kept"]["id"] == pair["removed"]["kept_id"] and texts.get(pair["kept"]["id"], pair["kept"]["text"]).startswith(pair["kept"]["text"])


def test_a_large_run_is_looked_into_in_part(finished, tmp_path, monkeypatch):
    output = shutil.copytree(finished, tmp_path / "out")
    monkeypatch.setattr(shard_choice, "ROWS", 40)
    report = write_report(output)
    looked = report["looked_at"]
    assert not looked["whole"] and 1 <= looked["shards"] < looked["of_shards"] and looked["documents"] < 60
    shown = documents(output)["removed"]
    rules = {rule for rule, said in report["rules"].items() if said["reason"]}
    assert rules and rules <= shown.keys(), "a rule that removed documents elsewhere only is shown from there"
    page = (output / "report/report.html").read_bytes()
    write_report(output)
    assert page == (output / "report/report.html").read_bytes(), "the choice is seeded"


def test_nearly_removed_are_of_shards_that_texts_are_shown_of(finished, monkeypatch):
    """A shard that is too large for the texts lies before one that is not."""
    entries = report_of_run.read_entries(finished)
    monkeypatch.setattr(shard_choice, "SHOWN_SHARDS", 1)
    rows = shard_choice.choose(finished, entries).rows
    every = sorted(rows, key=shard_choice.order)
    monkeypatch.setattr(shard_choice, "SHOWN_ROWS", rows[every[0]] + min(rows[name] for name in every[1:]))
    shards = shard_choice.choose(finished, entries)
    assert 2 <= len(shards.shown) < len(shards.chosen) and shards.shown != shards.chosen[: len(shards.shown)]
    rules = report_of_run.numbers(finished, entries)["rule_forms"]
    measured = Measured(shards, set(columns_of(rules)))
    assert measured.shown.sum() == sum(pq.read_metadata(path).num_rows for path in shards.paths("signals", shards.shown)) < len(measured)
    shards_of = {row["id"]: name for name in every for folder in ("clean", "removed") for path in shards.paths(folder, [name]) for row in pq.read_table(path, columns=["id"]).to_pylist()}
    found = {shards_of.get(document["id"]) for some in nearly_removed(shards, measured, rules).values() for document in some}
    assert found == set(shards.shown)


def test_pictures_are_written_where_asked_for(finished):
    assert not list((finished / "report").glob("*.png"))
    write_report(finished, pictures=True)
    found = {path.stem for path in (finished / "report").glob("*.png") if path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000}
    assert found == {"funnel", "rules", "signals", "languages", "hosts", "duplicates"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", None]), max_size=30), max_size=6), st.integers(1, 5))
def test_the_lowest_are_as_many_as_wanted_and_of_their_group(groups, wanted):
    lowest = Lowest(wanted)
    for number, names in enumerate(groups):
        lowest.add(pa.chunked_array([pa.array(names, pa.string())]), Path("f.parquet"), number)
    found = lowest.places()
    for name in ("a", "b"):
        places = found.get(name, [])
        assert len(set(places)) == len(places) == min(wanted, sum(names.count(name) for names in groups))
        assert all(groups[group][row] == name for _, group, row in places)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=200), st.integers(1, 5), st.integers(0, 9))
def test_rows_that_are_sorted_hold_the_lowest_of_every_group(codes, wanted, seed):
    codes, draw = np.array(codes, np.int64), np.random.default_rng(seed).random(len(codes))
    rows = lowest_rows(codes, draw, 4, wanted)
    for group in range(4):
        every = sorted(np.flatnonzero(codes == group), key=lambda row: draw[row])
        assert rows[codes[rows] == group][:wanted].tolist() == every[:wanted]
    assert (np.diff(codes[rows]) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.integers(0, 30).map(str), st.integers(0, 6)), max_size=4), st.integers(0, 4))
def test_what_is_rare_is_looked_for_where_the_manifest_counts_it(found, looked):
    every = [str(n) for n in range(31)]
    more = shard_choice._more(every[:looked], every, found)
    assert len(set(more)) == len(more) <= shard_choice.EXTRA_SHARDS and not set(more) & set(every[:looked])
    for by_shard in found.values():
        have = sum(by_shard.get(shard, 0) for shard in [*every[:looked], *more])
        assert have >= min(SHOWN, sum(by_shard.values())) or len(more) == shard_choice.EXTRA_SHARDS
    if sum(any(by_shard.values()) for by_shard in found.values()) <= shard_choice.EXTRA_SHARDS:
        assert all(any(by_shard.get(shard) for shard in [*every[:looked], *more]) for by_shard in found.values() if any(by_shard.values()))


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text() | st.integers(), some, max_size=3), max_leaves=8)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_json_in_lines_is_the_json_that_python_writes(data):
    text = report_of_run.json_lines(data)
    assert json.loads(text) == json.loads(json.dumps(data))
    entries = sum(len(value) if isinstance(value, (dict, list)) else 0 for value in data.values())
    assert text.count("\n") >= len(data) + entries


def test_a_report_written_again_is_the_same(finished):
    """The run knows its entries; the command reads them in the manifest."""
    names = ("report.html", "report.md", "report.json", "documents.json")
    before = [(finished / "report" / name).read_bytes() for name in names]
    write_report(finished)
    assert [(finished / "report" / name).read_bytes() for name in names] == before


MEASURED_PACK = """\
pack: mine
about: Rules that ablations measured.
rules:
  - id: few-words
    why: A test.
    action: tag
    drop_when: {words: "< 40"}
    evidence:
      - {date: 2026-11-28, verdict: better, difference: -0.01234, interval: [-0.01500, -0.00960], on: "<b>held-out</b> pages", tokens: 2000000,
         seeds: 3, parameters: 5000000, flops: 1.2e+14, rule: "0123456789ab", ablation: "cdcdcdcdcdcd"}
    examples: {drop: [{words: 39}], keep: [{words: 40}]}
  - {id: not-measured, why: A test., action: tag, drop_when: {words: "< 2"}, examples: {drop: [{words: 1}], keep: [{words: 2}]}}
"""


@pytest.fixture(scope="module")
def compared(finished, tmp_path_factory) -> tuple[Path, dict, Path]:
    """A second run of the same documents by a stricter job without packing, the comparison, and the folder of its pages."""
    folder = tmp_path_factory.mktemp("second")
    (folder / "mine.yaml").write_text(MEASURED_PACK)
    (folder / "job.yaml").write_text(f"input: {finished.parent / 'corpus'}\noutput: plain\npacks: [{{use: gopher_quality, set: {{alpha-words: tag}}}}, mine.yaml]\nworkers: inline\n")
    run_job(load_job(folder / "job.yaml"))
    found = compare(finished, folder / "plain")
    write_comparison(found, folder / "pages")
    return folder / "plain", found, folder / "pages"


def test_two_runs_side_by_side_are_their_reports(finished, compared):
    other, found, folder = compared
    first, second = (json.loads((output / "report/report.json").read_text()) for output in (finished, other))
    for key in ("in", "kept", "removed", "quarantined"):
        assert (found["a"][key], found["b"][key]) == (first[key], second[key])
    assert found["b"]["tokens"] == 0 and found["a"]["kept"] < found["b"]["kept"]
    rules = {row["name"]: row for row in found["rules"]}
    assert rules.keys() == first["rules"].keys() | second["rules"].keys() and rules["gopher_repetition/dup-lines"]["b"] is None
    differing = {row["name"] for row in found["settings"]}
    assert {"pack.vocab_size", "near.bands"} & differing and not any(name.startswith("versions.") for name in differing)
    page = Page(folder / "compared.html")
    assert "near" in (folder / "compared.md").read_text() and "<out>" in page.text and not any(tag in ("script", "img") for tag, _ in page.tags)
    assert not compare(finished, finished)["settings"]


def test_a_run_without_most_stages_has_a_page(compared):
    page = Page(compared[0] / "report/report.html")
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {"funnel", "rules", "quarantine", "provenance"} <= anchors and not {"packed", "duplicates", "edits"} & anchors


def test_what_ablations_found_stands_with_the_rule_and_in_its_section(compared):
    said = "better: -0.0123 bits per byte [-0.0150, -0.0096] on <b>held-out</b> pages, 3 seeds of 2,000,000 tokens, 2026-11-28, of an earlier form of the rule"
    report = json.loads((compared[0] / "report/report.json").read_text())
    assert report["evidence"] == {"mine/few-words": [said]} and report["rules"]["mine/few-words"]["hits"]
    page = Page(compared[0] / "report/report.html")
    assert page.text.count(said) == 2 and ("section", {"id": "evidence"}) in page.tags
    assert f"| mine/few-words | {said} |" in (compared[0] / "report/report.md").read_text()


def test_numbers_of_tables_are_the_same_whatever_their_row_groups(tmp_path):
    """A document whose spans stand on both sides of a row group's end is one document."""
    overlaps = [(f"d{n}", "eval.jsonl", f"item-{(n + k) % 3}", 13 + n % 5, f"text {n} {k}") for n in range(40) for k in (0, 0, 1)]
    clusters = [(size, n == 0) for size in (2, 3, 2, 7, 2) for n in range(size)]
    tables = {
        "overlaps/a.parquet": pa.table([list(column) for column in zip(*overlaps)], ["id", "file", "item", "ngrams", "text"]),
        "clusters/near.parquet": pa.table([list(column) for column in zip(*clusters)], ["size", "kept"]),
        "clusters/exact.parquet": pa.table({"size": pa.array([], pa.int64()), "kept": pa.array([], pa.bool_())}),
        "quarantine/a.parquet": pa.table({"cause": ["crash", "hang", "crash"]}),
    }
    entry = Entry("a", "key", outputs={name: {} for name in tables})
    for rows in (1, 2, 7, 1000):
        for name, table in tables.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            pq.write_table(table, tmp_path / name, row_group_size=rows)
        found = {item["item"]: item for item in report_of_run._evaluation([entry], tmp_path)}
        for name, item in found.items():
            some = [row for row in overlaps if row[2] == name]
            most = max(some, key=lambda row: row[3])
            assert item == {"file": "eval.jsonl", "item": name, "documents": len({row[0] for row in some}), "ngrams": most[3], "text": most[4], "document": most[0]}
        assert len(found) == 3
        assert report_of_run._duplicates([entry], tmp_path) == {
            "near": {"clusters": 5, "removed": 11, "largest": 7, "clusters_by_size": {"2": 3, "3": 1, "7": 1}},
            "exact": {"clusters": 0, "removed": 0, "largest": 0, "clusters_by_size": {}},
        }
        assert report_of_run._causes([entry], tmp_path) == {"crash": 2, "hang": 1}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(2, 10**6), st.integers(1, 1000), min_size=1, max_size=40))
def test_cluster_sizes_that_are_many_are_told_in_ranges_that_hold_each_once(sizes):
    rows = size_ranges({str(size): sizes[size] for size in sorted(sizes)})
    assert len(rows) <= 20 and sum(clusters for _, clusters in rows) == sum(sizes.values())
    for label, clusters in rows:
        first, _, last = label.replace(",", "").partition(" to ")
        assert clusters == sum(n for size, n in sizes.items() if int(first) <= size <= int(last or first))


def test_bars_beside_one_that_holds_most_documents_can_be_seen():
    assert heights({"counts": [2, 4, 4], "documents": 10}) == [0.5, 1, 1]
    low, high, none = heights({"counts": [10, 10**6, 0], "documents": 10**6 + 10})
    assert high == 1 and 0.1 < low < 0.3 and none == 0


OVERFLOWING = """() => [...document.querySelectorAll('body *')].filter(e => !e.closest('svg, .scroll, pre, nav, summary')
    && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.tagName + '.' + e.className)"""


@pytest.fixture(scope="module")
def chromium():
    """A browser, where there is one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pictures of the page need playwright, of the extra dev")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("pictures of the page need Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_pages_fit_and_ask_for_nothing(finished, compared, chromium, size, scheme, tmp_path):
    for file in (finished / "report/report.html", compared[2] / "compared.html"):
        check_page(file, chromium, size, scheme, tmp_path)


def check_page(file, chromium, size, scheme, tmp_path):
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for opened in (False, True):
        page.evaluate("opened => document.querySelectorAll('details').forEach(d => d.open = opened)", opened)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0] and page.evaluate(OVERFLOWING) == []
        assert page.screenshot(path=tmp_path / f"{opened}.png").startswith(b"\x89PNG")
    assert asked == [page.url], "a request leaves the page"
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (red + green + blue > 600) == (scheme == "light")
    context.close()
