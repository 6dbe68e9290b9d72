"""The tokenizer that a pack names, for signals of tokens. Who counts tokens registers here: rules knows no tokenizers.

Importing `curation` registers its encoder (curation/token_counts.py), and every command of gristmill does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TokenCounter = Callable[[Any], Any]  # texts (pyarrow, [n]) -> tokens of each (int64 [n])
_openers: list[Callable[[str], TokenCounter]] = []


@dataclass(frozen=True)
class TokenizerFile:
    """A tokenizer.json as it was when the pack was read."""

    path: str
    sha256: str

    def counter(self) -> TokenCounter:
        """What counts its tokens. Raises ValueError where the file is no tokenizer, or nobody counts tokens."""
        if not _openers:
            raise ValueError("nobody counts tokens here: `import curation` before the pack is read")
        return _openers[-1](self.path)


def count_with(opener: Callable[[str], TokenCounter]) -> None:
    """Let `opener` (path of a tokenizer.json -> counter; ValueError where it is none) count tokens from now on."""
    _openers[:] = [opener]


def tokenizer_file(path: Path) -> TokenizerFile:
    """The tokenizer at `path`. Raises ValueError where it cannot be used."""
    try:
        found = TokenizerFile(str(path.resolve()), hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); name a tokenizer.json") from None
    found.counter()
    return found
