"""The views that are tables, as plain data and as lines to print: rules, tune, mine, suggest, labels, draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from inspect_ui.draft import Draft, DraftEffect, rule_yaml
from inspect_ui.labels import Label
from inspect_ui.patterns import Mined
from inspect_ui.sample import InspectError
from inspect_ui.scores import share_dict
from inspect_ui.session import Session
from inspect_ui.suggest import LineSuggestion, SignalSuggestion
from inspect_ui.tables import percent, short, table
from inspect_ui.tune import Tuning
from inspect_ui.wilson import Share

View = tuple[dict, list[str]]  # plain data, and lines
_BAR = 50  # columns of the longest bar of a histogram
_BINS = 20


def rules_view(session: Session) -> View:
    """Every rule: what it hits, what only it drops, what goes, what labels say."""
    rows = session.rules()
    shown = [row for row in rows if row.documents or row.labels]
    header = ("rule", "action", "documents", "share", "only this", "lines", "words", "precision", "recall")
    cells = [
        (row.rule, row.action, f"{row.documents:,}", percent(row.share), _number(row.only), _number(row.lines), percent(row.word_share), _said(row.score.precision), _said(row.score.recall))
        for row in shown
    ]  # fmt: skip
    evidence = [f"{row.rule}  trained with it: {found}" for row in rows for found in row.evidence]
    idle = len(rows) - len(shown)
    lines = table(header, cells, "<<>>>>><<") if shown else []
    return {"rules": [row.as_dict() for row in rows]}, [*lines, *evidence, *([f"{idle} of {len(rows)} rules hit nothing"] if idle else [])]


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _said(share: Share | None) -> str:
    """A share as far as it can be said: `` without labels."""
    return "" if share is None or not share.labels else str(share)


def tune_view(session: Session, rule: str, threshold: float | None, number: int) -> View:
    """One threshold of a rule: the histogram, what it drops, and the nearest documents (or lines) on each side."""
    found = session.tunings(rule)
    if not found:
        raise InspectError(f"{rule} has no threshold: it has a pattern or a list, and no drop_when or when")
    if not 1 <= number <= len(found):
        raise InspectError(f"{rule} has {len(found)} comparisons, numbered from 1; there is no {number}")
    tuning = found[number - 1]
    value = tuning.threshold if threshold is None else threshold
    moved, hit_and_spared = tuning.move(value), tuning.nearest_places(value)
    bars = tuning.histogram(_BINS)
    nearest = [[_place(session, tuning, place) for place in side] for side in hit_and_spared]
    data = {
        "rule": rule, "signal": tuning.signal, "operator": tuning.operator, "in_force": tuning.threshold, "unit": tuning.unit, **asdict(moved),
        "score": session.tune_score(tuning, value).as_dict(), "edges": bars.edges.tolist(), "counts": bars.counts.tolist(), "below": bars.below,
        "above": bars.above, "hit": nearest[0], "spared": nearest[1], "comparisons": [f"{t.signal} {t.operator} {t.threshold:g}" for t in found],
    }  # fmt: skip
    return data, _tune_lines(session, tuning, data, number, len(found))


def _place(session: Session, tuning: Tuning, place: tuple[int, int]) -> dict:
    row, line = place
    same = tuning.sorted.rows == row if tuning.sorted.lines is None else (tuning.sorted.rows == row) & (tuning.sorted.lines == line)
    value = float(tuning.sorted.values[np.flatnonzero(same)[0]])
    return {"id": session.documents["id"][row].as_py(), "line": line, "value": value, "text": session.text_of(row, line)[:2000]}


def _tune_lines(session: Session, tuning: Tuning, data: dict, number: int, count: int) -> list[str]:
    told = f"{tuning.signal} {tuning.operator} {data['threshold']:g}"
    lines = [
        f"{tuning.rule}, comparison {number} of {count}; in force: {tuning.operator} {tuning.threshold:g}",
        f"{told}  hits {data['documents']:,} of {tuning.documents:,} {tuning.unit} ({percent(data['share'])}), {percent(data['word_share'])} of words; only this rule: {data['only']:,}",
        "by language: " + ", ".join(f"{name or 'none'} {n:,}" for name, n in list(data["by_language"].items())[:8]),
        f"precision {_said(session.tune_score(tuning, data['threshold']).precision) or 'unknown: no labels'}",
        "",
    ]
    most = max(*data["counts"], 1)
    for low, high, size in zip(data["edges"], data["edges"][1:], data["counts"]):
        mark = "<" if low <= data["threshold"] < high else " "
        bar = "#" * round(_BAR * np.log1p(size) / np.log1p(most))
        lines.append(f"{low:>10.4g} {mark} {bar} {size:,}")
    for side in ("hit", "spared"):
        lines += ["", f"nearest that are {side}"]
        lines += [f"  {place['value']:<10.6g} {short(place['id'], 30)}{':' + str(place['line']) if place['line'] else ''}  {short(place['text'])}" for place in data[side]]
    return lines


def mine_view(session: Session, mined: Mined) -> View:
    """What repeats."""
    where = [f"in lines that match {mined.match}" if mined.match else "", f"of {mined.host}" if mined.host else "", f"in {mined.language}" if mined.language else ""]
    head = " ".join(["hosts" if mined.kind == "hosts" else mined.kind, *filter(None, where), f"({mined.documents:,} documents, {mined.lines:,} lines)"])
    cells = [(str(number), f"{row.documents:,}", f"{row.count:,}", f"{row.hosts:,}", percent(row.removed), f"{row.variants:,}", short(row.text, 100)) for number, row in enumerate(mined.rows, 1)]
    lines = table(("row", "documents", "times", "hosts", "removed", "variants", mined.kind), cells, ">>>>>><") if cells else ["nothing repeats"]
    return {"kind": mined.kind, "documents": mined.documents, "lines": mined.lines, "rows": [row.as_dict() for row in mined.rows]}, [short(head, 200), *lines]


def draft_view(draft: Draft, tried: DraftEffect, name: str) -> View:
    """A draft as YAML, its effect on the sample, and what generalising adds."""
    effect = tried.effect
    unit = "documents" if effect.lines is None else "lines"
    said = f"{effect.lines:,} lines in " if effect.lines is not None else ""
    lines = rule_yaml(draft, "  ").rstrip("\n").split("\n")
    lines += ["", f"hits {said}{effect.documents:,} documents ({percent(effect.document_share)}) of {effect.hosts:,} hosts; {effect.words:,} words ({effect.word_share:.2%})"]
    lines += [f"{effect.already:,} of these {unit} are removed already by the rules in force"] if effect.already else []
    if draft.generalised:
        lines.append(f"generalising adds {tried.added_lines:,} lines to the {tried.literal.lines or 0:,} that were selected")
        lines += [f"  + {short(line.text, 100)}" for line in tried.added]
    data = {"id": draft.id, "pack": name, "pattern": draft.pattern, "literal": draft.literal, "hosts": list(draft.hosts), "drop": list(draft.drop), "keep": list(draft.keep)}
    return {"draft": data, "effect": effect.as_dict(), "added_lines": tried.added_lines, "added": [asdict(line) for line in tried.added]}, lines


def suggest_lines_view(found: Sequence[LineSuggestion]) -> View:
    """Line patterns that would remove most words at least risk."""
    cells = [(str(n), f"{one.words:,}", f"{one.lines:,}", f"{one.documents:,}", f"{one.risk.value:.2f} [{one.risk.interval[0]:.2f}, {one.risk.interval[1]:.2f}]", short(one.text, 80)) for n, one in enumerate(found, 1)]
    lines = table(("row", "words", "lines", "documents", "between prose", "line"), cells, ">>>>><") if found else ["no line repeats often enough to be suggested"]
    data = [{"text": one.text, "pattern": one.pattern, "lines": one.lines, "documents": one.documents, "hosts": one.hosts, "words": one.words, "risk": share_dict(one.risk)} for one in found]
    return {"suggestions": data}, [*lines, "", "suggestions are never applied: draft suggestions ROW makes a rule of one"]


def suggest_signals_view(found: Sequence[SignalSuggestion], recall: float) -> View:
    """Rules of one signal, from labels."""
    cells = [(str(one.precision), f"{one.recall.value:.2f} [{one.recall.interval[0]:.2f}, {one.recall.interval[1]:.2f}]", percent(one.share), one.rule_text) for one in found]
    lines = table(("precision", "recall", "of sample", "rule"), cells, "<<><") if found else [f"no signal finds {recall:.0%} of what was labelled drop"]
    data = [{"signal": one.signal, "comparison": one.comparison, "threshold": one.threshold, "precision": share_dict(one.precision), "recall": share_dict(one.recall), "share": one.share} for one in found]
    return {"suggestions": data}, [*lines, "", "thresholds are chosen on the same labels, so the intervals are a little too good; label what a rule hits before you use it"]


def labels_view(session: Session) -> View:
    """What was labelled, by whom, what is stale, and where people disagree."""
    merged, known = session.merged, session.judgements
    logs = [session.log, *session.others]
    history = [(label, log.is_undone(label)) for log in logs for label in log.labels]
    cells = [(label.at[:16].replace("T", " "), short(label.by, 12), label.label + (" (undone)" if undone else ""), label.sample, short(label.rule, 30), _about(label)) for label, undone in history]
    lines = table(("when", "by", "label", "sample", "rule", "document"), cells, "<<<<<<") if cells else ["no labels yet"]
    lines += ["", f"{len(merged.labels):,} in force: {len(known.rows):,} keep or drop in this sample, {known.unsure:,} unsure, {known.elsewhere:,} of documents outside it, {len(known.stale):,} stale (the text has changed)"]
    lines += [f"{merged.judged_by_several:,} judged by several people, {len(merged.disagreements):,} disagreements"] if session.others else []
    lines += [f"  {short(one.doc, 40)}{f':{one.line}' if one.line else ''}  " + ", ".join(f"{short(by, 20)}: {answer}" for by, answer in one.said.items()) for one in merged.disagreements]
    data = {
        "labels": [{**asdict(label), "undone": undone} for label, undone in history], "in_force": len(merged.labels), "stale": [asdict(label) for label in known.stale],
        "elsewhere": known.elsewhere, "unsure": known.unsure, "judged_by_several": merged.judged_by_several, "disagreements": [asdict(one) for one in merged.disagreements],
    }  # fmt: skip
    return data, lines


def _about(label: Label) -> str:
    return short(label.doc, 40) + (f":{label.line}" if label.line else "")
