"""Lines and paragraphs repeated across the corpus: counted exactly, removed whole, every one of them told in edits/.

Llama 3's rule (Meta 2024, 3.1.1): a line seen more than 6 times per 30 million documents goes. A line counts once for
each document that has it, among the documents of its group (all, or one source, host or language), at the places asked
for (head, foot, middle). All its occurrences there go. Where a group has more than `per` documents, proportionally more
repeats are allowed. Documents of which nothing is left are removed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import EDIT, GROUP_COLUMNS
from curation.line_hashes import BLANK, TextLines, Units, find_units, join_lines, mix_group
from curation.outcome import NOT_EDITED, Outcome, edit_sizes, removed_table, single_hits
from curation.stages.clean import edit_counts
from curation.stages.exact import text_hashes
from curation.word_hashes import kernel_texts
from rules.places import SettingError
from rules.text.buffers import large_strings, strings_from
from rules.urls import hosts

RULE, EMPTY = "lines/repeated", "lines/empty"
PLACES = ("head", "foot", "middle")
COUNTS = pa.schema([("key", pa.uint64()), ("group", pa.uint64()), ("documents", pa.int64())])


@dataclass(frozen=True)
class LinesSettings:
    """`max_repeats` documents per `per` documents of a group may have a line; lines of fewer than `min_words` words stay.

    `unit`: line or paragraph. `within`: what makes a group. `at`: where in a document; `edge`: how many lines its head and its
    foot have. `allow`: lines that stay; `allow_file`: a file of them. `normalise`: compare folded words, not bytes.
    """

    max_repeats: int = 6
    per: int = 30_000_000
    min_words: int = 3
    unit: Literal["line", "paragraph"] = "line"
    within: Literal["corpus", "language", "source", "host"] = "corpus"
    at: tuple[Literal["head", "foot", "middle"], ...] = PLACES
    edge: int = 5
    allow: tuple[str, ...] = ()
    allow_file: Path | None = None
    normalise: bool = True

    def __post_init__(self) -> None:
        for key, least in (("max_repeats", 1), ("per", 1), ("min_words", 1), ("edge", 1)):
            if getattr(self, key) < least:
                raise SettingError(key, f"{key} must be at least {least}, got {getattr(self, key)}")
        if not self.at or len(set(self.at)) < len(self.at):
            raise SettingError("at", f"at names places, each once: {', '.join(PLACES)}")

    def allowed_lines(self) -> list[str]:
        """All lines that stay. Raises OSError for a file that cannot be read."""
        listed = list(self.allow)
        if self.allow_file is not None:
            listed += Path(self.allow_file).read_text(encoding="utf-8").splitlines()
        return listed


class LineJudge:
    """Settings made ready: finds the units of documents that may be removed, and their keys."""

    def __init__(self, settings: LinesSettings):
        self.settings = settings
        allowed = pa.array([line for line in settings.allowed_lines() if line.strip()], pa.large_string())
        _, units = find_units(allowed, paragraphs=True, normalise=settings.normalise)
        self.allowed = np.unique(units.hashes)

    def units_of(self, documents: pa.Table) -> tuple[TextLines, Units, np.ndarray, np.ndarray]:
        """Lines, units, the key of every unit (uint64), and the group of every document (uint64)."""
        lines, units = find_units(documents["text"], self.settings.unit == "paragraph", self.settings.normalise)
        groups, keys = group_hashes(documents, self.settings.within), np.empty(len(units.hashes), np.uint64)
        mix_group(units.hashes, units.document, groups, keys)
        return lines, units, keys, groups

    def eligible(self, units: Units) -> np.ndarray:
        """Which units are counted, and may go (bool)."""
        edge = self.settings.edge
        head, foot = units.place < edge, units.place > units.last - edge
        there = {"head": head, "foot": foot, "middle": ~head & ~foot}
        at = np.logical_or.reduce([there[name] for name in self.settings.at])
        return at & (units.words >= self.settings.min_words) & ~is_among(units.hashes, self.allowed)


@functools.lru_cache(4)
def line_judge(settings: LinesSettings) -> LineJudge:
    """The judge of these settings, once a process and job."""
    return LineJudge(settings)


def is_among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of `hashes` are in `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(hashes), bool)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return known[places] == hashes


def group_hashes(documents: pa.Table, within: str) -> np.ndarray:
    """The group of each document (uint64); documents without a value are a group of their own."""
    if within == "corpus":
        return np.zeros(len(documents), np.uint64)
    texts = large_strings(documents[GROUP_COLUMNS[within]])
    return text_hashes(hosts(texts) if within == "host" else texts, normalise=False)[:, 0]


def count_units(documents: pa.Table, judge: LineJudge) -> tuple[pa.Table, pa.Table]:
    """Of a batch: in how many documents each unit is, and how many documents each group has (both in COUNTS columns)."""
    _, units, keys, groups = judge.units_of(documents)
    chosen = judge.eligible(units)
    document, key = units.document[chosen], keys[chosen]
    order = np.lexsort((document, key))
    document, key = document[order], key[order]
    once = np.ones(len(key), bool)
    once[1:] = (key[1:] != key[:-1]) | (document[1:] != document[:-1])
    document, key = document[once], key[once]
    found, first, counts = np.unique(key, return_index=True, return_counts=True)
    of_groups, sizes = np.unique(groups, return_counts=True)
    return (
        pa.table([found, groups[document[first]], counts.astype(np.int64)], schema=COUNTS),
        pa.table([of_groups, of_groups, sizes.astype(np.int64)], schema=COUNTS),
    )


def remove_lines(documents: pa.Table, judge: LineJudge, repeated: np.ndarray) -> Outcome:
    """Remove the units whose keys are `repeated` (uint64, sorted), and documents of which nothing is left."""
    lines, units, keys, _ = judge.units_of(documents)
    gone_units = judge.eligible(units) & is_among(keys, repeated)
    gone = np.concatenate([gone_units, [False]])[lines.unit]  # BLANK is -1: the last, which stays
    if judge.settings.unit == "paragraph":
        gone = with_blanks(lines, gone)
    if not gone.any():
        return Outcome(documents, counts=NOT_EDITED | {"edits": {}})
    offsets, data = kernel_texts(documents["text"])
    out_offsets, out = np.zeros(len(offsets), np.int64), np.empty(len(data), np.uint8)
    join_lines(data, lines.first_line, lines.starts, lines.ends, gone, out_offsets, out)
    edited = documents.set_column(documents.column_names.index("text"), "text", strings_from(out_offsets, out[: out_offsets[-1]]))
    empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(edited["text"])), 0)
    had_something = pa.array(np.bincount(lines_documents(lines)[gone], minlength=len(documents)) > 0)
    empty = pc.and_(empty, had_something)
    kept = edited.filter(pc.invert(empty))
    removed = documents.filter(empty)
    hits = single_hits([EMPTY] * len(removed), "visible_chars", np.zeros(len(removed)), "==", 0.0)
    removed = removed_table(removed, "lines", pa.array([EMPTY] * len(removed), pa.string()), hits)
    changed = edit_sizes(documents.filter(pc.invert(empty)), kept)
    stays = ~np.asarray(empty)[lines_documents(lines)]
    told = gone & stays  # lines of a document that goes whole are in removed/
    edits = line_edits(documents, lines, told)
    return Outcome(kept, removed, edits, counts=changed | {"edits": edit_counts(edits)})


def with_blanks(lines: TextLines, gone: np.ndarray) -> np.ndarray:
    """`gone`, with the blank lines that follow a paragraph that goes in the same document."""
    before = np.maximum.accumulate(np.where(lines.unit == BLANK, 0, np.arange(len(gone))))
    document = lines_documents(lines)
    return np.where(lines.unit == BLANK, gone[before] & (document[before] == document), gone)


def lines_documents(lines: TextLines) -> np.ndarray:
    """The document of every line."""
    return np.repeat(np.arange(len(lines.first_line) - 1), np.diff(lines.first_line))


def line_edits(documents: pa.Table, lines: TextLines, gone: np.ndarray) -> pa.Table:
    """A row of edits/ for every line that went."""
    numbers = np.flatnonzero(gone)
    row = lines_documents(lines)[numbers]
    offsets, data = kernel_texts(documents["text"])
    begins, ends = lines.starts[numbers], lines.ends[numbers]
    whole = strings_from(np.concatenate([[0], np.cumsum(ends - begins)]), _gathered(data, begins, ends))
    count = len(numbers)
    columns = [documents["id"].take(pa.array(row)), pa.array([RULE] * count, pa.string()), pa.array(numbers - lines.first_line[row] + 1), whole, pa.nulls(count, pa.large_string())]
    return pa.table(columns, schema=EDIT)


def _gathered(data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The bytes of all data[begins[k]:ends[k]], one after another."""
    sizes = ends - begins
    places = np.repeat(begins - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(int(sizes.sum()))
    return data[places]
