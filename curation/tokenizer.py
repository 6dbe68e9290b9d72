"""Tokenizers: train byte-level BPE, load any tokenizer.json, encode a column of texts as `tokenizers` does.

Training is byte-level BPE (Sennrich 2016, Radford 2019) after Llama 3's pre-tokenisation; every text can be encoded,
there is no unknown token. Ties are broken by token id, so the file depends on the texts alone, not on their order: it is
what the trainer of `tokenizers` writes, at three to five times its speed: 17 MB and 32,000 tokens take 2 to 3 s.

Text is only ever text: what spells a special token in a document is encoded as the characters it is made of. `encode` is
the reference, in the threads of `tokenizers`, without the GIL, at about 2 MB/s a core; encoder.py is faster. A text of many
megabytes is encoded in sections cut where pre-tokenisation is known to cut as well: 50 MB in one text take some 2 GB, not 9.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from curation.byte_pairs import BYTE_VALUES, byte_characters, spelling
from curation.merge_training import learn_merges
from curation.pretoken_counts import PreTokenCounts
from curation.pretokens import GPT4_PATTERN, PATTERNS
from curation.shards import whole_file
from rules.text.buffers import large_strings, string_buffers

BEGIN, END, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|pad|>"
SPECIALS = (BEGIN, END, PAD)
LEAST_PAIR_COUNT = 2  # a pair seen once is no pattern

# What published tokenizers call their tokens, in order of preference.
BEGIN_NAMES = (BEGIN, "<|startoftext|>", "<|beginoftext|>", "<｜begin▁of▁sentence｜>", "<s>", "<bos>", "[BOS]", "[CLS]")
END_NAMES = (END, "<|endoftext|>", "<｜end▁of▁sentence｜>", "</s>", "<eos>", "[EOS]", "[SEP]")
PAD_NAMES = (PAD, "<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>", "<｜▁pad▁｜>")

BATCH_BYTES = 4 << 20
SECTION_CHARACTERS = 1 << 18
GROUP_SECTIONS = 16
# A letter before anything else ends a pre-token under the patterns of GPT-2, GPT-4 and Llama 3: letters occur in runs of
# letters only, and no pattern looks back. Letters and others are named, not classes: Unicode versions differ.
_SECTION_END = re.compile(r"[A-Za-z\u5000-\u8fff](?=[\t\n\r -@\[-`{-~\u3001\u3002\uff0c])")


class TokenizerError(ValueError):
    """A tokenizer that cannot be read, trained or used: which, why, and what to do."""


@dataclass(frozen=True)
class TokenizerInfo:
    """What a packer needs to know. `vocab_size` is the largest id + 1; `sha256` is of the file."""

    bos_id: int
    eos_id: int
    pad_id: int
    vocab_size: int
    sha256: str


# ---- training


def train_tokenizer(
    texts: Iterable[pa.Array | Sequence[str]], vocab_size: int, specials: Sequence[str] = SPECIALS
) -> Tokenizer:
    """A byte-level BPE tokenizer of at most `vocab_size` tokens, `specials` first (ids from 0).

    `texts` are batches of texts; fewer tokens come out where the texts have too few repeated pairs. Raises
    TokenizerError when `vocab_size` has no room for the 256 bytes and the specials.
    """
    if vocab_size < BYTE_VALUES + len(specials):
        least = BYTE_VALUES + len(specials)
        raise TokenizerError(f"vocab_size must be at least {least} (256 bytes, {len(specials)} special tokens), got {vocab_size}")
    counts = PreTokenCounts(PATTERNS[GPT4_PATTERN])
    for batch in texts:
        counts.add(batch if isinstance(batch, pa.Array | pa.ChunkedArray) else pa.array(batch, pa.large_string()))
    return _tokenizer(*_trained(counts, vocab_size, specials), specials)


def _trained(counts: PreTokenCounts, vocab_size: int, specials: Sequence[str]) -> tuple[list[str], list[tuple[int, int]]]:
    """The tokens in order (specials, bytes by the characters that stand for them, merged ones) and the merges."""
    bytes_in_order = sorted(range(BYTE_VALUES), key=byte_characters().__getitem__)
    token_of_byte = np.argsort(bytes_in_order) + len(specials)
    spelled = [b""] * len(specials) + [bytes([byte]) for byte in bytes_in_order]
    offsets, data = string_buffers(counts.texts)
    merges = learn_merges(spelled, offsets, token_of_byte[data[: offsets[-1]]], counts.counts, vocab_size, LEAST_PAIR_COUNT)
    return [*specials, *map(spelling, spelled[len(specials) :])], merges


def _tokenizer(tokens: list[str], merges: list[tuple[int, int]], specials: Sequence[str]) -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(tokens[first], tokens[second]) for first, second in merges]))
    split = pre_tokenizers.Split(Regex(GPT4_PATTERN), "isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    if specials:
        tokenizer.add_special_tokens(list(specials))
        tokenizer.post_processor = processors.TemplateProcessing(f"{specials[0]} $A", None, [(specials[0], 0)])
    return tokenizer


# ---- files


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Write tokenizer.json, whole or not at all."""
    with whole_file(Path(path)) as temporary:
        temporary.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")


