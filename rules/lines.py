"""Line rules: drop, trim or replace lines, and rules that drop a document because of a line.

Rules act in file order, each on the lines as the earlier ones left them. Patterns run on RE2 through Arrow. Most
lines match nothing, so all patterns first run as one alternation over all lines; afterwards each pattern sees only
the lines that matched it, plus those that an earlier rule changed. Cost: one RE2 pass over the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from rules.buffers import large_strings, string_buffers, strings_from
from rules.line_signals import measure_lines, split_lines
from rules.rule import Pack, Rule
from rules.thresholds import conditions_hold


@dataclass
class LineResult:
    """What the line rules of one pack did to `n` documents."""

    texts: pa.LargeStringArray  # the texts afterwards
    signals: dict[str, np.ndarray]  # removed_line_frac, removed_char_frac: float64 [n]
    matches: dict[int, np.ndarray]  # rule number -> matching lines per document, int64 [n] (match without lines)
    edits: pa.Table  # row (document), rule (number), line (from 1), before, after


@dataclass
class _Lines:
    """The lines of a batch while rules act on them. Only `touched` lines (few) ever differ from the original."""

    texts: pa.LargeStringArray  # [lines] as they were
    document: np.ndarray  # int64 [lines]
    alive: np.ndarray  # bool [lines]
    touched: np.ndarray  # int64: lines that some pattern of the pack matches, ascending
    current: pa.LargeStringArray  # [touched] as they are now
    changed: np.ndarray  # bool [touched]
    measured: dict[str, np.ndarray] = field(default_factory=dict)  # line signals of all lines, as they were
    edits: list[pa.Table] = field(default_factory=list)


EDIT_ROWS = pa.schema(
    [("row", pa.int64()), ("rule", pa.int64()), ("line", pa.int64()), ("before", pa.large_string()), ("after", pa.large_string())]
)


def has_line_rules(pack: Pack) -> bool:
    return any(_acts_on_lines(rule) for rule in pack.rules)


def _acts_on_lines(rule: Rule) -> bool:
    return rule.acts_on_lines


def apply_line_rules(pack: Pack, texts: pa.LargeStringArray, in_scope: dict[int, np.ndarray]) -> LineResult:
    """Apply the line rules of `pack` to `texts` ([n]); `in_scope` says per rule number which documents (bool [n])."""
    offsets, data = string_buffers(texts)
    starts, ends, first_line = split_lines(texts, pack.line_breaks)
    counts = np.diff(first_line)
    document = np.repeat(np.arange(len(texts)), counts)
    lines = _open_lines(_slices(data, starts, ends), document, pack)
    matches: dict[int, np.ndarray] = {}
    for number, rule in enumerate(pack.rules):
        if not _acts_on_lines(rule):
            continue
        scope = in_scope[number][document]
        if rule.lines is None:
            hit, _ = _matching(lines, rule, scope)
            matches[number] = np.bincount(document[hit], minlength=len(texts))
        elif rule.lines == "drop":
            _drop(lines, number, *_matching(lines, rule, scope))
        else:
            _rewrite(lines, number, rule, scope)
    return _close_lines(lines, texts, offsets, data, starts, ends, first_line, matches)


def _open_lines(texts: pa.LargeStringArray, document: np.ndarray, pack: Pack) -> _Lines:
    patterns = [rule.match for rule in pack.rules if _acts_on_lines(rule) and rule.match]
    hit = np.zeros(len(texts), bool)
    for alternation in _alternations(patterns):
        hit |= _match(texts, alternation)
    touched = np.flatnonzero(hit)
    alive = np.ones(len(texts), bool)
    return _Lines(texts, document, alive, touched, texts.take(pa.array(touched)), np.zeros(len(touched), bool))


def _alternations(patterns: list[str]) -> list[str]:
    """All patterns as one, or each by itself where RE2 refuses the whole (too large, a group named twice)."""
    if len(patterns) < 2:
        return patterns
    whole = "|".join(f"(?:{pattern})" for pattern in patterns)
    try:
        pc.match_substring_regex(pa.array([""]), whole)
    except pa.ArrowInvalid:
        return patterns
    return [whole]


def _match(texts: pa.LargeStringArray, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)


def _matching(lines: _Lines, rule: Rule, scope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the living lines in scope that meet the rule, and their positions in `touched` (-1: untouched)."""
    if rule.match:
        at = np.flatnonzero(lines.alive[lines.touched] & scope[lines.touched])
        at = at[_match(lines.current.take(pa.array(at)), rule.match)]
        numbers = lines.touched[at]
    else:
        numbers = np.flatnonzero(lines.alive & scope)
        at = _positions(lines, numbers)
    if rule.when:
        holds = conditions_hold(rule.when, _line_signals(lines, rule, numbers, at))
        numbers, at = numbers[holds], at[holds]
    return numbers, at


