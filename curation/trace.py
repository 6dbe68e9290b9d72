"""From a training step to documents and their curation: where training and curation meet again.

    trace_row        the documents of one sequence, each with the story that `why` tells
    trace_step       the rows of a step, without stories
    worst_documents  what a window of steps found hardest, as documents that `inspect` opens

The curation run is the folder that packed/ lies in, unless another is named. Stories cost one scan of the run's ids,
whatever their number; texts of the worst documents one more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import DOCUMENT
from curation.explain import find_rows, stories
from curation.run_directory import RUN_FILE
from curation.shards import whole_file
from rules.visible import excerpt, shown_path, visible
from train.config import TrainError
from train.evaluate.losses import model_losses, rows_at_once
from train.evaluate.pieces import read_pieces
from train.handoff import TOKENIZER_NAME
from train.saved_model import SavedModel, open_tokenizer
from train.trace import Piece, TracedRun, piece_losses, pieces_of, text_of

EXCERPT_CHARS = 160


def curation_run(traced: TracedRun, named: Path | None) -> Path | None:
    """The run directory that packed the data: as named, or around packed/; None where there is none."""
    if named is not None:
        return named
    around = traced.data.resolve().parent
    return around if (around / RUN_FILE).exists() else None


def trace_row(traced: TracedRun, step: int, row: int, curation: Path | None, token: int | None = None) -> dict[str, Any]:
    """The sequence that is row `row` of `step`: its documents, their texts in it, and their stories where known.

    With `token` (counted from 0) only the document that the token belongs to.
    """
    packed_row = traced.row(step, row)
    (pieces,) = pieces_of(traced, [packed_row])
    _require_document_at(token, step, row, pieces, traced.split.manifest.sequence_length)
    shown = [piece for piece in pieces if token is None or piece.first_token <= token <= piece.last_token]
    known = stories(curation, [piece.about["document"] for piece in shown]) if curation else {}
    decode = open_tokenizer(traced.data / TOKENIZER_NAME).decode
    return {
        **_place(traced, step, row, packed_row, pieces),
        "curation_run": str(curation) if curation else None,
        "documents": [
            {**piece.record(), "text": text_of(traced, packed_row, piece, decode), "story": known.get(piece.about["document"])}
            for piece in shown
        ],
    }


def _require_document_at(token: int | None, step: int, row: int, pieces: Sequence[Piece], width: int) -> None:
    """Raises TrainError unless a document has the token, or none is asked for."""
    tokens = pieces[-1].last_token + 1 if pieces else 0
    if token is not None and token >= tokens:
        padding = f" and padding up to {width - 1}" if tokens < width else ""
        raise TrainError(f"step {step}, row {row} has documents in its tokens 0 to {tokens - 1}{padding}; there is none at token {token}.")


def trace_step(traced: TracedRun, step: int) -> list[dict[str, Any]]:
    """The rows of a step: where they lie, how full they are, and the pieces in each."""
    rows = traced.rows(step)
    found = pieces_of(traced, rows)
    return [
        {**_place(traced, step, row, packed_row, pieces), "documents": [piece.record() for piece in pieces]}
        for row, (packed_row, pieces) in enumerate(zip(rows, found, strict=True))
    ]


def _place(traced: TracedRun, step: int, row: int, packed_row: int, pieces: Sequence[Piece]) -> dict[str, Any]:
    tokens = sum(piece.last_token - piece.first_token + 1 for piece in pieces)
    width = traced.split.manifest.sequence_length
    return {"step": step, "row": row, "packed_row": packed_row, "tokens": tokens, "padding": width - tokens}


def worst_documents(
    traced: TracedRun, steps: range, saved: SavedModel, count: int, min_tokens: int, curation: Path | None
) -> pa.Table:
    """The `count` documents of `steps` with the most bits per byte under `saved`, the worst first.

    Columns: those of a document (the text as the curation run kept it, else what the tokens spell), then
    bits_per_byte, nats_per_token, tokens (predicted, over all its pieces in the window) and step and row, where the
    hardest of its pieces stands. Documents with fewer predicted tokens than `min_tokens` are left out.
    """
    pieces = read_pieces(traced.data, "train", [])
    losses = piece_losses(traced, steps, model_losses(saved), rows_at_once(traced.split.manifest.sequence_length), pieces)
    worst = _worst(losses, traced, count, min_tokens)
    documents = _documents(traced, worst, curation, saved)
    for name in ("bits_per_byte", "nats_per_token", "tokens", "step", "row"):
        documents = documents.append_column(name, worst[name])
    return documents


def _worst(losses: pa.Table, traced: TracedRun, count: int, min_tokens: int) -> pa.Table:
    """By document: sums over its pieces, most bits per byte first."""
    ids = pq.read_table(traced.data / "documents.parquet", columns=["document"])["document"]
    losses = losses.append_column("document", ids.take(losses["ref"]))
    per_byte = pc.divide(losses["nats"], pc.max_element_wise(losses["bytes"], 1e-9))
    losses = losses.append_column("hardness", per_byte).sort_by([("hardness", "descending"), ("step", "ascending"), ("row", "ascending")])
    grouped = losses.group_by("document", use_threads=False).aggregate(
        [("nats", "sum"), ("tokens", "sum"), ("bytes", "sum"), ("step", "first"), ("row", "first"), ("ref", "first")]
    )
    grouped = grouped.filter(pc.and_(pc.greater_equal(grouped["tokens_sum"], min_tokens), pc.greater(grouped["bytes_sum"], 0)))
    nats, tokens, text_bytes = (grouped[f"{name}_sum"].to_numpy() for name in ("nats", "tokens", "bytes"))
    bits = nats / math.log(2) / text_bytes
    order = pa.array(np.argsort(-bits, kind="stable")[:count])
    columns = {
        "document": grouped["document"], "ref": grouped["ref_first"], "step": grouped["step_first"], "row": grouped["row_first"],
        "bits_per_byte": pa.array(bits), "nats_per_token": pa.array(nats / np.maximum(tokens, 1)), "tokens": pa.array(tokens.astype(np.int64)),
    }  # fmt: skip
    return pa.table(columns).take(order)


def _documents(traced: TracedRun, worst: pa.Table, curation: Path | None, saved: SavedModel) -> pa.Table:
    """The worst documents with the columns of DOCUMENT."""
    ids = worst["document"].to_pylist()
    kept = find_rows(curation, "clean", ids) if curation else {}
    spelled = _spelled(traced, worst, saved)
    rows = [(kept.get(document_id) or [spelled[document_id]])[0] for document_id in ids]
    return pa.Table.from_pylist([{name: row.get(name) for name in DOCUMENT.names} for row in rows], schema=DOCUMENT)


def _spelled(traced: TracedRun, worst: pa.Table, saved: SavedModel) -> dict[str, dict[str, Any]]:
    """By id, the hardest piece of each document as its tokens spell it."""
    found = {}
    for record in worst.to_pylist():
        packed_row = traced.row(record["step"], record["row"])
        (pieces,) = pieces_of(traced, [packed_row])
        piece = next(piece for piece in pieces if piece.ref == record["ref"])
        text = text_of(traced, packed_row, piece, saved.tokenizer.decode)
        found[record["document"]] = {"id": record["document"], "text": text, "source": piece.about["source"], "lang": piece.about["lang"]}
    return found


def write_documents(documents: pa.Table, out: Path) -> None:
    """A Parquet file that `gristmill inspect` opens."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        pq.write_table(documents, temporary, compression="zstd")


