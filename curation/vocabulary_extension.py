"""More tokens for a tokenizer that is there: learned from new texts, appended after all it has.

As Llama 3 put 28,000 tokens for other languages on top of tiktoken's 100,000: texts are encoded with the tokenizer as it
is, and byte-pair encoding goes on from those tokens. Old tokens keep their ids and old merges their ranks, so what is encoded
changes only where a new token fits; embeddings of old tokens stay valid.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer

from curation.byte_pairs import byte_values, spelling
from curation.encoder import FastEncoder, UnknownTokenizer, kernel_plan
from curation.merge_training import learn_merges
from curation.pretoken_counts import PreTokenCounts
from curation.tokenizer import LEAST_PAIR_COUNT, TokenizerError


def extend_tokenizer(tokenizer: Tokenizer, texts: Iterable[pa.Array | pa.ChunkedArray], add: int) -> Tokenizer:
    """`tokenizer` with at most `add` more tokens; fewer where the texts have too few repeated pairs.

    Raises TokenizerError for a tokenizer that is not byte-level BPE after GPT-2's, GPT-4's or Llama 3's pre-tokenisation.
    """
    record = json.loads(tokenizer.to_str())
    try:
        plan = kernel_plan(record)
        encoder = FastEncoder(plan)
    except UnknownTokenizer as reason:
        raise TokenizerError(f"this tokenizer cannot be extended: {reason}") from None
    counts = PreTokenCounts(plan.pattern)
    for batch in texts:
        counts.add(batch)
    spelled = spelled_tokens(record)
    old = len(spelled)
    merges = learn_merges(spelled, *encoder.encode(counts.texts), counts.counts, old + add, LEAST_PAIR_COUNT)
    return Tokenizer.from_str(json.dumps(_extended(record, spelled, old, merges)))


def spelled_tokens(record: dict[str, Any]) -> list[bytes]:
    """The bytes of every token of a byte-level tokenizer.json by its id; empty for special tokens and ids without one."""
    vocabulary, values = record["model"]["vocab"], byte_values()
    special = {token["id"] for token in record["added_tokens"]}
    spelled = [b""] * (max([*vocabulary.values(), *special]) + 1)
    for token, number in vocabulary.items():
        if number not in special and values.keys() >= set(token):
            spelled[number] = bytes(map(values.__getitem__, token))
    return spelled


def _extended(record: dict[str, Any], spelled: list[bytes], old: int, merges: list[tuple[int, int]]) -> dict[str, Any]:
    model = record["model"]
    new = {spelling(spelled[number]): number for number in range(old, len(spelled))}
    if new.keys() & model["vocab"].keys():
        raise TokenizerError(f"special tokens are spelled like words of the texts: {' '.join(new.keys() & model['vocab'].keys())}; give them other names")
    vocabulary = model["vocab"] | new
    pairs = [[spelling(spelled[first]), spelling(spelled[second])] for first, second in merges]
    known = {tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]}
    return record | {"model": model | {"vocab": vocabulary, "merges": [*model["merges"], *(p for p in pairs if tuple(p) not in known)]}}
