"""Import of tiktoken's files: lines of a token in base64 and its rank, which is its id.

A tiktoken file holds no pattern and no special tokens; they come from a family that is known by name, or from the user.
tiktoken merges the pair whose result has the lowest rank and takes a pre-token that is a token as it is; tokenizer.json
says the same with a merge for every way to halve a token, in order of rank, and `ignore_merges`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from curation.byte_pairs import BYTE_VALUES, spelling
from curation.pretokens import GPT2_PATTERN, GPT4_PATTERN, ONE_DIGIT_PATTERN
from curation.tokenizer import TokenizerError

END_OF_TEXT = "<|endoftext|>"
# GPT-4o's: words end where lower case turns to upper, and keep their contraction.
_LOWER, _UPPER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}", r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K_PATTERN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Family(NamedTuple):
    """What a tiktoken file leaves out: the pattern, and special tokens with their ids."""

    pattern: str
    specials: dict[str, int]


def _llama3_specials() -> dict[str, int]:
    """The 256 special tokens of Llama 3, from id 128,000."""
    reserved = iter(f"<|reserved_special_token_{number}|>" for number in range(251))
    named = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
    return {named.get(place) or next(reserved): 128_000 + place for place in range(256)}


FAMILIES = {
    "gpt2": Family(GPT2_PATTERN, {END_OF_TEXT: 50256}),
    "cl100k": Family(
        GPT4_PATTERN,
        {END_OF_TEXT: 100257, "<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276},
    ),
    "o200k": Family(O200K_PATTERN, {END_OF_TEXT: 199999, "<|endofprompt|>": 200018}),
    "llama3": Family(GPT4_PATTERN, _llama3_specials()),
    "qwen": Family(ONE_DIGIT_PATTERN, {END_OF_TEXT: 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}),
}


def read_ranks(path: Path) -> dict[bytes, int]:
    """Tokens and their ranks. Raises TokenizerError with the line that is wrong."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TokenizerError(f"{path}: cannot be read ({error.strerror}); name a .tiktoken file") from None
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            token, rank = _token_and_rank(line, f"{path}:{number}")
            if token in ranks or not token:
                raise TokenizerError(f"{path}:{number}: the token {token!r} is {'there twice' if token else 'empty'}; is the file damaged?")
            ranks[token] = rank
    _check_ranks(ranks, path)
    return ranks


def _token_and_rank(line: bytes, place: str) -> tuple[bytes, int]:
    parts = line.split()
    try:
        token, rank = parts
        return base64.b64decode(token, validate=True), int(rank)
    except (ValueError, binascii.Error):
        raise TokenizerError(f"{place}: is not a token in base64 and its rank; name a .tiktoken file") from None


def _check_ranks(ranks: Mapping[bytes, int], path: Path) -> None:
    missing = [byte for byte in range(BYTE_VALUES) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(f"{path}: has no token for byte {missing[0]}; a tiktoken file has all 256. Is it whole?")
    if len(set(ranks.values())) < len(ranks) or min(ranks.values()) < 0:
        raise TokenizerError(f"{path}: two tokens have the same rank, or one is negative; is the file damaged?")


def tokenizer_from_ranks(ranks: Mapping[bytes, int], pattern: str, specials: Mapping[str, int]) -> Tokenizer:
    """The tokenizer of tiktoken's `ranks`. Raises TokenizerError for a special token whose id is taken."""
    taken = {rank: token for token, rank in ranks.items()}
    for name, number in specials.items():
        if number in taken:
            raise TokenizerError(f"special token {name} cannot have the id {number}: {taken[number]!r} has it; the next free one is {max(taken) + 1}")
    vocabulary = {spelling(token): rank for token, rank in ranks.items()} | dict(specials)
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    try:
        return Tokenizer.from_str(json.dumps({
            "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
            "added_tokens": [_added(name, number) for name, number in sorted(specials.items(), key=lambda item: item[1])],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]}, "decoder": byte_level,
            "model": {
                "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                "fuse_unk": False, "byte_fallback": False, "ignore_merges": True, "vocab": vocabulary, "merges": _merges(ranks),
            }}))  # fmt: skip
    except Exception as error:  # tokenizers raises no narrower one
        raise TokenizerError(f"the pattern or the tokens make no tokenizer ({error})") from None


def _added(name: str, number: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": name} | flags


def _merges(ranks: Mapping[bytes, int]) -> list[list[str]]:
    """Every way to make a token of two others, by rank of the token, then of its halves."""
    merges = []
    for token, rank in ranks.items():
        for cut in range(1, len(token)):
            first, second = ranks.get(token[:cut]), ranks.get(token[cut:])
            if first is not None and second is not None:
                merges.append((rank, first, second, token, cut))
    return [[spelling(token[:cut]), spelling(token[cut:])] for *_, token, cut in sorted(merges)]


def special_tokens(names: list[str], first_free: int) -> dict[str, int]:
    """Special tokens as the command line names them: `NAME` gets the next free id, `NAME=ID` its own."""
    specials: dict[str, int] = {}
    for text in names:
        name, number = re.fullmatch(r"(.+?)(?:=(\d+))?", text).groups()
        specials[name] = int(number) if number else max([first_free - 1, *specials.values()]) + 1
    return specials
