"""Train a classifier that tells texts like the positive ones from texts like the negative ones, and say how well it does.

Texts become `unicode` words in lower case, so that one model serves every script; fastText (Joulin et al. 2016) learns
a vector for each word and hashed n-gram, and the model is quantised. Which documents are held out depends on a hash of
their text: the same text is never on both sides. What is written is a folder: the model, the plot of its calibration, and
a manifest that says what it was made of and how it did, from which rules use it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.classifier_measures import auc, measures, plot
from curation.fasttext_training import FastTextSettings, TrainingError, train_model
from curation.reference_texts import reference_sample
from curation.sampling import HELD_OUT_SALT, SAMPLE_SALT, id_hashes
from curation.shards import file_sha256, whole_file, write_json
from rules.format.pack_files import CLASSIFIER_MANIFEST
from rules.languages import normalise
from rules.models.classifier_scores import classifier_scores, score_table
from rules.models.fasttext_file import read_model
from rules.outputs import has_columns
from rules.splitters.lower_words import spaced_words

MODEL, PLOT = "model.ftz", "calibration.png"
HELD_OUT_COLUMNS = ("id", "text", "source", "lang")
POSITIVE, NEGATIVE = "__label__positive", "__label__negative"
FEWEST = 20  # documents of a kind, held out or not, that say anything


@dataclass(frozen=True)
class TrainingPlan:
    """What is learned from, and how much of it."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    language: str | None = None
    bytes_each: int = 200_000_000
    held_out: float = 0.2
    balanced: bool = True  # as many documents of one kind as of the other


@dataclass(frozen=True)
class _Side:
    """The different texts of one kind, those to train on and those held out."""

    train: pa.LargeStringArray
    held_out: pa.LargeStringArray
    about: dict[str, Any]


def train_classifier(plan: TrainingPlan, settings: FastTextSettings, folder: Path, held_out_texts: Path | None = None) -> dict[str, Any]:
    """Train, measure, and write `folder`; returns the manifest. Raises InputError and TrainingError.

    `held_out_texts`: a folder for the texts that were held out, to look at what rules about the score do to them."""
    positive, negative = _sides(plan)
    with tempfile.TemporaryDirectory() as work:
        lines, model, whole = (Path(work) / name for name in ("lines.txt", "model.ftz", "whole.bin"))
        write_lines(lines, positive.train, negative.train)
        train_model(lines, model, whole, settings)
        scores = _scores(model, positive.held_out, negative.held_out)
        whole_scores = _scores(whole, positive.held_out, negative.held_out)
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / MODEL) as temporary:
            temporary.write_bytes(model.read_bytes())
    if held_out_texts is not None:
        for path, side in zip(held_out_files(held_out_texts), (positive, negative)):
            write_held_out(path, path.stem, side.held_out, plan.language)
    plot(*scores, folder / PLOT)
    manifest = {
        "schema_version": 1, "model": MODEL, "model_sha256": file_sha256(folder / MODEL), "label": POSITIVE, "words": "unicode",
        "inputs": {"positive": positive.about, "negative": negative.about},
        "settings": {**dataclasses.asdict(settings), **{k: v for k, v in dataclasses.asdict(plan).items() if k not in ("positive", "negative")}},
        "held_out": measures(*scores), "auc_before_quantisation": auc(*whole_scores), "versions": {name: importlib.metadata.version(name) for name in ("gristmill", "fasttext-numpy2")},
    }  # fmt: skip
    write_json(folder / CLASSIFIER_MANIFEST, manifest)
    return manifest


def model_files(folder: Path) -> list[Path]:
    """The files that `train_classifier` writes into the folder of a model."""
    return [folder / name for name in (MODEL, CLASSIFIER_MANIFEST, PLOT)]


def held_out_files(folder: Path) -> list[Path]:
    """The files that `train_classifier` writes for the texts that were held out, positive ones first."""
    return [folder / "positive.parquet", folder / "negative.parquet"]


