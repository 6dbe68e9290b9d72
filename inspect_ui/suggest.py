"""Suggestions from labels and from what repeats. They are shown, never applied.

Signals: for every common signal, and those that the packs in force compare, the threshold that finds a chosen share of what people would drop (recall) with
the highest precision, ranked by the lower end of the precision's interval. Only labels of a random sample count, because
only they know recall. The threshold is chosen on the same labels, so the intervals are a little too good: say so, and
label the documents that it hits before you believe it.

Lines: whole lines and templates that repeat, ranked by the words that would go. The risk of a line is how often it
stands between two lines of prose (ten words or more, ending like a sentence), where chrome does not stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from inspect_ui import mine_kernels as kernels
from inspect_ui.generalise import general_pattern, template_of
from inspect_ui.mine import Groups, MinedRow, Scope, mine_lines
from inspect_ui.sample import InspectError
from inspect_ui.scores import Judgements
from inspect_ui.wilson import TOO_FEW, Share
from rules.engine import signals_of
from rules.measures.signals import CORE_SIGNALS, LINE_LENGTH_SIGNALS, SIGNALS, measure
from rules.rule import Pack
from rules.text.characters import character_classes
from rules.text.kernels import kernel_texts

PROSE_WORDS = 10
_CANDIDATES = 400  # groups looked at of each kind
_LETTERS, _DOCUMENTS = 4, 3  # that a suggested line has at least; lines of numbers alone may be tables


@dataclass(frozen=True)
class SignalSuggestion:
    """A document rule of one signal. Precision and recall on the labels of a random sample; `share` of the sample it would hit."""

    signal: str
    comparison: str
    threshold: float
    precision: Share
    recall: Share
    share: float

    @property
    def rule_text(self) -> str:
        """What a rule would say."""
        return f'drop_when: {{{self.signal}: "{self.comparison} {self.threshold:g}"}}'


@dataclass(frozen=True)
class LineSuggestion:
    """A line rule for something that repeats. `risk`: how often it stands between lines of prose."""

    text: str
    pattern: str
    lines: int
    documents: int
    hosts: int
    words: int
    risk: Share
    row: MinedRow


def tried_signals(packs: Sequence[Pack]) -> list[str]:
    """The signals that are tried: not those which measure the same as another project does, unless a pack compares them."""
    compared = (name for pack in packs for name in signals_of(pack) if name in SIGNALS)
    return list(dict.fromkeys([*(signal.name for signal in (*CORE_SIGNALS, *LINE_LENGTH_SIGNALS)), *compared]))


def suggest_signals(
    texts: pa.LargeStringArray, labelled: Judgements, names: Sequence[str], recall: float = 0.5, limit: int = 10, words: str = "unicode"
) -> list[SignalSuggestion]:
    """Thresholds on signals `names` that find at least `recall` (0 to 1) of what people would drop, most precise first.

    `texts`: the sample. Raises InspectError for too few labels of a random sample."""
    mine = labelled.documents & labelled.random
    rows, drop = labelled.rows[mine], labelled.drop[mine]
    if len(rows) < TOO_FEW or not 0 < drop.sum() < len(rows):
        raise InspectError(f"too few labels for suggestions: {len(rows)} of a random sample, {int(drop.sum())} of them drop; it takes {TOO_FEW}, and both keep and drop")
    measured = measure(texts.take(pa.array(rows)), list(names), words)
    found = [one for name in names for above in (True, False) if (one := best_threshold(name, measured[name], drop, above, recall))]
    found = sorted(found, key=lambda one: (-one.precision.interval[0], -one.recall.hits, one.signal))
    found = list({one.signal: one for one in reversed(found)}.values())[::-1][:limit]  # of each signal the better side
    whole = measure(texts, [one.signal for one in found], words)
    return [SignalSuggestion(one.signal, one.comparison, one.threshold, one.precision, one.recall, _share(whole[one.signal], one)) for one in found]


def _share(values: np.ndarray, one: SignalSuggestion) -> float:
    hit = values > one.threshold if one.comparison == ">" else values < one.threshold
    return float(hit.mean()) if len(values) else 0.0


def best_threshold(name: str, values: np.ndarray, drop: np.ndarray, above: bool, recall: float) -> SignalSuggestion | None:
    """The threshold on one side with the highest precision (by the lower end of its interval) among those with enough recall.

    `values`, `drop`: of the labelled documents ([labels]); NaN is never hit. None where no threshold has that recall."""
    known = ~np.isnan(values)
    order = np.argsort(-values[known] if above else values[known], kind="stable")
    ordered, hits = values[known][order], np.cumsum(drop[known][order])
    total, ends = int(drop.sum()), np.flatnonzero(np.append(ordered[1:] != ordered[:-1], False))  # a threshold fits between two values
    best = None
    for end in ends[hits[ends] >= np.ceil(recall * total - 1e-9)].tolist():
        precision = Share(int(hits[end]), end + 1)
        if best is None or precision.interval[0] > best.precision.interval[0]:
            best = SignalSuggestion(name, ">" if above else "<", between(ordered[end], ordered[end + 1]), precision, Share(int(hits[end]), total), 0.0)
    return best


def between(one: float, other: float) -> float:
    """The shortest decimal that parts two different numbers: greater than the smaller, and not greater than the other."""
    low, high = sorted((float(one), float(other)))
    for digits in range(1, 17):
        for value in (low + (high - low) / 2, high):
            rounded = float(f"{value:.{digits}g}")
            if low < rounded < high:
                return rounded
    return low + (high - low) / 2


def suggest_lines(scope: Scope, limit: int = 10, most_risk: float = 0.1) -> list[LineSuggestion]:
    """Line patterns that would remove most words, of those whose risk is at most `most_risk` (the upper end of its interval)."""
    risky = between_prose(scope)
    found: list[tuple[LineSuggestion, Groups, int]] = []
    for kind in ("lines", "templates"):
        groups = mine_lines(scope, kind, _CANDIDATES)
        words = measure(pa.array([row.text for row in groups.rows()], pa.large_string()), ["words"], "space")["words"]
        for number, (row, line_words, between) in enumerate(zip(groups.rows(), words.tolist(), groups.marked(risky).tolist())):
            one = LineSuggestion(row.text, "", row.count, row.documents, row.hosts, int(line_words) * row.count, Share(between, row.count), row)
            if row.removed <= 0.5 and one.risk.interval[1] <= most_risk and row.documents >= _DOCUMENTS and _letters(row.text) >= _LETTERS:
                found.append((one, groups, number))
    found.sort(key=lambda item: (-item[0].words, item[0].text))
    chosen = _without_repeats(found)[:limit]
    return [replace(one, pattern=general_pattern(groups.texts_of(number, 50), "line")) for one, groups, number in chosen]


def _letters(text: str) -> int:
    """Letters of a line or template, but for those of its numbers and names."""
    return sum(map(str.isalpha, re.sub("<(number|month|day)>", "", text)))


def _without_repeats(found: list[tuple[LineSuggestion, Groups, int]]) -> list[tuple[LineSuggestion, Groups, int]]:
    """Without lines that a template stands for too."""
    templates = {one.text for one, _, _ in found if one.row.kind == "templates"}
    return [item for item in found if item[0].row.kind == "templates" or template_of(item[0].text) not in templates]


def between_prose(scope: Scope) -> np.ndarray:
    """Which lines in scope (bool [m]) stand between two lines of prose, blank lines left out."""
    table = scope.table
    kinds = kernels.line_kinds(kernel_texts(table.texts)[1], table.starts, table.ends, character_classes(), PROSE_WORDS)
    filled = np.flatnonzero(kinds > kernels.BLANK)
    prose, document = kinds[filled] == kernels.PROSE, table.document[filled]
    before, after = np.zeros(len(filled), bool), np.zeros(len(filled), bool)
    before[1:] = prose[:-1] & (document[1:] == document[:-1])
    after[:-1] = prose[1:] & (document[1:] == document[:-1])
    between = np.zeros(len(kinds), bool)
    between[filled] = before & after
    return between[scope.numbers]
