"""What packs would do to a sample: per rule the documents, words and bytes it takes, and what only it takes.

The same engine as in a run. `check --sample` and the inspector show these numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.outcome import add_counts, text_bytes
from curation.preview_examples import RuleExamples
from curation.stages.clean import clean
from rules.engine import WORDS
from rules.rule import Pack, Rule

LINE_ACTIONS = {"drop": "drop line", "trim": "trim line", "replace": "replace in line", "ftfy": "repair line", "nfc": "line in NFC", "nfkc": "line in NFKC"}
NAMED = 3  # of rules that hit nothing, at most
BATCH_DOCUMENTS = 2_000


@dataclass
class RulePreview:
    """What one rule did to the sample. Of a line rule: documents and lines it changed, and the words and bytes that went."""

    name: str
    action: str  # drop, tag; of a line rule as LINE_ACTIONS has it
    documents: int
    share: float  # of the sample's documents
    only: int | None  # documents that no other rule drops; None: of a line rule
    words: int  # of the documents it hits, or of the lines it took
    bytes: int
    lines: int | None = None  # None: of a document rule
    word_share: float = 0.0  # of the sample's words
    examples: list[dict[str, Any]] = field(default_factory=list)  # curation/preview_examples.py


@dataclass
class Preview:
    """What packs did to a sample."""

    documents: int
    kept: int
    words: int
    bytes: int
    kept_bytes: int
    rules: list[RulePreview] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return vars(self) | {"rules": [vars(rule) for rule in self.rules]}


def preview(documents: pa.Table, packs: Sequence[Pack], show: int = 0) -> Preview:
    """Apply `packs` to `documents` and count, rule by rule, in the order of packs and rules, with `show` examples of each."""
    totals: dict[str, Any] = {}
    examples, spared = RuleExamples(show), Counter[str]()
    words = kept = kept_bytes = 0
    for start in range(0, len(documents), BATCH_DOCUMENTS):
        batch = documents.slice(start, BATCH_DOCUMENTS)
        outcome = clean(batch, packs)
        add_counts(totals, outcome.counts)
        spared.update(_hit_of_kept(outcome.signals))
        examples.add(batch, outcome)
        words += int(pc.sum(outcome.signals[WORDS]).as_py() or 0)
        kept += len(outcome.kept)
        kept_bytes += text_bytes(outcome.kept)
    found = Preview(len(documents), kept, words, text_bytes(documents), kept_bytes)
    for pack in packs:
        for rule in pack.rules:
            if not rule.variant and rule.action != "off":
                name = f"{pack.name}/{rule.id}"
                found.rules.append(_rule_preview(name, rule, totals, found, spared[name], examples.of(name)))
    return found


def _hit_of_kept(signals: pa.Table) -> list[str]:
    """The names of rules that hit documents which stay, a name for each document: of a tag, what it alone would drop."""
    hits = signals.filter(pc.equal(signals["verdict"], "kept"))["hits"].combine_chunks()
    pairs = pa.table({"row": pc.list_parent_indices(hits), "rule": hits.flatten().field("rule")}).group_by(["row", "rule"]).aggregate([])
    return pairs["rule"].to_pylist()


def _rule_preview(name: str, rule: Rule, totals: dict[str, Any], found: Preview, spared: int, examples: list[dict[str, Any]]) -> RulePreview:
    none = dict.fromkeys(("hits", "only", "words", "bytes", "lines", "documents"), 0)
    if rule.lines:
        edit = totals.get("edits", {}).get(name, none)
        return RulePreview(name, LINE_ACTIONS[rule.lines], edit["documents"], _share(edit["documents"], found.documents), None, edit["words"], edit["bytes"], edit["lines"], _share(edit["words"], found.words), examples)
    hit = totals.get("rules", {}).get(name, none)
    only = hit["only"] if rule.action == "drop" else spared
    return RulePreview(name, rule.action, hit["hits"], _share(hit["hits"], found.documents), only, hit["words"], hit["bytes"], None, _share(hit["words"], found.words), examples)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def preview_lines(found: Preview) -> list[str]:
    """The preview as an aligned table: rules that did something, then how many did nothing."""
    header = ("rule", "action", "documents", "share", "only this", "lines", "words", "MB")
    rows = [header]
    for r in found.rules:
        if r.documents:
            only, lines = ("" if count is None else f"{count:,}" for count in (r.only, r.lines))
            rows.append((r.name, r.action, f"{r.documents:,}", f"{r.share:.1%}", only, lines, f"{r.word_share:.1%}", "" if r.action == "tag" else f"{r.bytes / 1e6:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip() for row in rows]
    gone = found.documents - found.kept
    share = _share(gone, found.documents)
    return [*lines, *_idle_line([r.name for r in found.rules if not r.documents]), f"{found.documents:,} {'document' if found.documents == 1 else 'documents'}: {found.kept:,} kept, {gone:,} ({share:.1%}) dropped; {found.bytes / 1e6:.2f} MB: {found.kept_bytes / 1e6:.2f} MB kept"]


def _idle_line(names: list[str]) -> list[str]:
    """Which rules hit nothing, or how many where they are more than a line holds."""
    if not names:
        return []
    return [f"{', '.join(names) if len(names) <= NAMED else f'{len(names)} rules'} {'hits' if len(names) == 1 else 'hit'} nothing"]
