"""Languages of texts and of their lines, as columns: codes of labels, scores, the best few, and what lines say.

Labels become the codes of rules/languages.py. A text of white space or nothing, or a null, has no language and the score
0; fastText would say "English". Scores are at most 1, which fastText's pass a little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.language_id.models import label_code, label_script, load_model
from curation.language_id.windows import windowed
from rules.line_rules.line_signals import split_lines
from rules.text.characters import WHITE, character_classes
from rules.text.decode import character_at
from rules.text.kernels import kernel, kernel_bytes, kernel_texts, unowned

TOP_LABELS = pa.list_(pa.struct([("lang", pa.string()), ("score", pa.float32())]))
LINE_LANGUAGES = pa.list_(pa.struct([("lang", pa.string()), ("lines", pa.int32()), ("bytes", pa.int64())]))


class Windows(NamedTuple):
    """How much of a long text is judged: `count` windows of `size` bytes; all of it where there are none."""

    count: int
    size: int


class Judged(NamedTuple):
    """What a model says of some texts."""

    languages: pa.StringArray  # [docs]: the best label's code; null for texts of nothing
    scores: np.ndarray  # float32 [docs], 0 to 1
    scripts: pa.StringArray  # [docs]: the script that the label names, as `rus_Cyrl` does; null where it names none
    top: pa.ListArray  # TOP_LABELS [docs]: the best labels, best first


class LineLanguages(NamedTuple):
    """The lines of some texts that hold a word."""

    document: np.ndarray  # int64 [lines]: which text
    line: np.ndarray  # int64 [lines]: its number in the text, from 1
    bytes: np.ndarray  # int64 [lines]
    languages: pa.StringArray  # [lines]
    scores: np.ndarray  # float32 [lines]


def judge(texts: pa.Array | pa.ChunkedArray, model: str = "lid.176", k: int = 1, windows: Windows | None = None) -> Judged:
    """The languages of texts. FileNotFoundError or ModelFileError where the model cannot be read."""
    offsets, data = kernel_texts(texts)
    if windows is not None and windows.count:
        offsets, data = kernel_bytes(*windowed(offsets, data, windows.count, windows.size))
    judge_ = load_model(model)
    places, scores = judge_.best(offsets, data, k)
    places[blank_texts(offsets, data, character_classes())] = -1
    scores = np.minimum(np.where(places >= 0, scores, np.float32(0.0)), np.float32(1.0))
    codes, scripts = _codes(judge_.labels, model)
    best = pa.array(places[:, 0], mask=places[:, 0] < 0)
    return Judged(codes.take(best), scores[:, 0].copy(), scripts.take(best), _top_labels(codes, places, scores))


def _codes(labels: list[str], model: str) -> tuple[pa.StringArray, pa.StringArray]:
    """The code and the script of each label."""
    return pa.array([label_code(label, model) for label in labels], pa.string()), pa.array(map(label_script, labels), pa.string())


def _top_labels(codes: pa.StringArray, places: np.ndarray, scores: np.ndarray) -> pa.ListArray:
    told = places >= 0
    values = pa.StructArray.from_arrays([codes.take(pa.array(places[told])), pa.array(scores[told], pa.float32())], fields=list(TOP_LABELS.value_type))
    offsets = np.concatenate([[0], np.cumsum(told.sum(1))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


@kernel
def blank_texts(offsets, data, classes):
    """Which texts (bool [docs]) hold nothing but white space of any script and NUL."""
    blank = np.empty(offsets.size - 1, np.bool_)
    text, table = unowned(data), unowned(classes)
    for d in range(blank.size):
        i, end = offsets[d], offsets[d + 1]
        blank[d] = True
        while i < end and blank[d]:
            code, size = character_at(text, i, end)
            blank[d] = code == 0 or table[np.uint64(code)] & WHITE != 0
            i += size
    return blank


# ---- lines


def judge_lines(texts: pa.Array | pa.ChunkedArray, model: str = "lid.176") -> LineLanguages:
    """The language of every line (str.splitlines) of each text."""
    _, data = kernel_texts(texts)
    begins, ends, first_line = split_lines(texts, "unicode")
    judge_ = load_model(model)
    places, scores = judge_.best_of_spans(begins, ends, data)
    document = np.repeat(np.arange(len(first_line) - 1), np.diff(first_line))
    told = np.flatnonzero(places[:, 0] >= 0)
    codes, _ = _codes(judge_.labels, model)
    lines = np.arange(len(begins)) - first_line[document] + 1
    languages = codes.take(pa.array(places[told, 0]))
    return LineLanguages(document[told], lines[told], (ends - begins)[told], languages, np.minimum(scores[told, 0], np.float32(1.0)))


def languages_of_lines(lines: LineLanguages, documents: int) -> pa.ListArray:
    """Each text's languages, those of most bytes first: LINE_LANGUAGES [documents]."""
    table = pa.table({"document": lines.document, "lang": lines.languages, "bytes": lines.bytes})
    sums = table.group_by(["document", "lang"]).aggregate([("bytes", "count"), ("bytes", "sum")])
    sums = sums.sort_by([("document", "ascending"), ("bytes_sum", "descending"), ("lang", "ascending")])
    values = [sums["lang"].combine_chunks(), sums["bytes_count"].cast(pa.int32()).combine_chunks(), sums["bytes_sum"].combine_chunks()]
    offsets = np.searchsorted(sums["document"].to_numpy(), np.arange(documents + 1))
    structs = pa.StructArray.from_arrays([_whole(value) for value in values], fields=list(LINE_LANGUAGES.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(values.chunks) if isinstance(values, pa.ChunkedArray) else values


def line_fractions(lines: LineLanguages, languages: pa.StringArray) -> np.ndarray:
    """Of each text's judged lines, the share of bytes in the text's own language, float32 [docs]; NaN where there are none."""
    own = pc.fill_null(pc.equal(lines.languages, languages.take(pa.array(lines.document))), False).to_numpy(zero_copy_only=False)
    whole = np.bincount(lines.document, lines.bytes, len(languages))
    same = np.bincount(lines.document, lines.bytes * own, len(languages))
    return np.divide(same, whole, out=np.full(len(languages), np.nan), where=whole > 0).astype(np.float32)
