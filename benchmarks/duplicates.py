"""Duplicates beside datatrove and datasketch: signatures, clusters, end to end, precision and recall, millions of signatures.

    python -m benchmarks.duplicates --signatures 1 5 20
    python -m benchmarks.duplicates [PARQUET FILES OR FOLDERS] [--documents 300] [--oracle]

Ratios are of processor time, both sides in one run. datatrove, datasketch and rensa get --documents documents, and so do we
beside them. --signatures: a table of millions of synthetic signatures (14 bands of 8) that become
clusters through partitions on disk, each row by a process of its own, which tells the most memory it held. Shards and
partitions go to a thread a core, as a run gives them to workers. --oracle: clusters of all documents by datatrove's own code
(a space splitter), compared with ours; some minutes.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from datasketch import MinHash

from benchmarks.documents import DOCUMENTS, PEER, ROOT, megabytes, options, parquet_files, slice_of, texts_of
from benchmarks.figures import RUNS, median, named, rates, record, timed

sys.path[:0] = [str(ROOT / "tests")]

from oracle import near_peer  # noqa: E402

from curation.band_files import partition_bits, read_partition, write_band_file  # noqa: E402
from curation.clusters import band_keys, join_edges, point_at_roots, star_edges  # noqa: E402
from curation.job import load_job  # noqa: E402
from curation.normalise import normalised  # noqa: E402
from curation.run import run_job  # noqa: E402
from curation.stages.near import NearSettings, find_near, near_keys, s_curve  # noqa: E402

HASHES, SHARD = 112, 250_000
MANY = 10_000_000  # so many signatures are timed twice, not five times


def main() -> None:
    parser = options(__doc__, default=())
    parser.add_argument("--documents", type=int, default=300, help="how many documents datatrove, datasketch and rensa get")
    parser.add_argument("--peer", type=Path, default=PEER, help="virtual environment with rensa")
    parser.add_argument("--signatures", type=float, nargs="*", default=[], help="millions of synthetic signatures")
    parser.add_argument("--oracle", action="store_true", help="compare the clusters of all documents with datatrove's")
    arguments = parser.parse_args()
    if arguments.signatures:
        show_clusters([int(millions * 1e6) for millions in arguments.signatures])
        if not arguments.paths:
            return
    files = parquet_files(arguments.paths or [DOCUMENTS])
    texts = texts_of(files)
    show_signatures(texts, arguments.documents, arguments.peer)
    show_end_to_end(files[0], arguments.documents)
    show_precision(texts)
    if arguments.oracle:
        show_oracle(texts)


# ---- signatures


def show_signatures(texts: pa.Array, few: int, python: Path) -> None:
    spread = slice_of(texts, few)
    near_keys(texts[:2], NearSettings())
    whole = rates(megabytes(texts), timed(lambda: near_keys(texts, NearSettings())))
    on = f"{len(texts):,} documents, {megabytes(texts):.1f} MB"
    print(f"signatures of {on}: {median(whole):.0f} MB/s, {median(whole) * len(texts) / megabytes(texts):,.0f} documents/s")
    record("signatures", f"MinHash signatures, {HASHES} hashes of 64 bits, word 5-grams", whole, "MB/s", on=on)
    show_ratios(spread, python)
    for compatible in ("datasketch", "datatrove_space", "datatrove"):
        settings = NearSettings(compatible=compatible)
        speeds = rates(megabytes(spread), timed(lambda settings=settings: near_keys(spread, settings), 2))
        print(f"    compatible: {compatible} {median(speeds):.1f} MB/s")


def show_ratios(spread: pa.Array, python: Path) -> None:
    """Beside each peer, on few documents. What datasketch and rensa are given, shingles of words, is not counted."""
    size, listed = megabytes(spread), spread.to_pylist()
    ours = rates(size, timed(lambda: near_keys(spread, NearSettings())))
    shingles = [[" ".join(words[k : k + 5]).encode() for k in range(len(words) - 4)] for words in map(normalised, listed)]
    theirs = {f"{named('datatrove')} as it ships": datatrove_seconds(listed)}
    bulk = [timed(lambda how=how: MinHash.bulk(shingles, num_perm=HASHES, scheme=how)) for how in ("affine32", "affine64")]
    theirs[f"{named('datasketch')}, its fastest bulk call, shingles ready"] = min(bulk, key=median)
    theirs |= rensa_seconds(spread, shingles, python)
    print(f"    on {len(spread)} of them, {median(ours):.0f} MB/s: " + "; ".join(f"{name} {size / median(each):.2f} MB/s, {median(ours) * median(each) / size:.1f} times slower" for name, each in theirs.items()))
    for name, each in theirs.items():
        record(
            f"signatures-{name.split()[0]}" + ("-ready" if "rensa" in name and "ready" in name else ""), f"MinHash signatures, {HASHES} hashes of 64 bits, word 5-grams, from texts", ours, "MB/s",
            peer=name, theirs=rates(size, each), on=f"{len(spread)} documents, {size:.1f} MB",
        )  # fmt: skip


def datatrove_seconds(texts: list[str]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        stage = near_peer.signature_stage(Path(folder))
        sign = lambda: [stage.get_signature(some) for text in texts if (some := stage.get_shingles(text)).size]  # noqa: E731
        return timed(sign, min(2, RUNS), warm=False)


def rensa_seconds(texts: pa.Array, shingles: list[list[bytes]], python: Path) -> dict[str, list[float]]:
    """Of rensa, which lives in the peers' environment; nothing where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        parquet.write_table(pa.table({"text": texts, "shingles": pa.array(shingles, pa.list_(pa.binary()))}), path)
        command = [python / "bin" / "python", ROOT / "benchmarks" / "rensa_speed.py", path, "--hashes", str(HASHES), "--runs", str(RUNS)]
        try:
            answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        except (OSError, subprocess.CalledProcessError):
            print(f"    no rensa in {python}: `make bench` installs it there; it is not timed")
            return {}
    return {f"rensa {answer['version']}, its fastest bulk call, 32 bits, {how}": seconds for how, seconds in answer["seconds"].items()}


