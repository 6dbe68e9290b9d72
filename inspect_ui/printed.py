"""Which view is printed, from the words and options of the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from inspect_ui import printed_documents as documents
from inspect_ui import printed_tables as tables
from inspect_ui.labels import SamplingMode
from inspect_ui.mine import KINDS
from inspect_ui.printed_tables import View
from inspect_ui.sample import InspectError
from inspect_ui.session import Session

Options = dict[str, Any]  # rule, mode, host, lang, match, count, recall, write


def print_view(session: Session, name: str, words: Sequence[str], options: Options) -> View:
    """View `name` with its arguments: plain data, and lines. Raises InspectError for arguments that make no sense."""
    least, most, view = _VIEWS[name]
    if not least <= len(words) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        raise InspectError(f"{name} takes {expected} arguments, got {len(words)} ({' '.join(words) or 'none'}); see gristmill inspect --help")
    return view(session, list(words), options)


def _read(session: Session, words: list[str], options: Options) -> View:
    if words:
        return documents.document_view(session.document(session.row_of(words[0])))
    mode = options["mode"] or ("hits" if options["rule"] else "random")
    if mode not in get_args(SamplingMode) or mode == "other":
        raise InspectError(f"no sampling mode {mode!r}; there are {', '.join(m for m in get_args(SamplingMode) if m != 'other')}")
    rows = session.rows_for(mode, options["rule"])
    if options["match"]:
        rows = rows[np.isin(rows, session.search(options["match"]))]
    return documents.list_view(session, rows, options["count"])


def _rules(session: Session, words: list[str], options: Options) -> View:
    return tables.rules_view(session)


def _tune(session: Session, words: list[str], options: Options) -> View:
    value = _float(words[1]) if len(words) > 1 else None
    number = int(_float(words[2])) if len(words) > 2 else 1
    found = tables.tune_view(session, words[0], value, number)
    if options["write"]:
        if value is None:
            raise InspectError("--write needs a value: --print tune PACK/ID VALUE")
        path = session.write_threshold(session.tunings(words[0])[number - 1], value)
        found[1].append(f"written to {path}")
    return found


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InspectError(f"{text!r} is no number") from None


def _diff(session: Session, words: list[str], options: Options) -> View:
    if words:
        return documents.diff_view(session, session.row_of(words[0]), options["rule"])
    return documents.changed_view(session, options["rule"], options["count"])


def _mine(session: Session, words: list[str], options: Options) -> View:
    kind = words[0] if words else "lines"
    return tables.mine_view(session, session.patterns.mine(kind, options["host"], options["lang"], options["match"], options["count"]))


def _draft(session: Session, words: list[str], options: Options) -> View:
    kind, rows = words[0], [int(_float(word)) for word in words[1].split(",") if word]
    if kind == "suggestions":
        found = session.patterns.suggest_lines(10, options["host"], options["lang"])
        drafts = [session.patterns.draft_of_suggestion(found[number]) for number in _numbers(rows, len(found))]
        if len(drafts) != 1:
            raise InspectError("a draft is made of one suggestion at a time")
        draft = drafts[0]
    elif kind in KINDS:
        mined = session.patterns.mine(kind, options["host"], options["lang"], options["match"], max([*rows, 1]))
        draft = session.patterns.draft_of_rows(mined, _numbers(rows, len(mined.rows)))
    else:
        raise InspectError(f"no kind {kind!r}; there are {', '.join(KINDS)}, suggestions")
    view = tables.draft_view(draft, session.patterns.try_draft(draft), session.drafts.stem)
    if options["write"]:
        session.patterns.save(draft, session.drafts)
        view[1].append(f"written to {session.drafts}; say why, then: gristmill check {session.drafts}")
    return view


def _numbers(rows: Sequence[int], count: int) -> list[int]:
    """Rows, counted from 1, as places in a list of `count`."""
    if not rows or min(rows) < 1 or max(rows) > count:
        raise InspectError(f"rows are numbered from 1 to {count}; got {', '.join(map(str, rows)) or 'none'}")
    return [row - 1 for row in rows]


def _suggest(session: Session, words: list[str], options: Options) -> View:
    kind = words[0] if words else "lines"
    if kind == "lines":
        return tables.suggest_lines_view(session.patterns.suggest_lines(10, options["host"], options["lang"]))
    if kind == "signals":
        return tables.suggest_signals_view(session.patterns.suggest_signals(options["recall"]), options["recall"])
    raise InspectError(f"nothing suggests {kind!r}; there are lines and signals")


def _duplicates(session: Session, words: list[str], options: Options) -> View:
    clusters = session.clusters()
    if not words:
        return documents.clusters_view(clusters, options["count"])
    cluster = next((one for one in clusters if one.kept_id == words[0]), None)
    return documents.members_view(cluster, session.members(cluster or words[0]))


def _labels(session: Session, words: list[str], options: Options) -> View:
    return tables.labels_view(session)


_VIEWS: dict[str, tuple[int, int, Callable[[Session, list[str], Options], View]]] = {
    "read": (0, 1, _read), "rules": (0, 0, _rules), "tune": (1, 3, _tune), "diff": (0, 1, _diff), "mine": (0, 1, _mine),
    "draft": (2, 2, _draft), "suggest": (0, 1, _suggest), "duplicates": (0, 1, _duplicates), "labels": (0, 0, _labels),
}  # fmt: skip
