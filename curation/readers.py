"""From a shard to batches of documents, whatever the format of its file; what reads a format is imported where one is read.

Every record of the shard is exactly one of: a document, quarantined, or skipped (counted by reason). The documents are in
the order of the file, and they, their ids and their columns are the same for any `batch_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator

from curation.batches import BATCH_BYTES, Batch, Losses, ReadSettings
from curation.document import DOCUMENT
from curation.guard import Guard
from curation.inputs import Shard
from curation.tables import read_arrow, read_parquet

__all__ = ["BATCH_BYTES", "Batch", "ReadSettings", "read_shard"]


def read_shard(shard: Shard, settings: ReadSettings, batch_bytes: int = BATCH_BYTES, guard: Guard | None = None, first: int = 0) -> Iterator[Batch]:
    """The records of `shard` in batches of about `batch_bytes` of text; at least one batch. `guard` sees to records that
    crash what reads them, or take too long (guard.py). `first`: go on at this record, which was the `next_record` of a batch.

    Raises InputError where the columns that `settings` name are missing, OSError where the file cannot be opened.
    """
    file = shard.file
    if file.size_bytes == 0:
        losses = Losses(file.name)
        losses.skipped["empty file"] += 1
        yield losses.batch(DOCUMENT.empty_table())
    elif file.format == "parquet":
        yield from read_parquet(shard, settings, batch_bytes, guard)
    elif file.format == "arrow":
        yield from read_arrow(shard, settings, batch_bytes, guard)
    elif file.format == "jsonl":
        from curation.jsonl import read_jsonl

        yield from read_jsonl(file, settings, batch_bytes, first)
    elif file.format == "text":
        from curation.text_files import read_text

        yield from read_text(file, settings, guard)
    else:
        from curation.archives import read_archive

        yield from read_archive(file, settings, batch_bytes, guard, first)