def looks_like_tokenizer(path: Path) -> bool:
    """Is a file a tokenizer.json, whether it can be used or not?"""
    try:
        record = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(record, dict) and {"added_tokens", "model"} <= record.keys()


def load_tokenizer(path: str | Path) -> tuple[Tokenizer, TokenizerInfo]:
    """Any tokenizer.json, ready to encode documents: nothing is truncated, padded, added or left to chance.

    Raises TokenizerError when the file is missing or damaged, or names no token that ends a document.
    """
    try:
        raw = Path(path).read_bytes()
        record = json.loads(raw)
        added = {token["content"]: token["id"] for token in record["added_tokens"]}
    except OSError as error:
        raise TokenizerError(f"{path}: cannot be read ({error.strerror}); name a tokenizer.json") from None
    except (ValueError, KeyError, TypeError) as error:
        raise TokenizerError(f"{path}: is not a tokenizer.json ({_in_short(error)}); name one, or make one with `gristmill tokenizer`") from None
    bos_id, eos_id, pad_id = _special_ids(added, path)
    try:
        tokenizer = Tokenizer.from_str(json.dumps(_plain(record, {bos_id, eos_id, pad_id})))
    except Exception as error:  # tokenizers raises no narrower one
        raise TokenizerError(f"{path}: is not a tokenizer that can be used ({str(error)[:200]})") from None
    tokenizer.encode_special_tokens = True
    vocab_size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    return tokenizer, TokenizerInfo(bos_id, eos_id, pad_id, vocab_size, hashlib.sha256(raw).hexdigest())


def _in_short(error: Exception) -> str:
    """Why a file is none; never what is in it, which may be megabytes."""
    if isinstance(error, UnicodeDecodeError):
        return "it is binary, no text"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {error}"
    return "its JSON has no added_tokens with content and id"


def _special_ids(added: dict[str, int], path: str | Path) -> tuple[int, int, int]:
    """Begin, end and padding; without a begin token the end token separates, without a padding token it pads."""
    eos_id = _first_of(END_NAMES, added)
    if eos_id is None:
        raise TokenizerError(
            f"{path}: none of its added tokens ends a document (looked for {' '.join(END_NAMES)}); "
            f"add {END} to its added_tokens, or leave the tokenizer out to train one"
        )
    bos_id, pad_id = _first_of(BEGIN_NAMES, added), _first_of(PAD_NAMES, added)
    return eos_id if bos_id is None else bos_id, eos_id, eos_id if pad_id is None else pad_id


def _first_of(names: Sequence[str], added: dict[str, int]) -> int | None:
    return next((added[name] for name in names if name in added), None)


def _plain(record: dict[str, Any], separators: set[int]) -> dict[str, Any]:
    """The tokenizer without what would change a document: templates, truncation, padding, dropout.

    `separators` become special tokens, so that no text can spell one.
    """
    added = [token | {"special": token["special"] or token["id"] in separators} for token in record["added_tokens"]]
    model = record["model"] | ({"dropout": None} if "dropout" in record["model"] else {})
    return record | {"added_tokens": added, "model": model, "post_processor": None, "truncation": None, "padding": None}


