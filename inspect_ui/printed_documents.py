"""The views of documents, as plain data and as lines to print: read, diff, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from inspect_ui.clusters import Cluster, Member, member_diff
from inspect_ui.differences import DiffLine
from inspect_ui.printed_tables import View
from inspect_ui.reading import DocumentView, Span
from inspect_ui.session import ListRow, Session
from inspect_ui.tables import percent, short, table
from rules.line_rules.line_forms import LINE_FORMS
from rules.visible import visible


def list_view(session: Session, rows: np.ndarray, count: int) -> View:
    """Documents in a list, with verdict and reason."""
    listed = session.listed(rows[:count])
    cells = [(short(one.id, 36), _verdict(one), one.lang, f"{one.words:,}", short(one.host, 30), short(one.reason, 40), one.label) for one in listed]
    lines = table(("id", "verdict", "lang", "words", "host", "reason", "label"), cells, "<<<><<<") if listed else ["no document"]
    return {"documents": [asdict(one) for one in listed], "found": len(rows)}, [*lines, f"{len(listed):,} of {len(rows):,} documents; `--print read ID` shows one"]


def _verdict(one: ListRow) -> str:
    """drop: by the packs in force; removed: in the run, by another stage; edit: kept, with other lines; keep."""
    return "drop" if one.dropped else "removed" if one.reason else "edit" if one.edited else "keep"


def document_view(view: DocumentView) -> View:
    """One document: hits, signals, and the text with line numbers, every line that a rule hit marked."""
    said = f"dropped by {view.reason}" if view.dropped else "kept"
    in_run = f"; in the run: removed by {view.run_reason or view.run_stage}" if view.run_stage else ""
    lines = [f"{short(view.id, 100)}: {said}{in_run}", f"  {short(view.url or view.source, 150)}  {view.lang}  {view.words:,} words" + (f"  label: {view.label}" if view.label else "")]
    lines += ["", "rules that hit it", *_hit_lines(view)] if view.hits else ["", "no rule hits it"]
    lines += ["", "signals", *_signal_lines(view)] if view.signals else []
    lines += ["", f"it is hit so often that hits are marked in the first {view.told_lines:,} lines only"] if view.told_lines else []
    lines += ["", *_text_lines(view)]
    data = {name: value for name, value in asdict(view).items() if name != "line_starts"}
    return {"document": data}, lines


def _hit_lines(view: DocumentView) -> list[str]:
    cells = []
    for hit in view.hits:
        measured = f"{hit.signal} {hit.value:g} {hit.comparison} {hit.threshold:g}" if hit.signal and not hit.lines else f"{hit.lines} line{'' if hit.lines == 1 else 's'}"
        cells.append((f"  {hit.rule}", hit.action, measured, short(hit.why, 80)))
    return table(("  rule", "action", "hit", "why"), cells, "<<<<")


def _signal_lines(view: DocumentView) -> list[str]:
    cells = [(f"  {row.signal}", f"{row.value:.6g}", f"{row.comparison} {row.threshold:g}", f"{row.distance:+.4g}", "HIT" if row.hit else "", row.rule) for row in view.signals]
    return table(("  signal", "value", "threshold", "distance", "", "rule"), cells, "<><><<")


def _text_lines(view: DocumentView) -> list[str]:
    """The text, each line with its number, `-` where it is removed, `~` where it is changed, `*` where a rule only finds it."""
    marks: dict[int, list[Span]] = {}
    for span in view.spans:
        marks.setdefault(span.line, []).append(span)
    width, found = len(str(len(view.line_starts))), []
    for number in range(1, len(view.line_starts) + 1):
        spans = marks.get(number, [])
        mark = "-" if any(span.whole_line for span in spans) else "~" if any(span.action in ("trim", "replace", *LINE_FORMS) for span in spans) else "*" if spans else " "
        rules = f"   [{', '.join(dict.fromkeys(span.rule for span in spans))}]" if spans else ""
        found.append(f"{number:>{width}} {mark} {visible(view.line(number))}{rules}".rstrip())
    return found


def changed_view(session: Session, rule: str, count: int) -> View:
    """The documents that a rule (empty: any) changes or drops."""
    return list_view(session, session.changed_documents(rule), count)


def diff_view(session: Session, row: int, rule: str, context: int = 3) -> View:
    """Before and after of one document."""
    view = session.diff(row, rule, context)
    who = f" by {rule}" if rule else ""
    lines = [f"{short(view.id, 100)}: {view.removed:,} lines removed{who}, {view.changed:,} changed; {view.characters_before:,} characters before, {view.characters_after:,} after all rules"]
    lines += [f"the whole document is dropped by {view.reason}"] if view.dropped else []
    lines += diff_lines_shown(view.lines) or [f"no line is changed{who}"]
    return {"diff": asdict(view)}, lines


def diff_lines_shown(lines: Sequence[DiffLine]) -> list[str]:
    """Lines of a diff, each with its number before, and who changed it."""
    width = max((len(str(line.before or line.after or "")) for line in lines), default=1)
    return [
        f"{'':>{width}} @ {line.text} left out" if line.kind == "@" else f"{line.before or '':>{width}} {line.kind} {visible(line.text)}" + (f"   [{line.rule}]" if line.rule and line.kind == "-" else "")
        for line in lines
    ]  # fmt: skip


def clusters_view(clusters: Sequence[Cluster], count: int) -> View:
    """Duplicate clusters, largest first."""
    cells = [(one.stage, f"{one.size:,}", short(one.kept_id, 50), one.why) for one in clusters[:count]]
    lines = table(("stage", "size", "kept", "why"), cells, "<><<")
    return {"clusters": [asdict(one) for one in clusters]}, [*lines, f"{min(count, len(clusters)):,} of {len(clusters):,} clusters"]


def members_view(cluster: Cluster | None, members: Sequence[Member], context: int = 1) -> View:
    """The members of a cluster, and how each differs from the one that was kept."""
    kept = members[0]
    lines = [f"{len(members):,} documents" + (f"; {cluster.why}" if cluster else "")]
    data = []
    for member in members:
        differences = [] if member.kept else member_diff(kept, member, context)
        lines += ["", f"{'kept' if member.kept else percent(member.similarity) + ' similar'}: {short(member.id, 60)}  {short(member.url or member.source, 90)}  {len(member.text):,} characters"]
        lines += diff_lines_shown(differences) or ([] if member.kept else ["  the same text"])
        data.append({**asdict(member), "diff": [asdict(line) for line in differences]})
    return {"members": data}, lines
