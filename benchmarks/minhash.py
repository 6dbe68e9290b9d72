"""MinHash and exact hashes: MB/s at 64 and 32 bits, ratio to datasketch, error against theory.

    python -m benchmarks.minhash [PARQUET FILES OR FOLDERS] [--column text] [--documents 300]

Clusters, runs from end to end, and datatrove beside them are in benchmarks/duplicates.py.

datasketch gets the shingles of the same texts ready-made, as bytes (its own SHA-1) and as numbers (no hash at all), on
the first --documents of them; our figure for the ratio is on those same texts and includes finding words and shingles.
One thread throughout; every figure is the median of five runs.
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa
from datasketch import MinHash

from benchmarks.documents import megabytes, options, texts_of
from benchmarks.figures import median, named, rates, record, timed
from curation.minhash import MinHashSettings, estimated_jaccard, signatures
from curation.normalise import normalised
from curation.stages.exact import find_exact, text_hashes

SCHEMES = {64: "affine64", 32: "affine32"}


def main() -> None:
    arguments = parse_arguments()
    texts = texts_of(arguments.paths, arguments.column)
    print(f"{len(texts):,} documents, {megabytes(texts):.1f} MB of text")
    for bits in SCHEMES:
        show_signatures(texts, MinHashSettings(bits=bits), arguments.documents)
    for bits in SCHEMES:
        show_error(MinHashSettings(bits=bits))
    show_exact(texts)


def parse_arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, default=300, help="how many documents datasketch gets")
    return parser.parse_args()


def show_signatures(texts: pa.Array, settings: MinHashSettings, few: int) -> None:
    signatures(texts[:1], settings)  # compiled or loaded before the clock starts
    seconds = median(timed(lambda: signatures(texts, settings)))
    shingles = int(signatures(texts, settings)[1].sum())
    print(
        f"{settings.bits}-bit: {megabytes(texts) / seconds:.0f} MB/s, {len(texts) / seconds:,.0f} documents/s,"
        f" {seconds / shingles * 1e9:.1f} ns a shingle of {settings.hashes} hashes"
    )
    show_ratio(texts[:few], settings)


def show_ratio(texts: pa.Array, settings: MinHashSettings) -> None:
    """Our time for `texts` against datasketch's for their ready-made shingles."""
    size = megabytes(texts)
    ours = rates(size, timed(lambda: signatures(texts, settings)))
    as_bytes = [shingles_of(text, settings.ngram) for text in texts.to_pylist()]
    as_numbers = [[hash(shingle) % 2**settings.bits for shingle in shingles] for shingles in as_bytes]
    how = {"num_perm": settings.hashes, "scheme": SCHEMES[settings.bits]}
    hashed = rates(size, timed(lambda: MinHash.bulk(as_bytes, **how)))
    given = rates(size, timed(lambda: MinHash.bulk(as_numbers, hashfunc=int, **how)))
    print(
        f"    on {len(texts)} documents ours {median(ours):.0f} MB/s; datasketch with SHA-1 {median(hashed):.2f} MB/s"
        f" ({median(ours) / median(hashed):.0f} times slower), with hashes given {median(given):.2f} MB/s ({median(ours) / median(given):.0f} times slower)"
    )
    for key, theirs, what in (("sha1", hashed, "its own hashing, shingles ready"), ("given", given, "hashes of shingles given")):
        record(
            f"minhash-{settings.bits}-{key}", f"MinHash signatures, {settings.hashes} hashes of {settings.bits} bits, from text", ours, "MB/s",
            peer=f"{named('datasketch')}, {what}", theirs=theirs, on=f"{len(texts)} documents, {size:.1f} MB",
        )  # fmt: skip


def shingles_of(text: str, ngram: int) -> list[bytes]:
    words = normalised(text)
    return [" ".join(words[k : k + ngram]).encode() for k in range(len(words) - ngram + 1)]


def show_error(settings: MinHashSettings, pairs: int = 2000, words: int = 300) -> None:
    """Root mean square error of the estimate on pairs of known similarity, and what theory says."""
    rng = np.random.default_rng(3)
    texts, similarity = [], []
    for _ in range(pairs):
        original = rng.integers(0, 10**9, words).astype(str)
        changed = np.where(rng.random(words) < rng.choice([0.005, 0.01, 0.02, 0.05]), "changed", original)
        first, second = (set(zip(*(version[j:] for j in range(settings.ngram)))) for version in (original, changed))
        similarity.append(len(first & second) / len(first | second))
        texts += [" ".join(original), " ".join(changed)]
    found, _ = signatures(pa.array(texts), settings)
    true = np.array(similarity)
    error = estimated_jaccard(found[::2], found[1::2]) - true
    theory = np.sqrt((true * (1 - true) / settings.hashes).mean())
    print(
        f"{settings.bits}-bit estimate of Jaccard similarity: RMSE {np.sqrt((error**2).mean()):.4f},"
        f" theory {theory:.4f}, bias {error.mean():+.4f} ({pairs:,} pairs)"
    )


def show_exact(texts: pa.Array) -> None:
    for normalise, name in ((True, "normalised words"), (False, "bytes")):
        text_hashes(texts[:1], normalise)
        seconds = median(timed(lambda normalise=normalise: text_hashes(texts, normalise)))
        kept = find_exact(text_hashes(texts, normalise), np.ones(len(texts), bool))
        removed = int((kept != np.arange(len(texts))).sum())
        print(f"exact, {name}: {megabytes(texts) / seconds:.0f} MB/s, {removed:,} removed")


if __name__ == "__main__":
    main()
