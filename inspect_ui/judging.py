"""The packs in force applied to the sample, by the same engine as in a run, on two threads.

What was measured is kept: after a change of thresholds or actions nothing is measured again, and after a change of one
pack only what depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.book_counts import edit_sums
from inspect_ui.line_table import LineTable, line_table
from rules.deciding import Decision, decide
from rules.engine import WORDS, Measured, measure_packs
from rules.identity import column_identities, texts_identity
from rules.rule import Pack
from rules.text.buffers import large_strings

THREADS = 2


@dataclass
class Judged:
    """What `packs` found in the sample ([n] documents) and decided about it."""

    packs: list[Pack]
    texts: pa.LargeStringArray  # [n] before any rule
    urls: pa.ChunkedArray  # [n]
    langs: pa.ChunkedArray  # [n]
    measured: Measured
    decision: Decision
    lines_of_tags: dict[str, tuple[int, int]] = field(default_factory=dict)  # rules that tag by lines -> lines, and their words; as far as asked for
    lines_only: dict[str, int] | None = None  # rules that drop lines -> lines that no other removes; once asked for

    @property
    def columns(self) -> dict[str, np.ndarray]:
        return self.measured.columns

    @property
    def edits(self) -> pa.Table:
        """row, rule (full name), line (from 1, in the text as it entered the pack), before, after (null: removed)."""
        return self.measured.edits

    @cached_property
    def words(self) -> np.ndarray:
        """int64 [n]: words of each text before any rule."""
        if WORDS in self.columns:
            return self.columns[WORDS].astype(np.int64)
        return pc.count_substring_regex(self.texts, r"\S+").to_numpy(zero_copy_only=False).astype(np.int64)

    @cached_property
    def drop_votes(self) -> np.ndarray:
        """int64 [n]: how many rules drop each document."""
        votes = np.zeros(len(self.texts), np.int64)
        for name in self.dropping:
            votes += self.decision.rule_hits[name]
        return votes

    @cached_property
    def dropping(self) -> list[str]:
        """Full names of the document rules that drop."""
        names = (f"{pack.name}/{rule.id}" for pack in self.packs for rule in pack.rules if rule.action == "drop" and not rule.lines)
        return [name for name in dict.fromkeys(names) if name in self.decision.rule_hits]

    @cached_property
    def lines(self) -> LineTable:
        """The lines of the texts, and which rule removes each."""
        return line_table(self.texts, self.packs, self.edits)

    @cached_property
    def edited_rows(self) -> np.ndarray:
        """bool [n]: a line rule changed it."""
        found = np.zeros(len(self.texts), bool)
        found[self.edits["row"].to_numpy()] = True
        return found

    @cached_property
    def edit_starts(self) -> np.ndarray:
        """int64 [n + 1]: edits of document d are rows edit_starts[d] to edit_starts[d + 1] - 1 of `edits`."""
        return np.searchsorted(self.edits["row"].to_numpy(), np.arange(len(self.texts) + 1))

    def edits_of(self, row: int, most_lines: int | None = None) -> list[dict]:
        """The edits of one document, in order; with `most_lines`, those of so many lines."""
        begin, end = self.edit_starts[row : row + 2].tolist()
        edits = self.edits.slice(begin, end - begin)
        return (edits if most_lines is None else edits.filter(pc.less_equal(edits["line"], most_lines))).to_pylist()

    def edited_lines_of(self, row: int) -> dict[str, int]:
        """Line rule -> lines of one document that it changed, in the order of packs and rules."""
        begin, end = self.edit_starts[row : row + 2].tolist()
        counts = {item["values"]: item["counts"] for item in pc.value_counts(self.edits["rule"].slice(begin, end - begin)).to_pylist()}
        names = (f"{pack.name}/{rule.id}" for pack in self.packs for rule in pack.rules if rule.lines and not rule.variant)
        return {name: counts[name] for name in names if name in counts}

    @cached_property
    def edit_counts(self) -> dict[str, dict[str, int]]:
        """Line rule -> lines, documents, words and bytes that it took."""
        if not len(self.edits):
            return {}
        rules, rows = (self.edits[name].combine_chunks() for name in ("rule", "row"))
        return edit_sums(rules.dictionary_encode(), rows, self.edits["before"].combine_chunks(), self.edits["after"].combine_chunks())

    @cached_property
    def edit_documents(self) -> dict[str, np.ndarray]:
        """Line rule -> documents that it changed (ascending)."""
        if not len(self.edits):
            return {}
        rules, rows = self.edits["rule"].combine_chunks().dictionary_encode(), self.edits["row"].to_numpy()
        codes = rules.indices.to_numpy()
        return {name: np.unique(rows[codes == code]) for code, name in enumerate(rules.dictionary.to_pylist())}


def judge(documents: pa.Table, packs: Sequence[Pack], earlier: Judged | None = None) -> Judged:
    """Apply `packs` to `documents`; what `earlier` measured of the same documents is used where it still holds.

    Packs that come after all that changed texts, such as drafts, are measured alone."""
    packs = list(packs)
    texts, langs = large_strings(documents["text"]), documents["lang"]
    known = _still_known(packs, earlier) if earlier else {}
    first = _first_changed(packs, earlier) if earlier else 0
    measured = measure_packs(packs[first:], earlier.measured.texts if first else texts, langs, documents["url"], known, THREADS)
    if first:
        measured = _after_earlier(earlier, packs[:first], measured)
    return Judged(packs, texts, documents["url"], documents["lang"], measured, decide(packs, measured.columns, len(texts), langs))


def _first_changed(packs: list[Pack], earlier: Judged) -> int:
    """How many packs are as they were, if what came after them in `earlier` changed no text; else 0."""
    same = 0
    while same < min(len(packs), len(earlier.packs)) and (packs[same].name, packs[same].sha256) == (earlier.packs[same].name, earlier.packs[same].sha256):
        same += 1
    return same if texts_identity(earlier.packs) == texts_identity(packs[:same]) else 0


def _after_earlier(earlier: Judged, unchanged: list[Pack], new: Measured) -> Measured:
    """What was measured of the packs that are as they were, and of those after them."""
    names = {pack.name for pack in unchanged}
    columns = {name: values for name, values in earlier.columns.items() if name == WORDS or name.partition(".")[0] in names}
    edits = pa.concat_tables([earlier.edits, new.edits]).sort_by("row") if len(new.edits) else earlier.edits
    return Measured(new.texts, columns | new.columns, edits, new.seconds)


def _still_known(packs: list[Pack], earlier: Judged) -> dict[str, np.ndarray]:
    """Columns of `earlier` that these packs would measure to be the same."""
    old, new = column_identities(earlier.packs), column_identities(packs)
    return {name: values for name, values in earlier.columns.items() if name in new and new[name] == old.get(name)}
