"""A tokenizer with all that encoding shards needs, prepared once a process: what its encoder learned serves every shard."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from curation.encoder import Encoder, encoder_for
from curation.pack_settings import EncoderKind
from curation.pieces import TokenBytes, token_bytes
from curation.tokenizer import TokenizerInfo, load_tokenizer

KEPT = 2  # in a process, each with its memo


class PreparedTokenizer(NamedTuple):
    """`table` is None for a tokenizer whose tokens are not simply the bytes of the text."""

    tokenizer: Tokenizer
    info: TokenizerInfo
    encoder: Encoder
    table: TokenBytes | None


def prepared_tokenizer(path: str | Path, kind: EncoderKind = "fast") -> PreparedTokenizer:
    """The tokenizer of a file, prepared now or earlier. Raises TokenizerError where it cannot be used."""
    try:
        sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        sha256 = ""  # load_tokenizer says what is wrong
    return _prepared(str(path), sha256, kind)


@functools.lru_cache(KEPT)
def _prepared(path: str, sha256: str, kind: EncoderKind) -> PreparedTokenizer:
    tokenizer, info = load_tokenizer(path)
    return PreparedTokenizer(tokenizer, info, encoder_for(tokenizer, kind), token_bytes(tokenizer, info.vocab_size))
