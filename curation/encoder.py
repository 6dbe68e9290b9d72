"""Texts to tokens, at Arrow's speed: the same ids as `tokenizers`, each distinct pre-token encoded once.

    FastEncoder        one kernel: pre-tokens (pretokens.py), looked up in a memo (token_memo.py), else merged (byte_pairs.py)
    ReferenceEncoder   `tokenizers` itself, for tokenizers whose parts the kernel does not know, and to compare with

`encoder_for` chooses, and says why where it cannot be the fast one. What spells a special token is ordinary text to both.
The memo lives as long as its encoder, which the packing stage keeps for the process, so shards share it: some
30 MB/s a core on new text and 70 MB/s where nearly all pre-tokens are known, 14 and 29 times `tokenizers`; memory is 4 times
the batch, and 64 to 180 MB.
"""

from __future__ import annotations

import json
import threading
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from curation.byte_pairs import SHORT, Merges, byte_values, merge_long, merge_short, merges_of, pair_bits
from curation.pack_settings import EncoderKind
from curation.pretokens import GPT2_PATTERN, PATTERNS, PreTokenPattern, pretoken_classes, pretoken_end
from curation.token_memo import (
    ENTRIES,
    INLINE_TOKENS,
    IS_FULL,
    MOST_BYTES,
    TokenMemo,
    cleared,
    empty_memo,
    find_pretoken,
    memo_key,
    recall,
    remember,
    remember_all,
    slot_bits_of,
)
from curation.tokenizer import encode
from rules.text.kernels import kernel, kernel_bytes, kernel_texts, unowned


class Encoder(Protocol):
    """Encodes columns of texts. `slow_because` says why it is not the fast one; empty where it is, or was not asked for."""

    kind: EncoderKind
    slow_because: str

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """Token offsets (int64 [docs + 1]) and tokens (uint32): text d is tokens[offsets[d]:offsets[d + 1]]."""
        ...


def encoder_for(tokenizer: Tokenizer, kind: EncoderKind = "fast") -> Encoder:
    """The encoder asked for; the reference with its `slow_because` where the fast one does not know the tokenizer."""
    if kind == "reference":
        return ReferenceEncoder(tokenizer)
    try:
        return FastEncoder(kernel_plan(json.loads(tokenizer.to_str())))
    except UnknownTokenizer as reason:
        return ReferenceEncoder(tokenizer, str(reason))


class ReferenceEncoder:
    """`tokenizers`, in its own threads."""

    kind: EncoderKind = "reference"

    def __init__(self, tokenizer: Tokenizer, slow_because: str = ""):
        self._tokenizer, self.slow_because = tokenizer, slow_because

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        return encode(self._tokenizer, texts)


# ---- the fast encoder


class UnknownTokenizer(ValueError):
    """A tokenizer with a part that the kernel does not do: which one."""


class KernelPlan(NamedTuple):
    """What the kernel needs of a tokenizer. `whole`: tokens that pre-tokens are looked up in before anything is merged."""

    pattern: PreTokenPattern
    merges: Merges
    whole: dict[bytes, int]


class FastEncoder:
    """The kernel and its memo. Threads take turns."""

    kind: EncoderKind = "fast"
    slow_because = ""

    def __init__(self, plan: KernelPlan, slot_bits: int | None = None):
        self._plan, self._lock = plan, threading.Lock()
        self._whole = _joined(plan.whole)
        self._memo = self._with_whole(empty_memo() if slot_bits is None else empty_memo(slot_bits))

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        offsets, data = kernel_texts(texts)
        out = np.empty(int(offsets[-1] - offsets[0]) + INLINE_TOKENS, np.uint32)  # a token has at least one byte
        ends = np.zeros(len(offsets), np.int64)
        with self._lock:
            if self._memo.state[IS_FULL]:
                self._memo = self._with_whole(cleared(self._memo))
            encode_texts(offsets, data, pretoken_classes(), *self._plan.pattern, *self._plan.merges, *self._memo, out, ends)
        return ends, out[: ends[-1]]

    def _with_whole(self, memo: TokenMemo) -> TokenMemo:
        remember_all(*self._whole, *memo)
        if memo.state[ENTRIES] < len(self._plan.whole):
            raise UnknownTokenizer("its vocabulary is too large for the memo")
        return memo


def _joined(whole: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, whole)])
    return *kernel_bytes(offsets, np.frombuffer(b"".join(whole), np.uint8)), np.array(list(whole.values()), np.uint32)


