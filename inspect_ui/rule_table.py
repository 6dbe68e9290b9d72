"""The table of rules: what each one hits, what only it hits, what goes with it, and what labels say about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from curation.preview import LINE_ACTIONS
from inspect_ui.effects import tagged_lines
from inspect_ui.judging import Judged
from inspect_ui.line_votes import only_lines
from inspect_ui.scores import Judgements, Score, document_score, line_score
from rules.format.evidence import told
from rules.rule import Pack, Rule


@dataclass(frozen=True)
class RuleRow:
    """One rule over the sample. Of a line rule: documents and lines it changed, and the words that went.

    Of a rule that only tags lines: the lines it finds and their words, as if it were one."""

    rule: str  # pack/id
    action: str  # drop, tag, off; of a line rule `drop line`, `trim line`, `replace in line`
    why: str
    documents: int
    share: float  # of the sample's documents
    only: int | None  # documents that no other rule drops; lines that no other rule removes; None: off, it cuts lines, or takes very many
    lines: int | None  # None: a document rule
    words: int  # of the documents it hits, or of the lines it took
    word_share: float  # of the sample's words
    score: Score
    thresholds: int  # comparisons that Tune can move
    evidence: tuple[str, ...] = ()  # what ablations found, the newest first

    @property
    def labels(self) -> int:
        return self.score.precision.labels

    def as_dict(self) -> dict:
        plain = {name: value for name, value in vars(self).items() if name != "score"}
        return plain | self.score.as_dict()


def rule_rows(judged: Judged, labelled: Judgements) -> list[RuleRow]:
    """Every rule of every pack, in order."""
    words = max(int(judged.words.sum()), 1)
    only = only_lines(judged)
    rules = [(pack, rule) for pack in judged.packs for rule in pack.rules if not rule.variant]
    return [replace(_row(judged, labelled, pack, rule, words, only), evidence=_evidence(pack, rule)) for pack, rule in rules]


def _evidence(pack: Pack, rule: Rule) -> tuple[str, ...]:
    return tuple(told(record, pack.rule_sha256(rule)) for record in rule.evidence)


def _row(judged: Judged, labelled: Judgements, pack: Pack, rule: Rule, all_words: int, only: dict[str, int]) -> RuleRow:
    name, count = f"{pack.name}/{rule.id}", max(len(judged.texts), 1)
    if rule.action == "off":
        return RuleRow(name, "off", rule.why, 0, 0.0, None, None, 0, 0.0, document_score(labelled, np.zeros(count, bool)), 0)
    if rule.lines:
        edits = judged.edit_counts.get(name, {"documents": 0, "lines": 0, "words": 0})
        score = line_score(labelled, name)
        thresholds = sum(len(condition.any_of) for condition in rule.when)
        return RuleRow(name, LINE_ACTIONS[rule.lines], rule.why, edits["documents"], edits["documents"] / count, (only.get(name) if edits["lines"] else 0) if rule.lines == "drop" else None, edits["lines"], edits["words"], edits["words"] / all_words, score, thresholds)
    hit = judged.decision.rule_hits[name]
    others = judged.drop_votes - hit if name in judged.dropping else judged.drop_votes
    lines, lost = None, int(judged.words[hit].sum())
    if rule.acts_on_lines and rule.action == "tag":
        lines, lost = tagged_lines(judged, pack, rule.id)
    score = line_score(labelled, name) if rule.acts_on_lines else document_score(labelled, hit)
    if rule.acts_on_lines and not score.precision.labels:
        score = document_score(labelled, hit)
    thresholds = sum(len(condition.any_of) for condition in (*rule.drop_when, *rule.when))
    return RuleRow(name, rule.action, rule.why, int(hit.sum()), int(hit.sum()) / count, int((hit & (others == 0)).sum()), lines, lost, lost / all_words, score, thresholds)
