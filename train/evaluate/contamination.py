"""Which evaluation items occur in a corpus: those that a curation run with `decontaminate` found in its documents.

The run directory's overlaps/ has a row for every span that a document shares with an item: `file` and `item`, the name of
the evaluation file and the line (from 1). Whether those documents were removed, the run's own report says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from train.config import TrainError
from train.evaluate.task import Item


def overlapping_items(run: Path) -> set[tuple[str, str]]:
    """File and line of every item that the curation run in `run` found in documents. Raises TrainError."""
    files = sorted((run / "overlaps").glob("*.parquet"))
    if not files:
        raise TrainError(f"{run}: has no overlaps/. Run the job with `decontaminate` and the files of the tasks.")
    try:
        tables = [pq.read_table(path, columns=["file", "item"]) for path in files]
    except (OSError, pa.ArrowException) as error:
        raise TrainError(f"{run / 'overlaps'}: cannot be read ({error}).") from None
    pairs = pa.concat_tables(tables).group_by(["file", "item"]).aggregate([])
    return set(zip(pairs["file"].to_pylist(), pairs["item"].to_pylist()))


def flags(items: Sequence[Item], found: set[tuple[str, str]]) -> list[bool]:
    """Whether each of `items` is among those `found`."""
    return [(item.file, str(item.line)) in found for item in items]
