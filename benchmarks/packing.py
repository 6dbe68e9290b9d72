"""Packing speed and waste: training and tokenising MB/s, seconds to plan a million pieces, padding by window.

    python -m benchmarks.packing [PARQUET FILES OR FOLDERS] [--sequence-length 2048] [--vocab-size 8192] [--train-bytes 8000000]

The files are documents with the columns id, text, source and lang. Seconds are processor time, so other work on the machine
matters less; encoding alone, beside tokenizers, is in benchmarks/encode.py. The million pieces are lognormal (median 600
tokens), cut at the sequence length.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.documents import options, parquet_files
from benchmarks.figures import median, record, timed
from curation.best_fit import documents_concat_cuts, plan_best_fit, row_statistics
from curation.pieces import cut_documents, frame, measure
from curation.prepared_tokenizer import prepared_tokenizer
from curation.stages.pack import PackSettings, fit_tokenizer, tokenise_shard, write_packed
from curation.tokenizer import batches_of_bytes
from rules.text.buffers import large_strings

WINDOWS = (1_000, 10_000, 100_000)
ENCODED_BYTES = 4_000_000


def main() -> None:
    arguments = parse_arguments()
    files = parquet_files(arguments.paths)
    settings = PackSettings(
        vocab_size=arguments.vocab_size, train_bytes=arguments.train_bytes, sequence_length=arguments.sequence_length
    )
    show_plans(arguments.pieces, settings)
    with tempfile.TemporaryDirectory() as folder:
        show_training(files, settings, Path(folder))
        show_cutting(files[0], settings, Path(folder))
        show_packing(files, settings, Path(folder))
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def parse_arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--sequence-length", type=int, default=2048)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--train-bytes", type=int, default=8_000_000)
    parser.add_argument("--pieces", type=int, default=1_000_000, help="how many pieces to plan")
    return parser.parse_args()


def show_plans(pieces: int, settings: PackSettings) -> None:
    drawn = np.random.default_rng(0).lognormal(np.log(600), 1.0, pieces).astype(np.int64) + 1
    lengths = np.minimum(drawn, settings.sequence_length)
    for window in WINDOWS:
        seconds = timed(lambda window=window: plan_best_fit(lengths, settings.sequence_length, window))
        row_of_piece, rows = plan_best_fit(lengths, settings.sequence_length, window)
        found = row_statistics(lengths, row_of_piece, rows, settings.sequence_length)
        print(f"plan {pieces:,} pieces, window {window:,}: {median(seconds):.3f} s, padding {found['padding_frac']:.4%}")
        record(
            f"plan-{window}", f"planning rows of {pieces / 1e6:g} M pieces by best fit, window {window:,}", seconds, "s",
            on=f"sequences of {settings.sequence_length:,}; padding {found['padding_frac']:.2%}",
        )  # fmt: skip
    fitting = lengths[drawn <= settings.sequence_length]
    cut = documents_concat_cuts(fitting, settings.sequence_length).mean()
    print(f"concat cuts {cut:.1%} of the documents that fit a sequence, best fit none")


def show_training(files: list[Path], settings: PackSettings, folder: Path) -> None:
    started = time.process_time()
    info = fit_tokenizer(files, settings, folder / "tokenizer.json")
    seconds = time.process_time() - started
    print(f"train {info.vocab_size:,} tokens on {settings.train_bytes / 1e6:.0f} MB: {settings.train_bytes / seconds / 1e6:.2f} MB/s")


def show_cutting(file: Path, settings: PackSettings, folder: Path) -> None:
    tokenizer, info, encoder, table = prepared_tokenizer(folder / "tokenizer.json")
    texts = next(batches_of_bytes(large_strings(pq.read_table(file, columns=["text"])["text"]), ENCODED_BYTES))
    offsets, tokens = encoder.encode(texts)

    def cut() -> None:
        framed_offsets, framed = frame(offsets, tokens, info.bos_id, info.eos_id, np.dtype(np.uint16))
        measured = measure(tokenizer, table, texts, framed_offsets, framed, settings.sequence_length)
        cut_documents(framed_offsets, measured, settings.sequence_length)

    print(f"frame, measure and cut: {len(tokens) / median(timed(cut)) / 1e6:.0f} M tokens/s")


def show_packing(files: list[Path], settings: PackSettings, folder: Path) -> None:
    token_files, totals, started = [], {"documents": 0, "tokens": 0, "text_bytes": 0}, time.process_time()
    for number, file in enumerate(files):
        token_files.append(folder / f"{number}.arrow")
        counts = tokenise_shard(file, folder / "tokenizer.json", settings, token_files[-1])
        totals = {name: totals[name] + counts[name] for name in totals}
    seconds = time.process_time() - started
    print(f"tokenise {totals['documents']:,} documents: {totals['text_bytes'] / seconds / 1e6:.2f} MB/s of text, {totals['tokens']:,} tokens")
    plans = [("best_fit", window) for window in WINDOWS] + [("concat", settings.window)]
    for packing, window in plans:
        changed = dataclasses.replace(settings, packing=packing, window=window)
        started = time.process_time()
        found = write_packed(token_files, folder / "tokenizer.json", changed, "0" * 64, folder / "packed")
        speed = found["tokens"] / (time.process_time() - started) / 1e6
        print(
            f"{packing}, window {window:,}: padding {found['padding_frac']:.4%}, {found['documents_cut']:,} documents cut,"
            f" context {found['context_mean_tokens']:.0f} tokens, {speed:.0f} M tokens/s"
        )
    print(
        f"concat would cut {found['documents_concat_would_cut']:,} of {found['documents']:,} documents,"
        f" {found['documents_concat_would_cut_needlessly']:,} of them needlessly"
    )


if __name__ == "__main__":
    main()
