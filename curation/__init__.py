"""Raw files to clean, packed, explained shards. Importing this package loads nothing heavy."""

from __future__ import annotations

from typing import Any

from rules.measures.tokenizers import count_with


def _counter(path: str) -> Any:
    from curation.token_counts import token_counter

    return token_counter(path)


count_with(_counter)
