"""Profiles of a few texts, for tests, and the divergence of texts from one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from rules.models.profiles import Profile, WordTally, measure_profile


def make_profile(texts: Iterable[str], size: int) -> Profile:
    """A profile of the `size` most frequent words of `texts`."""
    tally = WordTally()
    tally.add(pa.array(texts, pa.large_string()))
    return tally.profile(size)


def divergence_of(texts: pa.Array | pa.ChunkedArray, profile: Profile) -> np.ndarray:
    """The divergence of each text's words from `profile`, in nats, float64 [docs]."""
    return measure_profile(texts, profile.table())["unigram_kl"]


def tsv(profile: Profile, notes: Iterable[str]) -> str:
    """A profile as the shipped one is written: notes, the totals, then a word and its count a line."""
    lines = [f"# {note}" for note in notes] + [f"{profile.all_words}\t{profile.different_words}"]
    return "\n".join(lines + [f"{word}\t{count}" for word, count in zip(profile.words, profile.counts)]) + "\n"
