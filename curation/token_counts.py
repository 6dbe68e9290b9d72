"""Counts tokens for signals of packs (rules/measures/tokenizers.py), with the encoder that packs documents."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.prepared_tokenizer import prepared_tokenizer
from rules.measures.tokenizers import TokenCounter


def token_counter(path: str) -> TokenCounter:
    """What counts tokens of the tokenizer.json at `path`. Raises TokenizerError (a ValueError) where it cannot be used."""
    encoder = prepared_tokenizer(path).encoder

    def counted(texts: pa.Array) -> np.ndarray:
        return np.diff(encoder.encode(texts)[0])

    return counted
