"""Word splitters that write the text anew: their words with single spaces between them, for `space` to count.

Such a splitter is a library that is not always installed, so a table names the modules, and each is imported when it is
first used. Counts of words and their n-grams are taken from the rewritten texts; all others, such as those of characters
and lines, from the texts themselves. A splitter may bring counts of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa


class Rewriting(NamedTuple):
    """Where a splitter is, and what it needs."""

    function: str  # module:name of a function from texts to rewritten texts
    packages: tuple[str, ...]  # that must be installed
    extra: str  # of gristmill, which brings it


class OwnCount(NamedTuple):
    """A count that a splitter brings."""

    meaning: str
    function: str  # module:name of a function from texts to int64 [texts]


REWRITING = {
    "spacy": Rewriting("rules.splitters.spacy_words:spacy_tokens", ("spacy",), "spacy"),
    "jieba": Rewriting("rules.splitters.dictionary_words:chinese_words", ("jieba",), "zh"),
    "fugashi": Rewriting("rules.splitters.dictionary_words:japanese_words", ("fugashi", "unidic_lite"), "ja"),
    "pythainlp": Rewriting("rules.splitters.dictionary_words:thai_words", ("pythainlp",), "th"),
}
OWN_COUNTS = {"spacy_sentences": OwnCount("sentences of the lines, as spaCy's sentencizer divides each", "rules.splitters.spacy_sentences:spacy_sentences")}


def missing_package(words: str) -> str | None:
    """What to install before `words` can split, or None."""
    needed = REWRITING.get(words)
    if needed is None:
        return None
    missing = [package for package in needed.packages if importlib.util.find_spec(package) is None]
    if not missing:
        return None
    return f"words: {words} needs {' and '.join(missing)}, which is not installed: pip install 'gristmill[{needed.extra}]'"


def rewritten(texts: pa.Array | pa.ChunkedArray, words: str) -> pa.Array | pa.ChunkedArray:
    """`texts` as splitter `words` writes them; the same for one that reads the text itself.

    Raises ValueError if a package is missing."""
    if words not in REWRITING:
        return texts
    _check_installed(words)
    return _load(REWRITING[words].function)(texts)


def own_count(texts: pa.Array | pa.ChunkedArray, name: str) -> np.ndarray:
    """Count `name` (a key of OWN_COUNTS) of each text, int64 [texts]. Raises ValueError if a package is missing."""
    _check_installed(name.split("_")[0])
    counted: np.ndarray = _load(OWN_COUNTS[name].function)(texts)
    return counted


def _check_installed(words: str) -> None:
    message = missing_package(words)
    if message:
        raise ValueError(message)


def _load(function: str) -> Callable[[pa.Array | pa.ChunkedArray], Any]:
    module, name = function.split(":")
    found: Callable[[pa.Array | pa.ChunkedArray], Any] = getattr(importlib.import_module(module), name)
    return found
