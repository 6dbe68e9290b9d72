"""Profiles: how often words occur in a language or a corpus, and how far a text's own words are from that.

A profile holds the most frequent words of the texts it was made from, in lower case, with their counts; and of the rest
only how many there were. `measure_divergence` is the Kullback-Leibler divergence of a text's distribution of words
p from the profile's q, sum p * log(p / q), in nats. Words outside the profile share the rest equally, one unseen word included:
    q(word of the profile) = count / (all words + 1)
    q(any other word)      = (words left out + 1) / (different words left out + 1) / (all words + 1)
A word that fills half of a text, and words that nobody else uses, make the divergence great. So does brevity: a text of n
words is at least log(n) below its cross entropy; compare texts of 100 words and more.

Words are `unicode` words, punctuation included, whatever the pack's words are.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from rules.characters import character_classes
from rules.divergence import WordTable, count_divergence, word_table
from rules.kernels import kernel_texts
from rules.words import split_words

SHIPPED = Path(__file__).parent / "word_profiles"
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


def make_profile(texts: Iterable[str], size: int) -> Profile:
    """A profile of the `size` most frequent words of `texts`; of equally frequent ones those first in the alphabet."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(map(profile_word, split_words(text, "unicode")))
    if not found:
        raise ValueError("a profile needs texts with words in them")
    kept = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:size]
    return Profile(tuple(word for word, _ in kept), tuple(count for _, count in kept), sum(found.values()), len(found))


def profile_word(word: str) -> str:
    """A word as profiles have it: lower case, with one form of sigma."""
    return word.lower().replace("ς", "σ")


def write_profile(profile: Profile, path: Path, notes: Iterable[str] = ()) -> None:
    """Write a TSV file: lines of notes that start with #, the two totals, then a word and its count a line."""
    lines = [f"# {note}" for note in notes] + [f"{profile.all_words}\t{profile.different_words}"]
    lines += [f"{word}\t{count}" for word, count in zip(profile.words, profile.counts)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def read_profile(path: Path) -> Profile:
    """The profile that `write_profile` wrote; ValueError names the line that is wrong."""
    rows = list(enumerate(path.read_text(encoding="utf-8").split("\n"), 1))
    while rows and rows[0][1].startswith("# "):
        rows.pop(0)
    pairs = [_pair(path, number, line) for number, line in rows if line]
    if len(pairs) < 2:
        raise ValueError(f"{path}: a profile has a line of two totals, and a word and its count on each line after it")
    (all_words, different), *words = pairs
    profile = Profile(tuple(word for word, _ in words), tuple(count for _, count in words), _whole(path, rows[0][0], all_words), different)
    if profile.all_words < sum(profile.counts) or different < len(set(profile.words)) or min(profile.counts) < 1:
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


def measure_divergence(texts: pa.Array | pa.ChunkedArray, profile: Profile) -> np.ndarray:
    """The divergence of each text's words from `profile`, in nats, float64 [docs]; NaN in a text without words."""
    offsets, data = kernel_texts(texts)
    found = np.zeros((len(offsets) - 1, 2), np.int64)
    count_divergence(offsets, data, character_classes(), profile.table(), found)
    return nats(found[:, 1], found[:, 0])


def nats(micronats: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Divergence a word, from the counts."""
    return np.divide(micronats, words * 1e6, out=np.full(len(words), np.nan), where=words != 0)


@functools.cache
def english_table() -> WordTable:
    """The shipped English profile; read when first wanted."""
    return read_profile(SHIPPED / "en.tsv").table()


def count_english(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, ENGLISH_COUNTS])."""
    count_divergence(offsets, data, classes, english_table(), out)
