"""Encoding speed: MB/s with a cold and a warm memo beside tokenizers, tiktoken where it is installed, and whether ids are equal.

    python -m benchmarks.encode TEXTS.parquet ... [--tokenizer tokenizer.json] [--column text] [--vocab-size 32768]

Without a tokenizer, one is trained on the first file (and its training timed beside that of tokenizers). Every figure is
processor time of one thread, so other work on the machine matters less. Cold: an encoder that has seen nothing encodes all
files, one after the other. Warm: the same encoder encodes them again. tokenizers gets Python strings that are there
already, each text on its own, and its ids are compared with ours over all texts. Texts that spell special tokens are
encoded as text by both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from curation.encoder import encoder_for
from curation.pretokens import GPT4_PATTERN
from curation.tokenizer import SPECIALS, batches_of_bytes, encode, load_tokenizer, save_tokenizer, train_tokenizer
from curation.vocabulary_extension import spelled_tokens
from rules.buffers import large_strings

BATCH_BYTES = 16 << 20  # as the packing stage does


def main() -> None:
    arguments = parse_arguments()
    columns = [large_strings(pq.read_table(file, columns=[arguments.column])[arguments.column]) for file in arguments.files]
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.tokenizer or trained(columns[0], arguments.vocab_size, Path(folder))
        tokenizer, info = load_tokenizer(path)
    print(f"{sum(map(len, columns)):,} documents, {sum(map(megabytes, columns)):.1f} MB; {info.vocab_size:,} tokens")
    show_encoding(tokenizer, columns)
    show_tiktoken(tokenizer, columns[0])
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="Parquet files")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--vocab-size", type=int, default=32_768)
    return parser.parse_args()


def megabytes(texts: pa.Array) -> float:
    return (pc.sum(pc.binary_length(texts)).as_py() or 0) / 1e6


def trained(texts: pa.LargeStringArray, vocab_size: int, folder: Path) -> Path:
    train_tokenizer([texts.slice(0, 10)], 300)
    started = time.process_time()
    ours = train_tokenizer([texts], vocab_size)
    seconds = time.process_time() - started
    strings, started = texts.to_pylist(), time.process_time()
    theirs = train_with_tokenizers(strings, vocab_size)
    other = time.process_time() - started
    print(
        f"train {vocab_size:,} tokens on {megabytes(texts):.1f} MB: {seconds:.2f} s, tokenizers {other:.2f} s ({other / seconds:.1f} times);"
        f" the merges are {'equal' if merges_of(ours) == merges_of(theirs) else 'DIFFERENT'}"
    )
    save_tokenizer(ours, folder / "tokenizer.json")
    return folder / "tokenizer.json"


def train_with_tokenizers(strings: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(GPT4_PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(strings, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False, initial_alphabet=alphabet))  # fmt: skip
    return tokenizer


def merges_of(tokenizer: Tokenizer) -> list[list[str]]:
    return json.loads(tokenizer.to_str())["model"]["merges"]


def show_encoding(tokenizer: Tokenizer, columns: list[pa.LargeStringArray]) -> None:
    encoder_for(tokenizer).encode(pa.array(["compiled before the clock starts, it's 2048"]))
    encoder = encoder_for(tokenizer)
    if encoder.kind != "fast":
        print(f"the fast encoder does not know this tokenizer: {encoder.slow_because}")
        return
    size = sum(map(megabytes, columns))
    seconds, ids = {}, {}
    for memo in ("cold", "warm"):
        seconds[memo], ids[memo] = timed(encoder.encode, columns)
    seconds["tokenizers"], ids["tokenizers"] = timed(lambda texts: encode(tokenizer, texts), columns)
    for name in ("cold", "warm"):
        ratio = seconds["tokenizers"] / seconds[name]
        same = all(np.array_equal(ours, theirs) for ours, theirs in zip(ids[name], ids["tokenizers"]))
        print(f"{name} memo: {size / seconds[name]:.1f} MB/s, {ratio:.1f} times tokenizers; ids {'equal' if same else 'DIFFERENT'} on all texts")
    print(f"tokenizers: {size / seconds['tokenizers']:.2f} MB/s; {sum(len(part) for part in ids['cold'][1::2]):,} tokens")


def timed(encode_texts, columns: list[pa.LargeStringArray]) -> tuple[float, list[np.ndarray]]:
    """Seconds of processor time, and offsets and ids batch by batch."""
    found: list[np.ndarray] = []
    started = time.process_time()
    for texts in columns:
        for batch in batches_of_bytes(texts, BATCH_BYTES):
            found += encode_texts(batch)
    return time.process_time() - started, found


def show_tiktoken(tokenizer: Tokenizer, texts: pa.LargeStringArray) -> None:
    """tiktoken's speed with the same tokens on at most 4 MB; its ids may differ where a tokenizer was not made for it."""
    try:
        import tiktoken
    except ImportError:
        return
    spelled = spelled_tokens(json.loads(tokenizer.to_str()))
    encoding = tiktoken.Encoding("x", pat_str=GPT4_PATTERN, mergeable_ranks={t: n for n, t in enumerate(spelled) if t}, special_tokens={})
    part = next(batches_of_bytes(texts, 4 << 20))
    strings, started = part.to_pylist(), time.process_time()
    for string in strings:
        encoding.encode_ordinary(string)
    print(f"tiktoken: {megabytes(part) / (time.process_time() - started):.1f} MB/s")


if __name__ == "__main__":
    main()
