"""Plain text files: one document per file, decoded like a web page that says nothing about its charset."""

from __future__ import annotations

from collections.abc import Iterator

from curation.batches import Batch, ReadSettings, Rows
from curation.document import RAW_LIMIT_BYTES
from curation.extract import decode
from curation.formats import file_codec
from curation.guard import Broken, Guard
from curation.inputs import InputFile
from curation.streams import DecodedStream, open_binary


def read_text(file: InputFile, settings: ReadSettings, guard: Guard | None = None) -> Iterator[Batch]:
    """One batch with one document, or with one quarantined record: too large, or damaged compression."""
    rows = Rows(file.name)
    limit = settings.max_record_bytes
    with open_binary(file.path) as raw:
        stream = DecodedStream(raw, file_codec(raw, file.path, lambda head: False))
        too_large = stream.ensure(limit + 1)
        data, failure = bytes(stream.window), stream.failure
    if too_large:
        error = f"the file holds more than {limit:,} bytes of text, which is max_record_bytes"
        rows.losses.quarantine(0, 0, "record-too-large", error, data[:RAW_LIMIT_BYTES])
    elif failure is not None:
        rows.losses.quarantine(0, failure.offset, failure.cause, failure.error, data[:RAW_LIMIT_BYTES])
    else:
        try:
            decoded = (guard or Guard()).call(decode, data, size=len(data))
        except Broken as broken:
            rows.losses.quarantine(0, 0, f"read-{broken.kind}", str(broken), data[:RAW_LIMIT_BYTES])
        else:
            rows.losses.repair(decoded.replaced, "undecodable-bytes")
            rows.add(0, decoded.text)
    yield rows.batch()