# ---- encoding


def encode(tokenizer: Tokenizer, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Token offsets (int64 [docs + 1]) and tokens (uint32): text d is tokens[offsets[d]:offsets[d + 1]].

    Nothing is added, and special tokens spelled in a text are ordinary text. The same ids whatever the threads.
    """
    texts = large_strings(texts)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    counts, tokens = [np.zeros(1, np.int64)], [np.zeros(0, np.uint32)]
    for batch in batches_of_bytes(texts, BATCH_BYTES):
        strings = batch.to_pylist()
        lengths, ids = _encode_long(tokenizer, strings[0]) if len(strings) == 1 else _encode_strings(tokenizer, strings)
        counts.append(lengths)
        tokens.append(ids)
    return np.cumsum(np.concatenate(counts)), np.concatenate(tokens)


def encode_with_spans(tokenizer: Tokenizer, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Where each token of one text starts and ends in characters (int64 [tokens, 2]), and its ids (uint32)."""
    encoding = tokenizer.encode_batch([text], add_special_tokens=False)[0]
    return np.array(encoding.offsets, np.int64).reshape(-1, 2), np.array(encoding.ids, np.uint32)


def batches_of_bytes(texts: pa.LargeStringArray, limit_bytes: int) -> Iterator[pa.LargeStringArray]:
    """Slices of whole texts, in order, each of at most `limit_bytes` or of one text."""
    ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False), dtype=np.int64)
    first, taken = 0, 0
    while first < len(texts):
        stop = max(first + 1, int(np.searchsorted(ends, taken + limit_bytes, side="right")))
        yield texts.slice(first, stop - first)
        first, taken = stop, int(ends[stop - 1])


def _encode_strings(tokenizer: Tokenizer, strings: list[str]) -> tuple[np.ndarray, np.ndarray]:
    encodings = tokenizer.encode_batch_fast(strings, add_special_tokens=False)
    lengths = np.array([len(encoding) for encoding in encodings], np.int64)
    ids = itertools.chain.from_iterable(encoding.ids for encoding in encodings)
    return lengths, np.fromiter(ids, np.uint32, int(lengths.sum()))


def _encode_long(tokenizer: Tokenizer, string: str) -> tuple[np.ndarray, np.ndarray]:
    """As _encode_strings for one string, a group of sections at a time."""
    if len(string) <= SECTION_CHARACTERS or not _splits_at_words(tokenizer):
        return _encode_strings(tokenizer, [string])
    sections = list(_string_sections(string))
    groups = [sections[first : first + GROUP_SECTIONS] for first in range(0, len(sections), GROUP_SECTIONS)]
    ids = np.concatenate([_encode_strings(tokenizer, group)[1] for group in groups])
    return np.array([len(ids)]), ids


def _string_sections(string: str) -> Iterator[str]:
    first = 0
    while len(string) - first > SECTION_CHARACTERS:
        found = _SECTION_END.search(string, first + SECTION_CHARACTERS)
        if found is None:
            break
        yield string[first : found.end()]
        first = found.end()
    yield string[first:]


def _splits_at_words(tokenizer: Tokenizer) -> bool:
    """Is the pre-tokenisation GPT-2's or Llama 3's, with nothing before it that could join what a section cuts?"""
    if tokenizer.normalizer is not None or tokenizer.pre_tokenizer is None or not _only_special_added(tokenizer):
        return False
    state = json.loads(tokenizer.pre_tokenizer.__getstate__())
    if state["type"] == "ByteLevel":
        return state["use_regex"] and not state["add_prefix_space"]
    steps = state.get("pretokenizers", [])
    split, to_bytes = (steps[0], steps[-1]) if len(steps) == 2 else ({}, {})
    is_ours = split.get("pattern") == {"Regex": GPT4_PATTERN} and split["behavior"] == "Isolated" and not split["invert"]
    return is_ours and to_bytes["type"] == "ByteLevel" and not to_bytes["add_prefix_space"]


def _only_special_added(tokenizer: Tokenizer) -> bool:
    """Special tokens are never looked for in texts; an added token that is not special may span words."""
    return all(token.special for token in tokenizer.get_added_tokens_decoder().values())