def _positions(lines: _Lines, numbers: np.ndarray) -> np.ndarray:
    if not len(lines.touched):
        return np.full(len(numbers), -1)
    found = np.searchsorted(lines.touched, numbers)
    found[found == len(lines.touched)] = 0
    return np.where(lines.touched[found] == numbers, found, -1)


def _line_signals(lines: _Lines, rule: Rule, numbers: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
    """The rule's line signals of lines `numbers` as they are now (float64 [numbers])."""
    names = [condition.signal for condition in rule.when]
    missing = [name for name in names if name not in lines.measured]
    if missing:
        lines.measured |= measure_lines(*string_buffers(lines.texts), missing)
    values = {name: lines.measured[name][numbers].astype(np.float64) for name in names}
    stale = np.flatnonzero((at >= 0) & lines.changed[at]) if len(lines.changed) else np.empty(0, np.int64)
    if len(stale):
        fresh = measure_lines(*string_buffers(lines.current.take(pa.array(at[stale]))), names)
        for name in names:
            values[name][stale] = fresh[name]
    return values


def _drop(lines: _Lines, number: int, numbers: np.ndarray, at: np.ndarray) -> None:
    before = _current_texts(lines, numbers, at)
    lines.alive[numbers] = False
    _record(lines, number, numbers, before, pa.nulls(len(numbers), pa.large_string()))


def _current_texts(lines: _Lines, numbers: np.ndarray, at: np.ndarray) -> pa.LargeStringArray:
    texts = lines.texts.take(pa.array(numbers))
    changed = (at >= 0) & lines.changed[at] if len(lines.changed) else np.zeros(len(at), bool)
    if not changed.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(changed), lines.current.take(pa.array(at[changed])))


def _rewrite(lines: _Lines, number: int, rule: Rule, scope: np.ndarray) -> None:
    numbers, at = _matching(lines, rule, scope)
    before = lines.current.take(pa.array(at))
    after = pc.replace_substring_regex(before, rule.match, rule.with_)
    differs = pc.not_equal(before, after).to_numpy(zero_copy_only=False)
    if not differs.any():
        return
    before, after = before.filter(pa.array(differs)), after.filter(pa.array(differs))
    mask = np.zeros(len(lines.touched), bool)
    mask[at[differs]] = True
    lines.current = pc.replace_with_mask(lines.current, pa.array(mask), after)
    lines.changed |= mask
    _record(lines, number, numbers[differs], before, after)


def _record(lines: _Lines, number: int, numbers: np.ndarray, before: pa.Array, after: pa.Array) -> None:
    if len(numbers):
        rule = np.full(len(numbers), number)
        lines.edits.append(pa.table([lines.document[numbers], rule, numbers, before, after], schema=EDIT_ROWS))


def _close_lines(
    lines: _Lines, texts: pa.LargeStringArray, offsets: np.ndarray, data: np.ndarray,
    starts: np.ndarray, ends: np.ndarray, first_line: np.ndarray, matches: dict[int, np.ndarray],
) -> LineResult:  # fmt: skip
    """Put the texts together again and number the edits by line within their document."""
    edits = pa.concat_tables(lines.edits) if lines.edits else EDIT_ROWS.empty_table()
    edits = edits.sort_by([("line", "ascending")]) if len(lines.edits) > 1 else edits  # stable: rule order is kept
    row, line = edits["row"].to_numpy(), edits["line"].to_numpy()
    edits = edits.set_column(2, EDIT_ROWS.field("line"), pa.array(line - first_line[row] + 1))
    if not len(edits):
        after = texts
    else:
        edited = np.zeros(len(texts), bool)
        edited[row] = True
        after = _join(lines, edited, offsets, data, starts, ends, first_line)
    total = np.diff(first_line)
    gone = np.bincount(lines.document[~lines.alive], minlength=len(texts))
    signals = {"removed_line_frac": gone / np.maximum(total, 1), "removed_char_frac": _removed_chars(texts, after)}
    return LineResult(after, signals, matches, edits)


