"""The documents that benchmarks take: Parquet files named on the command line, else those of the folder that BENCHMARK_DOCUMENTS
names (`make bench DOCUMENTS=folder`), else of ../shared/data/bench."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from rules.text.buffers import large_strings

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
DOCUMENTS = Path(os.environ.get("BENCHMARK_DOCUMENTS") or DATA / "bench")
PEER = ROOT / ".venv-oracle"


def options(about: str | None, default: Iterable[Path] = (DOCUMENTS,), peer_documents: int = 0) -> argparse.ArgumentParser:
    """A benchmark's command line: its documents, and where `peer_documents` is given, how many of them a peer gets, and the peer."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=list(default), help="Parquet files or folders of them")
    if peer_documents:
        parser.add_argument("--documents", type=int, default=peer_documents, help="how many the peer gets")
        parser.add_argument("--peer", type=Path, default=PEER, help="virtual environment with datatrove")
    return parser


def parquet_files(paths: Iterable[Path]) -> list[Path]:
    """Files as they are, folders as the Parquet files in them; ends the program where there are none."""
    files = [file.resolve() for path in paths for file in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])]
    if not files:
        sys.exit(f"no Parquet files in {', '.join(map(str, paths))}; name some with columns text and id")
    return files


def table_of(paths: Iterable[Path], columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of all files."""
    return pa.concat_tables([parquet.read_table(file, columns=columns) for file in parquet_files(paths)])


def texts_of(paths: Iterable[Path], column: str = "text") -> pa.LargeStringArray:
    """The texts of all files."""
    return large_strings(table_of(paths, [column])[column])


def megabytes(texts: pa.Array | pa.ChunkedArray | pa.Table) -> float:
    """Of UTF-8; of a table, that of its column text."""
    texts = texts["text"] if isinstance(texts, pa.Table) else texts
    return (pc.sum(pc.binary_length(texts)).as_py() or 0) / 1e6


def slice_of(texts: pa.Array, documents: int) -> pa.Array:
    """`documents` of the texts, spread over all."""
    return texts.take(pa.array(np.linspace(0, len(texts) - 1, min(documents, len(texts))).astype(np.int64)))