# ---- end to end


def show_end_to_end(file: Path, few: int) -> None:
    """Read, sign, cluster, write: a run of ours over one file, and the peer's four stages over its first documents."""
    with tempfile.TemporaryDirectory() as folder:
        start = parquet.read_table(file, columns=["id", "text"]).slice(0, few)
        parquet.write_table(start, Path(folder) / "few.parquet")
        (Path(folder) / "peer").mkdir()
        theirs = near_peer.four_stages([f"{folder}/few.parquet"], Path(folder) / "peer")
        job = write_job(Path(folder), "warm", Path(folder) / "few.parquet")
        run_job(load_job(job))
        seconds, documents = [], 0
        for number in range(RUNS):
            job = write_job(Path(folder), f"whole{number}", file)
            begun = time.process_time()
            documents = run_job(load_job(job)).report["in"]
            seconds.append(time.process_time() - begun)
        ours, peer = rates(documents, seconds), few / theirs["all"]
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in theirs.items())
        print(f"end to end: {median(ours):,.0f} documents/s of {documents:,}; datatrove's four stages {peer:,.1f}/s of {few} ({parts}): {median(ours) / peer:.0f} times")
        record(
            "near", "near duplicates from end to end: read, sign, cluster, write", ours, "documents/s", peer=f"{named('datatrove')}, four stages",
            theirs=[peer], on=f"{documents:,} documents; {few} of them for datatrove",
        )  # fmt: skip


