"""Samples of JSON lines: from all over the file, whole lines only, long ones no likelier than short ones, and little read."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import streams
from curation.check_cli import check
from curation.inputs import InputError, InputFile
from curation.json_lines import LineReader
from curation.line_sample import sample_lines
from curation.readers import ReadSettings
from curation.sample import draw_sample
from rules.format.pack import shipped_packs

LONG, SHORT = "the sea and the river " * 100, "the sea"


def lines_of(count: int) -> list[str]:
    """Long texts and short ones in turns of a thousand."""
    return [json.dumps({"text": f"{i} " + (LONG if i // 1000 % 2 else SHORT)}) for i in range(count)]


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lines") / "large.jsonl"
    path.write_text("\n".join(lines_of(40_000)) + "\n")
    return path


def test_lines_come_from_all_over_the_file(large):
    drawn = draw_sample([str(large)], Path(), 2000, 1)
    numbers = np.array([int(text.split()[0]) for text in drawn.documents["text"].to_pylist()])
    assert 1600 < len(numbers) <= 2000 and not drawn.whole and len(set(numbers)) == len(numbers)
    assert np.histogram(numbers, 10, (0, 40_000))[0].min() > 100, "from each tenth of the file"
    ids = drawn.documents["id"].to_pylist()
    assert len(set(ids)) == len(ids) and ids == draw_sample([str(large)], Path(), 2000, 1).documents["id"].to_pylist()


def test_long_lines_are_no_likelier_than_short_ones(large):
    shares = []
    for seed in range(6):
        texts = draw_sample([str(large)], Path(), 2000, seed).documents["text"].to_pylist()
        shares.append(np.mean([len(text) > 1000 for text in texts]))
    assert 0.4 < np.mean(shares) < 0.6, "half of the lines hold 99 % of the bytes"


def test_little_of_a_large_file_is_read(large, monkeypatch):
    read = []
    fill = streams.DecodedStream.fill

    def counted(self):
        before = len(self.window)
        more = fill(self)
        read.append(len(self.window) - before)
        return more

    monkeypatch.setattr(streams.DecodedStream, "fill", counted)
    file = InputFile(str(large), "large.jsonl", large.stat().st_size, 0, "jsonl")
    sample_lines(file, 10, 40, ReadSettings(), np.random.default_rng(0), Counter())
    assert 0 < sum(read) < large.stat().st_size


def test_a_compressed_file_is_sampled_from_its_beginning(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(lines_of(3000)).encode()))
    drawn = draw_sample([str(tmp_path / "a.jsonl.gz")], Path(), 100)
    numbers = [int(text.split()[0]) for text in drawn.documents["text"].to_pylist()]
    assert len(numbers) == 100 and max(numbers) < 400 and not drawn.whole


def test_records_that_cannot_be_read_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\nnot json\n{"text": 7}\n{"text": "b"}\n[1]\n')
    (tmp_path / "b.jsonl").write_text("nothing\n")
    drawn = draw_sample([str(tmp_path)], Path(), 100)
    assert sorted(drawn.documents["text"].to_pylist()) == ["a", "b"] and drawn.unread.total() == 4
    result = CliRunner().invoke(check, [str(shipped_packs()["pii"]), "--sample", str(tmp_path)])
    assert "4 records could not be read and are not in the sample (" in result.stderr


def test_a_file_without_the_text_column_is_told(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "x"}\n' * 5000)
    with pytest.raises(InputError, match="has no column 'text'.*rename the column"):
        draw_sample([str(tmp_path / "a.jsonl")], Path(), 10)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(max_size=6).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 60))
def test_reading_from_a_byte_gives_the_lines_that_start_there_or_later(tmp_path_factory, lines, start):
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    data = b'{"text": ""}\n' + b"\n".join(lines)
    path.write_bytes(data)
    file = InputFile(str(path), "a.jsonl", len(data), 0, "jsonl")
    from_there = [(line.offset, line.data) for line in LineReader(file, 1 << 20, start)]
    assert from_there == [(line.offset, line.data) for line in LineReader(file, 1 << 20) if line.offset >= start]
