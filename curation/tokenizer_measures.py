"""How well a tokenizer fits texts, language by language: bytes and characters a token, tokens a word.

Words are runs of letters and digits, or single CJK letters (rules/splitters/words.py, `unicode`), so that tokens a word
("fertility") means the same in all languages that put spaces between words, and is near 1 where a character is a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.encoder import Encoder
from curation.shards import whole_file
from rules.measures.counts import count

ALL = "all"


@dataclass(frozen=True)
class LanguageMeasure:
    """One language, or ALL: what the texts hold, and tokens by each tokenizer in the order given."""

    language: str
    documents: int
    bytes: int
    characters: int
    words: int
    tokens: tuple[int, ...]

    def figures(self, which: int = 0) -> dict[str, float]:
        """Bytes and characters a token, tokens a word, by tokenizer `which`; 0 where there is nothing to divide by."""
        tokens = self.tokens[which]
        return {
            "bytes_per_token": self.bytes / tokens if tokens else 0.0,
            "characters_per_token": self.characters / tokens if tokens else 0.0,
            "tokens_per_word": tokens / self.words if self.words else 0.0,
        }

    @property
    def tokens_ratio(self) -> float:
        """Tokens of the first tokenizer over those of the second: below 1 where the first needs fewer."""
        return self.tokens[0] / self.tokens[1] if self.tokens[1] else 0.0

    def __add__(self, other: LanguageMeasure) -> LanguageMeasure:
        return LanguageMeasure(
            self.language, self.documents + other.documents, self.bytes + other.bytes, self.characters + other.characters,
            self.words + other.words, tuple(a + b for a, b in zip(self.tokens, other.tokens)),
        )  # fmt: skip


def measure_tokenizers(texts: Iterable[tuple[str, pa.Array]], encoders: Sequence[Encoder]) -> list[LanguageMeasure]:
    """Every language of `texts` (language and texts, again and again), the one with most bytes first; then ALL."""
    found: dict[str, LanguageMeasure] = {}
    for language, column in texts:
        measured = _measured(language, column, encoders)
        found[language] = found[language] + measured if language in found else measured
    rows = sorted(found.values(), key=lambda row: (-row.bytes, row.language))
    nothing = LanguageMeasure(ALL, 0, 0, 0, 0, (0,) * len(encoders))
    return [*rows, sum(rows, nothing)]


def _measured(language: str, texts: pa.Array, encoders: Sequence[Encoder]) -> LanguageMeasure:
    words = int(np.sum(count(texts, ["words"])["words"]))
    sizes = [pc.sum(function(texts)).as_py() or 0 for function in (pc.binary_length, pc.utf8_length)]
    return LanguageMeasure(language, len(texts), *sizes, words, tuple(len(encoder.encode(texts)[1]) for encoder in encoders))


# ---- showing


def table_lines(rows: Sequence[LanguageMeasure], names: Sequence[str]) -> list[str]:
    """The measures as aligned text; with two tokenizers, both and the ratio of their tokens."""
    header = ["language", "documents", "MB"]
    for name in names:
        header += [f"{name}: bytes/token", "chars/token", "tokens/word"]
    cells = [header + (["tokens ratio"] if len(names) > 1 else [])]
    for row in rows:
        line = [row.language, f"{row.documents:,}", f"{row.bytes / 1e6:.2f}"]
        for which in range(len(names)):
            line += [f"{value:.2f}" for value in row.figures(which).values()]
        cells.append(line + ([f"{row.tokens_ratio:.3f}"] if len(names) > 1 else []))
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    return ["  ".join(cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths))) for row in cells]


def as_data(rows: Sequence[LanguageMeasure], names: Sequence[str]) -> list[dict[str, Any]]:
    """The measures as plain data."""
    return [
        {"language": row.language, "documents": row.documents, "bytes": row.bytes, "characters": row.characters, "words": row.words}
        | {"tokenizers": [{"name": name, "tokens": row.tokens[k], **row.figures(k)} for k, name in enumerate(names)]}
        for row in rows
    ]


def plot(rows: Sequence[LanguageMeasure], names: Sequence[str], path: Path, most: int = 40) -> None:
    """Bytes a token of each language as bars, to a file in the format its suffix says (PNG without one)."""
    from matplotlib.figure import Figure  # half a second, for this command alone

    shown = [*rows[: min(most, len(rows) - 1)], rows[-1]][::-1]
    figure = Figure(figsize=(7, 1.5 + 0.22 * len(shown) * len(names)), layout="constrained")
    axes, height = figure.subplots(), 0.8 / len(names)
    places = np.arange(len(shown))
    for k, name in enumerate(names):
        values = [row.figures(k)["bytes_per_token"] for row in shown]
        bars = axes.barh(places + height * ((len(names) - 1) / 2 - k), values, height, label=name)
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
    axes.set_yticks(places, [row.language for row in shown], fontsize=8, parse_math=False)
    axes.set_xlabel("bytes of text a token (more is better)")
    axes.legend(fontsize=8)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".").lower() or "png", dpi=150)
