"""Labels, positions and boundaries of packed rows; which rows a step takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_handoff import made_up_texts, write_packed

from train.batch import IGNORED, Loader, attention_pairs, boundary_slots, empty_row, packed_batch
from train.handoff import HandoffError, open_split

WIDTH = 24


@st.composite
def document_rows(draw, width: int = WIDTH, most_rows: int = 3) -> list[list[int]]:
    """Document lengths of some rows; rows may be empty, exactly filled, or hold one-token documents."""
    rows = []
    for _ in range(draw(st.integers(1, most_rows))):
        left, row = width, []
        for length in draw(st.lists(st.integers(1, width), max_size=6)):
            if length <= left:
                row.append(length)
                left -= length
        if left and draw(st.booleans()):
            row.append(left)
        rows.append(row)
    return rows


def rows_of(lengths: list[list[int]], width: int = WIDTH, vocab_size: int = 50):
    random = np.random.default_rng(len(lengths))
    return [
        (random.integers(0, vocab_size, width), np.array(row, dtype=np.int32), np.arange(len(row), dtype=np.int64))
        for row in lengths
    ]


@settings(deadline=None)
@given(document_rows())
def test_batches_equal_their_definition(lengths: list[list[int]]) -> None:
    rows = rows_of(lengths)
    slots = boundary_slots(8, len(rows))
    batch = packed_batch(rows, slots)
    for row, (tokens, documents, _) in enumerate(rows):
        assert batch.input_ids[row].tolist() == tokens.tolist()
        labels, positions, starts, place = [], [], [], 0
        for length in documents.tolist():
            labels += [*tokens[place + 1 : place + length].tolist(), IGNORED]
            positions += range(length)
            starts += [place] * length
            place += length
        padding = WIDTH - place
        labels, positions = labels + [IGNORED] * padding, [*positions, *range(padding)]
        starts += [place] * padding
        assert batch.labels[row].tolist() == labels
        assert batch.positions[row].tolist() == positions
        assert batch.doc_starts[row].tolist() == starts
    assert sum(batch.lengths) == WIDTH * len(rows) and min(batch.lengths) > 0
    cumulative = [0, *np.cumsum(batch.lengths).tolist()]
    assert batch.cu_seqlens.tolist() == cumulative + [WIDTH * len(rows)] * (slots - len(cumulative))
    assert batch.cu_seqlens.dtype == torch.int32
    assert [batch.lengths[index] for index in batch.doc_index] == [length for row in lengths for length in row]
    assert batch.doc_refs.tolist() == [ref for row in lengths for ref in range(len(row))]
    assert batch.predicted_tokens == int((batch.labels != IGNORED).sum())


def test_an_empty_row_counts_for_nothing() -> None:
    batch = packed_batch([empty_row(WIDTH)])
    assert batch.predicted_tokens == 0 and batch.lengths == (WIDTH,) and not len(batch.doc_refs)


@pytest.mark.parametrize("lengths", [[20, 5], [3, 0], [-1, 3], [2**31 - 1, 2**31 - 1]])
def test_lengths_that_do_not_fit_are_refused(lengths: list[int]) -> None:
    with pytest.raises(HandoffError, match="do not fit a row of 24"):
        packed_batch(rows_of([lengths]))


@settings(deadline=None)
@given(st.lists(st.integers(1, 40)))
def test_attention_pairs(lengths: list[int]) -> None:
    assert attention_pairs(np.array(lengths, dtype=np.int64)) == sum(sum(range(1, n + 1)) for n in lengths)


@pytest.fixture(scope="module")
def loader(tmp_path_factory) -> Loader:
    packed = write_packed(tmp_path_factory.mktemp("loader") / "p", {"train": made_up_texts(60, 3)}, sequence_length=64)
    split = open_split(packed, "train")
    return Loader(split, batch_rows=12, accumulation=2, seed=5, slots=boundary_slots(split.max_documents, 6))


def test_every_epoch_sees_every_row_once(loader: Loader) -> None:
    rows = len(loader.split)
    seen = np.concatenate([loader.rows(step) for step in range(rows)])
    epochs = seen.reshape(-1, rows)
    assert all(sorted(epoch) == list(range(rows)) for epoch in epochs.tolist())
    assert epochs[0].tolist() != epochs[1].tolist()
    assert loader.rows(3).tolist() != Loader(loader.split, 12, 2, 6, loader.slots).rows(3).tolist()


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_the_same_rows_for_any_number_of_devices(loader: Loader, world_size: int) -> None:
    for step in (0, 4):
        shares = [loader.batch(step, rank, world_size) for rank in range(world_size)]
        tokens = torch.cat([share.parts[part].input_ids for part in range(2) for share in shares])
        expected = np.stack([loader.split.sequence(int(row))[0] for row in loader.rows(step)])
        assert np.array_equal(tokens.numpy(), expected)
        counted = sum(part.predicted_tokens for share in shares for part in share.parts)
        assert all(share.predicted_tokens == counted for share in shares)
        assert len({part.cu_seqlens.shape for share in shares for part in share.parts}) == 1


def test_batches_ahead_are_the_batches(loader: Loader) -> None:
    ahead = list(loader.ahead(2, 5, rank=1, world_size=2))
    assert [batch.tokens for batch in ahead] == [loader.batch(step).tokens for step in range(2, 5)]
    assert all(
        torch.equal(batch.parts[1].input_ids, loader.batch(step, 1, 2).parts[1].input_ids)
        for step, batch in enumerate(ahead, 2)
    )
    assert list(loader.ahead(5, 5)) == []


def test_sequences_survive_the_shard_borders(tmp_path: Path) -> None:
    packed = write_packed(tmp_path / "p", {"train": made_up_texts(30, 4)}, 64, batch_rows=2)
    one = write_packed(tmp_path / "q", {"train": made_up_texts(30, 4)}, 64, batch_rows=100)
    pairs = zip(*(map(open_split(path, "train").sequence, range(5)) for path in (packed, one)), strict=True)
    assert all(np.array_equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True))
