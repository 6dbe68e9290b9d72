"""MinHash signatures of word n-grams (Broder 1997), from Arrow's UTF-8 bytes, without an object per word.

A shingle is `ngram` words of normalise.normalised in a row (or characters of normalise.normalised_characters); its raw
hash is the polynomial sum of the hashes of its words (characters).
    signature[k] = min over shingles of (a[k] * mix(raw hash) + b[k]) mod 2**bits,   a odd
with mix the MurmurHash3 finaliser, and a, b, mix exactly those of datasketch's schemes affine64 and affine32: a
datasketch MinHash that is fed our raw hashes (`hashfunc=int`, the same seed) holds the same bytes. At 32 bits the raw
hash is the upper half of the 64-bit one. The share of equal entries of two signatures estimates the Jaccard similarity
s of the two shingle sets, with standard error sqrt(s (1 - s) / hashes).

Words stream in chunks, so memory is the signatures plus 150 kB whatever the documents. 112 hashes of 5-grams run at
some 250 MB/s a core at 64 bits and 330 at 32 on text in 29 languages (AMD EPYC with AVX-512: benchmarks/minhash.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from curation.character_hashes import take_characters
from curation.normalise import character_table
from curation.word_hashes import CHUNK_BYTES, MULTIPLIER, ZERO, kernel_texts, take_words, word_scratch
from rules.places import SettingError
from rules.text.kernels import kernel

PADDING = 32  # shingles of a block come in multiples of this, so that no vector loop has a slow tail


COMPATIBLE = ("datasketch", "datasketch_legacy", "datatrove", "datatrove_space")
MERSENNE = (1 << 61) - 1


@dataclass(frozen=True)
class MinHashSettings:
    """`hashes`: entries of a signature. `ngram`: words, or with `unit` characters, of a shingle. `bits`: of an entry; 32 is
    half the size. `compatible`: signatures equal to another tool's (compatible_minhash.py); it sets the bits, too."""

    hashes: int = 112
    ngram: int = 5
    seed: int = 1
    bits: Literal[32, 64] | None = None  # 64, or what `compatible` makes of it
    unit: Literal["words", "characters"] = "words"
    compatible: Literal["datasketch", "datasketch_legacy", "datatrove", "datatrove_space"] | None = None

    def __post_init__(self) -> None:
        if self.hashes < 1:
            raise SettingError("hashes", f"hashes must be at least 1, got {self.hashes}")
        if not 1 <= self.ngram <= 64:
            raise SettingError("ngram", f"ngram must be 1 to 64, got {self.ngram}")
        if not 0 <= self.seed < 2**32:
            raise SettingError("seed", f"seed must be 0 to {2**32 - 1}, got {self.seed}")
        if self.bits not in (32, 64, None):
            raise SettingError("bits", f"bits must be 32 or 64, got {self.bits}")
        if self.unit not in ("words", "characters"):
            raise SettingError("unit", f"unit must be words or characters, got {self.unit!r}")
        if self.compatible not in (None, *COMPATIBLE):
            raise SettingError("compatible", f"compatible must be one of {', '.join(COMPATIBLE)}, got {self.compatible!r}")
        if self.bits == 32 and self.compatible not in (None, "datasketch"):
            raise SettingError("bits", f"signatures of {self.compatible} have entries of 64 bits; leave bits out")
        if self.unit == "characters" and (self.compatible or "").startswith("datatrove"):
            raise SettingError("unit", "datatrove cuts shingles of words; leave unit out")

    @property
    def entry_type(self) -> type[np.unsignedinteger]:
        """The numpy type of a signature's entries."""
        bits = self.bits or (32 if self.compatible == "datasketch" else 64)
        return np.uint64 if bits == 64 else np.uint32


def permutations(settings: MinHashSettings) -> tuple[np.ndarray, np.ndarray]:
    """The factors a (odd) and terms b of the hash functions, each [hashes]: those datasketch draws from this seed."""
    draw, entry = np.random.RandomState(settings.seed), settings.entry_type
    bits = 8 * np.dtype(entry).itemsize
    odd = draw.randint(0, 1 << (bits - 1), settings.hashes, dtype=entry) * entry(2) + entry(1)
    return odd, draw.randint(0, 1 << bits, settings.hashes, dtype=entry)


def signatures(texts: pa.Array | pa.ChunkedArray, settings: MinHashSettings) -> tuple[np.ndarray, np.ndarray]:
    """Signatures (uint64 or uint32 [docs, hashes]) and how many shingles each document has (int64 [docs]).

    A document of fewer than `ngram` words has 0 shingles and a signature of all ones, which says nothing about it:
    `sign_short` gives it another. Repeated shingles count each time.
    """
    if settings.compatible is not None:
        from curation.compatible_minhash import compatible_signatures  # it builds on this module

        return compatible_signatures(texts, settings)
    offsets, data = kernel_texts(texts)
    minima = np.full((len(offsets) - 1, settings.hashes), np.iinfo(settings.entry_type).max, settings.entry_type)
    shingles = np.zeros(len(offsets) - 1, np.int64)
    odd, terms = permutations(settings)
    characters = settings.unit == "characters"
    sign_documents(offsets, data, character_table(), characters, settings.ngram, odd, terms, minima, shingles)
    return minima, shingles