def of_held_out(path: Path) -> bool:
    """Did `write_held_out` write the file? One that people made has other columns or other ids."""
    if not has_columns(path, HELD_OUT_COLUMNS):
        return False
    ids = pq.read_table(path, columns=["id"])["id"].slice(0, 1).to_pylist()
    return ids in ([], [f"{path.stem}-000000"])


def _sides(plan: TrainingPlan) -> tuple[_Side, _Side]:
    texts, abouts = [], []
    for patterns in (plan.positive, plan.negative):
        sample = reference_sample(patterns, plan.bytes_each, plan.language)
        texts.append(distinct_texts(pa.chunked_array(list(sample.batches()))))
        abouts.append({"files": sample.sources, "documents": sample.documents, "different_texts": len(texts[-1])})
    both = pc.is_in(texts[0], value_set=texts[1])
    shared = int(pc.sum(both).as_py() or 0)
    if shared:  # they teach nothing
        texts = [texts[0].filter(pc.invert(both)), texts[1].filter(pc.invert(pc.is_in(texts[1], value_set=texts[0])))]
    fewest = min(map(len, texts))
    sides = []
    for column, about in zip(texts, abouts):
        column = column.slice(0, fewest) if plan.balanced else column
        chosen = id_hashes(column, HELD_OUT_SALT) < np.uint64(int(min(plan.held_out, 0.9) * 2.0**64))
        side = _Side(column.filter(pa.array(~chosen)), column.filter(pa.array(chosen)), about | {"in_both": shared})
        side.about.update(train=len(side.train), held_out=len(side.held_out), texts_sha256=_texts_sha256(column))
        sides.append(side)
    if min(len(part) for side in sides for part in (side.train, side.held_out)) < FEWEST:
        counts = ", ".join(f"{len(side.train)} to train on and {len(side.held_out)} held out ({name})" for side, name in zip(sides, ("positive", "negative")))
        raise TrainingError(f"too few different texts: {counts}; at least {FEWEST} of each are needed, give more files or another --held-out")
    return sides[0], sides[1]


def distinct_texts(texts: pa.ChunkedArray) -> pa.LargeStringArray:
    """Every different text once, those with words, in the order of a hash of them."""
    column = texts.combine_chunks().unique()
    column = column.filter(pc.match_substring_regex(column, r"\S"))
    return column.take(pa.array(np.argsort(id_hashes(column, SAMPLE_SALT), kind="stable")))


def _texts_sha256(texts: pa.LargeStringArray) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.as_buffer())
        digest.update(b"\0")
    return digest.hexdigest()


def write_lines(path: Path, positive: pa.LargeStringArray, negative: pa.LargeStringArray) -> None:
    """The file that fastText trains on: a label and words a line, both kinds shuffled by a hash of their words."""
    lines = []
    for label, texts in ((POSITIVE, positive), (NEGATIVE, negative)):
        words = spaced_words(texts)
        lines.append(pc.binary_join_element_wise(pa.scalar(label, pa.large_string()), words, pa.scalar(" ", pa.large_string())))
    column = pa.concat_arrays(lines)
    column = column.take(pa.array(np.argsort(id_hashes(column, SAMPLE_SALT), kind="stable")))
    with open(path, "wb") as file:
        for line in column:
            file.write(line.as_buffer())
            file.write(b"\n")


def write_held_out(path: Path, name: str, texts: pa.LargeStringArray, language: str | None) -> None:
    """Texts as a file of documents; they are in `language`, if one was asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = pa.scalar(normalise(language) if language else None, pa.string())
    ids = [f"{name}-{number:06d}" for number in range(len(texts))]
    table = pa.table({"id": ids, "text": texts, "source": pa.repeat(name, len(texts)), "lang": pa.repeat(code, len(texts))})
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def _scores(model: Path, *sides: pa.LargeStringArray) -> Sequence[np.ndarray]:
    """The scores that a rule will see."""
    table = score_table(read_model(model), POSITIVE)
    return [classifier_scores(texts, table, True) for texts in sides]
