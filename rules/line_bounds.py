"""What conditions on line signals can be told without measuring the whole line: by its bytes, or by its first words."""

from __future__ import annotations

import math

import numpy as np

from rules.characters import WHITE
from rules.decode import character_at, equal_bytes, load_eight
from rules.kernels import kernel, unowned
from rules.line_signals import LINE_SIGNALS, SPACES, has_only, starts_in
from rules.rule import Condition


def least_bytes(conditions: tuple[Condition, ...]) -> int:
    """How many bytes a line has that meets the conditions: no line signal is greater than the number of its bytes."""
    return max((_least(condition) for condition in conditions), default=0)


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
def first_words_in(data, starts, ends, numbers, classes, most):
    """Words between white space of each of the lines `numbers`, at most `most` (int64 [numbers])."""
    words = np.empty(numbers.size, np.int64)
    for k in range(numbers.size):
        words[k] = words_up_to(data, starts[numbers[k]], ends[numbers[k]], classes, most)
    return words


@kernel
def words_up_to(data, i, end, classes, most):
    """Words of data[i:end], at most `most`; what comes after them is not looked at."""
    data, classes = unowned(data), unowned(classes)
    words, in_word = 0, False
    while i < end and words < most:
        eight = load_eight(data, i) if end - i >= 8 else np.uint64(0)
        if has_only(eight):
            spaces = equal_bytes(eight, SPACES)
            words += starts_in(spaces, in_word)
            in_word = spaces >> np.uint64(63) == 0
            i += 8
        else:
            code, size = character_at(data, i, end)
            if classes[code] & WHITE:
                in_word = False
            elif not in_word:
                words, in_word = words + 1, True
            i += size
    return min(words, most)
