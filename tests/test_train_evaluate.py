"""Loss by groups: sums by hand, groups of any column, columns that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_train_handoff import made_up_texts, write_packed

from train.config import TrainError
from train.evaluate.held_out import evaluate, open_held_out
from train.evaluate.pieces import MOST_GROUPS, NONE, OTHER, grouping, read_pieces
from train.handoff import DOCUMENTS_NAME, open_split, read_documents
from train.world import World

torch.set_num_threads(1)
ALONE = World(0, 1, torch.device("cpu"))


def packed_folder(folder: Path) -> Path:
    """Texts longer than a row among them, and a column that the packing carried along."""
    packed = write_packed(folder / "packed", {"train": made_up_texts(20, 1), "held_out": made_up_texts(40, 2, 200)}, 64)
    documents = pq.read_table(packed / DOCUMENTS_NAME)
    topics = pa.array([None if row % 7 == 0 else f"topic {row % 3}" for row in range(len(documents))])
    pq.write_table(documents.append_column("topic", topics), packed / DOCUMENTS_NAME)
    return packed


def token_losses(batch) -> torch.Tensor:
    """A loss that every token can be recognised by; 0 where nothing is predicted, as a model's."""
    return torch.where(batch.labels >= 0, batch.input_ids * 0.01 + 1.0, 0.0)


def test_groups_add_up_to_what_their_documents_lose(tmp_path: Path) -> None:
    packed = packed_folder(tmp_path)
    split = open_split(packed, "held_out")
    held_out = open_held_out(split, 1000, ("lang", "topic", "tokens"))
    found = evaluate(held_out, token_losses, ALONE, 3, 300)
    documents = read_documents(packed, ["lang", "topic"]).to_pydict()
    expected: dict[tuple[str, str], np.ndarray] = {}
    for index in range(len(split)):
        tokens, lengths, refs = split.sequence(index)
        for piece, ref in zip(np.split(tokens, np.cumsum(lengths)), refs, strict=False):
            size = f"{2 ** (len(piece).bit_length() - 1)}-{2 ** len(piece).bit_length() - 1}"
            counted = np.array([(piece[:-1] * 0.01 + 1.0).sum(), len(piece) - 1])
            for group in (("lang", documents["lang"][ref]), ("topic", documents["topic"][ref] or NONE), ("tokens", size)):
                expected[group] = expected.get(group, np.zeros(2)) + counted
    expected = {group: sums for group, sums in expected.items() if sums[1]}  # one token alone predicts nothing
    assert {(column, name) for column in ("lang", "topic", "tokens") for name in found[f"by_{column}"]} == expected.keys()
    for (column, name), (nats, tokens) in expected.items():
        score = found[f"by_{column}"][name]
        assert score["tokens"] == tokens and score["nats_per_token"] == pytest.approx(nats / tokens, rel=1e-6)
    for column in ("lang", "topic", "tokens"):
        assert sum(score["tokens"] for score in found[f"by_{column}"].values()) == found["tokens"]


def test_shares_of_processes_add_up(tmp_path: Path, monkeypatch) -> None:
    held_out = open_held_out(open_split(packed_folder(tmp_path), "held_out"), 9)
    whole = evaluate(held_out, token_losses, ALONE, 2, 300)
    shares: list[torch.Tensor] = []
    monkeypatch.setattr(World, "sum", lambda self, values: shares.append(values.clone()) or values)
    for rank in range(2):
        evaluate(held_out, token_losses, World(rank, 2, torch.device("cpu")), 2, 300)
    monkeypatch.setattr(World, "sum", lambda self, values: shares[0] + shares[1])
    both = evaluate(held_out, token_losses, ALONE, 2, 300)
    assert both["tokens"] == whole["tokens"] and both["bits_per_byte"] == pytest.approx(whole["bits_per_byte"], rel=1e-12)
    for column in ("by_source", "by_lang"):
        assert both[column].keys() == whole[column].keys()
        for name, score in whole[column].items():
            assert both[column][name] == pytest.approx(score, rel=1e-12)


def test_a_column_that_is_not_there_is_told_with_the_way_to_carry_it(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"no column 'url'; it has document, .*, topic. .*pack: \{columns: \[url\]\}"):
        read_pieces(packed_folder(tmp_path), "held_out", ["lang", "url"])


@given(st.lists(st.one_of(st.none(), st.integers(-5, 2**40)), min_size=1, max_size=60))
def test_whole_numbers_are_grouped_by_powers_of_two(numbers: list[int | None]) -> None:
    made = grouping("n", pa.chunked_array([pa.array(numbers, pa.int64())]), np.ones(len(numbers), bool))
    few = len({number for number in numbers if number is not None}) <= 20
    for number, place in zip(numbers, made.index.tolist()):
        name = made.names[place]
        if number is None:
            assert name == NONE
        elif few:
            assert name == str(number)
        elif number < 2:
            assert name == str(max(number, 0))
        else:
            low, high = map(int, name.split("-"))
            assert low <= number <= high and high == 2 * low - 1


def test_numbers_of_many_sizes_are_grouped_by_tenths_of_the_split() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    counted = np.arange(1000) < 800
    listed = [None if number % 50 == 0 else value for number, value in enumerate(values)]
    made = grouping("score", pa.chunked_array([pa.array(listed, pa.float64())]), counted)
    assert len(made.names) == 11
    names = np.array(made.names)[made.index]
    for name in set(made.names) - {NONE}:
        low, high = map(float, name.split(" to "))
        inside = values[(names == name) & counted]
        assert 70 <= len(inside) <= 87 and inside.min() >= low - 1e-3 and inside.max() <= high + 1e-3
    assert (names == NONE).sum() == 20
    few = grouping("score", pa.chunked_array([pa.array([0.5, None, 0.25, 0.5])]), np.ones(4, bool))
    assert few.names[0] == "0.5" and set(few.names) == {"0.5", "0.25", NONE}


def test_rare_groups_are_one() -> None:
    values = [f"s{number}" for number in range(MOST_GROUPS + 50) for _ in range(1 + (number % 2))]
    made = grouping("source", pa.chunked_array([pa.array(values)]), np.ones(len(values), bool))
    assert len(made.names) == MOST_GROUPS + 1 and made.names[-1] == OTHER
    named = [made.names[place] for place in made.index.tolist()]
    assert all(name == value for name, value in zip(named, values) if int(value[1:]) % 2)
    assert named.count(OTHER) == 50
