"""Signatures equal, byte for byte, to those of other tools, so that an index made with them goes on being used.

    datasketch         MinHash of datasketch 2 as it comes: SHA-1, scheme affine32 (bits: 64 for affine64)
    datasketch_legacy  MinHash of datasketch before 2, scheme legacy: entries of 32 bits held in 64
    datatrove          MinhashDedupSignature as it comes: its simplified text, spaCy's English words, xxHash64
    datatrove_space    the same with words between white space
datasketch hashes what it is given: here, the UTF-8 of `ngram` normalised words with single spaces between them, or of
`ngram` normalised characters. datatrove's arithmetic is (a * x + b) mod 2**64 mod 2**61 - 1.

SHA-1 is nearly all of the time of datasketch's: some 25 MB/s a core, where datatrove has 60 and datatrove_space 75.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curation.character_hashes import normalised_texts
from curation.hash_functions import sha1_start, xxh64
from curation.minhash import (
    MERSENNE,
    PADDING,
    MinHashSettings,
    lower_minima,
    mixed_32,
    mixed_64,
    pad_block,
    permutations,
)
from curation.simplified import simplified_texts
from curation.word_hashes import ONE, kernel_texts
from rules.text.kernels import kernel

BLOCK = 4096  # shingles hashed before the minima are lowered
LOW_HALF = (1 << 32) - 1
SPACE = np.uint8(32)


def compatible_signatures(texts: pa.Array | pa.ChunkedArray, settings: MinHashSettings) -> tuple[np.ndarray, np.ndarray]:
    """As minhash.signatures, for the settings' `compatible`."""
    offsets, data = kernel_texts(shingle_texts(texts, settings))
    is_datatrove, characters = settings.compatible.startswith("datatrove"), settings.unit == "characters"
    count = len(offsets) - 1
    entry = settings.entry_type
    top = LOW_HALF if settings.compatible == "datasketch_legacy" else np.iinfo(entry).max
    minima, shingles = np.full((count, settings.hashes), top, entry), np.zeros(count, np.int64)
    if settings.compatible == "datasketch":
        sign_affine(offsets, data, settings.ngram, characters, *permutations(settings), minima, shingles)
    else:
        factors, terms = mersenne_permutations(settings)
        mask = MERSENNE if is_datatrove else LOW_HALF
        sign_mersenne(offsets, data, settings.ngram, characters, is_datatrove, factors, terms, np.uint64(mask), minima, shingles)
    return minima, shingles


def shingle_texts(texts: pa.Array | pa.ChunkedArray, settings: MinHashSettings) -> pa.LargeStringArray:
    """The texts whose words, between single spaces, or characters make the shingles."""
    if settings.compatible.startswith("datasketch"):
        return normalised_texts(texts, settings.unit == "characters")
    if settings.compatible == "datatrove_space":
        return simplified_texts(texts, one_space=True)
    from rules.splitters.spacy_words import spacy_tokens

    return spacy_tokens(simplified_texts(texts, one_space=False))


def mersenne_permutations(settings: MinHashSettings) -> tuple[np.ndarray, np.ndarray]:
    """Factors and terms, each uint64 [hashes]: datatrove draws all factors first, datasketch a pair at a time."""
    draw, count = np.random.RandomState(settings.seed), settings.hashes
    if settings.compatible.startswith("datatrove"):
        return draw.randint(1, MERSENNE, count, dtype=np.uint64), draw.randint(0, MERSENNE, count, dtype=np.uint64)
    pairs = [(draw.randint(1, MERSENNE, dtype=np.uint64), draw.randint(0, MERSENNE, dtype=np.uint64)) for _ in range(count)]
    factors, terms = zip(*pairs)
    return np.array(factors, np.uint64), np.array(terms, np.uint64)


@kernel
def ends_unit(data, i, end, characters):
    """Does a word (or character) end before place i, which is not the first of the text?"""
    if i == end:
        return True
    return data[i] & np.uint8(0xC0) != np.uint8(0x80) if characters else data[i] == SPACE


@kernel
def next_shingles(data, i, end, ngram, characters, starts, units, kind, words, state, hashes):
    """Hash shingles of data[..:end] from place i on until BLOCK are there: how many, the place to go on, units so far.

    `starts` (int64 [ngram]): where the last units began, in a ring; `kind`: 0 SHA-1 of 32 bits, 1 of 64, 2 xxHash64."""
    filled = 0
    while i < end and filled < BLOCK:
        i += ONE
        if not ends_unit(data, i, end, characters):
            continue
        units += 1
        if units >= ngram:
            begin = np.uint64(starts[units % ngram])
            if kind == 2:
                hashes[filled] = xxh64(data, begin, i)
            else:
                low, high = sha1_start(data, begin, i, words, state)
                hashes[filled] = low | high << np.uint64(32) if kind == 1 else low
            filled += 1
        starts[units % ngram] = i if characters else i + ONE
        i += np.uint64(0 if characters or i == end else 1)
    return filled, i, units


@kernel
def lower_mersenne(hashes, count, factors, terms, mask, minima):
    """minima[k] = min(minima[k], (factors[k] * x + terms[k]) mod 2**64 mod 2**61 - 1 & mask) over `count` of `hashes`."""
    prime = np.uint64(MERSENNE)
    for k in range(factors.size):
        factor, term, lowest = factors[k], terms[k], minima[k]
        for s in range(count):
            value = hashes[s] * factor + term
            value = (value & prime) + (value >> np.uint64(61))
            lowest = min(lowest, min(value, value - prime) & mask)  # value - prime wraps around where it is smaller
        minima[k] = lowest


@kernel
def sign_mersenne(offsets, data, ngram, characters, is_datatrove, factors, terms, mask, minima, shingles):
    """Fill `minima` [docs, hashes] and `shingles` [docs]: datatrove's, or datasketch's legacy scheme."""
    starts, hashes = np.empty(ngram, np.int64), np.empty(BLOCK + PADDING, np.uint64)
    words, state = np.empty(80, np.uint32), np.empty(5, np.uint32)
    for document in range(offsets.size - 1):
        i, end, units = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), 0
        starts[0] = i
        while i < end:
            kind = 2 if is_datatrove else 0
            count, i, units = next_shingles(data, i, end, ngram, characters, starts, units, kind, words, state, hashes)
            if count > 0:
                shingles[document] += count
                lower_mersenne(hashes, pad_block(hashes, count), factors, terms, mask, minima[document])


@kernel
def sign_affine(offsets, data, ngram, characters, odd, terms, minima, shingles):
    """Fill `minima` [docs, hashes] and `shingles` [docs]: datasketch's affine schemes."""
    starts, hashes = np.empty(ngram, np.int64), np.empty(BLOCK, np.uint64)
    mixed = np.empty(BLOCK + PADDING, odd.dtype)
    words, state = np.empty(80, np.uint32), np.empty(5, np.uint32)
    for document in range(offsets.size - 1):
        i, end, units = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), 0
        starts[0] = i
        while i < end:
            kind = 1 if mixed.itemsize == 8 else 0
            count, i, units = next_shingles(data, i, end, ngram, characters, starts, units, kind, words, state, hashes)
            if count > 0:
                shingles[document] += count
                for s in range(count):
                    mixed[s] = mixed_64(hashes[s]) if mixed.itemsize == 8 else mixed_32(hashes[s] << np.uint64(32))
                lower_minima(mixed, pad_block(mixed, count), odd, terms, minima[document])
