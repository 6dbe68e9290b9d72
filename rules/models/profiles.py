"""Profiles: how often words occur in a language or a corpus, and how far a text's own words are from that.

A profile holds the most frequent words of the texts it was made from, in lower case, with their counts; and of the rest
only how many there were. The divergence `unigram_kl` is the Kullback-Leibler divergence of a text's distribution of words
p from the profile's q, sum p * log(p / q), in nats. Words outside the profile share the rest equally, one unseen word included:
    q(word of the profile) = count / (all words + 1)
    q(any other word)      = (words left out + 1) / (different words left out + 1) / (all words + 1)
A word that fills half of a text, and words that nobody else uses, make the divergence great. So does brevity: a text of n
words is at least log(n) below its cross entropy; compare texts of 100 words and more.

The mean of log q over a text's words is its unigram log-probability, and words outside the profile are its outliers.
Words are `unicode` words, punctuation included, whatever the pack's words are. A profile is a Parquet file of words and
counts with its totals in the metadata, or a TSV file (the shipped one).
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rules.measures.signal import ratio
from rules.models.divergence import MICRONATS, STRANGERS, SURPRISE, WORDS, WordTable, count_divergence, word_table
from rules.splitters.lower_words import lower_words
from rules.text.characters import character_classes
from rules.text.kernels import kernel_texts

SHIPPED = Path(__file__).parents[1] / "word_profiles"
METADATA = b"gristmill_profile"  # of a Parquet file's schema: JSON with the totals and what the profile was made of
MERGED_WORDS = 1 << 20  # distinct words counted apart before they are put together
PROFILE_SIGNALS = {
    "unigram_kl": ("Kullback-Leibler divergence of the distribution of words, in lower case, from that of the profile", "nats"),
    "unigram_logprob": ("mean log-probability that the profile gives the words", "nats"),
    "outlier_token_frac": ("words that are none of the profile's / words", "fraction"),
}
ENGLISH_COUNTS = {
    "profile_en_words": "words (`unicode`)",
    "profile_en_micronats": "divergence of the words from the English profile, times words, in millionths of a nat",
}


@dataclass(frozen=True)
class Profile:
    """The most frequent words of a corpus with their counts, and how many words it had in all and different ones."""

    words: tuple[str, ...]
    counts: tuple[int, ...]
    all_words: int
    different_words: int

    def table(self) -> WordTable:
        """What kernels read: log q of each word by its hash, and of any other."""
        left_out, different_left_out = self.all_words - sum(self.counts), self.different_words - len(self.words)
        other = np.log((left_out + 1) / (different_left_out + 1) / (self.all_words + 1))
        return word_table(self.words, np.log(np.array(self.counts, np.float64) / (self.all_words + 1)), other)


class WordTally:
    """How often words occur in texts, in lower case: memory is some 50 bytes for each distinct word."""

    def __init__(self) -> None:
        self._counted = pa.table({"word": pa.array([], pa.large_string()), "count": pa.array([], pa.int64())})
        self._waiting: list[pa.Table] = []
        self.all_words = 0

    def add(self, texts: pa.Array | pa.ChunkedArray) -> None:
        """Count the words of some texts."""
        words = lower_words(texts).values
        found = pc.value_counts(words)
        self.all_words += len(words)
        self._waiting.append(pa.table({"word": found.field("values"), "count": found.field("counts")}))
        if sum(map(len, self._waiting)) > max(MERGED_WORDS, len(self._counted)):
            self.counts()

    def counts(self) -> pa.Table:
        """Columns `word` and `count`, each word once, in no order."""
        if self._waiting:
            together = pa.concat_tables([self._counted, *self._waiting]).group_by("word").aggregate([("count", "sum")])
            self._counted, self._waiting = together.rename_columns(["word", "count"]), []
        return self._counted

    def profile(self, size: int) -> Profile:
        """The `size` most frequent words; of equally frequent ones those first in the alphabet. ValueError without words."""
        counts = self.counts()
        if not len(counts):
            raise ValueError("a profile needs texts with words in them")
        kept = counts.sort_by([("count", "descending"), ("word", "ascending")]).slice(0, size)
        return Profile(tuple(kept["word"].to_pylist()), tuple(kept["count"].to_pylist()), self.all_words, len(counts))


def write_parquet(profile: Profile, path: Path, about: Mapping[str, Any]) -> None:
    """Write a Parquet file of the words and their counts; the totals and `about` (what it was made of) are metadata."""
    totals = {"all_words": profile.all_words, "different_words": profile.different_words, **about}
    schema = pa.schema([("word", pa.string()), ("count", pa.int64())], {METADATA: json.dumps(totals, sort_keys=True)})
    pq.write_table(pa.table([profile.words, profile.counts], schema=schema), path)


def read_parquet(path: Path) -> Profile:
    """The profile that `write_parquet` wrote. ValueError for a file that is none."""
    try:
        table = pq.read_table(path)
        totals = json.loads((table.schema.metadata or {})[METADATA])
        profile = Profile(tuple(table["word"].to_pylist()), tuple(table["count"].to_pylist()), totals["all_words"], totals["different_words"])
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no profile: make one with `gristmill profile build`") from error
    return _checked(profile, path)


def is_profile(path: Path) -> bool:
    """Is a file a profile in Parquet, as far as its schema tells?"""
    try:
        return METADATA in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        return False


def profile_about(path: Path) -> dict[str, Any]:
    """The totals of a profile in Parquet, and what it was made of."""
    about: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {}).get(METADATA, b"{}"))
    return about


def read_profile(path: Path) -> Profile:
    """The profile of a file, Parquet or TSV; ValueError says what is wrong, of a TSV file on which line."""
    if path.suffix == ".parquet":
        return read_parquet(path)
    rows = list(enumerate(path.read_text(encoding="utf-8").split("\n"), 1))
    while rows and rows[0][1].startswith("# "):
        rows.pop(0)
    pairs = [_pair(path, number, line) for number, line in rows if line]
    if len(pairs) < 2:
        raise ValueError(f"{path}: a profile has a line of two totals, and a word and its count on each line after it")
    (all_words, different), *words = pairs
    profile = Profile(tuple(word for word, _ in words), tuple(count for _, count in words), _whole(path, rows[0][0], all_words), different)
    return _checked(profile, path)


def _checked(profile: Profile, path: Path) -> Profile:
    if not profile.words or profile.all_words < sum(profile.counts) or profile.different_words < len(set(profile.words)) or min(profile.counts) < 1:
        raise ValueError(f"{path}: the totals are less than the words that follow")
    if len(set(profile.words)) < len(profile.words):
        raise ValueError(f"{path}: {Counter(profile.words).most_common(1)[0][0]!r} is there twice")
    return profile


def _pair(path: Path, number: int, line: str) -> tuple[str, int]:
    word, tab, count = line.partition("\t")
    if not tab or not word:
        raise ValueError(f"{path}:{number}: a word, a tab and its count are needed, not {line[:80]!r}")
    return word, _whole(path, number, count)


def _whole(path: Path, number: int, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{path}:{number}: {text[:80]!r} is no count")
    return int(text)


def measure_profile(texts: pa.Array | pa.ChunkedArray, table: WordTable) -> dict[str, np.ndarray]:
    """What PROFILE_SIGNALS name, of each text: float64 [docs] each, NaN in a text without words."""
    offsets, data = kernel_texts(texts)
    found = np.zeros((len(offsets) - 1, 4), np.int64)
    count_divergence(offsets, data, character_classes(), table, found)
    words = found[:, WORDS]
    logprob = -nats(found[:, SURPRISE], words)
    return {"unigram_kl": nats(found[:, MICRONATS], words), "unigram_logprob": logprob, "outlier_token_frac": ratio(found[:, STRANGERS], words)}


def nats(micronats: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Divergence a word, from the counts."""
    return ratio(micronats, words * 1e6)


@functools.cache
def english_table() -> WordTable:
    """The shipped English profile; read when first wanted."""
    return read_profile(SHIPPED / "en.tsv").table()


def count_english(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, ENGLISH_COUNTS])."""
    found = np.zeros((len(out), 4), np.int64)
    count_divergence(offsets, data, classes, english_table(), found)
    out[:] = found[:, [WORDS, MICRONATS]]