def write_job(folder: Path, name: str, source: Path) -> Path:
    job = folder / f"{name}.yaml"
    job.write_text(f"input: {source}\noutput: {name}\nnear: {{}}\nworkers: inline\n")
    return job


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
        copies = size // 5
        found = rng.integers(0, 2**64, (size, HASHES), np.uint64)
        originals = found[rng.integers(0, size - copies, copies)]
        np.copyto(found[size - copies :], originals, where=rng.random((copies, HASHES), np.float32) < 0.85)
        yield found


def show_clusters(counts: list[int]) -> None:
    """A table, in Markdown, of what clusters of so many signatures cost; n log n where the last column stays as it is."""
    head = ["signatures", "on the clock", "processor", "of it band keys", "join", "most memory", "clusters", "partitions", "processor ns / (n log2 n)"]
    print("| " + " | ".join(head) + " |\n" + "|---:" * len(head) + "|", flush=True)
    for count in counts:
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as process:
            runs = [process.apply(measure_clusters, (count,)) for _ in range(RUNS if count < MANY else min(RUNS, 2))]
        print("| " + " | ".join(cluster_row(count, {name: median(run[name] for run in runs) for name in runs[0]})) + " |", flush=True)
        what, on = f"{count / 1e6:g} M signatures to clusters, through disk", f"14 bands of 8; {max(run['peak'] for run in runs):.1f} GB at most"
        record(f"clusters-{count / 1e6:g}M", f"{what}, seconds of processors", [run["banding"] + run["joining"] for run in runs], "s", on=on)
        record(f"clusters-{count / 1e6:g}M-clock", f"{what}, a thread a core, by the clock", [run["wall"] for run in runs], "s", on=on)


def cluster_row(count: int, of: dict[str, float]) -> list[str]:
    seconds = of["banding"] + of["joining"]
    return [
        f"{count / 1e6:g} M", f"{of['wall']:.2f} s", f"{seconds:.2f} s", f"{of['banding']:.2f} s", f"{of['joining']:.2f} s", f"{of['peak']:.2f} GB",
        f"{of['clusters']:,.0f}", f"{of['partitions']:.0f}", f"{seconds / count * 1e9 / np.log2(count):.0f}",
    ]  # fmt: skip


def measure_clusters(count: int, memory_bytes: int = 4 << 30) -> dict[str, float]:
    """Signatures to clusters: band keys, partitions on disk, edges, union-find. Making the signatures is not counted."""
    bits, parents = partition_bits(14 * count, memory_bytes // 8), np.arange(count)
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name, ThreadPoolExecutor(threads) as pool:
        folder, files, shards = Path(name), [], synthetic_shards(count)
        _warm_up(folder / "warm", bits)
        banding, joining = Stopwatch(), Stopwatch()
        while some := list(itertools.islice(shards, threads)):
            paths = [folder / f"{len(files) + place}.bands" for place in range(len(some))]
            files += paths
            with banding:
                list(pool.map(lambda path, found: write_band_file(path, band_keys(found, 14, 8), bits), paths, some))
        first_rows = [SHARD * place for place in range(len(files))]
        with joining:
            for edges in pool.map(lambda partition: star_edges(*read_partition(files, first_rows, bits, partition), bits), range(1 << bits)):
                join_edges(parents, edges)
            point_at_roots(parents)
    return {
        "wall": banding.wall + joining.wall, "banding": banding.processor, "joining": joining.processor, "partitions": 1 << bits,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "clusters": int((parents == np.arange(count)).sum()),
    }  # fmt: skip


def _warm_up(path: Path, bits: int) -> None:
    """Load every kernel."""
    write_band_file(path, band_keys(np.zeros((2, HASHES), np.uint64), 14, 8), bits)
    parents = np.arange(2)
    join_edges(parents, star_edges(*read_partition([path], [0], bits, 0), bits))
    point_at_roots(parents)


class Stopwatch:
    """Seconds on the clock, and of all threads of this process, spent within `with`."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._start[0]
        self.processor += time.process_time() - self._start[1]


if __name__ == "__main__":
    main()
