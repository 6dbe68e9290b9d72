"""How well a score tells two kinds of documents apart, on documents that it was not trained on: numbers and a plot.

AUC is the chance that a positive document scores higher than a negative one, ties counted half (Mann and Whitney 1947).
A score is calibrated where, of documents that score about s, a share of s is positive; the expected calibration error is
the mean distance from that over ten bins, weighted by documents. Both kinds weigh alike whatever their numbers only for AUC
and recall: precision and calibration hold for the mixture of the held-out documents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
BINS = 10


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The area under the ROC curve of two sets of scores; NaN where one is empty."""
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below, up_to = np.searchsorted(ordered, positive, "left"), np.searchsorted(ordered, positive, "right")
    return float((below + up_to).sum() / 2 / len(positive) / len(negative))


def at_threshold(positive: np.ndarray, negative: np.ndarray, threshold: float) -> dict[str, float | None]:
    """Precision and recall of "the score is at least `threshold`", and the share of negative documents that pass."""
    hits, false_hits = int((positive >= threshold).sum()), int((negative >= threshold).sum())
    return {
        "threshold": threshold,
        "precision": hits / (hits + false_hits) if hits + false_hits else None,
        "recall": hits / len(positive) if len(positive) else None,
        "negative_kept": false_hits / len(negative) if len(negative) else None,
    }


def calibration(positive: np.ndarray, negative: np.ndarray) -> tuple[list[dict[str, float]], float]:
    """Of ten bins of scores: documents, mean score, share of positive ones; and the expected calibration error."""
    scores = np.concatenate([positive, negative])
    is_positive = np.arange(len(scores)) < len(positive)
    places = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    bins, error = [], 0.0
    for place in np.unique(places):
        here = places == place
        mean, share = float(scores[here].mean()), float(is_positive[here].mean())
        bins.append({"documents": int(here.sum()), "score": mean, "positive": share})
        error += abs(mean - share) * here.sum() / len(scores)
    return bins, float(error)


def measures(positive: np.ndarray, negative: np.ndarray) -> dict[str, Any]:
    """Everything about two sets of scores (float64, without NaN) as plain data."""
    bins, error = calibration(positive, negative)
    return {
        "positive": len(positive),
        "negative": len(negative),
        "auc": auc(positive, negative),
        "calibration_error": error,
        "thresholds": [at_threshold(positive, negative, threshold) for threshold in THRESHOLDS],
        "calibration": bins,
    }


def measure_lines(found: dict[str, Any]) -> list[str]:
    """The measures to read."""
    lines = [f"held out: {found['positive']:,} positive, {found['negative']:,} negative documents; AUC {found['auc']:.4f}, calibration error {found['calibration_error']:.3f}"]
    lines.append("score at least  precision  recall  negative kept")
    for row in found["thresholds"]:
        precision = "-" if row["precision"] is None else f"{row['precision']:.3f}"
        lines.append(f"{row['threshold']:>14g}  {precision:>9}  {row['recall']:6.3f}  {row['negative_kept']:13.3f}")
    return lines


def plot(positive: np.ndarray, negative: np.ndarray, path: Path) -> None:
    """Draw calibration, and how many documents of each kind have which score (PNG, SVG or PDF by the suffix)."""
    from matplotlib.figure import Figure  # the plain figure: no window system, no global state

    bins, error = calibration(positive, negative)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    left.plot([b["score"] for b in bins], [b["positive"] for b in bins], "o-", color="tab:blue")
    left.set(xlabel="mean score of the bin", ylabel="share of positive documents", title=f"calibration (error {error:.3f})", xlim=(0, 1), ylim=(0, 1))
    edges = np.linspace(0, 1, 2 * BINS + 1)
    for scores, name, color in ((negative, "negative", "tab:red"), (positive, "positive", "tab:green")):
        right.hist(np.minimum(scores, 1), edges, label=f"{name} ({len(scores):,})", color=color, alpha=0.5)
    right.set(xlabel="score", ylabel="held-out documents", title=f"AUC {auc(positive, negative):.4f}")
    right.legend()
    figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)
