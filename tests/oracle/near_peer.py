"""datatrove's four stages of MinHash, its own code, on documents here: what the tests and benchmarks/duplicates.py compare with.

The parameters are its defaults (word 5-grams, 14 buckets of 8 hashes, xxHash64). `words`: None for the tokenizer it comes
with (spaCy's English words), or a function that splits a text, for languages whose tokenizer would be downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from loguru import logger

Words = Callable[[str], list[str]]


class Splitter:
    """Words in the form that datatrove asks for."""

    def __init__(self, words: Words):
        self.word_tokenize = words


def signature_stage(folder: Path, words: Words | None = None) -> MinhashDedupSignature:
    stage = MinhashDedupSignature(output_folder=str(folder / "signatures"), config=MinhashConfig())
    if words is not None:
        stage.word_tokenizer = Splitter(words)
    return stage


def documents(texts: Iterable[str]) -> Iterator[Document]:
    for number, text in enumerate(texts):
        yield Document(text=text, id=str(number))


def clusters(texts: Iterable[str], folder: Path, words: Words | None = None) -> list[int]:
    """The cluster of each text as the number of its first member, by the first three stages."""
    logger.disable("datatrove")
    texts = list(texts)
    signature_stage(folder, words).run(documents(texts))
    cluster_stages(folder)
    roots = list(range(len(texts)))
    file = folder / "clusters/000000.clusters"
    first: dict[int, int] = {}
    for row, cluster in np.fromfile(file, np.uint32).reshape(-1, 2).tolist() if file.exists() else ():
        roots[row] = first.setdefault(cluster, row)
    return roots


def cluster_stages(folder: Path) -> None:
    """The second and third stage."""
    buckets = MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=MinhashConfig())
    for rank in range(MinhashConfig().num_buckets):
        buckets.run(None, rank, MinhashConfig().num_buckets)
    MinhashDedupCluster(str(folder / "buckets"), str(folder / "clusters"), MinhashConfig(), save_cluster_id=True).run(None, 0, 1)


def four_stages(files: list[str], folder: Path, words: Words | None = None) -> dict[str, float]:
    """Read Parquet, sign, cluster, read again, write what stays: seconds of this process for each part, and in all."""
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    logger.disable("datatrove")
    clock, seconds = time.process_time, {}

    def read() -> Iterator[Document]:
        for file in files:
            yield from ParquetReader(str(Path(file).parent), glob_pattern=Path(file).name, doc_progress=False).run()

    start = clock()
    signature_stage(folder, words).run(read())
    seconds["sign"] = clock() - start
    cluster_stages(folder)
    seconds["cluster"] = clock() - start - seconds["sign"]
    writer = ParquetWriter(str(folder / "kept"))
    with writer:
        for document in MinhashDedupFilter(str(folder / "clusters")).run(read()):
            writer.write(document)
    seconds["all"] = clock() - start
    return seconds
