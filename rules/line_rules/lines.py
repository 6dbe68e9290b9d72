"""Line rules: drop, trim or replace lines, and rules that drop a document because of a line.

Rules act in file order, each on the lines as the earlier ones left them. RE2 decides what a pattern matches, but sees
only the lines that may match: one scan over the text finds them for all patterns of the pack (rules/line_rules/line_filter.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.format.pack_files import file_key, measure_file
from rules.line_rules.line_bounds import IN_WORDS, least_bytes, least_run, most_words, not_shorter
from rules.line_rules.line_edits import EDIT_ROWS as EDIT_ROWS  # part of this file's interface
from rules.line_rules.line_edits import characters_of, edit_table, edited_documents, joined_texts, lines_gone
from rules.line_rules.line_filter import LineFilter, line_filter
from rules.line_rules.line_forms import LINE_FORMS, reformed
from rules.line_rules.line_signals import split_lines
from rules.line_rules.line_state import ORIGINAL, Lines
from rules.line_rules.trimming import trimmed_class, trimmed_spans
from rules.matching.line_conditions import Plan
from rules.matching.pattern_automaton import Automaton, may_match
from rules.matching.tail_verdicts import MOST_BYTES, UNKNOWN, YES, look_up_tails, note_tails, tail_table
from rules.measures.word_lists import parse_call
from rules.rule import Pack, Rule
from rules.text.buffers import match_rows, string_buffers
from rules.text.kernels import kernel_bytes, kernel_texts
from rules.thresholds import conditions_hold

ANY_LINE = Plan(every_line=True)
MUCH_TEXT = 1 << 20  # bytes of a batch; in less, RE2 has little to look at
MANY_CANDIDATES = 4000  # lines for which it pays to make a pattern ready for RE2


@dataclass
class LineResult:
    """What the line rules of one pack did to `n` documents."""

    texts: pa.LargeStringArray  # the texts afterwards
    signals: dict[str, np.ndarray]  # removed_line_frac, removed_char_frac: float64 [n]
    matches: dict[int, np.ndarray]  # rule number -> matching lines per document, int64 [n] (match without lines)
    edits: pa.Table  # row (document), rule (number), line (from 1), before, after
    seconds: dict[int, float] = field(default_factory=dict)  # rule number -> time it took, but for what all rules share


@dataclass
class _Candidates:
    """The lines that each pattern of a pack may match, as they are now."""

    finder: LineFilter
    position: dict[str, int]  # pattern -> number in the finder
    lines: list[np.ndarray | None]  # ascending; None: all

    def of(self, pattern: str) -> np.ndarray | None:
        return self.lines[self.position[pattern]]

    def plan(self, pattern: str) -> Plan:
        return self.finder.plans[self.position[pattern]]

    def automaton(self, pattern: str) -> Automaton | None:
        return self.finder.automata[self.position[pattern]]

    def update(self, numbers: np.ndarray, after: pa.LargeStringArray, cut: bool = False) -> None:
        """Lines `numbers` (ascending) were rewritten to `after`, which is part of each if it was `cut`. What they no longer
        have is not taken out: RE2 looks again."""
        offsets, data = kernel_bytes(*string_buffers(after))
        for i, fresh in self.finder.found(data, offsets[:-1], offsets[1:], new_strings=not cut).items():
            known = self.lines[i]
            if known is not None:
                both = np.sort(np.concatenate([known, numbers[fresh]]), kind="stable")
                self.lines[i] = both[np.concatenate([[True], both[1:] != both[:-1]])]


def apply_line_rules(pack: Pack, texts: pa.LargeStringArray, in_scope: dict[int, np.ndarray]) -> LineResult:
    """Apply the line rules of `pack` to `texts` ([n]); `in_scope` says per rule number which documents (bool [n])."""
    lines = _open_lines(texts, pack)
    candidates = _find_candidates(lines, pack)
    matches: dict[int, np.ndarray] = {}
    seconds: dict[int, float] = {}
    for number, rule in enumerate(pack.rules):
        if not rule.acts_on_lines:
            continue
        began = time.thread_time()
        hit = _matching(lines, candidates, pack, rule, in_scope[number])
        if rule.lines is None:
            matches[number] = np.bincount(lines.document[hit], minlength=len(texts))
        elif rule.lines == "drop":
            lines.drop(number, hit)
        else:
            _rewrite(lines, candidates, number, rule, hit)
        seconds[number] = time.thread_time() - began
    edited = edited_documents(lines)
    after = joined_texts(lines, texts, edited)
    return LineResult(after, _removed(lines, texts, after, edited), matches, edit_table(lines), seconds)


def _open_lines(texts: pa.LargeStringArray, pack: Pack) -> Lines:
    starts, ends, first_line = split_lines(texts, pack.line_breaks)
    document = np.repeat(np.arange(len(texts)), np.diff(first_line))
    alive, version = np.ones(len(starts), bool), np.full(len(starts), ORIGINAL)
    names = dict.fromkeys(condition.signal for rule in pack.rules for condition in rule.when if not parse_call(condition.signal))
    return Lines(kernel_texts(texts)[1], starts, ends, first_line, document, alive, version, tuple(names))


def _find_candidates(lines: Lines, pack: Pack) -> _Candidates:
    patterns = tuple(dict.fromkeys(rule.match for rule in pack.rules if rule.acts_on_lines and rule.match))
    finder = line_filter(patterns)
    found = finder.candidates(lines.data, lines.starts, lines.ends)
    return _Candidates(finder, {pattern: i for i, pattern in enumerate(patterns)}, found)


def _matching(lines: Lines, candidates: _Candidates, pack: Pack, rule: Rule, scope: np.ndarray) -> np.ndarray:
    """Numbers of the living lines that meet the rule, of documents in scope (bool [n]); ascending."""
    plan = candidates.plan(rule.match) if rule.match else ANY_LINE
    numbers = candidates.of(rule.match) if rule.match else None
    if numbers is None:
        numbers = np.flatnonzero(lines.alive & _long_enough(lines, plan.least_bytes))
    else:
        numbers = numbers[lines.alive[numbers]]
    if not scope.all():
        numbers = numbers[scope[lines.document[numbers]]]
    numbers = _within(lines, rule, numbers)
    if rule.match and not plan.every_line and len(lines.data) >= MUCH_TEXT and len(numbers) <= MANY_CANDIDATES:
        numbers = _narrowed(lines, candidates.automaton(rule.match), numbers)
    if rule.match and len(numbers) and _cut_class(rule) is None:
        numbers = numbers[_matching_tails(lines, rule.match, numbers, plan.tail_bytes) if plan.tail_bytes else match_rows(lines.texts(numbers), rule.match)]
    return _meeting(lines, pack, rule, numbers) if rule.when and len(numbers) else numbers


def _meeting(lines: Lines, pack: Pack, rule: Rule, numbers: np.ndarray) -> np.ndarray:
    """Those of `numbers` that meet the conditions on line signals; signals of files, which cost most, are measured last."""
    counted = tuple(one for one in rule.when if not parse_call(one.signal))
    least, most = least_bytes(counted), most_words(counted)
    if least:
        numbers = not_shorter(lines.data, lines.starts, lines.ends, lines.version, numbers, IN_WORDS, least, least_run(counted))
    if counted:
        values = {"line_words": lines.first_words(numbers, most)} if most else lines.signals([one.signal for one in counted], numbers)
        numbers = numbers[conditions_hold(counted, values)]
    for one in rule.when:
        call = parse_call(one.signal)
        if call and len(numbers):
            values = measure_file(pack.files[file_key(*call)], lines.texts(numbers))
            numbers = numbers[conditions_hold((one,), {one.signal: values[call[0]]})]
    return numbers


def _narrowed(lines: Lines, states: Automaton | None, numbers: np.ndarray) -> np.ndarray:
    """Those of `numbers` that are rewritten, or that the states of a pattern allow."""
    if states is None or not len(numbers):
        return numbers
    allowed = may_match(lines.data, lines.starts, lines.ends, numbers, *states)
    return np.compress(allowed | (lines.version[numbers] != ORIGINAL), numbers)


def _within(lines: Lines, rule: Rule, numbers: np.ndarray) -> np.ndarray:
    """Those of `numbers` that are among the first or last lines of their document, as the pack found it."""
    if rule.within is None:
        return numbers
    side, count = rule.within
    document = lines.document[numbers]
    place = numbers - lines.first_line[document] if side == "first" else lines.first_line[document + 1] - 1 - numbers
    return np.compress(place < count, numbers)


def _long_enough(lines: Lines, least_bytes: int) -> np.ndarray | bool:
    """Which lines have so many bytes, or were rewritten."""
    return (lines.ends - lines.starts >= least_bytes) | (lines.version != ORIGINAL) if least_bytes else True


def _matching_tails(lines: Lines, pattern: str, numbers: np.ndarray, tail_bytes: int) -> np.ndarray:
    """Which of `numbers` a pattern matches that looks at so many last bytes (bool [numbers])."""
    if tail_bytes > MOST_BYTES:
        return match_rows(lines.texts(numbers, tail_bytes), pattern)
    table, tails = tail_table(pattern), lines.tails(numbers, tail_bytes)
    found = look_up_tails(table, *tails)
    unknown = np.flatnonzero(found == UNKNOWN)
    if len(unknown):
        numbers = numbers[unknown]
        hit = match_rows(lines.texts(numbers, tail_bytes), pattern)
        note_tails(table, *lines.tails(numbers, tail_bytes), hit)
        found[unknown] = hit
    return np.equal(found, YES)


def _cut_class(rule: Rule) -> np.ndarray | None:
    """The characters that a rule cuts at both ends of lines; None if it does anything else."""
    return trimmed_class(rule.match) if rule.lines == "trim" and rule.match else None


def _rewrite(lines: Lines, candidates: _Candidates, number: int, rule: Rule, hit: np.ndarray) -> None:
    cut = _cut_class(rule)
    if cut is not None:
        original = lines.version[hit] == ORIGINAL
        _trim(lines, candidates, number, hit[original], cut)
        hit = hit[~original]
    if not len(hit):
        return
    before = lines.texts(hit)
    after = reformed(rule.lines, before) if rule.lines in LINE_FORMS else pc.replace_substring_regex(before, rule.match, rule.with_)
    differs = pc.not_equal(before, after)
    hit = hit[differs.to_numpy(zero_copy_only=False)]
    if len(hit):
        after = after.filter(differs)
        lines.rewrite(number, hit, after)
        candidates.update(hit, after)


def _trim(lines: Lines, candidates: _Candidates, number: int, hit: np.ndarray, cut: np.ndarray) -> None:
    """Cut the characters `cut` at both ends of original lines `hit`."""
    begins, ends = lines.starts[hit], lines.ends[hit]
    firsts, lasts = trimmed_spans(lines.data, begins, ends, cut)
    differs = lasts - firsts < ends - begins
    hit = hit[differs]
    if len(hit):
        after = lines.parts(firsts[differs], lasts[differs])
        lines.rewrite(number, hit, after)
        candidates.update(hit, after, cut=True)


def _removed(lines: Lines, before: pa.LargeStringArray, after: pa.LargeStringArray, edited: np.ndarray) -> dict[str, np.ndarray]:
    """The engine's own signals (rules/rule.py); `edited` (bool [n]): documents with edits."""
    gone = lines_gone(lines.first_line, lines.alive)
    chars = np.zeros(len(before))
    if edited.any():
        was, now = (_characters(texts, edited) for texts in (before, after))
        chars[edited] = (was - now) / np.maximum(was, 1)
    return {"removed_line_frac": gone / np.maximum(np.diff(lines.first_line), 1), "removed_char_frac": chars}


def _characters(texts: pa.LargeStringArray, wanted: np.ndarray) -> np.ndarray:
    """Code points of the wanted documents (bool [n])."""
    chars: np.ndarray = characters_of(*kernel_texts(texts), wanted)[wanted]
    return chars.astype(np.float64)
