"""The code_in_text pack: what a page left behind goes, programming articles stay, documents with code are marked."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
from pyarrow import parquet

from rules.engine import Applied, apply
from rules.format.pack import load_pack, shipped_packs

ARTICLE = """\
# Sorting a list

Call sorted() with a list, or write a loop of your own. A rule such as .done { color: green } colours what is sorted.

    function sort(items) {
      const copy = items.slice();
      return copy.sort((a, b) => a - b);
    }

The page then shows the result:

    <div class="result">
      {{ result }}
    </div>
"""
TAGS = ("javascript", "html-tags", "style-rules", "stack-trace", "log-lines", "code-like", "data-like", "comment-signs")


@cache
def pack():
    return load_pack(shipped_packs()["code_in_text"])


def run(texts: list[str]) -> Applied:
    return apply([pack()], pa.array(texts, pa.large_string()))


def marks(applied: Applied, row: int = 0) -> set[str]:
    return {name.split("/")[1] for name, hit in applied.rule_hits.items() if hit[row]}


def test_a_programming_article_stays_whole_and_is_marked():
    applied = run([ARTICLE])
    assert applied.texts.to_pylist() == [ARTICLE] and not applied.dropped[0]
    assert marks(applied) == {"javascript", "html-tags"}


def test_only_residue_drops_a_document():
    assert {rule.id for rule in pack().rules if not rule.lines and rule.action == "drop"} == {"mostly-residue"}
    assert {rule.id for rule in pack().rules if rule.action == "tag"} == set(TAGS)


def test_scripts_between_the_lines_of_an_article_go():
    script = "!function(e,t){" + "e.a=t.b(1);" * 60 + "}(window,document);"
    style = ".a{color:red}.b{margin:0 auto}"
    text = "\n".join(["The mill stands by the river.", "window.dataLayer = window.dataLayer || [];", script, style, '{"@context":"https://schema.org"}', "It burned down in 1912."])
    assert run([text]).texts.to_pylist() == ["The mill stands by the river.\nIt burned down in 1912."]


def test_a_document_that_was_mostly_a_script_goes():
    script = "(function(){" + "var a=b(c);" * 200 + "})();"
    assert run([f"Menu\n{script}\n{script}"]).reasons.to_pylist() == ["code_in_text/mostly-residue"]


def test_paragraphs_without_spaces_are_no_data():
    texts = ["吾輩は猫である。名前はまだ無い。" * 60, "ภาษาไทยไม่มีช่องว่างระหว่างคำ" * 60, "https://example.org/" + "a" * 150]
    applied = run(texts)
    assert applied.texts.to_pylist() == texts and not applied.dropped.any()


def test_hardly_anything_of_documentation_and_articles_goes(shared_data):
    for name in ("sample", "web"):
        table = parquet.read_table(sorted((shared_data / name).glob("*.parquet"))[0], columns=["text"])
        texts = table["text"].combine_chunks().slice(0, 1200)
        applied = apply([pack()], texts)
        before, after = (sum(map(len, column.to_pylist())) for column in (texts, applied.texts))
        assert not applied.dropped.any()
        assert (before - after) / before < 0.005, name