# ---- as text, safe to print


def row_lines(found: dict[str, Any]) -> list[str]:
    """A traced row: its documents, each with what curation did to it."""
    lines = [_head(found), ""]
    for document in found["documents"]:
        lines += _document_lines(document)
    if found["curation_run"] is None:
        lines.append("the curation run that packed this data is not beside it; name it with --curation OUT for the stories")
    elif all(document["story"] is None for document in found["documents"]):
        lines.append(f"{visible(shown_path(Path(found['curation_run'])))} knows none of these documents: name the run that packed the data with --curation OUT")
    else:
        lines.append(f"the whole of a story: gristmill why {visible(shown_path(Path(found['curation_run'])))} ID")
    return lines


def _head(found: dict[str, Any]) -> str:
    return (
        f"step {found['step']}, row {found['row']}: row {found['packed_row']:,} of the train split; "
        f"{found['tokens']:,} tokens, {found['padding']:,} of padding"
    )


def _document_lines(document: dict[str, Any]) -> list[str]:
    part = f", part {document['part'] + 1} of {document['parts']}" if document["parts"] > 1 else ""
    carried = {name: value for name, value in document.items() if name not in _KNOWN and value is not None}
    about = [str(document[name]) for name in ("source", "lang") if document[name]] + [f"{k}={v}" for k, v in carried.items()]
    return [
        f"tokens {document['first_token']:,}-{document['last_token']:,}  document {visible(document['document'])}",
        f"  from      {excerpt(', '.join(about), EXCERPT_CHARS)}, characters {document['char_start']:,}-{document['char_end']:,}{part}",
        f"  curation  {_summary(document['story'])}",
        f"  text      {excerpt(document['text'], EXCERPT_CHARS)}",
        "",
    ]


_KNOWN = {"first_token", "last_token", "ref", "document", "source", "lang", "split", "part", "parts", "char_start", "char_end", "text_bytes", "tokens", "text", "story"}  # fmt: skip


def _summary(story: dict[str, Any] | None) -> str:
    """The story of a document in one line."""
    if story is None:
        return "not known"
    hits = ", ".join(f"{hit['rule']} ({hit['action']})" for hit in story["hits"]) or "no rule hit it"
    edits = f"; {len(story['edits'])} lines edited" if story["edits"] else ""
    clusters = "".join(f"; {cluster['stage']} duplicates: one of {cluster['size']}" for cluster in story["clusters"])
    where = f"; read from {story['document']['input_file']}" if "input_file" in story["document"] else ""
    return visible(f"{story['fate']}; {hits}{edits}{clusters}{where}")


def step_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The rows of a step, one a line: tokens, documents, and which sources and languages."""
    lines = []
    for row in rows:
        names = sorted({f"{d['source'] or '-'}/{d['lang'] or '-'}" for d in row["documents"]})
        lines.append(f"{_head(row)}; {_pieces(len(row['documents']))} from {excerpt(', '.join(names), 100)}")
    return lines


def _pieces(count: int) -> str:
    return "1 piece of a document" if count == 1 else f"{count} pieces of documents"


def worst_lines(documents: pa.Table) -> list[str]:
    """The worst documents, one a line."""
    lines = ["bits/byte  tokens  step.row  document"]
    for row in documents.to_pylist():
        place = f"{row['step']}.{row['row']}"
        lines.append(f"{row['bits_per_byte']:9.3f}  {row['tokens']:6,}  {place:>8}  {visible(row['id'])}  {excerpt(row['text'], 80)}")
    return lines
