"""What repeats in the sample: lines, how lines begin and end, runs of words, lines alike but for numbers and names, hosts.

Kernels hash spans of the Arrow buffers and count equal hashes (inspect_ui/mine_kernels.py); only the groups that are shown
become Python objects. 60 MB take about a second, n-grams three. A group's documents are counted once each, however often
it occurs in one; `removed` is the share of its occurrences that the rules in force remove, as a line or with the document.

    lines      whole lines, without white space at the ends
    prefixes   the first three words of lines that have more
    suffixes   the last three words of lines that have more
    ngrams     five words in a row, in a line; of runs that overlap in the text, the most frequent one
    words      single words, without punctuation
    templates  lines alike but for numbers and names of months and days, of which several are there
    hosts      hosts of the documents
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui import mine_kernels as kernels
from inspect_ui.calendar_words import spellings
from inspect_ui.generalise import template_of
from inspect_ui.line_table import LineTable
from rules.text.buffers import string_buffers
from rules.text.characters import CJK, LETTER, MARK, VISIBLE, character_classes
from rules.text.kernels import kernel_bytes, kernel_texts

Kind = Literal["lines", "prefixes", "suffixes", "ngrams", "words", "templates", "hosts"]
KINDS: tuple[Kind, ...] = get_args(Kind)
EDGE_WORDS, NGRAM_WORDS = 3, 5
SHOWN = 200
_CANDIDATES = 20  # groups looked at for each one shown: some fall out because they overlap


@dataclass(frozen=True)
class MinedRow:
    """Something that repeats. `text` is as found; of templates it has <number>, <month> and <day> in it."""

    kind: Kind
    text: str  # show it through rules.visible
    count: int  # occurrences
    documents: int
    hosts: int
    removed: float  # share of the occurrences that rules in force remove already
    variants: int  # different lines (of prefixes, suffixes, n-grams and templates); of hosts, lines
    row: int  # one document that has it ...
    line: int  # ... and where (from 1)

    def as_dict(self) -> dict:
        return dict(vars(self))


@dataclass
class Scope:
    """The lines of the documents that are looked at, and what is known of them."""

    table: LineTable
    numbers: np.ndarray  # int64 [m]: lines of the table
    document: np.ndarray  # int64 [m]
    host: np.ndarray  # uint64 [n]: a number for each document's host
    gone: np.ndarray  # bool [m]: removed by the rules in force

    @property
    def documents(self) -> int:
        return len(np.unique(self.document))


@dataclass
class Groups:
    """Spans (m of them) of the lines in scope, in groups of equal ones, and the groups that are shown, in order."""

    scope: Scope
    kind: Kind
    groups: np.ndarray  # int32 [m]
    spans: np.ndarray  # int64 [2, m]
    lines: np.ndarray | None  # [m]: the line in scope each span is in; None: span i is in line i
    counts: np.ndarray  # int64 [3, groups]: spans, documents, first span
    shown: np.ndarray  # int64 [shown]: numbers of groups

    def of_lines(self, values: np.ndarray) -> np.ndarray:
        """Values of lines in scope as values of spans."""
        return values if self.lines is None else values[self.lines]

    def marked(self, marks: np.ndarray) -> np.ndarray:
        """int64 [shown]: occurrences of each group shown in lines that are marked (bool, one for each line in scope)."""
        return kernels.count_marked(self.groups, self._places(self.shown), self.of_lines(marks), len(self.shown))[1]

    def different(self, values: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """int64 [shown]: different values (uint64, one for each line in scope) that each group shown has."""
        chosen = self.shown if chosen is None else chosen
        room = int(self.counts[0, chosen].sum())
        return kernels.count_pairs(self.groups, self._places(chosen), self.of_lines(values), len(chosen), table_bits(room))

    def _places(self, chosen: np.ndarray) -> np.ndarray:
        places = np.full(max(self.counts.shape[1], 1), -1, np.int64)
        places[chosen] = np.arange(len(chosen))
        return places

    def lines_of(self, number: int, limit: int = 1000) -> list[str]:
        """Different whole lines, without white space at the ends, that shown group `number` is in, most frequent first."""
        mine = np.flatnonzero(self.groups == self.shown[number])
        lines = self.scope.numbers[mine if self.lines is None else self.lines[mine]]
        column = pa.array([self.scope.table.text(int(line)).strip() for line in lines[: 20 * limit]], pa.large_string())
        counts = pc.value_counts(column).to_pylist()
        return [item["values"] for item in sorted(counts, key=lambda item: -item["counts"])][:limit]

    def texts_of(self, number: int, limit: int = 1000) -> list[str]:
        """Different texts of the spans of shown group `number`: one, but for templates."""
        return self.lines_of(number, limit) if self.kind == "templates" else [self._text(int(self.counts[2, self.shown[number]]))]

    def _text(self, span: int) -> str:
        _, data = kernel_texts(self.scope.table.texts)
        return data[self.spans[0, span] : self.spans[1, span]].tobytes().decode("utf-8", "replace")

    def rows(self) -> list[MinedRow]:
        """The groups shown, as a table."""
        hosts, gone = self.different(self.scope.host[self.scope.document]), self.marked(self.scope.gone)
        variants = np.ones(len(self.shown), np.int64) if self.kind == "lines" else self.different(line_keys(self.scope))
        found = []
        for group, host_count, removed, alike in zip(self.shown.tolist(), hosts.tolist(), gone.tolist(), variants.tolist()):
            count, documents, first = self.counts[:, group].tolist()
            text = self._text(first)
            row, line = self.scope.table.place(int(self.scope.numbers[first if self.lines is None else self.lines[first]]))
            found.append(MinedRow(self.kind, template_of(text) if self.kind == "templates" else text, count, documents, host_count, removed / count, alike, row, line))
        return found


def scope_of_lines(table: LineTable, dropped: np.ndarray, hosts: pa.Array, wanted: np.ndarray | None = None, numbers: np.ndarray | None = None) -> Scope:
    """The lines of documents `wanted` (bool [n]; None: all), of `numbers` (ascending; None: all). `dropped` ([n]): removed whole; `hosts`: [n]."""
    numbers = np.arange(len(table.starts)) if numbers is None else numbers
    numbers = numbers if wanted is None else numbers[wanted[table.document[numbers]]]
    document = table.document[numbers]
    gone = table.removed()[numbers] | dropped[document]
    codes = hosts.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.uint64)
    return Scope(table, numbers, document, codes, gone)


def mine_lines(scope: Scope, kind: Kind, limit: int = SHOWN) -> Groups:
    """The `limit` groups of `kind` (not hosts) that most documents have, of those that occur twice."""
    keys, spans, lines = _spans(scope, kind)
    groups, number = kernels.group_keys(keys, table_bits(len(keys)))
    document = scope.document if lines is None else scope.document[lines]
    counts = kernels.count_groups(groups, document, number)
    repeated = np.flatnonzero(counts[0] > 1)
    order = repeated[np.lexsort((counts[2][repeated], -counts[0][repeated], -counts[1][repeated]))][: limit * _CANDIDATES]
    if kind == "ngrams":
        order = _apart(order, spans[:, counts[2][order]])
    found = Groups(scope, kind, groups, spans, lines, counts, order)
    if kind == "templates":
        order = order[found.different(line_keys(scope)) > 1]
    found.shown = order[:limit]
    return found


def _spans(scope: Scope, kind: Kind) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Keys (uint64 [m]) and spans (int64 [2, m]) of what `kind` groups, and the lines they are in (None: one span a line)."""
    _, data = kernel_texts(scope.table.texts)
    classes = character_classes()
    starts, ends = _trimmed(scope)
    if kind in ("ngrams", "words"):
        how = (VISIBLE, NGRAM_WORDS) if kind == "ngrams" else (LETTER | CJK | MARK, 1)
        return kernels.ngram_keys(data, starts, ends, classes, *how, kernels.count_ngrams(data, starts, ends, classes, *how))
    if kind == "templates":
        return kernels.template_keys(data, starts, ends, *_names()), np.stack([starts, ends]), None
    if kind in ("prefixes", "suffixes"):
        edge = kernels.first_words_of if kind == "prefixes" else kernels.last_words_of
        starts, ends = edge(data, starts, ends, classes, EDGE_WORDS)
    return kernels.span_keys(data, starts, ends), np.stack([starts, ends]), None


