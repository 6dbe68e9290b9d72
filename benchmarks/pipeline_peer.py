"""The peer's side of benchmarks/pipeline.py: datatrove's own steps and local executor, from Parquet to Parquet.

    python benchmarks/pipeline_peer.py FOLDER_OF_PARQUET OUT --model lid.176.ftz [--workers 2]

This runs where datatrove is installed. The order is FineWeb-2's: languages, MinHash's four stages, then the filters of
Gopher, C4 and FineWeb. Steps and thresholds are as they ship; labels of languages remove nothing. What filters remove is written,
by their exclusion writers, as our side writes it too (with all rules that hit, which these do not know).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="fastText's model of languages")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    config = MinhashConfig()
    for number, (tasks, steps) in enumerate(parts(arguments.input, arguments.out, arguments.model, config)):
        LocalPipelineExecutor(
            steps, tasks=tasks or arguments.workers, workers=arguments.workers, start_method="fork",
            logging_dir=str(arguments.out / "logs" / str(number)),
        ).run()  # fmt: skip


def parts(source: Path, out: Path, model: Path, config: MinhashConfig) -> list[tuple[int, list]]:
    """The number of tasks (0: one a worker) and the steps of each run of the executor."""
    languages = LanguageFilter(label_only=True)
    languages.model.MODEL_URL = str(model)  # else it would be downloaded
    documents, signatures, buckets, clusters = (str(out / name) for name in ("languages", "signatures", "buckets", "clusters"))

    def gone(name: str) -> ParquetWriter:
        return ParquetWriter(str(out / "removed" / name))

    filters = [
        MinhashDedupFilter(clusters, exclusion_writer=gone("near")), GopherRepetitionFilter(exclusion_writer=gone("gopher_repetition")),
        GopherQualityFilter(exclusion_writer=gone("gopher_quality")), C4QualityFilter(exclusion_writer=gone("c4")),
        FineWebQualityFilter(exclusion_writer=gone("fineweb")),
    ]  # fmt: skip
    return [
        (0, [ParquetReader(str(source)), languages, ParquetWriter(documents)]),
        (0, [ParquetReader(documents), MinhashDedupSignature(signatures, config)]),
        (config.num_buckets, [MinhashDedupBuckets(signatures, buckets, config=config)]),
        (1, [MinhashDedupCluster(buckets, clusters, config)]),
        (0, [ParquetReader(documents), *filters, ParquetWriter(str(out / "clean"))]),
    ]


if __name__ == "__main__":
    main()
