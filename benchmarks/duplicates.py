"""Duplicates beside datatrove and datasketch: signatures, clusters, end to end, precision and recall, millions of signatures.

    python -m benchmarks.duplicates TEXTS.parquet ... [--signatures 1 5 20] [--documents 300] [--oracle]

Ratios are of processor time, both sides in one run and one process. datatrove and datasketch get the first --documents
documents, and so do we beside them. --signatures: millions of synthetic signatures (14 bands of 8) that become clusters
through partitions on disk, with the most memory this process held. --oracle: clusters of all documents by datatrove's own
code (a space splitter), compared with ours; some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
from datasketch import MinHash

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from oracle import near_peer  # noqa: E402

from curation.band_files import partition_bits, read_partition, write_band_file  # noqa: E402
from curation.clusters import band_keys, join_edges, point_at_roots, star_edges  # noqa: E402
from curation.job import load_job  # noqa: E402
from curation.normalise import normalised  # noqa: E402
from curation.run import run_job  # noqa: E402
from curation.stages.near import NearSettings, find_near, near_keys, s_curve  # noqa: E402
from rules.buffers import large_strings  # noqa: E402

HASHES, SHARD = 112, 250_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="Parquet files with a column text")
    parser.add_argument("--documents", type=int, default=300, help="how many documents datatrove and datasketch get")
    parser.add_argument("--signatures", type=float, nargs="*", default=[1], help="millions of synthetic signatures")
    parser.add_argument("--oracle", action="store_true", help="compare the clusters of all documents with datatrove's")
    arguments = parser.parse_args()
    for millions in arguments.signatures:  # first: the peak memory is that of the process
        show_clusters(int(millions * 1e6))
    columns = [parquet.read_table(path, columns=["text"])["text"] for path in arguments.files]
    texts = large_strings(pa.chunked_array([chunk for column in columns for chunk in column.chunks]))
    show_signatures(texts, arguments.documents)
    show_end_to_end(arguments.files[0], arguments.documents)
    show_precision(texts)
    if arguments.oracle:
        show_oracle(texts)


def seconds_of(work: Callable[[], object], runs: int = 1) -> float:
    """The least processor time of several runs."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def megabytes(texts: pa.Array) -> float:
    return pc.sum(pc.binary_length(texts)).as_py() / 1e6


# ---- signatures


def show_signatures(texts: pa.Array, few: int) -> None:
    spread = texts.take(pa.array(np.linspace(0, len(texts) - 1, few).astype(int)))
    near_keys(texts[:2], NearSettings())
    whole, own = seconds_of(lambda: near_keys(texts, NearSettings()), 3), seconds_of(lambda: near_keys(spread, NearSettings()), 10)
    print(f"signatures of {len(texts):,} documents, {megabytes(texts):.1f} MB: {megabytes(texts) / whole:.0f} MB/s, {len(texts) / whole:,.0f} documents/s")
    listed = spread.to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        stage = near_peer.signature_stage(Path(folder))
        theirs = seconds_of(lambda: [stage.get_signature(some) for text in listed if (some := stage.get_shingles(text)).size])
    shingles = [[" ".join(words[k : k + 5]).encode() for k in range(len(words) - 4)] for words in map(normalised, listed)]
    bulk = min(seconds_of(lambda how=how: MinHash.bulk(shingles, num_perm=HASHES, scheme=how)) for how in ("affine32", "affine64"))
    print(f"    on {len(spread)} of them: datatrove as it ships {theirs / own:.0f} times slower, datasketch's fastest bulk call with its hashing {bulk / own:.0f} times")
    for compatible in ("datasketch", "datatrove_space", "datatrove"):
        settings = NearSettings(compatible=compatible)
        near_keys(texts[:50], settings)
        seconds = seconds_of(lambda settings=settings: near_keys(spread, settings), 2)
        print(f"    compatible: {compatible} {megabytes(spread) / seconds:.1f} MB/s")


# ---- end to end


def show_end_to_end(file: str, few: int) -> None:
    """Read, sign, cluster, write: a run of ours over one file, and the peer's four stages over its first documents."""
    with tempfile.TemporaryDirectory() as folder:
        start = parquet.read_table(file, columns=["id", "text"]).slice(0, few)
        parquet.write_table(start, Path(folder) / "few.parquet")
        (Path(folder) / "peer").mkdir()
        theirs = near_peer.four_stages([f"{folder}/few.parquet"], Path(folder) / "peer")
        seconds, documents = {}, {}
        for name, source in (("warm", f"{folder}/few.parquet"), ("whole", file)):
            job = Path(folder) / f"{name}.yaml"
            job.write_text(f"input: {source}\noutput: {name}\nnear: {{}}\nworkers: inline\n")
            seconds[name] = seconds_of(lambda job=job, name=name: documents.update({name: run_job(load_job(job)).report["in"]}))
        rates = documents["whole"] / seconds["whole"], few / theirs["all"]
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in theirs.items())
        print(f"end to end: {rates[0]:,.0f} documents/s of {documents['whole']:,}; datatrove's four stages {rates[1]:,.1f}/s of {few} ({parts}): {rates[0] / rates[1]:.0f} times")


