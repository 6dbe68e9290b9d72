"""datatrove's filters over texts: why each drops a document, and what C4's leaves of the text.

    python tests/oracle/peer.py TEXTS.parquet CONFIGURATIONS.json OUT.parquet --words space [--processes 2]

This runs where datatrove is installed; it needs nothing of gristmill's but the plain definitions of the tests. Words:

    shipped  the filters as they come: spaCy's words, and spaCy's sentences in C4
    space    words as str.split() gives them; sentences as tests/definitions.py defines them
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import datatrove.utils.text
import datatrove.utils.word_tokenizers
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import definitions  # noqa: E402

from oracle.checks import CHECKS, Configuration, Value  # noqa: E402

FILTERS = {
    "gopher_quality": GopherQualityFilter,
    "gopher_repetition": GopherRepetitionFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}
NGRAMS = {
    "top_n_grams": ((2, 0.2), (3, 0.18), (4, 0.16)),
    "dup_n_grams": ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)),
}
PIECE = 50  # documents given to a process at a time
Verdicts = dict[str, list[str | None]]  # configuration -> reasons; "configuration text" -> texts that C4 keeps


# ---- words


class DefinedTokenizer:
    """Words as str.split() gives them, sentences as the tests define them, in the form that datatrove asks for."""

    word_tokenize = staticmethod(str.split)

    @staticmethod
    @functools.lru_cache(500_000)
    def span_tokenize(line: str) -> tuple[tuple[int, int], ...]:
        ends = [end for place in range(len(line)) if (end := definitions.sentence_end(line, place))]
        if line[ends[-1] if ends else 0 :].strip():
            ends.append(len(line))
        return tuple(zip([0, *ends], ends))


@contextmanager
def using_words(words: str, cached: int = 100_000) -> Iterator[None]:
    """The peer's filters with the splitter `words`, as long as this is open; its last `cached` splits are remembered.

    The peer remembers five; C4's lines push a document's words out of those, and they are found again in each filter."""
    shipped = datatrove.utils.word_tokenizers.load_word_tokenizer
    parts = datatrove.utils.text.split_into_parts
    if words == "space":
        datatrove.utils.word_tokenizers.load_word_tokenizer = lambda language: DefinedTokenizer
    datatrove.utils.text.split_into_parts = functools.lru_cache(cached)(parts.__wrapped__)
    try:
        yield
    finally:
        datatrove.utils.word_tokenizers.load_word_tokenizer = shipped
        datatrove.utils.text.split_into_parts = parts


# ---- filters


def open_filter(filter: str, settings: dict[str, Value]):
    """The peer's filter with these settings, those of n-grams gathered into the tuples that it takes."""
    ngrams = {name: dict(pairs) for name, pairs in NGRAMS.items()}
    plain = {}
    for setting, value in settings.items():
        name, _, n = setting.partition(".")
        if n:
            ngrams[name] = {**ngrams[name], int(n): value}
        else:
            plain[setting] = value
    if filter == "gopher_repetition":
        plain |= {name: tuple((n, value) for n, value in pairs.items() if value is not None) for name, pairs in ngrams.items()}
    return FILTERS[filter](**plain)


def verdict(opened, text: str) -> tuple[str | None, str]:
    """The reason for which the filter drops the text, None if it keeps it, or the error it raises; and its text."""
    document = Document(text=text, id="")
    try:
        result = opened.filter(document)
    except Exception as error:
        return f"raises {type(error).__name__}", text
    return (None if result is True else result[1]), document.text


def verdicts(texts: Sequence[str], configurations: Sequence[Configuration], words: str) -> Verdicts:
    """Reasons of each configuration for each text; for C4 also the text of each document that it keeps."""
    opened = [(c, open_filter(c.filter, c.settings)) for c in configurations]
    found: Verdicts = {c.name: [] for c in configurations}
    found |= {f"{c.name} text": [] for c in configurations if c.filter == "c4"}
    with using_words(words), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no words
        for text in texts:
            for configuration, filter in opened:
                reason, after = verdict(filter, text)
                found[configuration.name].append(reason)
                if configuration.filter == "c4":
                    found[f"{configuration.name} text"].append(after if reason is None else None)
            datatrove.utils.text.split_into_parts.cache_clear()
    return found


# ---- the command


def main() -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("configurations", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--words", choices=["shipped", "space"], required=True)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    texts = parquet.read_table(arguments.texts, columns=["text"])["text"].to_pylist()
    configurations = [Configuration(**given) for given in json.loads(arguments.configurations.read_text())]
    assert all(c.filter in CHECKS for c in configurations)
    pieces = [texts[i : i + PIECE] for i in range(0, len(texts), PIECE)]
    work = functools.partial(verdicts, configurations=configurations, words=arguments.words)
    with multiprocessing.Pool(arguments.processes) as pool:
        found = []
        for piece in pool.imap(work, pieces):
            found.append(piece)
            print(f"\rpeer: {min(len(found) * PIECE, len(texts)):,} of {len(texts):,} documents", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    columns = {name: pa.array([value for piece in found for value in piece[name]], pa.large_string()) for name in found[0]}
    parquet.write_table(pa.table(columns), arguments.out)


if __name__ == "__main__":
    main()
