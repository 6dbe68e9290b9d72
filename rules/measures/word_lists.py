"""Word lists of a pack, and the signals that count them: stop words, flagged words, names, phrases.

An entry is a word or a phrase. It is cut into words by the pack's splitter, as the text is, and occurs where its words
follow each other; with `anywhere` it occurs as a part of words too (for scripts that no spaces divide). Case does not
matter unless the list says `case: exact`. A list is one scan for all entries, whatever their number; with `anywhere`, texts
that hold an entry are scanned once more for each.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.measures.list_counts import COVERED, DISTINCT, FOUND, WORDS, ListTable, build_table, count_listed
from rules.measures.listed_characters import listed_char_frac
from rules.measures.signal import ratio
from rules.splitters.rewriting import rewritten
from rules.splitters.words import Splitter, split_words, splits_unicode
from rules.text.buffers import match_rows
from rules.text.characters import character_classes
from rules.text.kernels import kernel_texts

LIST_SIGNALS = {
    "listed_words": ("occurrences of the entries of the pack's list", "occurrences"),
    "listed_word_frac": ("words that belong to an occurrence of an entry of the pack's list / words", "fraction"),
    "listed_distinct_words": ("how many different entries of the pack's list occur", "entries"),
    "listed_char_frac": ("characters that the entries of the pack's list are written in, white space at the text's ends aside / characters", "fraction"),
}
_CALL = re.compile(r"([a-z0-9_]+)\(([^()]*)\)|(classifier)\.([a-z0-9_]+)")


@dataclass(frozen=True)
class WordList:
    """Entries, and how they are looked for."""

    entries: tuple[str, ...]
    case: Literal["exact", "any"] = "any"
    anywhere: bool = False

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of everything that can change a count."""
        text = "\n".join([self.case, str(self.anywhere), *self.entries])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @functools.cached_property
    def folded(self) -> tuple[str, ...]:
        """The entries as they are compared, each once, in order."""
        folded = self.compared(pa.array(self.entries, pa.large_string()))
        return tuple(dict.fromkeys(e for e in folded.to_pylist() if e.strip()))

    @functools.cached_property
    def sigma(self) -> bool:
        """Whether an entry has a sigma, which is another letter at the end of a word in lower case only."""
        return any(letter in entry for entry in self.entries for letter in "Σσς")

    def compared(self, strings: pa.LargeStringArray) -> pa.LargeStringArray:
        """Texts or entries as they are compared: in lower case, every sigma a σ, unless the list says `case: exact`."""
        if self.case == "exact":
            return strings
        lower = pc.utf8_lower(strings)
        return pc.replace_substring(lower, "ς", "σ") if self.sigma else lower

    def table(self, words: Splitter) -> ListTable:
        """The entries as the kernel looks them up, for one splitter."""
        return _table(self, words)


@functools.lru_cache(maxsize=64)
def _table(words: WordList, splitter: Splitter) -> ListTable:
    return build_table([split_words(entry, splitter) for entry in words.folded])


def parse_call(signal: str) -> tuple[str, str] | None:
    """`listed_words(bad)` as ("listed_words", "bad"), `classifier.good` as ("classifier", "good"); None for a plain name."""
    parts = _CALL.fullmatch(signal)
    return (parts[1] or parts[3], (parts[2] or parts[4] or "").strip()) if parts else None


def list_signal(kind: str, texts: pa.LargeStringArray, words: WordList, splitter: Splitter = "unicode") -> np.ndarray:
    """One signal of LIST_SIGNALS of each text for one list: float64 [docs]."""
    if kind == "listed_char_frac":
        entries = words.compared(pa.array(words.entries, pa.large_string()))
        return listed_char_frac(words.compared(texts), tuple(entries.to_pylist()))
    return measure_list(texts, words, splitter)[kind]


def measure_list(texts: pa.LargeStringArray, words: WordList, splitter: Splitter = "unicode") -> dict[str, np.ndarray]:
    """The signals of words (LIST_SIGNALS) of each text for one list: float64 [docs] each; a fraction is NaN without words."""
    texts = words.compared(texts)
    counts = _counts_anywhere(texts, words, splitter) if words.anywhere else _counts(texts, words, splitter)
    found, covered, distinct, total = (column.astype(np.float64) for column in counts)
    frac = ratio(covered, total)
    return {"listed_words": found, "listed_word_frac": frac, "listed_distinct_words": distinct}


def _counts(texts: pa.LargeStringArray, words: WordList, splitter: Splitter) -> tuple[np.ndarray, ...]:
    offsets, data = kernel_texts(rewritten(texts, splitter))
    out = np.zeros((len(texts), 4), np.int64)
    count_listed(offsets, data, character_classes(), splits_unicode(splitter), *words.table(splitter), out)
    return out[:, FOUND], out[:, COVERED], out[:, DISTINCT], out[:, WORDS]


def _counts_anywhere(texts: pa.LargeStringArray, words: WordList, splitter: Splitter) -> tuple[np.ndarray, ...]:
    """Occurrences that may be parts of words; each counts as one word, so that the fraction stays comparable."""
    none = WordList(())
    total = _counts(texts, none, splitter)[3]
    found, distinct = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    rows = np.flatnonzero(_have_any(texts, words.folded))  # few, as a rule: only they are searched for each entry
    some = texts.take(pa.array(rows))
    for entry in words.folded if len(rows) else ():
        times = pc.count_substring(some, entry).to_numpy(zero_copy_only=False)
        found[rows] += times
        distinct[rows] += times > 0
    return found, np.minimum(found, total), distinct, total


def _have_any(texts: pa.LargeStringArray, entries: tuple[str, ...]) -> np.ndarray:
    """Which texts hold an entry (bool [docs]): one scan for all of them, where RE2 takes them all."""
    if not entries:
        return np.zeros(len(texts), bool)
    try:
        pattern = "|".join(re.sub(r"[^\w\s]", lambda mark: f"\\x{{{ord(mark[0]):x}}}", entry) for entry in entries)
        return match_rows(texts, pattern)
    except pa.ArrowInvalid:  # too many
        return np.ones(len(texts), bool)
