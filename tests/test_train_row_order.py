"""The order of rows by content: a permutation for any seed and epoch, the same for shared rows, and used by training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_train_config import write_config
from test_train_handoff import made_up_texts, write_packed

from train.batch import Loader
from train.config import load_config
from train.evaluate.documents import document_losses
from train.evaluate.losses import model_losses
from train.evaluate.pieces import read_pieces
from train.handoff import open_split, read_documents
from train.loop import train
from train.open_model import open_model
from train.row_order import RowKeys
from train.trace import open_traced

torch.set_num_threads(1)


def loader(split, seed: int) -> Loader:
    return Loader(split, 4, 1, seed, 2, keys=RowKeys(split))


def steps_of(loader: Loader, steps: int) -> list[bytes]:
    return [loader.split.sequence(int(row))[0].tobytes() for step in range(steps) for row in loader.rows(step)]


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_shared_rows_come_in_the_same_order(tmp_path: Path, seed: int) -> None:
    texts = [f"{number} {text} " + "x" * 40 for number, text in enumerate(made_up_texts(60, 1))]  # a row holds one of them
    small, large = (open_split(write_packed(tmp_path / name, {"train": part, "held_out": texts[:2]}, 64), "train") for name, part in (("a", texts[:40]), ("b", texts[::-1])))
    a, b = (loader(split, seed) for split in (small, large))
    for epoch in range(2):
        orders = [keys.order(seed, epoch) for keys in (a.keys, b.keys)]
        assert all(sorted(order.tolist()) == list(range(len(order))) for order in orders)
        rows = [[split.sequence(int(row))[0].tobytes() for row in order] for split, order in zip((small, large), orders, strict=True)]
        shared = set(rows[0]) & set(rows[1])
        assert len(shared) >= 30 and [row for row in rows[0] if row in shared] == [row for row in rows[1] if row in shared]
    assert a.keys.order(seed, 0).tolist() != a.keys.order(seed, 1).tolist() != a.keys.order(seed + 1, 1).tolist()


def test_copies_of_a_row_do_not_stand_together(tmp_path: Path) -> None:
    text = "the same row " + "y" * 45
    split = open_split(write_packed(tmp_path / "packed", {"train": [text] * 30 + [f"{n} {text}"[:61] for n in range(30)], "held_out": [text]}, 64), "train")
    order = RowKeys(split).order(0, 0)
    copies = np.array([split.sequence(int(row))[0].tobytes() == split.sequence(0)[0].tobytes() for row in order])
    assert copies.sum() == 30 and 10 < np.count_nonzero(np.diff(copies.astype(int))) < 50


def test_training_and_tracing_use_it_and_documents_lose_what_the_split_loses(tmp_path: Path) -> None:
    data = write_packed(tmp_path / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2, longest=200)}, 64)
    config = load_config(write_config(tmp_path / "train.yaml", data, "run", row_order="by_content", eval_rows=100))
    summary = train(config)
    split = open_split(data, "train")
    assert [open_traced(tmp_path / "run").rows(step + 1) for step in range(8)] == [loader(split, 0).rows(step).tolist() for step in range(8)]
    held_out = open_split(data, "held_out")
    found = document_losses(held_out, model_losses(open_model(tmp_path / "run", torch.device("cpu"))), torch.device("cpu"), ("lang",))
    table = read_documents(data)
    assert found["document"].to_pylist() == [f"held_out-{number}" for number in range(9)] and "en" in found["lang"].to_pylist()
    assert sum(found["nats"].to_pylist()) / sum(found["tokens"].to_pylist()) == pytest.approx(summary["held_out_last"]["nats_per_token"], rel=1e-5)
    assert len(table) > 69 and read_pieces(data, "held_out", ()).is_first_part.sum() == 69
