"""spaCy's tokenizer for chunks of text: what it makes of each, and what of that depends on the chunks around it.

spaCy splits every chunk between white space by itself. Only its last step looks further: it matches special cases such
as ":)" against the tokens of the whole text, longest first, and a match hides those that it overlaps. A match across
white space changes nothing itself, as no special case contains any, but it may hide a match within a chunk. That takes
a chunk with such a match (CHANGED), one space between it and its neighbour, and tokens on both sides of the space that
can go on with each other in a special case (TAIL before it, HEAD after it). Chunks so linked are split together.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from rules.splitters.chunk_memo import Entries
from rules.splitters.spacy_affixes import KIND_BITS, affix_table
from rules.splitters.spacy_facts import CHANGED, END, HEAD, OTHER, PUNCTUATION, TAIL, sentence_step
from rules.text.kernels import kernel

LONGEST_SUFFIX = 64  # characters; those of spaCy 3.8 have five at most


class Tokenizers(NamedTuple):
    """spaCy's English tokenizer, and what its special cases are made of (as numbers of spaCy's string store)."""

    memory_zone: Callable[[], contextlib.AbstractContextManager[Any]]
    whole: Callable[[str], Any]  # as datatrove calls it
    unmatched: Callable[[str], Any]  # the same without the last step
    changing: np.ndarray  # tokens that the last step may have made
    affixes: np.ndarray  # of chunks that need no spaCy: `affix_table`
    cases: tuple[str, ...]  # special cases, and tokens that one is made of
    tails: np.ndarray  # tokens that another one follows in a special case
    heads: np.ndarray  # tokens that follow another one in a special case
    ends: np.ndarray  # tokens that end a sentence


class _Tokens(NamedTuple):
    """The tokens of some chunks: UTF-8 bytes text[begins[t]:ends[t]]; chunk k has those from first[k] to first[k + 1]."""

    text: np.ndarray
    orths: np.ndarray
    punctuation: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    first: np.ndarray


@functools.cache
def tokenizers() -> Tokenizers:
    """spaCy's English pipeline as datatrove builds it."""
    import spacy
    from spacy.attrs import IS_PUNCT, IS_SPACE, ORTH
    from spacy.vocab import Vocab

    pipeline: Any = spacy.blank("en")
    original, getters = pipeline.tokenizer, pipeline.vocab.lex_attr_getters
    vocab = Vocab(lex_attr_getters={name: getters[name] for name in (IS_PUNCT, IS_SPACE)})  # all else takes half the time
    whole, strings = type(original)(vocab, rules=original.rules, **_parts(original)), vocab.strings
    whole.suffix_search = near_end(original.suffix_search)
    vocab["IS_ALPHA"]  # spaCy's first symbol: as a word first seen in a memory zone it fails in the next one
    cases = _matched_cases(whole)
    changing = {case: rule for case, rule in whole.rules.items() if case in cases and [token[ORTH] for token in rule] != cases[case]}
    numbers = functools.partial(_numbers, strings.add)
    tails = {token for tokens in cases.values() for token in tokens[:-1]}
    heads = {token for tokens in cases.values() for token in tokens[1:]}
    ends = pipeline.add_pipe("sentencizer").punct_chars

    def facts(mark: str) -> int:
        kind = END if mark in ends else PUNCTUATION if vocab[mark].is_punct else OTHER
        return kind << KIND_BITS | (HEAD if mark in heads else 0) | (TAIL if mark in tails else 0)

    return Tokenizers(
        memory_zone=vocab.memory_zone,
        whole=whole,
        unmatched=_without_matcher(whole),
        affixes=affix_table(original.prefix_search, original.suffix_search, facts),
        cases=tuple(sorted({case for case in whole.rules if not case.isspace()}.union(*cases.values()))),
        changing=numbers(rule[0][ORTH] for rule in changing.values()),
        tails=numbers(tails),
        heads=numbers(heads),
        ends=numbers(ends),
    )


def near_end(search: Callable[..., object]) -> Callable[[str], object]:
    """`search` for a suffix that looks no further back than it must, so that a long chunk does not take time squared.

    Suffixes are a few characters long, but for dots; what stands before them may be anything."""

    def search_end(text: str) -> object:
        begin = len(text) - LONGEST_SUFFIX
        return search(text) if begin <= 0 else search(text, min(begin, len(text.rstrip("."))))

    return search_end


def _numbers(add: Callable[[str], int], tokens: Iterable[str]) -> np.ndarray:
    return np.array(sorted({add(token) for token in tokens}), np.uint64)


def _parts(tokenizer: Any) -> dict[str, Any]:
    """What a tokenizer is made of but for its special cases."""
    names = ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match")
    return {name: getattr(tokenizer, name) for name in names}


def _matched_cases(tokenizer: Any) -> dict[str, list[str]]:
    """The special cases that are several tokens to the affix rules alone."""
    plain = type(tokenizer)(tokenizer.vocab, rules={}, **_parts(tokenizer))
    found = {case: [token.text for token in plain(case)] for case in tokenizer.rules}
    return {case: tokens for case, tokens in found.items() if len(tokens) > 1}


