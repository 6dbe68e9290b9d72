"""Near duplicates: documents that share most of their word n-grams, by MinHash and locality-sensitive hashing.

Signatures (minhash.py) are cut in bands; documents that agree on a whole band are one cluster (clusters.py), and one
document of each cluster is kept. Two documents of similarity s meet with probability 1 - (1 - s**rows)**bands: with 14
bands of 8 rows 0.92 at 0.8, 0.56 at 0.7 and 0.05 at 0.5. Candidates are taken as duplicates unless
`verify` asks for their true similarity (verification.py).

Documents of fewer words than a shingle have signatures of their exact hash: they are clusters where their words are the
same, and otherwise alone.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from curation.clusters import union_bands
from curation.minhash import MinHashSettings, sign_short, signatures
from curation.stages.exact import text_hashes
from curation.survivors import Survivor
from rules.places import SettingError

DEFAULT_BANDS, DEFAULT_ROWS = 14, 8


@dataclass(frozen=True)
class NearSettings(Survivor):
    """How near duplicates are found and which document of a cluster stays.

    `hashes`: entries of a signature, of shingles of `ngram` words (`unit`: or characters), of 64 `bits`, or 32, which is half
    the size. `compatible`: signatures equal to another tool's. `bands` of `rows` entries each, or `threshold`: then the bands
    and rows, of at most `hashes` entries, with the least error around that similarity (datasketch's optimiser).
    `verify`: candidates are duplicates only where their true Jaccard similarity is at least this.
    Read the bands and rows in force from `band_shape`. `keep`, `score`, `sources`: which one stays; `within`: among which
    (survivors.py).
    """

    keep: Literal["first", "last", "longest", "score", "source"] = "longest"
    verify: float | None = None
    hashes: int = 112
    bands: int = DEFAULT_BANDS
    rows: int = DEFAULT_ROWS
    ngram: int = 5
    threshold: float | None = None
    seed: int = 1
    bits: Literal[32, 64] | None = None
    unit: Literal["words", "characters"] = "words"
    compatible: Literal["datasketch", "datasketch_legacy", "datatrove", "datatrove_space"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.minhash  # checks what the signatures are made of
        if self.verify is not None and not 0.0 < self.verify <= 1.0:
            raise SettingError("verify", f"verify is the least similarity of duplicates, above 0 and at most 1, got {self.verify}")
        if self.threshold is None:
            self._check_bands()
        elif not 0.0 < self.threshold < 1.0:
            raise SettingError("threshold", f"threshold is a similarity between 0 and 1, got {self.threshold}")
        elif (self.bands, self.rows) != (DEFAULT_BANDS, DEFAULT_ROWS):
            raise SettingError("threshold", "give either threshold or bands and rows, not both")
        else:
            _ = self.band_shape  # the optimiser may find nothing

    def _check_bands(self) -> None:
        for key in ("bands", "rows"):
            if getattr(self, key) < 1:
                raise SettingError(key, f"{key} must be at least 1, got {getattr(self, key)}")
        if self.bands * self.rows > self.hashes:
            needed = f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} hashes"
            raise SettingError("bands", f"{needed}, but hashes is {self.hashes}: raise hashes or lower bands or rows")

    @property
    def minhash(self) -> MinHashSettings:
        """The settings of the signatures."""
        return MinHashSettings(self.hashes, self.ngram, self.seed, self.bits, self.unit, self.compatible)

    @property
    def band_shape(self) -> tuple[int, int]:
        """The bands and rows in force."""
        return (self.bands, self.rows) if self.threshold is None else optimal_bands(self.threshold, self.hashes)


@functools.cache
def optimal_bands(threshold: float, hashes: int) -> tuple[int, int]:
    """The bands and rows of least false positives plus false negatives around `threshold`, by datasketch."""
    from datasketch import MinHashLSH  # takes half a second, and only this needs it

    try:
        index = MinHashLSH(threshold=threshold, num_perm=hashes)
    except ValueError as error:
        message = f"no bands of {hashes} hashes suit a threshold of {threshold}: {error}"
        raise SettingError("threshold", message) from error
    return index.b, index.r


def near_keys(texts: pa.Array | pa.ChunkedArray, settings: NearSettings) -> tuple[np.ndarray, np.ndarray]:
    """Signatures ([docs, hashes]) and how many shingles each document has (int64 [docs])."""
    found, shingles = signatures(texts, settings.minhash)
    short = shingles == 0
    if short.any():
        hashes = np.zeros((len(shingles), 2), np.uint64)
        hashes[short] = text_hashes(texts.filter(pa.array(short)))
        sign_short(found, shingles, hashes)
    return found, shingles


def find_near(keys: np.ndarray, eligible: np.ndarray, settings: NearSettings) -> np.ndarray:
    """The cluster of each document as the smallest row number in it (int64 [docs]).

    `keys`: uint64 [docs, bands] from clusters.band_keys(signatures, *settings.band_shape); `eligible`: bool [docs], who
    takes part. The clusters do not depend on the order of documents but for their numbers.
    """
    bands, _ = settings.band_shape
    if keys.ndim != 2 or keys.shape[1] != bands:
        raise ValueError(f"the settings have {bands} bands, but the keys are of shape {keys.shape}")
    return union_bands(keys, eligible)


def s_curve(bands: int, rows: int, points: int = 101) -> np.ndarray:
    """Similarity and probability of becoming candidates (float64 [points, 2]): 1 - (1 - s**rows)**bands."""
    similarity = np.linspace(0.0, 1.0, points)
    return np.column_stack([similarity, 1.0 - (1.0 - similarity**rows) ** bands])


def s_curve_line(settings: NearSettings) -> str:
    """The bands and rows in force, and what they imply, to print."""
    bands, rows = settings.band_shape
    points = ", ".join(f"{p:.2f} at {s:.2f}" for s, p in s_curve(bands, rows, 21)[[10, 12, 14, 15, 16, 17, 18, 19]])
    return f"near: {bands} bands of {rows} rows; two documents meet with probability {points} similarity"