def _trimmed(scope: Scope) -> np.ndarray:
    _, data = kernel_texts(scope.table.texts)
    return kernels.trim_spans(data, scope.table.starts[scope.numbers], scope.table.ends[scope.numbers], character_classes())


def line_keys(scope: Scope) -> np.ndarray:
    """A hash of each line in scope, without white space at the ends (uint64 [m])."""
    return kernels.span_keys(kernel_texts(scope.table.texts)[1], *_trimmed(scope))


def table_bits(keys: int) -> int:
    """log2 of the size of a hash table for so many keys, at most two thirds full."""
    return max(6, int(np.ceil(np.log2(max(keys, 1) * 1.5))))


def _names() -> tuple[np.ndarray, int]:
    """The set of names of months and days."""
    words = pa.array(spellings(), pa.large_string())
    keys, bits = kernels.name_set(*kernel_bytes(*string_buffers(words)))
    return keys, int(bits)


def _apart(order: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Those of `order` whose span (int64 [2, order]) overlaps no span of an earlier one."""
    kept, taken = [], set()
    for number, start, end in zip(order.tolist(), spans[0].tolist(), spans[1].tolist()):
        places = range(start, end)
        if taken.isdisjoint(places):
            kept.append(number)
            taken.update(places)
    return np.array(kept, np.int64)


def mine_hosts(documents: np.ndarray, hosts: pa.Array, dropped: np.ndarray, first_line: np.ndarray, limit: int = SHOWN) -> list[MinedRow]:
    """The hosts of most of `documents` (rows, int64): documents, and how many of them are dropped; `variants` are lines."""
    encoded = hosts.take(pa.array(documents)).dictionary_encode()
    codes, names = encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
    counts = np.bincount(codes, minlength=len(names))
    gone = np.bincount(codes[dropped[documents]], minlength=len(names))
    lines = np.bincount(codes, np.diff(first_line)[documents], minlength=len(names))
    _, first = np.unique(codes, return_index=True)
    order = np.lexsort((np.arange(len(names)), -counts))[:limit].tolist()
    return [MinedRow("hosts", names[g], int(counts[g]), int(counts[g]), 1, float(gone[g] / counts[g]), int(lines[g]), int(documents[first[g]]), 1) for g in order if names[g]]
