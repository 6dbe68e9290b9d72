"""The columns of a document and of every table a run writes. The only place where columns are named.

A document is one row: id, text, url, source, lang, lang_score, then every other column of the input, unchanged.
`records in == kept + removed + quarantined` is counted over these tables.
"""

from __future__ import annotations

from hashlib import blake2b

import pyarrow as pa

DOCUMENT = pa.schema(
    [
        ("id", pa.string()),  # unique; from the input, else record_id()
        ("text", pa.large_string()),
        ("url", pa.string()),
        ("source", pa.string()),  # what the input says, else the name of the input file
        ("lang", pa.string()),  # ISO 639 code; null when nobody said
        ("lang_score", pa.float32()),
    ]
)

GROUP_COLUMNS = {"source": "source", "language": "lang", "host": "url"}  # by what settings call a group of documents: the column that tells it

# One rule that hit one document: which signal, measured value, the comparison it met.
HIT = pa.struct(
    [
        ("rule", pa.string()),  # pack/id
        ("action", pa.string()),  # drop or tag
        ("signal", pa.string()),
        ("value", pa.float64()),
        ("comparison", pa.string()),  # one of < <= > >= == !=
        ("threshold", pa.float64()),
    ]
)

# What removed/ adds to a document.
REMOVAL = [
    ("stage", pa.string()),
    ("reason", pa.string()),  # the first rule that dropped it, or the stage's own reason
    ("hits", pa.list_(HIT)),  # every rule that hit, in job order
    ("kept_id", pa.string()),  # duplicates: the document that was kept instead
]

EDIT = pa.schema(
    [
        ("id", pa.string()),
        ("rule", pa.string()),
        ("line", pa.int64()),  # number of the line, from 1, in the text as it entered the pack
        ("before", pa.large_string()),
        ("after", pa.large_string()),  # null: the line was removed
    ]
)

_NUMBERED = ("id", "rule")  # of edits: columns of few distinct texts


def numbered_edits(edits: pa.Table) -> pa.Table:
    """`edits`, of the columns of EDIT, with those of few distinct texts as numbers of dictionaries."""
    for place, name in enumerate(edits.column_names):
        if name in _NUMBERED and not pa.types.is_dictionary(edits.schema.field(name).type):
            edits = edits.set_column(place, name, edits[name].dictionary_encode())
    return edits


# Texts as they were before rules changed them, of documents that stayed: `row` counts the shard's rows in signals/.
BEFORE = pa.schema([("row", pa.int64()), ("text", pa.large_string())])

CLUSTER = pa.schema(
    [
        ("stage", pa.string()),  # exact or near
        ("cluster", pa.string()),  # id of the kept document
        ("size", pa.int64()),
        ("id", pa.string()),
        ("kept_id", pa.string()),
        ("kept", pa.bool_()),
        ("jaccard", pa.float32()),  # estimated similarity to the kept document
    ]
)

# What a document shares with an evaluation item.
OVERLAP = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),  # name of the evaluation file
        ("item", pa.string()),  # the item's id, or its line, from 1
        ("ngrams", pa.int64()),  # n-grams that are shared
        ("start", pa.int64()),  # characters of the text as it entered the stage
        ("end", pa.int64()),
        ("text", pa.large_string()),  # text[start:end]
    ]
)

CLUSTER_SIZE = "cluster_size"  # int64, after duplicates were removed: how many documents a kept one stands for

QUARANTINE = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("record", pa.int64()),  # number of the record in its file, from 0; -1 unknown
        ("offset", pa.int64()),  # byte offset in the file; -1 unknown
        ("cause", pa.string()),  # short slug, such as gzip-truncated
        ("error", pa.string()),
        ("raw", pa.binary()),  # the record as read, at most RAW_LIMIT_BYTES
    ]
)

RAW_LIMIT_BYTES = 1 << 20


def record_id(name: str, number: int) -> str:
    """The id of record `number` of file `name`: the same whatever the sharding. 16 hexadecimal digits."""
    return blake2b(f"{name}\0{number}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
