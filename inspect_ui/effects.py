"""What one rule does to the sample, before it is in force: documents, lines and words, and what others remove already.

The engine of a run finds the hits. A rule that finds lines is asked which lines it would drop, so that a draft which only
tags tells lines too, and its words are those of the lines, not of the documents around them. 60 MB take about 0.2 s.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.judging import THREADS, Judged, judge
from rules.engine import WORDS, measure_packs
from rules.measures.signals import measure
from rules.rule import Pack


@dataclass(frozen=True)
class LineAt:
    """A line that a rule hits: document (row of the sample and id), number of the line from 1, text, and what it becomes."""

    row: int
    id: str
    line: int
    text: str
    after: str | None = None  # None: removed


@dataclass(frozen=True)
class Effect:
    """What a rule does to the sample. Shares are of the sample's documents and words."""

    rule: str
    action: str  # drop or tag; of a line rule drop, trim or replace
    lines: int | None  # lines hit; None: a document rule
    documents: int
    document_share: float
    words: int  # of the lines it hits, or of the documents
    word_share: float
    already: int  # of its lines (documents), how many the rules in force remove
    hosts: int
    by_language: dict[str, int]  # documents
    rows: np.ndarray = field(repr=False, compare=False)  # int64: documents hit, ascending
    found: pa.Table | None = field(default=None, repr=False, compare=False)  # row, line, before, after of each line hit

    def as_dict(self) -> dict:
        """Plain numbers."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("rows", "found")}


def finding_pack(pack: Pack, rule_id: str) -> Pack:
    """`pack` with this rule alone, in all its forms, made to drop the lines it finds."""
    forms = [rule for rule in pack.rules if rule.id == rule_id and rule.acts_on_lines]
    forms = [dataclasses.replace(rule, lines=rule.lines or "drop", action="drop") for rule in forms]
    return dataclasses.replace(pack, rules=tuple(forms))


def lines_found(documents: pa.Table, pack: Pack, rule_id: str) -> pa.Table:
    """The lines of `documents` that a rule hits: row, rule, line (from 1), before, after (null: removed), by the engine."""
    known = {WORDS: np.zeros(len(documents))}  # not asked for
    return measure_packs([finding_pack(pack, rule_id)], documents["text"], documents["lang"], documents["url"], known, THREADS).edits


def effect_of(documents: pa.Table, hosts: pa.Array, judged: Judged, pack: Pack, rule_id: str) -> Effect:
    """What rule `rule_id` of `pack` does to `documents` ([n]), which `judged` is about. `pack` need not be in force.

    `hosts`: [n]. Raises KeyError where the pack has no such rule."""
    rule = next((rule for rule in pack.rules if rule.id == rule_id and not rule.variant), None)
    if rule is None:
        raise KeyError(rule_id)
    name = f"{pack.name}/{rule_id}"
    if rule.action == "off" or not rule.acts_on_lines:
        return _document_effect(documents, hosts, judged, pack, name, rule.action)
    found = lines_found(documents, pack, rule_id)
    before, after = found["before"], pc.fill_null(found["after"], "")
    words = int((_words(before) - _words(after)).sum())
    rows = np.unique(found["row"].to_numpy())
    already = int(_removed_already(found, judged, pack, name).sum())
    return _effect(name, rule.lines or rule.action, len(found), rows, words, already, documents, hosts, judged, found)


def tagged_lines(judged: Judged, pack: Pack, rule_id: str) -> tuple[int, int]:
    """Lines that a rule in force finds, and their words: of a rule that tags documents by lines, what it would take as a line rule."""
    name = f"{pack.name}/{rule_id}"
    if name not in judged.lines_of_tags:
        documents = pa.table({"text": judged.texts, "url": judged.urls, "lang": judged.langs})
        found = lines_found(documents, pack, rule_id)
        judged.lines_of_tags[name] = len(found), int(_words(found["before"]).sum())
    return judged.lines_of_tags[name]


def _words(lines: pa.ChunkedArray) -> np.ndarray:
    return measure(lines, [WORDS], "space")[WORDS] if len(lines) else np.zeros(0)


def _document_effect(documents: pa.Table, hosts: pa.Array, judged: Judged, pack: Pack, name: str, action: str) -> Effect:
    packs = [pack if other.name == pack.name else other for other in judged.packs]
    if pack.name not in {other.name for other in judged.packs}:
        packs.append(pack)
    tried = judge(documents, packs, judged)
    hit = tried.decision.rule_hits.get(name, np.zeros(len(documents), bool))
    others = judged.drop_votes - (judged.decision.rule_hits[name].astype(np.int64) if name in judged.dropping else 0)
    rows = np.flatnonzero(hit)
    return _effect(name, action, None, rows, int(judged.words[rows].sum()), int((others[rows] > 0).sum()), documents, hosts, judged, None)


def _effect(name: str, action: str, lines: int | None, rows: np.ndarray, words: int, already: int, documents: pa.Table, hosts: pa.Array, judged: Judged, found: pa.Table | None) -> Effect:
    places = pa.array(rows)
    languages = pc.value_counts(pc.fill_null(documents["lang"].take(places), "")).to_pylist()
    by_language = {item["values"]: item["counts"] for item in sorted(languages, key=lambda item: (-item["counts"], item["values"]))}
    all_words = int(judged.words.sum())
    return Effect(
        name, action, lines, len(rows), len(rows) / max(len(documents), 1), words, words / max(all_words, 1), already,
        pc.count_distinct(hosts.take(places)).as_py() or 0, by_language, rows, found,
    )  # fmt: skip


def _removed_already(found: pa.Table, judged: Judged, pack: Pack, name: str) -> np.ndarray:
    """bool [lines]: another rule in force removes this line, or the document it is in."""
    if not len(found):
        return np.zeros(0, bool)
    rows = found["row"].to_numpy()
    numbers = judged.lines.number(rows, found["line"].to_numpy(), pack)
    return judged.lines.removed(besides=name)[numbers] | judged.decision.dropped[rows]


def some_lines(effect: Effect, documents: pa.Table, count: int, seed: int = 0) -> list[LineAt]:
    """At most `count` of the lines hit, no text twice, chosen at random, in the order of documents."""
    if effect.found is None or not len(effect.found):
        return []
    codes = effect.found["before"].combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.random.default_rng(seed).permutation(len(codes))
    _, distinct = np.unique(codes[order], return_index=True)
    chosen = np.sort(order[np.sort(distinct)[:count]])
    return lines_at(effect.found, documents, chosen)


def lines_at(found: pa.Table, documents: pa.Table, places: np.ndarray) -> list[LineAt]:
    """The lines of `found` at `places`."""
    part = found.take(pa.array(places))
    ids = documents["id"].take(part["row"]).to_pylist()
    return [LineAt(line["row"], name, line["line"], line["before"], line["after"]) for name, line in zip(ids, part.to_pylist())]
