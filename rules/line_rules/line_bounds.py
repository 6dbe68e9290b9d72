"""What conditions on line signals can be told without measuring the whole line: by its bytes, by runs of them without white
space, or by its first words."""

from __future__ import annotations

import math

import numpy as np

from rules.line_rules.line_filter import has_run
from rules.line_rules.line_signals import LINE_SIGNALS
from rules.rule import Condition
from rules.splitters.word_edges import space_edges
from rules.text.byte_counts import chars_in
from rules.text.kernels import inlined, kernel, unowned
from rules.text.masks import BLOCK, NONE, block_at, ones_in

IN_WORDS = np.array([not (9 <= byte <= 13 or 28 <= byte <= 32) for byte in range(256)])  # no ASCII white space


def least_bytes(conditions: tuple[Condition, ...]) -> int:
    """How many bytes a line has that meets the conditions: no line signal is greater than the number of its bytes."""
    return max((_least(condition) for condition in conditions), default=0)


def least_run(conditions: tuple[Condition, ...]) -> int:
    """How many characters in a row a line has, none of them white space, that meets the conditions: those of its longest word."""
    return max((_least(condition) for condition in conditions if condition.signal == "line_longest_word_chars"), default=0)


def _least(condition: Condition) -> int:
    above = [one for one in condition.any_of if one.operator in (">", ">=", "==")]
    if condition.signal not in LINE_SIGNALS or len(above) < len(condition.any_of):
        return 0
    least = min(one.threshold for one in above)
    return max(math.ceil(least), 0) if math.isfinite(least) else 0


def most_words(conditions: tuple[Condition, ...]) -> int:
    """After how many words of a line it is certain whether the conditions hold; 0 if they ask for more than that."""
    if any(condition.signal != "line_words" for condition in conditions):
        return 0
    thresholds = [one.threshold for condition in conditions for one in condition.any_of]
    return math.floor(max(thresholds)) + 1 if thresholds and 0 <= max(thresholds) < 100 else 0


# ---- kernels


@kernel
def not_shorter(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, version: np.ndarray, numbers: np.ndarray, in_words: np.ndarray,
    least: int, run: int,
) -> np.ndarray:
    """Those of the lines `numbers` that have at least `least` bytes and may have a word of `run` characters, or that were
    rewritten (their version is not negative). `in_words` (bool [256]): bytes that words may have."""
    found, filled = np.empty(numbers.size, np.int64), 0
    data, starts, ends, version, numbers, in_words = unowned(data), unowned(starts), unowned(ends), unowned(version), unowned(numbers), unowned(in_words)
    for k in range(numbers.size):
        i = np.uint64(numbers[k])
        begin, end = starts[i], ends[i]
        found[filled] = numbers[k]
        filled += version[i] >= 0 or end - begin >= least and (run < 2 or may_have_word(data, begin, end, in_words, run))
    return found[:filled]


@inlined
def may_have_word(data: np.ndarray, begin: int, end: int, in_words: np.ndarray, size: int) -> bool:
    """May data[begin:end] have a word of so many characters? Then it has as many, and as many bytes in a row that are
    `in_words`; a script without spaces has many of those."""
    return has_run(data, begin, end, in_words, size) and chars_in(data, begin, end) >= size


@kernel
def first_words_in(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, numbers: np.ndarray, most: int) -> np.ndarray:
    """Words between white space of each of the lines `numbers`, at most `most` (int64 [numbers])."""
    words = np.empty(numbers.size, np.int64)
    data, starts, ends, numbers, out = unowned(data), unowned(starts), unowned(ends), unowned(numbers), unowned(words)
    for k in range(numbers.size):
        line = np.uint64(numbers[k])
        out[k] = words_up_to(data, starts[line], ends[line], most)
    return words


@inlined
def words_up_to(data: np.ndarray, i: int, end: int, most: int) -> int:
    """Words of data[i:end], at most `most`; what comes after them is not looked at."""
    words, state = 0, (NONE, NONE)
    while i < end and words < most:
        begins, _, _, state = space_edges(data, i, end, block_at(data, i, end), *state)
        words += ones_in(begins)
        i += BLOCK
    return min(words, most)