@kernel
def encode_texts(
    offsets, data, classes, is_gpt2, most_digits, byte_tokens, byte_pairs, pair_slots, slots, keys, long_tokens, state, out, ends
):  # fmt: skip
    """Tokens of all texts to `out` and where each text ends to ends[1:]."""
    tokens, pairs = np.empty(SHORT, np.uint32), np.empty(SHORT, np.uint64)
    memo_bits, bits, at = slot_bits_of(slots), pair_bits(pair_slots), 0
    for d in range(offsets.size - 1):
        at = encode_text(
            unowned(data), offsets[d], offsets[d + 1], unowned(classes), is_gpt2, most_digits, unowned(byte_tokens),
            unowned(byte_pairs), unowned(pair_slots), bits, unowned(slots), memo_bits, unowned(keys), unowned(long_tokens),
            unowned(state), unowned(tokens), unowned(pairs), unowned(out), at)  # fmt: skip
        ends[d + 1] = at


@kernel
def encode_text(
    data, i, end, classes, is_gpt2, most_digits, byte_tokens, byte_pairs, pair_slots, bits, slots, memo_bits, keys,
    long_tokens, state, tokens, pairs, out, at,
):  # fmt: skip
    """Tokens of data[i:end] to out[at:]; returns where they end."""
    while i < end:
        stop = pretoken_end(data, i, end, classes, is_gpt2, most_digits)
        low, high = memo_key(data, i, stop)
        place, found = find_pretoken(data, i, stop, low, high, slots, memo_bits, keys)
        if found:
            at = recall(place, high, slots, long_tokens, out, at)
        elif stop - i <= SHORT:
            count = merge_short(data, i, stop, byte_tokens, byte_pairs, pair_slots, bits, tokens, pairs)
            for k in range(count):
                out[np.uint64(at + k)] = tokens[np.uint64(k)]
            remember(data, i, stop, low, high, place, tokens, count, MOST_BYTES, slots, keys, long_tokens, state)
            at += count
        else:
            merged = np.empty(stop - i, np.uint32)
            count = merge_long(data, i, stop, byte_tokens, byte_pairs, pair_slots, merged)
            out[at : at + count] = merged[:count]
            remember(data, i, stop, low, high, place, merged, count, MOST_BYTES, slots, keys, long_tokens, state)
            at += count
        i = stop
    return at


# ---- what the kernel knows


def kernel_plan(record: dict[str, Any]) -> KernelPlan:
    """The plan for a tokenizer.json. Raises UnknownTokenizer for one with a part that the kernel does not do."""
    if record.get("normalizer") is not None:
        raise UnknownTokenizer(f"its normalizer, {record['normalizer'].get('type')}, changes texts")
    if any(not token["special"] for token in record["added_tokens"]):
        raise UnknownTokenizer("it has added tokens that are not special")
    pattern, model = _pattern(record.get("pre_tokenizer") or {}), record["model"]
    problem = _model_problem(model)
    if problem:
        raise UnknownTokenizer(problem)
    try:
        merges = merges_of(model)
    except KeyError as error:
        raise UnknownTokenizer(f"its vocabulary lacks {error}") from None
    return KernelPlan(pattern, merges, _spelled(model["vocab"]) if model.get("ignore_merges") else {})


def _pattern(pre_tokenizer: dict[str, Any]) -> PreTokenPattern:
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    to_bytes = steps[-1]
    if to_bytes.get("type") != "ByteLevel" or to_bytes.get("add_prefix_space"):
        raise UnknownTokenizer("it is not byte-level, or puts a space before texts")
    if len(steps) == 1 and to_bytes["use_regex"]:
        return PATTERNS[GPT2_PATTERN]
    split = steps[0]
    # The patterns match every character, so to remove what is no match is to keep the matches.
    keeps = split.get("type") == "Split" and (split["behavior"], split["invert"]) in (("Isolated", False), ("Removed", True))
    if len(steps) == 2 and keeps and not to_bytes["use_regex"] and split["pattern"].get("Regex") in PATTERNS:
        return PATTERNS[split["pattern"]["Regex"]]
    raise UnknownTokenizer("its pre-tokenisation is not GPT-2's, GPT-4's or Llama 3's")


def _model_problem(model: dict[str, Any]) -> str:
    if model["type"] != "BPE":
        return f"its model is {model['type']}, not BPE"
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(name):
            return f"its model has {name}"
    return ""


def _spelled(vocabulary: dict[str, int]) -> dict[bytes, int]:
    """The tokens of a byte-level vocabulary by their bytes; those that no text can spell are left out."""
    values = byte_values()
    return {bytes(map(values.__getitem__, token)): number for token, number in vocabulary.items() if token and values.keys() >= set(token)}
