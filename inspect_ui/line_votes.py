"""Lines that only one rule removes: every removed line is shown to every rule that drops lines, all in one pass of the engine.

Lines are shown as they came and without their neighbours: a rule that is for the first or last lines (`within`) is taken to
hit what it removed and nothing else, and a line that an earlier rule cut before another removed it may be told wrong.
Rules that take very many lines are left out: of them the number says little and costs seconds.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from inspect_ui.judging import Judged
from inspect_ui.line_table import NOBODY
from rules.deciding import column_of
from rules.engine import WORDS, measure_packs
from rules.rule import Pack
from rules.text.buffers import string_buffers, strings_from

MOST_LINES = 50_000  # looked at, of the rules that remove fewest lines


def only_lines(judged: Judged) -> dict[str, int]:
    """Rule that drops lines (pack/id) -> lines that it removes and no other rule would; rules left out are not in it."""
    if judged.lines_only is None:
        judged.lines_only = _only_lines(judged)
    return judged.lines_only


def _only_lines(judged: Judged) -> dict[str, int]:
    table = judged.lines
    sizes = np.bincount(table.removed_by[table.removed_by != NOBODY], minlength=len(table.rules))
    order = np.argsort(sizes, kind="stable")
    asked = order[np.cumsum(sizes[order]) <= MOST_LINES]
    gone = np.flatnonzero(np.isin(table.removed_by, asked))
    if not len(gone):
        return {}
    votes = np.zeros(len(gone), np.int64)
    for pack in judged.packs:
        votes += _votes(judged, pack, gone)
    alone = table.removed_by[gone][votes <= 1]
    counts = np.bincount(alone, minlength=len(table.rules))
    return {table.rules[code]: int(counts[code]) for code in asked.tolist()}


def _votes(judged: Judged, pack: Pack, gone: np.ndarray) -> np.ndarray:
    """How many rules of the pack would drop each of the lines `gone` (of the table)."""
    table = judged.lines
    rules = [rule for rule in pack.rules if rule.lines == "drop" and rule.action != "off"]
    found = np.zeros(len(gone), np.int64)
    asked = tuple(dataclasses.replace(rule, lines=None, action="tag") for rule in rules if rule.within is None)
    for code, name in enumerate(table.rules):
        if any(rule.within is not None and name == f"{pack.name}/{rule.id}" for rule in rules):
            found += table.removed_by[gone] == code
    if asked:
        rows = pa.array(table.document[gone])
        langs = None if judged.langs.null_count == len(judged.langs) else judged.langs.take(rows)
        known = {WORDS: np.zeros(len(gone))}
        asking = dataclasses.replace(pack, rules=asked)
        columns = measure_packs([asking], _lines(judged, gone), langs, None, known).columns
        found += sum((columns[column_of(asking, rule)] > 0).astype(np.int64) for rule in asked)
    return found


def _lines(judged: Judged, numbers: np.ndarray) -> pa.LargeStringArray:
    """The texts of lines of the table."""
    _, data = string_buffers(judged.texts)
    starts, sizes = judged.lines.starts[numbers], (judged.lines.ends - judged.lines.starts)[numbers]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
    return strings_from(offsets, data[places])