def _without_matcher(tokenizer: Any) -> Callable[[str], Any]:
    """A copy of `tokenizer` that leaves its last step out.

    A special case is left to that step only if an affix rule finds something in it while the tokenizer is made, so
    until then no affix rule finds anything."""
    ready: list[bool] = []

    def later(search: Callable[[str], object], nothing: object) -> Callable[[str], object]:
        return lambda text: search(text) if ready else nothing

    parts = _parts(tokenizer)
    for name in ("prefix_search", "suffix_search", "infix_finditer"):
        parts[name] = later(parts[name], () if name == "infix_finditer" else None)
    copy: Callable[[str], Any] = type(tokenizer)(tokenizer.vocab, rules=tokenizer.rules, **parts)
    ready.append(True)
    return copy


def split_chunks(chunks: bytes) -> Entries:
    """What spaCy makes of `chunks`, with a line feed between each two."""
    made = tokenizers()
    text = readable(chunks)
    with made.memory_zone():
        tokens = _tokens(made.whole, text)
        firsts, lasts = tokens.orths[tokens.first[:-1]], tokens.orths[tokens.first[1:] - 1]
        flags = np.zeros(len(firsts), np.uint32)
        candidates = np.unique(np.searchsorted(tokens.first, np.flatnonzero(np.isin(tokens.orths, made.changing)), "right") - 1)
        if len(candidates):
            pieces = text.split("\n")
            raw = _tokens(made.unmatched, "\n".join([pieces[k] for k in candidates]))
            flags[candidates] = np.where(_differ(tokens, raw, candidates), CHANGED, 0)
            firsts[candidates], lasts[candidates] = raw.orths[raw.first[:-1]], raw.orths[raw.first[1:] - 1]
    flags |= np.where(np.isin(lasts, made.tails), TAIL, 0).astype(np.uint32)
    flags |= np.where(np.isin(firsts, made.heads), HEAD, 0).astype(np.uint32)
    kinds = np.where(np.isin(tokens.orths, made.ends), END, np.where(tokens.punctuation, PUNCTUATION, OTHER)).astype(np.uint8)
    words, offsets, steps = join_tokens(tokens.text, tokens.begins, tokens.ends, kinds, tokens.first)
    return Entries(words, offsets, np.column_stack([flags, steps]))


@kernel
def gathered(data: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The chunks data[begins[k]:ends[k]] with a line feed between each two."""
    out, position = np.empty((ends - begins).sum() + begins.size - 1, np.uint8), 0
    for k in range(begins.size):
        if k > 0:
            out[position] = 10
            position += 1
        for i in range(begins[k], ends[k]):
            out[position] = data[i]
            position += 1
    return out


def readable(raw: bytes) -> str:
    """UTF-8 with U+FFFD for each byte that starts no character, as kernels read it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="surrogateescape")
        return text.translate(dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd"))


def _tokens(tokenizer: Callable[[str], Any], text: str) -> _Tokens:
    """The tokens of the chunks of `text`, which line feeds divide."""
    from spacy.attrs import IS_PUNCT, IS_SPACE, LENGTH, ORTH, SPACY

    orths, sizes, spaces, punctuation, breaks = tokenizer(text).to_array([ORTH, LENGTH, SPACY, IS_PUNCT, IS_SPACE]).T
    data = np.frombuffer(text.encode(), np.uint8)
    places = np.append(np.flatnonzero(data & 0xC0 != 0x80), data.size)  # of each character
    ends = np.cumsum(sizes + spaces).astype(np.int64) - spaces.astype(np.int64)
    begins, kept = ends - sizes.astype(np.int64), breaks == 0
    first = np.concatenate([[0], np.cumsum(kept)[~kept], [kept.sum()]])
    return _Tokens(data, orths[kept], punctuation[kept] != 0, places[begins[kept]], places[ends[kept]], first)


def _differ(tokens: _Tokens, raw: _Tokens, chunks: np.ndarray) -> np.ndarray:
    """bool [chunks]: whether chunk chunks[k] of `tokens` is something else in `raw`, where it is chunk k."""
    pairs = zip(tokens.first[chunks], tokens.first[chunks + 1], raw.first[:-1], raw.first[1:])
    return np.array([not np.array_equal(tokens.orths[a:b], raw.orths[i:j]) for a, b, i, j in pairs], bool)


@kernel
def join_tokens(
    text: np.ndarray, begins: np.ndarray, ends: np.ndarray, kinds: np.ndarray, first: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tokens of each chunk with single spaces between them: bytes, offsets, and its two sentence steps."""
    chunks = first.size - 1
    out, offsets, steps = np.empty(text.size + begins.size, np.uint8), np.zeros(chunks + 1, np.int64), np.empty((chunks, 2), np.uint32)
    position = 0
    for k in range(chunks):
        for t in range(first[k], first[k + 1]):
            if t > first[k]:
                out[position] = 32
                position += 1
            for i in range(begins[t], ends[t]):
                out[position] = text[i]
                position += 1
        offsets[k + 1] = position
        for state in range(2):
            steps[k, state] = sentence_step(kinds[first[k] : first[k + 1]], state)
    return out, offsets, steps
