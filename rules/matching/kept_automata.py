"""The automata of a set of patterns, all made when the first is asked for, or read from disk (rules/text/kept_arrays.py)."""

from __future__ import annotations

import json
import time

import numpy as np

from rules.matching.pattern_automaton import END_OF_LINE, Automaton, automaton
from rules.text.kept_arrays import Arrays, content_key, keep, kept

LONG_SECONDS = 0.05  # what takes longer (processor time) is kept


def automata(patterns: tuple[str, ...]) -> list[Automaton | None]:
    """Of each pattern; None where there is none."""
    began = time.thread_time()
    key = content_key("automata", json.dumps(patterns))
    read = from_arrays(kept(key), len(patterns))
    if read is not None:
        return read
    made = [automaton(pattern) for pattern in patterns]
    if time.thread_time() - began > LONG_SECONDS:
        keep(key, to_arrays(made))
    return made


def to_arrays(made: list[Automaton | None]) -> Arrays:
    """Their tables end to end; `sizes`: states and words of each (0 and 0 of none)."""
    known = [one for one in made if one is not None]
    ends = {name: np.concatenate([np.empty(0, np.uint64), *(getattr(one, name).ravel() for one in known)]) for name in Automaton._fields}
    return {"sizes": np.array([(0, 0) if one is None else one.follow.shape for one in made], np.int64).reshape(-1, 2), **ends}


def from_arrays(arrays: Arrays | None, patterns: int) -> list[Automaton | None] | None:
    """None if there are no arrays, or not such as `to_arrays` gives of so many patterns."""
    like = to_arrays([])
    if arrays is None or any(name not in arrays or arrays[name].dtype != one.dtype or arrays[name].ndim != one.ndim for name, one in like.items()):
        return None
    sizes = arrays["sizes"]
    if sizes.shape != (patterns, 2) or (sizes < 0).any() or (sizes[:, 0] > 64 * sizes[:, 1]).any():
        return None
    states, words = sizes.T
    shapes = {"first": words, "follow": states * words, "readers": (END_OF_LINE + 1) * words, "accepting": words}
    if any(len(arrays[name]) != counts.sum() for name, counts in shapes.items()):
        return None
    parts = {name: np.split(arrays[name], np.cumsum(counts)[:-1]) for name, counts in shapes.items()} if patterns else {}
    made = [Automaton(*(parts[name][i] for name in Automaton._fields)) if words[i] else None for i in range(patterns)]
    return [one and one._replace(follow=one.follow.reshape(-1, w), readers=one.readers.reshape(-1, w)) for one, w in zip(made, words)]
