"""Perplexity under an n-gram model of KenLM (Heafield 2011), as CCNet (Wenzek et al. 2019) filtered with it.

Each line that has words is a sentence: its words with single spaces, a beginning and an end. The perplexity of a text is
10 ** -(log10 likelihood of its sentences / (words + sentences)). KenLM scores one sentence a call, so a line costs one
string of Python.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.format.pack_files import PackFile, check_unchanged
from rules.measures.signal import ratio
from rules.splitters.lower_words import spaced_words
from rules.text.buffers import large_strings


def perplexity(texts: pa.Array | pa.ChunkedArray, file: PackFile) -> np.ndarray:
    """The perplexity of each text, float64 [docs]; NaN in a text without words."""
    lists = pc.split_pattern(large_strings(texts), "\n")
    lines = spaced_words(lists.values) if file.words == "unicode" else lists.values
    model = _model(file)
    words = np.array([len(line.split()) for line in lines.to_pylist()], np.int64)
    logs = np.array([model.score(line, bos=True, eos=True) if count else 0.0 for line, count in zip(lines.to_pylist(), words)])
    document = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
    total, length = np.bincount(document, logs, len(lists)), np.bincount(document, words + (words > 0), len(lists))
    found: np.ndarray = np.power(10.0, ratio(-total, length))
    return found


@functools.lru_cache(maxsize=2)
def _model(file: PackFile) -> Any:
    import kenlm  # an extra: pack_files.py says how to install it

    check_unchanged(file)
    return kenlm.Model(str(file.path))
