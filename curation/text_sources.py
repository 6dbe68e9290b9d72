"""Documents for the commands that only read: of finished runs, and of files in any format gristmill reads.

A run directory stands for its clean/. Documents without a language get one from the vendored identifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from curation.columns import without_a_job
from curation.inputs import InputError, list_inputs, plan_shards
from curation.readers import ReadSettings, read_shard
from curation.stages.language import LanguageSettings, identify, with_language

COLUMNS = ["id", "text", "lang"]


def source_patterns(sources: Sequence[str]) -> list[str]:
    """What to read for `sources`: of a run directory its clean/."""
    return [str(Path(source) / "clean") if (Path(source) / "run.json").is_file() else source for source in sources]


def local_files(sources: Sequence[str]) -> list[Path]:
    """The files of this machine that `sources` stand for."""
    found = list_inputs(source_patterns(sources), Path()) if sources else []
    return [Path(file.path) for file in found if "://" not in file.path]


def read_documents(sources: Sequence[str]) -> Iterator[pa.Table]:
    """Batches of documents (id, text, lang). Raises InputError where there is nothing to read."""
    for shard in plan_shards(list_inputs(source_patterns(sources), Path())):
        try:
            for batch in read_shard(shard, ReadSettings()):
                yield _identified(batch.documents).select(COLUMNS)
        except InputError as error:
            raise without_a_job(error) from None


def _identified(documents: pa.Table) -> pa.Table:
    if len(documents) and documents["lang"].null_count == len(documents):
        return with_language(documents, *identify(documents["text"], LanguageSettings()))
    return documents
