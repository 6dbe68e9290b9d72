"""Encoding speed: MB/s with a cold and a warm memo beside tokenizers, tiktoken where it is installed, and whether ids are equal.

    python -m benchmarks.encode [PARQUET FILES OR FOLDERS] [--tokenizer tokenizer.json] [--column text] [--vocab-size 32768]

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
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import pyarrow as pa
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from benchmarks.documents import megabytes, options, parquet_files, texts_of
from benchmarks.figures import RUNS, in_turns, median, named, rates, record, timed
from curation.encoder import encoder_for
from curation.pretokens import GPT4_PATTERN
from curation.tokenizer import SPECIALS, batches_of_bytes, encode, load_tokenizer, save_tokenizer, train_tokenizer
from curation.vocabulary_extension import spelled_tokens

BATCH_BYTES = 16 << 20  # as the packing stage does
MEMO = {"cold": "an encoder that has seen nothing", "warm": "the same texts again"}


def main() -> None:
    arguments = parse_arguments()
    columns = [texts_of([file], arguments.column) for file in parquet_files(arguments.paths)]
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.tokenizer or trained(columns[0], arguments.vocab_size, Path(folder))
        tokenizer, info = load_tokenizer(path)
    print(f"{sum(map(len, columns)):,} documents, {sum(map(megabytes, columns)):.1f} MB; {info.vocab_size:,} tokens")
    show_encoding(tokenizer, columns)
    show_tiktoken(tokenizer, columns[0])
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def parse_arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--vocab-size", type=int, default=32_768)
    return parser.parse_args()


def trained(texts: pa.LargeStringArray, vocab_size: int, folder: Path) -> Path:
    train_tokenizer([texts.slice(0, 10)], 300)
    made: dict[str, Tokenizer] = {}
    strings = texts.to_pylist()
    ours = timed(lambda: made.update(ours=train_tokenizer([texts], vocab_size)), warm=False)
    theirs = timed(lambda: made.update(theirs=train_with_tokenizers(strings, vocab_size)), min(2, RUNS), warm=False)
    print(
        f"train {vocab_size:,} tokens on {megabytes(texts):.1f} MB: {median(ours):.2f} s, tokenizers {median(theirs):.2f} s ({median(theirs) / median(ours):.1f} times);"
        f" the merges are {'equal' if merges_of(made['ours']) == merges_of(made['theirs']) else 'DIFFERENT'}"
    )
    record("train-tokenizer", f"training a tokenizer of {vocab_size:,} tokens, the same merges", ours, "s", peer=named("tokenizers"), theirs=theirs, on=f"{megabytes(texts):.1f} MB")
    save_tokenizer(made["ours"], folder / "tokenizer.json")
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
    size, ids, encoders = sum(map(megabytes, columns)), {}, [encoder]

    def cold() -> None:
        encoders[0] = encoder_for(tokenizer)
        ids["cold"] = encoded(encoders[0].encode, columns)

    seconds = in_turns({"cold": cold, "warm": lambda: ids.update(warm=encoded(encoders[0].encode, columns))})
    seconds["tokenizers"] = timed(lambda: ids.update(tokenizers=encoded(lambda texts: encode(tokenizer, texts), columns)), 1, warm=False)
    speeds = {name: rates(size, each) for name, each in seconds.items()}
    for name in ("cold", "warm"):
        ratio = median(speeds[name]) / median(speeds["tokenizers"])
        same = all(np.array_equal(ours, theirs) for ours, theirs in zip(ids[name], ids["tokenizers"]))
        print(f"{name} memo: {median(speeds[name]):.1f} MB/s, {ratio:.1f} times tokenizers; ids {'equal' if same else 'DIFFERENT'} on all texts")
        record(
            f"encode-{name}", f"encoding, {MEMO[name]}, ids {'equal' if same else 'DIFFERENT'}", speeds[name], "MB/s", peer=named("tokenizers"),
            theirs=speeds["tokenizers"], on=f"{sum(map(len, columns)):,} documents, {size:.1f} MB",
        )  # fmt: skip
    print(f"tokenizers: {median(speeds['tokenizers']):.2f} MB/s; {sum(len(part) for part in ids['cold'][1::2]):,} tokens")


def encoded(encode_texts, columns: list[pa.LargeStringArray]) -> list[np.ndarray]:
    """Offsets and ids batch by batch."""
    return [part for texts in columns for batch in batches_of_bytes(texts, BATCH_BYTES) for part in encode_texts(batch)]


def show_tiktoken(tokenizer: Tokenizer, texts: pa.LargeStringArray) -> None:
    """tiktoken's speed with the same tokens on at most 4 MB; its ids may differ where a tokenizer was not made for it."""
    try:
        import tiktoken
    except ImportError:
        return
    spelled = spelled_tokens(json.loads(tokenizer.to_str()))
    encoding = tiktoken.Encoding("x", pat_str=GPT4_PATTERN, mergeable_ranks={t: n for n, t in enumerate(spelled) if t}, special_tokens={})
    part = next(batches_of_bytes(texts, 4 << 20))
    strings = part.to_pylist()
    speeds = rates(megabytes(part), timed(lambda: [encoding.encode_ordinary(string) for string in strings]))
    print(f"tiktoken: {median(speeds):.1f} MB/s")
    encoder = encoder_for(tokenizer)
    record(
        "encode-tiktoken", "encoding, words seen before in a memo", rates(megabytes(part), timed(lambda: encoder.encode(part))), "MB/s",
        peer=named("tiktoken"), theirs=speeds, on=f"{len(part):,} documents, {megabytes(part):.1f} MB",
    )  # fmt: skip


if __name__ == "__main__":
    main()