# ---- precision and recall


def show_precision(texts: pa.Array, count: int = 3000, threshold: float = 0.8) -> None:
    """Candidate pairs among `count` documents against their true similarities."""
    listed = [text for text in dict.fromkeys(texts.to_pylist()) if len(text) < 20_000][:count]
    settings = NearSettings()
    keys = band_keys(near_keys(pa.array(listed, pa.large_string()), settings)[0], *settings.band_shape)
    similarity, met = pair_similarities(listed, keys)
    chance = np.interp(similarity, *s_curve(*settings.band_shape, 1001).T)
    alike = similarity >= threshold
    recall, promised = (met & alike).sum() / alike.sum(), chance[alike].mean()
    error = np.sqrt((chance * (1 - chance))[alike].sum()) / alike.sum()
    expected, spread = chance.sum(), np.sqrt((chance * (1 - chance)).sum())
    print(
        f"{len(listed):,} documents by brute force: {alike.sum():,} pairs of similarity {threshold} or more, recall {recall:.3f} (S-curve {promised:.3f} +- {error:.3f});"
        f" {met.sum():,} candidate pairs (S-curve {expected:.0f} +- {spread:.0f}), precision at {threshold} {(met & alike).sum() / met.sum():.3f}, at 0.5 {(met & (similarity >= 0.5)).sum() / met.sum():.3f}"
    )


def pair_similarities(texts: list[str], keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True Jaccard similarity of every pair that shares a shingle, and whether their bands meet."""
    holders: dict[int, list[int]] = {}
    sizes = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        words = normalised(text)
        shingles = {tuple(words[k : k + 5]) for k in range(len(words) - 4)} or {tuple(words)}
        sizes[row] = len(shingles)
        for shingle in shingles:
            holders.setdefault(hash(shingle), []).append(row)
    shared: dict[tuple[int, int], int] = {}
    for rows in holders.values():
        for pair in itertools.combinations(rows, 2):
            shared[pair] = shared.get(pair, 0) + 1
    pairs, common = np.array(list(shared)), np.array(list(shared.values()))
    return common / (sizes[pairs].sum(axis=1) - common), (keys[pairs[:, 0]] == keys[pairs[:, 1]]).any(axis=1)


def show_oracle(texts: pa.Array) -> None:
    settings = NearSettings(compatible="datatrove_space")
    found, shingles = near_keys(texts, settings)
    ours = find_near(band_keys(found, *settings.band_shape), shingles > 0, settings).tolist()
    with tempfile.TemporaryDirectory() as folder:
        theirs = near_peer.clusters(texts.to_pylist(), Path(folder), str.split)
    assert ours == theirs, "clusters differ from datatrove's"
    print(f"{len(texts):,} documents: {len(texts) - len(set(ours)):,} near duplicates, clusters equal datatrove's own code")


# ---- millions of signatures


def synthetic_shards(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Random signatures (uint64 [n, 112]) in shards; of each a fifth are near copies of others, with 85 % equal entries."""
    rng = np.random.default_rng(seed)
    for first in range(0, count, SHARD):
        size = min(SHARD, count - first)
        found, copies = rng.integers(0, 2**64, (size, HASHES), np.uint64), size // 5
        for row in range(size - copies, size):
            found[row] = np.where(rng.random(HASHES) < 0.85, found[rng.integers(0, size - copies)], found[row])
        yield found


def show_clusters(count: int, memory_bytes: int = 4 << 30) -> None:
    """Signatures to clusters: band keys, partitions on disk, edges, union-find. Making the signatures is not counted."""
    star_edges(np.zeros(2, np.uint64), np.zeros(2, np.uint32))
    bits, parents = partition_bits(14 * count, memory_bytes // 8), np.arange(count)
    seconds, files, first_rows = {"bands": 0.0, "join": 0.0, "wall": 0.0}, [], []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        warm = band_keys(np.zeros((2, HASHES), np.uint64), 14, 8)
        write_band_file(Path(folder) / "warm", warm, bits)
        for found in synthetic_shards(count):
            start, wall = time.process_time(), time.perf_counter()
            files.append(Path(folder) / f"{len(files)}.bands")
            first_rows.append(SHARD * len(first_rows))
            write_band_file(files[-1], band_keys(found, 14, 8), bits)
            seconds["bands"] += time.process_time() - start
            seconds["wall"] += time.perf_counter() - wall
        start, wall = time.process_time(), time.perf_counter()
        for partition in range(1 << bits):
            join_edges(parents, star_edges(*read_partition(files, first_rows, bits, partition), bits))
        point_at_roots(parents)
        seconds["join"] = time.process_time() - start
        seconds["wall"] += time.perf_counter() - wall
    clusters = int((parents == np.arange(count)).sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    total = seconds["bands"] + seconds["join"]
    print(
        f"{count / 1e6:g} M signatures: {total:.2f} s ({seconds['bands']:.2f} band keys, {seconds['join']:.2f} join; {seconds['wall']:.2f} on the clock),"
        f" {total / count * 1e9 / np.log2(count):.0f} ns / (n log2 n), {1 << bits} partitions, {clusters:,} clusters, peak {peak:.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    main()
