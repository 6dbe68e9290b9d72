"""MinHash and exact hashes: MB/s at 64 and 32 bits, ratio to datasketch, error against theory.

    python -m benchmarks.minhash TEXTS.parquet ... [--column text] [--documents 300]

Clusters, runs from end to end, and datatrove beside them are in benchmarks/duplicates.py.

datasketch gets the shingles of the same texts ready-made, as bytes (its own SHA-1) and as numbers (no hash at all), on
the first --documents of them; our figure for the ratio is on those same texts and includes finding words and shingles.
One thread throughout; every figure is the best of several runs, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
from datasketch import MinHash

from curation.minhash import MinHashSettings, estimated_jaccard, signatures
from curation.normalise import normalised
from curation.stages.exact import find_exact, text_hashes
from rules.buffers import large_strings

SCHEMES = {64: "affine64", 32: "affine32"}


def main() -> None:
    arguments = parse_arguments()
    columns = [parquet.read_table(path, columns=[arguments.column])[arguments.column] for path in arguments.files]
    texts = large_strings(pa.chunked_array([chunk for column in columns for chunk in column.chunks]))
    print(f"{len(texts):,} documents, {megabytes(texts):.1f} MB of text")
    for bits in SCHEMES:
        show_signatures(texts, MinHashSettings(bits=bits), arguments.documents)
    for bits in SCHEMES:
        show_error(MinHashSettings(bits=bits))
    show_exact(texts)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="Parquet files")
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, default=300, help="how many documents datasketch gets")
    return parser.parse_args()


def megabytes(texts: pa.Array) -> float:
    return pc.sum(pc.binary_length(texts)).as_py() / 1e6


def best_seconds(work: Callable[[], object], runs: int = 5) -> float:
    """The least wall time of several runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def show_signatures(texts: pa.Array, settings: MinHashSettings, few: int) -> None:
    signatures(texts[:1], settings)  # compiled or loaded before the clock starts
    seconds = best_seconds(lambda: signatures(texts, settings))
    shingles = int(signatures(texts, settings)[1].sum())
    print(
        f"{settings.bits}-bit: {megabytes(texts) / seconds:.0f} MB/s, {len(texts) / seconds:,.0f} documents/s,"
        f" {seconds / shingles * 1e9:.1f} ns a shingle of {settings.hashes} hashes"
    )
    show_ratio(texts[:few], settings)


def show_ratio(texts: pa.Array, settings: MinHashSettings) -> None:
    """Our time for `texts` against datasketch's for their ready-made shingles."""
    ours = best_seconds(lambda: signatures(texts, settings), 20)
    as_bytes = [shingles_of(text, settings.ngram) for text in texts.to_pylist()]
    as_numbers = [[hash(shingle) % 2**settings.bits for shingle in shingles] for shingles in as_bytes]
    how = {"num_perm": settings.hashes, "scheme": SCHEMES[settings.bits]}
    hashed = best_seconds(lambda: MinHash.bulk(as_bytes, **how), 2)
    given = best_seconds(lambda: MinHash.bulk(as_numbers, hashfunc=int, **how), 2)
    size = megabytes(texts)
    print(
        f"    on {len(texts)} documents ours {size / ours:.0f} MB/s; datasketch with SHA-1 {size / hashed:.2f} MB/s"
        f" ({hashed / ours:.0f} times slower), with hashes given {size / given:.2f} MB/s ({given / ours:.0f} times slower)"
    )


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
        seconds = best_seconds(lambda normalise=normalise: text_hashes(texts, normalise))
        kept = find_exact(text_hashes(texts, normalise), np.ones(len(texts), bool))
        removed = int((kept != np.arange(len(texts))).sum())
        print(f"exact, {name}: {megabytes(texts) / seconds:.0f} MB/s, {removed:,} removed")


if __name__ == "__main__":
    main()
