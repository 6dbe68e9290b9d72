"""Train a supervised model of fastText, in a process of its own.

fastText 0.9.3 leaves most of a model's input matrix as it found the memory when it trains with one thread, and a few
numbers of it with more; what was there before can be NaN, and training then fails or not by chance. A process whose
allocator hands out zeros makes that a beginning like any other, and the same one each time; one thread makes the whole
training repeat itself, byte for byte. The process gives its memory back, too.

    python -m curation.fasttext_training SETTINGS    (JSON on the command line; see FastTextSettings)
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ZEROED = {"GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0"}  # glibc fills new memory with the complement

CENTROIDS = 256


class TrainingError(ValueError):
    """Training failed; the text says why, and what to do."""


@dataclass(frozen=True)
class FastTextSettings:
    """What fastText is told; names and meanings are its own."""

    dim: int = 16
    epoch: int = 10
    lr: float = 0.5
    word_ngrams: int = 2
    min_count: int = 3
    bucket: int = 1 << 20
    features: int = 200_000  # rows that are left after quantisation
    seed: int = 0
    threads: int = 1  # more are faster, but no two trainings are the same then


def train_model(lines: Path, model: Path, whole_model: Path, settings: FastTextSettings) -> None:
    """Train on a file of one text a line (`__label__x` and words), and write the model, quantised and whole.

    Raises TrainingError."""
    arguments = json.dumps([str(lines), str(model), str(whole_model), dataclasses.asdict(settings)])
    command = [sys.executable, "-m", "curation.fasttext_training", arguments]
    done = subprocess.run(command, env=os.environ | ZEROED, cwd=Path(__file__).parents[1], capture_output=True, text=True, errors="replace")
    if done.returncode:
        told = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        advice = "; a lower --learning-rate may help" if "NaN" in told else ""
        raise TrainingError(f"fastText could not train: {told}{advice}")


def _train(lines: str, model: str, whole_model: str, settings: dict) -> None:
    import fasttext

    chosen = FastTextSettings(**settings)
    trained = fasttext.train_supervised(
        lines, dim=chosen.dim, epoch=chosen.epoch, lr=chosen.lr, wordNgrams=chosen.word_ngrams, minCount=chosen.min_count,
        bucket=chosen.bucket, seed=chosen.seed, thread=chosen.threads, loss="softmax", minn=0, maxn=0, verbose=0,
    )  # fmt: skip
    trained.save_model(whole_model)
    rows = trained.get_input_matrix().shape[0]
    if rows >= CENTROIDS:  # fastText quantises no smaller one
        trained.quantize(lines, qnorm=True, retrain=False, cutoff=chosen.features if chosen.features < rows else 0)
    trained.save_model(model)


if __name__ == "__main__":
    _train(*json.loads(sys.argv[1]))
