"""Texts to learn from: a sample of files or runs, chosen by document id, with the hashes of the files it came from.

Profiles, thresholds and classifiers are made of such samples. Which documents are taken depends on their ids alone
(sampling.py), so the same files give the same result whatever else they stand beside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.inputs import InputError, list_inputs
from curation.sampling import TextSample
from curation.streams import open_binary
from curation.text_sources import read_documents, source_patterns
from rules.languages import normalise

STEP_BYTES = 1 << 20


@dataclass
class ReferenceSample:
    """A sample of texts, and the files that it was drawn from."""

    sources: list[dict[str, Any]]  # name, bytes, sha256
    documents: int = 0
    languages: dict[str, int] = field(default_factory=dict)  # documents of each
    _texts: list[pa.LargeStringArray] = field(default_factory=list)

    def batches(self) -> Iterator[pa.LargeStringArray]:
        """The texts, the first 65,536 characters of each."""
        yield from self._texts


def reference_sample(texts: Sequence[str], budget_bytes: int, language: str | None = None) -> ReferenceSample:
    """At most `budget_bytes` of the documents of `texts`, of one language if it is named.

    Raises InputError where there is nothing to read, or nothing in that language."""
    sample, seen = TextSample(budget_bytes), pa.table({"lang": pa.array([], pa.string()), "documents": pa.array([], pa.int64())})
    for documents in read_documents(texts):
        codes = language_codes(documents["lang"])
        seen = pa.concat_tables([seen, pa.table({"lang": codes, "documents": np.ones(len(codes), np.int64)}).group_by("lang").aggregate([("documents", "sum")]).rename_columns(["lang", "documents"])])
        if language is not None:
            documents = documents.filter(pc.equal(codes, normalise(language)))
        sample.add(documents["id"], documents["text"])
    languages = {row["lang"] or "": row["documents_sum"] for row in seen.group_by("lang").aggregate([("documents", "sum")]).to_pylist()}
    found = [batch for batch in sample.batches() if len(batch)]
    if not found:
        there = ", ".join(f"{name or 'unknown'} ({count:,})" for name, count in sorted(languages.items(), key=lambda item: (-item[1], item[0]))[:10])
        raise InputError(f"no document is in {language!r}; found {there or 'no document at all'}" if language else "the files hold no document")
    return ReferenceSample(source_hashes(texts), sum(map(len, found)), dict(sorted(languages.items())), found)


def language_codes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Languages as codes of `rules.languages`: eng_Latn and English are en; what is no language stays as it is."""
    names = column.cast(pa.string()).unique()
    known = pa.array([_code(name) for name in names.to_pylist()], pa.string())
    return pc.take(known, pc.index_in(column.cast(pa.string()), value_set=names))


def _code(name: str | None) -> str | None:
    try:
        return None if name is None else normalise(name)
    except ValueError:
        return name


def source_hashes(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of every file that `texts` stand for."""
    found = []
    for file in list_inputs(source_patterns(texts), Path()):
        digest = hashlib.sha256()
        with open_binary(file.path) as raw:
            while piece := raw.read(STEP_BYTES):
                digest.update(piece)
        found.append({"name": file.name, "bytes": file.size_bytes, "sha256": digest.hexdigest()})
    return found
