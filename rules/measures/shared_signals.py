"""Signals that packs share: what was measured of a text holds until a line rule changes that text.

A signal depends on its text alone, so after an edit only the texts that it touched are measured again; where they are
most of the batch, all are, in one pass with the signals that were not measured before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from rules.measures.signals import measure
from rules.splitters.words import Splitter

MOST_CHANGED = 0.5  # share of the texts up to which those that changed are measured by themselves


@dataclass
class SharedSignals:
    """The signals of one batch of texts, with one splitter."""

    values: dict[str, np.ndarray] = field(default_factory=dict)  # float64 [texts]; never changed, packs may hold them
    changed: dict[str, np.ndarray] = field(default_factory=dict)  # bool [texts]: of other texts than those of now

    def has(self, name: str) -> bool:
        """Is the signal measured of all texts as they are now?"""
        return name in self.values and name not in self.changed

    def forget(self, rows: np.ndarray, count: int) -> None:
        """Texts `rows` of `count` were changed."""
        changed = np.zeros(count, bool)
        changed[rows] = True
        self.changed = {name: self.changed[name] | changed if name in self.changed else changed for name in self.values}

    def measure(self, texts: pa.LargeStringArray, names: Iterable[str], words: Splitter) -> None:
        """Bring `names` up to date with `texts`, of which `forget` was told all changes."""
        missing = [name for name in dict.fromkeys(names) if not self.has(name)]
        old = [name for name in missing if name in self.values]
        changed = np.logical_or.reduce([self.changed[name] for name in old]) if old else np.zeros(len(texts), bool)
        if old and changed.sum() <= MOST_CHANGED * len(texts):
            missing = [name for name in missing if name not in self.values]
            self._replace(old, changed, measure(texts.filter(pa.array(changed)), old, words=words))
        if missing:
            self.values |= measure(texts, missing, words=words)
        for name in [*old, *missing]:
            self.changed.pop(name, None)

    def _replace(self, names: list[str], rows: np.ndarray, found: dict[str, np.ndarray]) -> None:
        for name in names:
            self.values[name] = self.values[name].copy()
            self.values[name][rows] = found[name]
