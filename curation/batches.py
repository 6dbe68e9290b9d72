"""What reading yields: batches of documents, and what became of every record that is not one.

Every record read is exactly one of: a document, quarantined, or skipped for a reason. Price: one Python object per
record that is not Arrow already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from curation.document import DOCUMENT, QUARANTINE, RAW_LIMIT_BYTES, record_id

BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class ReadSettings:
    """How input files become documents."""

    text_column: str = "text"
    id_column: str = "id"
    max_record_bytes: int = 256 << 20  # decompressed; a larger record is quarantined
    max_page_bytes: int = 32 << 20  # of HTML; parsing takes some 20 times as much memory
    html: Literal["resiliparse", "trafilatura"] = field(default="resiliparse", metadata={"internal": True})  # of `extract`
    main_content: bool = field(default=True, metadata={"internal": True})


@dataclass(frozen=True)
class Batch:
    """Some records of a shard, in the order of the file."""

    documents: pa.Table  # the columns of DOCUMENT, then those of the input
    quarantined: pa.Table  # QUARANTINE
    skipped: dict[str, int] = field(default_factory=dict)  # records by reason
    repaired: dict[str, int] = field(default_factory=dict)  # documents by what was wrong with them
    next_record: int | None = None  # a reader that begins at this record yields what follows this batch; None: none can

    @property
    def records(self) -> int:
        """How many records were read."""
        return len(self.documents) + len(self.quarantined) + sum(self.skipped.values())


class Unreadable(Exception):
    """A record that has to be quarantined. `cause` is a short slug."""

    def __init__(self, cause: str, error: str):
        super().__init__(error)
        self.cause = cause
        self.error = error

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return Unreadable, (self.cause, self.error)


class Skipped(Exception):
    """A record that is no document and is not meant to be one."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass
class Losses:
    """The records of a batch that did not become documents, and what was repaired in those that did."""

    source: str  # name of the input file
    skipped: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)
    raw_bytes: int = 0  # of the rows

    def quarantine(self, number: int, offset: int, cause: str, error: str, raw: bytes = b"") -> None:
        """Put record `number`, which starts at byte `offset` (-1: unknown), aside."""
        row = {"id": record_id(self.source, number), "source": self.source, "record": number, "offset": offset}
        self.rows.append(row | {"cause": cause, "error": error, "raw": raw[:RAW_LIMIT_BYTES]})
        self.raw_bytes += len(self.rows[-1]["raw"])

    def repair(self, count: int, what: str) -> None:
        if count:
            self.repaired[what] += count

    def absorb(self, other: Losses) -> None:
        self.skipped += other.skipped
        self.repaired += other.repaired
        self.rows += other.rows
        self.raw_bytes += other.raw_bytes

    def quarantined(self) -> pa.Table:
        return pa.Table.from_pylist(self.rows, schema=QUARANTINE)

    def batch(self, documents: pa.Table) -> Batch:
        """The batch of `documents` and these losses; the losses are then empty."""
        batch = Batch(documents, self.quarantined(), dict(self.skipped), dict(self.repaired))
        self.skipped, self.repaired, self.rows, self.raw_bytes = Counter(), Counter(), [], 0
        return batch



class Rows:
    """Documents of one batch, collected one by one."""

    def __init__(self, source: str, extra: Iterable[pa.Field] = ()):
        self.losses = Losses(source)
        self.text_bytes = 0
        self._schema = pa.schema([*DOCUMENT, *extra])
        self._columns: dict[str, list[Any]] = {name: [] for name in self._schema.names}

    def add(self, number: int, text: str, url: str | None = None, extra: Mapping[str, Any] | None = None) -> None:
        source = self.losses.source
        row = {"id": record_id(source, number), "text": text, "url": url, "source": source, **(extra or {})}
        for name, values in self._columns.items():
            values.append(row.get(name))
        self.text_bytes += len(text)

    @property
    def size_bytes(self) -> int:
        return self.text_bytes + self.losses.raw_bytes

    def batch(self) -> Batch:
        """Everything collected so far; the collection is then empty."""
        arrays = [pa.array(self._columns[field.name], field.type) for field in self._schema]
        for values in self._columns.values():
            values.clear()
        self.text_bytes = 0
        return self.losses.batch(pa.Table.from_arrays(arrays, schema=self._schema))