def sign_short(minima: np.ndarray, shingles: np.ndarray, hashes: np.ndarray) -> None:
    """Documents without a shingle get a signature of their exact hash (uint64 [docs, 2]), in place: equal where it is."""
    short = np.flatnonzero(shingles == 0)
    steps = np.arange(minima.shape[1], dtype=np.uint64) * MULTIPLIER
    entries = (hashes[short, :1] ^ steps) * np.uint64(0xFF51AFD7ED558CCD) ^ hashes[short, 1:]
    minima[short] = (entries >> np.uint64(32)).astype(minima.dtype) if minima.itemsize == 4 else entries


def estimated_jaccard(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The share of equal entries (float32 [n]) of signatures [n, hashes], row by row."""
    if first.shape != second.shape:
        raise ValueError(f"signatures of shapes {first.shape} and {second.shape} cannot be compared row by row")
    return (first == second).mean(axis=1, dtype=np.float32)


@kernel
def raw_shingles(words, count, ngram, raw):
    """raw[k] = sum over j < ngram of words[k + j] * MULTIPLIER**(ngram - 1 - j) mod 2**64, for k < count."""
    raw[:count] = ZERO
    for j in range(ngram):
        for k in range(count):
            raw[k] = raw[k] * MULTIPLIER + words[k + j]


@kernel
def mixed_64(raw):
    """MurmurHash3's 64-bit finaliser."""
    raw = (raw ^ raw >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    raw = (raw ^ raw >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return raw ^ raw >> np.uint64(33)


@kernel
def mixed_32(raw):
    """MurmurHash3's 32-bit finaliser, of the upper half of `raw`."""
    half = np.uint32(raw >> np.uint64(32))
    half = np.uint32((half ^ half >> np.uint32(16)) * np.uint32(0x85EBCA6B))
    half = np.uint32((half ^ half >> np.uint32(13)) * np.uint32(0xC2B2AE35))
    return half ^ half >> np.uint32(16)


@kernel
def lower_minima(mixed, count, odd, terms, minima):
    """minima[k] = min(minima[k], odd[k] * x + terms[k]) in the entries' own type, over the first `count` of `mixed`."""
    for k in range(odd.size):
        factor, term, lowest = odd[k], terms[k], minima[k]
        for s in range(count):
            lowest = min(lowest, odd.dtype.type(mixed[s] * factor + term))
        minima[k] = lowest


@kernel
def pad_block(mixed, count):
    """Repeat the last shingle, which changes no minimum, up to a multiple of PADDING: the padded count."""
    padded = (count + PADDING - 1) // PADDING * PADDING
    mixed[count:padded] = mixed[count - 1]
    return padded


@kernel
def sign_block(words, count, ngram, raw, mixed, odd, terms, minima):
    """Lower `minima` by the shingles that start at the first `count` words."""
    raw_shingles(words, count, ngram, raw)
    for k in range(count):
        mixed[k] = mixed_64(raw[k]) if mixed.itemsize == 8 else mixed_32(raw[k])
    lower_minima(mixed, pad_block(mixed, count), odd, terms, minima)


@kernel
def keep_last_words(words, filled, ngram):
    """Move the last ngram - 1 words to the front, for the shingles that end in the next chunk: how many were moved."""
    for k in range(ngram - 1):
        words[k] = words[filled - ngram + 1 + k]
    return ngram - 1


@kernel
def sign_documents(offsets, data, table, characters, ngram, odd, terms, minima, shingles):
    """Fill `minima` [docs, hashes] (all ones before) and `shingles` [docs] (zeros before); the loop over documents."""
    edges, carry = word_scratch()
    words, raw = np.empty(CHUNK_BYTES + ngram + 8, np.uint64), np.empty(CHUNK_BYTES + PADDING, np.uint64)
    mixed = np.empty(CHUNK_BYTES + PADDING, odd.dtype)
    for document in range(offsets.size - 1):
        i, end, filled = np.uint64(offsets[document]), np.uint64(offsets[document + 1]), 0
        while i < end:
            if characters:
                filled, i = take_characters(data, i, end, table, carry, words, filled)
            else:
                filled, i = take_words(data, i, end, table, edges, carry, words, filled)
            count = filled - ngram + 1
            if count > 0:
                sign_block(words, count, ngram, raw, mixed, odd, terms, minima[document])
                shingles[document] += count
                filled = keep_last_words(words, filled, ngram)
        if characters:
            carry[1] = ZERO
