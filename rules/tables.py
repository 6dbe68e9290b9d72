"""Packs over a table in Python: `apply(table, [pack])` gives what stays, what goes and why, edits and signals.

    from rules import apply, load_pack
    result = apply(table, [load_pack("gopher_quality"), load_pack("web_chrome")])
    result.kept, result.removed, result.edits, result.signals

The engine is that of `gristmill run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from rules import engine
from rules.languages import normalise
from rules.rule import Pack


@dataclass
class Result:
    """What packs made of a table."""

    kept: pa.Table  # the documents that stay, with their texts as rules left them; all columns of the input
    removed: pa.Table  # the documents that go, as they came, with columns `reason` and `hits`
    edits: pa.Table  # row (of the input), rule, line, before, after (null: the line was removed)
    signals: pa.Table  # one row a document of the input: dropped, reason, hits, and every measured signal


def apply(table: pa.Table, packs: Pack | Sequence[Pack], text: str = "text", lang: str = "lang", url: str = "url") -> Result:
    """Apply a pack, or `packs` in order, to the documents of `table`.

    `text`, `lang` and `url` name its columns. On a document without a language, rules for single languages act; without `url`
    no URL rule hits. Raises KeyError where there is no text column.
    """
    texts = table[text]
    langs = _codes(table[lang]) if lang in table.column_names else None
    applied = engine.apply([packs] if isinstance(packs, Pack) else packs, texts, langs, table[url] if url in table.column_names else None)
    gone, place = pa.array(applied.dropped), table.column_names.index(text)
    kept = table.set_column(place, text, applied.texts.cast(texts.type)).filter(pc.invert(gone))
    removed = table.append_column("reason", applied.reasons).append_column("hits", applied.hits).filter(gone)
    signals = pa.table({"dropped": gone, "reason": applied.reasons, "hits": applied.hits, **{n: applied.signals[n] for n in applied.signals.column_names}})
    return Result(kept, removed, applied.edits, signals)


def _codes(column: pa.ChunkedArray) -> pa.Array:
    """Language codes as rules know them: `eng_Latn`, `English` and `en` are all `en`; what is no language stays as it is."""
    names = column.cast(pa.string()).combine_chunks().dictionary_encode()
    codes = pa.array([_code(name) for name in names.dictionary.to_pylist()], pa.string())
    return codes.take(names.indices)


def _code(name: str) -> str:
    try:
        return normalise(name)
    except ValueError:
        return name
