"""The documents of the arms sorted out: what all arms keep, what only some do, and what none is trained on.

A version of a document is its id and its text: where a line rule edits a page in one arm, the arms have two versions of it.
Held-out documents are chosen by id, so all arms hold out the same ones, and nothing a model is judged on (by id or, for
reference documents, by text) is in the training data of any arm. Where an arm has far more text than the budget asks for,
a sample is taken by id, the same in all arms.

Memory is 24 bytes a document and arm; texts are read twice, batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.sampling import MIXTURE_SALT, id_hashes, is_held_out
from curation.shards import whole_file
from rules.text.buffers import large_strings

ALL, REFERENCE = "all arms", "reference"
TEXT_SALT, VERSION_SALT = 7, 8
COLUMNS = ["id", "text", "source", "lang"]
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("source", pa.string()), ("lang", pa.string()), ("kept_by", pa.string())])


@dataclass(frozen=True)
class Known:
    """The documents of an arm by hashes, all [documents]: of the version, of the text; bytes of text; and two choices."""

    version: np.ndarray
    text: np.ndarray
    bytes: np.ndarray
    held_out: np.ndarray
    chance: np.ndarray

    def take(self, chosen: np.ndarray) -> Known:
        return Known(*(getattr(self, name)[chosen] for name in ("version", "text", "bytes", "held_out", "chance")))


@dataclass(frozen=True)
class Sorting:
    """Which arms have a version: `versions` sorted (uint64), `arms` bits by number of the arm (uint64) for each."""

    names: tuple[str, ...]
    versions: np.ndarray
    arms: np.ndarray
    shares: tuple[str, ...]  # for each pattern of bits, in words

    def kept_by(self, versions: np.ndarray) -> pa.Array:
        """In words: `all arms`, or the names of the arms that have it."""
        bits = self.arms[np.searchsorted(self.versions, versions)]
        return pa.DictionaryArray.from_arrays(pa.array(bits.astype(np.int32)), pa.array(self.shares)).cast(pa.string())

    def in_all(self, versions: np.ndarray) -> np.ndarray:
        return self.arms[np.searchsorted(self.versions, versions)] == np.uint64(2 ** len(self.names) - 1)

    def is_first(self, versions: np.ndarray, number: int) -> np.ndarray:
        """Is arm `number` the first that has it? So that each version is written once."""
        bits = self.arms[np.searchsorted(self.versions, versions)]
        return (bits & np.uint64(2**number - 1)) == 0


def know(files: Sequence[Path], held_out: float) -> Known:
    """Read the documents of an arm once."""
    parts = [_known(table, held_out) for table in read_tables(files)]
    empty = Known(*(np.zeros(0, kind) for kind in (np.uint64, np.uint64, np.int64, bool, np.float64)))
    return Known(*(np.concatenate([getattr(part, name) for part in (empty, *parts)]) for name in ("version", "text", "bytes", "held_out", "chance")))


def sort_out(known: Mapping[str, Known]) -> Sorting:
    """Which version is in which arms."""
    names = tuple(known)
    versions = np.unique(np.concatenate([arm.version for arm in known.values()]))
    arms = np.zeros(len(versions), np.uint64)
    for number, arm in enumerate(known.values()):
        arms[np.searchsorted(versions, np.unique(arm.version))] |= np.uint64(2**number)
    return Sorting(names, versions, arms, tuple(_in_words(names, bits) for bits in range(2 ** len(names))))


def _in_words(names: Sequence[str], bits: int) -> str:
    return ALL if bits == 2 ** len(names) - 1 else " and ".join(name for number, name in enumerate(names) if bits >> number & 1)


@dataclass(frozen=True)
class Choice:
    """What is written: training documents with a chance below `train_frac`, judged ones below `judge_frac`."""

    held_out: float
    train_frac: float
    judge_frac: float
    excluded: np.ndarray  # texts (hashes, sorted) that no arm is trained on


def write_documents(arms: Mapping[str, Sequence[Path]], sorting: Sorting, choice: Choice, folder: Path) -> None:
    """shared.parquet, own-ARM.parquet for each arm; of held-out documents judged.parquet, which all arms keep, and others.parquet.

    Each is written whole; one without documents is absent.
    """
    with ExitStack() as stack:
        shared, judged, others = (_Documents(stack, folder / f"{name}.parquet") for name in ("shared", "judged", "others"))
        for number, (arm, files) in enumerate(arms.items()):
            own = _Documents(stack, folder / f"own-{arm}.parquet")
            for table in read_tables(files):
                known = _known(table, choice.held_out)
                train = ~known.held_out & (known.chance < choice.train_frac) & ~np.isin(known.text, choice.excluded)
                in_all = sorting.in_all(known.version)
                table = table.append_column("kept_by", sorting.kept_by(known.version))
                own.write(table.filter(train & ~in_all))
                if number == 0:
                    shared.write(table.filter(train & in_all))
                judge = known.held_out & (known.chance < choice.judge_frac) & sorting.is_first(known.version, number)
                judged.write(table.filter(judge & in_all))
                others.write(_named(table.filter(judge & ~in_all), arm))


def write_reference(files: Sequence[Path], path: Path, judge_frac: float) -> None:
    """Documents that models are judged on, whatever the arms keep."""
    with ExitStack() as stack:
        judged = _Documents(stack, path)
        for table in read_tables(files):
            known = _known(table, 0.0)
            chosen = table.filter(known.chance < judge_frac)
            judged.write(chosen.append_column("kept_by", pa.array([REFERENCE] * len(chosen), pa.string())))


def read_tables(files: Sequence[Path]) -> Iterator[pa.Table]:
    for path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=COLUMNS)


def _known(table: pa.Table, held_out: float) -> Known:
    ids, texts = table["id"], large_strings(table["text"])
    text = id_hashes(texts, TEXT_SALT)
    size = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    chance = (id_hashes(ids, MIXTURE_SALT) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return Known(id_hashes(ids, VERSION_SALT) ^ text, text, size, is_held_out(ids, held_out), chance)


def _named(table: pa.Table, arm: str) -> pa.Table:
    """The documents with the name of an arm in their ids, so that several versions of one have different ids."""
    return table.set_column(0, "id", pc.binary_join_element_wise(table["id"], arm, "@"))


class _Documents:
    """A Parquet file of documents that comes to be with its first document, and only whole."""

    def __init__(self, stack: ExitStack, path: Path):
        self._stack, self._path = stack, path
        self._writer: pq.ParquetWriter | None = None
        path.unlink(missing_ok=True)

    def write(self, table: pa.Table) -> None:
        if not len(table):
            return
        if self._writer is None:
            temporary = self._stack.enter_context(whole_file(self._path))
            self._writer = self._stack.enter_context(pq.ParquetWriter(temporary, SCHEMA, compression="zstd"))
        self._writer.write_table(table.cast(SCHEMA))
