"""The settings of `pack:` in a job: tokenizer, sequences, and how much of what is packed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from curation.document import CLUSTER_SIZE, GROUP_COLUMNS
from curation.language_sample import weights_problem
from rules.places import SettingError

WINDOW = 10_000  # pieces planned together
EncoderKind = Literal["fast", "reference"]
SHORTEST_SEQUENCE = 8  # two whole characters of four bytes, whatever the tokenizer
# Copies by size of the cluster of near duplicates that a document stands for, as FineWeb-2's card gives them.
FINEWEB2 = {1: 1.0, 2: 2.0, 3: 3.0, 5: 5.0, 100: 8.0, 1000: 1.0}


@dataclass(frozen=True)
class MixtureSettings:
    """What part of the training tokens each source or language is: by `weights`, or so many `epochs` of it.

    "*" stands for all that are not named. Without it, those have no weight and are left out, or one epoch.
    """

    by: Literal["source", "language"] = "source"
    weights: dict[str, float] = field(default_factory=dict)
    epochs: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.weights) == bool(self.epochs):
            raise SettingError("weights", "a mixture has either weights or epochs")
        for key in ("weights", "epochs"):
            problem = weights_problem(getattr(self, key))
            if problem:
                raise SettingError(key, problem.replace("weight", key[:-1]) if key == "epochs" else problem)

    @property
    def column(self) -> str:
        """The column of documents that names their group."""
        return GROUP_COLUMNS[self.by]


@dataclass(frozen=True)
class PackSettings:
    """How clean documents become sequences.

    `tokenizer`: a tokenizer.json; without one, one of `vocab_size` tokens is trained on about `train_bytes` of text, of
    languages as `train_weights` says. `encoder`: `fast`, or `reference` for `tokenizers` itself: the same ids, some twenty
    times slower. `window`: pieces planned together. `held_out`: the fraction of documents never trained on, chosen by
    their ids. `columns` of the documents are carried along to documents.parquet. `mixture`, `rehydrate` (copies by cluster
    size: `fineweb2`, a table, of which the largest size up to that of the cluster counts, or `removal_rates`: up to
    `max_copies` by how rarely rules removed documents of that size, from at least `rate_documents` of them) and
    `token_budget` say how often a training document is packed, at most `max_epochs` times for the sake of a weight.
    """

    tokenizer: str | Path | None = None
    vocab_size: int = 8192
    train_bytes: int = 32_000_000
    train_weights: dict[str, float] = field(default_factory=dict)
    encoder: EncoderKind = "fast"
    sequence_length: int = 2048
    window: int = WINDOW
    packing: Literal["best_fit", "concat"] = "best_fit"
    seed: int = 0
    held_out: float = 0.01
    rows_per_file: int = 32_768
    columns: tuple[str, ...] = ()
    mixture: MixtureSettings | None = None
    rehydrate: Literal["fineweb2", "removal_rates"] | dict[int, float] | None = None
    max_copies: float = 10.0
    rate_documents: int = 1000
    token_budget: int | None = None
    max_epochs: float = 4.0

    def __post_init__(self) -> None:
        self._check_least()
        if self.seed >= 2**32:
            raise SettingError("seed", f"seed must be below 2**32, got {self.seed}")
        if not 0.0 <= self.held_out < 1.0:
            raise SettingError("held_out", f"held_out is a fraction from 0 to below 1, got {self.held_out}")
        for key, choices in (("encoder", ("fast", "reference")), ("packing", ("best_fit", "concat"))):
            if getattr(self, key) not in choices:
                raise SettingError(key, f"{key} must be {' or '.join(choices)}, got {getattr(self, key)!r}")
        if weights_problem(self.train_weights):
            raise SettingError("train_weights", weights_problem(self.train_weights))
        self._check_columns()
        self._check_amounts()

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns that go to documents.parquet beside its own."""
        extra = (CLUSTER_SIZE,) if self.rehydrate and CLUSTER_SIZE not in self.columns else ()
        return self.columns + extra

    @property
    def copies_by_size(self) -> Mapping[int, float]:
        """Copies by cluster size; empty where nothing is rehydrated. ValueError where they are not known yet."""
        if self.rehydrate == "removal_rates":
            raise ValueError("the removal rates of this run are not known yet: give pack the table that rehydration.py makes of them")
        return FINEWEB2 if self.rehydrate == "fineweb2" else self.rehydrate or {}

    @property
    def packs_all_once(self) -> bool:
        """Is every training document packed exactly once?"""
        return self.mixture is None and not self.rehydrate and self.token_budget is None

    def _check_least(self) -> None:
        from curation.byte_pairs import BYTE_VALUES  # a job that packs nothing needs no tokenizers
        from curation.tokenizer import SPECIALS

        least = {
            "vocab_size": BYTE_VALUES + len(SPECIALS), "train_bytes": 1, "sequence_length": SHORTEST_SEQUENCE,
            "window": 1, "rows_per_file": 1, "seed": 0, "max_epochs": 1, "max_copies": 1, "rate_documents": 1,
        }  # fmt: skip
        for key, value in least.items():
            if getattr(self, key) < value:
                raise SettingError(key, f"{key} must be at least {value}, got {getattr(self, key)}")

    def _check_columns(self) -> None:
        from train.handoff import DOCUMENTS_SCHEMA

        taken = {"id", "text", *DOCUMENTS_SCHEMA.names} & set(self.columns)
        if taken:
            raise SettingError("columns", f"{', '.join(sorted(taken))}: documents.parquet has what is of use of it already; name other columns")
        if len(set(self.columns)) < len(self.columns):
            raise SettingError("columns", "a column is named twice")

    def _check_amounts(self) -> None:
        if self.token_budget is not None and self.token_budget < 1:
            raise SettingError("token_budget", f"token_budget must be at least 1, got {self.token_budget}")
        if isinstance(self.rehydrate, dict):
            for size, copies in self.rehydrate.items():
                if not isinstance(size, int) or size < 1 or not 0 <= copies <= 1000:
                    raise SettingError("rehydrate", f"rehydrate has sizes of clusters from 1 and 0 to 1000 copies, got {size}: {copies}")
        if self.packing == "concat" and not self.packs_all_once:
            raise SettingError("packing", "mixture, rehydrate and token_budget need packing: best_fit; concat is for comparison")
