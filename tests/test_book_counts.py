"""What the books count of bytes, against plain Python; edits are written as the texts that their numbers stand for."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.book_counts import edit_sums, line_ends
from curation.document import EDIT, numbered_edits
from curation.shards import EDITS, ShardWriter
from curation.stages.clean import edit_counts

TEXTS = st.text("a\u00e9\u3000\u2003 \t\n\r", max_size=90)
EDIT_ROWS = st.tuples(st.sampled_from(["a", "b", "long name of a rule"]), st.integers(0, 3), TEXTS, st.none() | TEXTS)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.integers(0, 6), st.integers(0, 6), st.sampled_from([pa.string(), pa.large_string()]))
def test_line_ends_of_any_part(texts, start, count, kind):
    assert line_ends(pa.array(texts, kind).slice(start, count)) == "".join(texts[start : start + count]).count("\n")


def plain_sums(edits: list[tuple[str, int, str, str | None]]) -> dict[str, dict[str, int]]:
    found = {}
    for name in sorted({rule for rule, *_ in edits}):
        own = [edit for edit in edits if edit[0] == name]
        found[name] = {
            "lines": len(own),
            "documents": len({row for _, row, _, _ in own}),
            "words": sum(len(before.split()) - len((after or "").split()) for _, _, before, after in own),
            "bytes": sum(len(before.encode()) - len((after or "").encode()) for _, _, before, after in own),
        }
    return found


@settings(max_examples=80, deadline=None)
@given(st.lists(EDIT_ROWS, max_size=12))
def test_sums_of_edits(edits):
    edits = sorted(edits, key=lambda edit: edit[1])
    rule, row, before, after = zip(*edits) if edits else ((), (), (), ())
    rules = pa.array(rule, pa.string()).dictionary_encode()
    columns = (pa.array(row, pa.int64()), pa.array(before, pa.large_string()), pa.array(after, pa.large_string()))
    assert edit_sums(rules, *columns) == plain_sums(edits)
    ids = [f"id {number}" for number in row]
    assert edit_counts(pa.table([ids, rule, [1] * len(row), before, after], schema=EDIT)) == plain_sums(edits)


def edits_of(ids: list[str]) -> pa.Table:
    count = len(ids)
    return pa.table([ids, ["pack/rule"] * count, list(range(1, count + 1)), [f"line {i}" for i in range(count)], [None] * count], schema=EDIT)


def test_edits_are_written_as_texts_whether_they_come_as_numbers_or_not(tmp_path):
    first, second = edits_of(["a", "a", "b"]), edits_of(["b", "c"])
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.int32()), pa.array(["a", "a"]))  # two documents of one id
    third = numbered_edits(edits_of(["a", "a", "a"]).set_column(0, "id", pa.chunked_array([twice])))
    writers = {name: ShardWriter(tmp_path / name, EDITS, EDIT) for name in ("numbers", "texts")}
    for table in (first, second, third):
        writers["numbers"].write(numbered_edits(table))
        writers["texts"].write(table.cast(EDIT))
    for writer in writers.values():
        writer.close()
    numbers, texts = (pq.ParquetFile(tmp_path / name) for name in ("numbers", "texts"))
    assert numbers.schema_arrow == texts.schema_arrow == EDIT
    assert numbers.read() == texts.read() == pa.concat_tables([first, second, third.cast(EDIT)])