def _removed_chars(before: pa.LargeStringArray, after: pa.LargeStringArray) -> np.ndarray:
    if before is after:
        return np.zeros(len(before))
    was, now = (pc.utf8_length(a).to_numpy(zero_copy_only=False).astype(np.float64) for a in (before, after))
    return (was - now) / np.maximum(was, 1)


def _join(
    lines: _Lines, edited: np.ndarray, offsets: np.ndarray, data: np.ndarray,
    starts: np.ndarray, ends: np.ndarray, first_line: np.ndarray,
) -> pa.LargeStringArray:  # fmt: skip
    changed_at = np.full(len(lines.texts), -1)
    changed_at[lines.touched[lines.changed]] = np.arange(int(lines.changed.sum()))
    new = large_strings(lines.current.filter(pa.array(lines.changed)))
    arguments = (offsets, data, edited, first_line, starts, ends, lines.alive, changed_at, *string_buffers(new))
    new_offsets = _joined_offsets(*arguments[:-1])
    return strings_from(new_offsets, _joined_bytes(*arguments, new_offsets))


# --- kernels -------------------------------------------------------------------------------------
# A line is bytes starts[i]:ends[i]; up to the next start follows its separator, which a kept line brings along.


def _slices(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.LargeStringArray:
    """The lines as an array of their own."""
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(ends - starts, out=offsets[1:])
    return strings_from(offsets, _gather(data, starts, offsets))


@njit(nogil=True, cache=True)
def _gather(data, starts, offsets):
    out = np.empty(offsets[-1], np.uint8)
    for i in range(starts.size):
        begin, size = starts[i], offsets[i + 1] - offsets[i]
        out[offsets[i] : offsets[i] + size] = data[begin : begin + size]
    return out


@njit(nogil=True, cache=True)
def _line_size(i, starts, ends, changed_at, new_offsets):
    k = changed_at[i]
    return new_offsets[k + 1] - new_offsets[k] if k >= 0 else ends[i] - starts[i]


@njit(nogil=True, cache=True)
def _separator_size(i, last, starts, ends, document_end):
    return (starts[i + 1] if i + 1 < last else document_end) - ends[i]


@njit(nogil=True, cache=True)
def _last_alive(first, last, alive):
    while last > first and not alive[last - 1]:
        last -= 1
    return last - 1


@njit(nogil=True, cache=True)
def _joined_offsets(offsets, data, edited, first_line, starts, ends, alive, changed_at, new_offsets):
    """Offsets of the texts after the edits: kept lines, each with its separator, none after a cut-off end."""
    out = np.zeros(offsets.size, np.int64)
    for d in range(offsets.size - 1):
        size = offsets[d + 1] - offsets[d]
        if edited[d]:
            size = 0
            first, last = first_line[d], first_line[d + 1]
            final = _last_alive(first, last, alive)
            for i in range(first, final + 1):
                if alive[i]:
                    size += _line_size(i, starts, ends, changed_at, new_offsets)
                    if i < final or final == last - 1:
                        size += _separator_size(i, last, starts, ends, offsets[d + 1])
        out[d + 1] = out[d] + size
    return out


@njit(nogil=True, cache=True)
def _copy(source, begin, size, out, at):
    out[at : at + size] = source[begin : begin + size]
    return at + size


@njit(nogil=True, cache=True)
def _joined_bytes(offsets, data, edited, first_line, starts, ends, alive, changed_at, new_offsets, new_data, out_offsets):
    out = np.empty(out_offsets[-1], np.uint8)
    for d in range(offsets.size - 1):
        at = out_offsets[d]
        if not edited[d]:
            _copy(data, offsets[d], offsets[d + 1] - offsets[d], out, at)
            continue
        first, last = first_line[d], first_line[d + 1]
        final = _last_alive(first, last, alive)
        for i in range(first, final + 1):
            if not alive[i]:
                continue
            k = changed_at[i]
            if k >= 0:
                at = _copy(new_data, new_offsets[k], new_offsets[k + 1] - new_offsets[k], out, at)
            else:
                at = _copy(data, starts[i], ends[i] - starts[i], out, at)
            if i < final or final == last - 1:
                at = _copy(data, ends[i], _separator_size(i, last, starts, ends, offsets[d + 1]), out, at)
    return out
