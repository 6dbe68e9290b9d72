"""A model with its tokenizer, opened from where models lie: the folder of a training run, or one of its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from train.checkpoint import checkpoint_folders, load_weights
from train.config import TrainError, model_of_record
from train.handoff import TOKENIZER_NAME
from train.model import Transformer
from train.run_folder import CHECKPOINTS, read_run


@dataclass(frozen=True)
class SavedModel:
    """A model, the tokenizer it was trained on, and the ids that frame a document; None where there is no such token.

    `stop_ids` end a text as `eos_id` does.
    """

    model: Transformer
    tokenizer: Tokenizer
    bos_id: int | None
    eos_id: int | None
    pad_id: int | None
    stop_ids: tuple[int, ...] = ()

    @property
    def device(self) -> torch.device:
        return self.model.embedding.weight.device

    def encode(self, text: str) -> list[int]:
        """The ids of `text` without any frame. Raises TrainError for what is not text."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise TrainError("the prompt is not valid UTF-8 text.") from None
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def begin(self) -> list[int]:
        """The ids a document begins with."""
        return [] if self.bos_id is None else [self.bos_id]


def open_model(path: Path, device: torch.device) -> SavedModel:
    """The model of a run's last checkpoint, or of the checkpoint `path`. Raises TrainError when there is none."""
    run, checkpoint = run_and_checkpoint(path)
    record = read_run(run)
    model = Transformer(model_of_record(record["config"]["model"]))
    load_weights(checkpoint, model)
    return SavedModel(model.to(device).eval(), open_tokenizer(run / TOKENIZER_NAME), **record["tokens"])


def run_and_checkpoint(path: Path) -> tuple[Path, Path]:
    """The folder of a run, and of its last checkpoint or the one that `path` names."""
    if path.parent.name == CHECKPOINTS and (path.parent.parent / "config.json").exists():
        return path.parent.parent, path
    read_run(path)
    folders = checkpoint_folders(path)
    if not folders:
        raise TrainError(f"{path}: holds no checkpoint yet. Train first: gristmill train CONFIG.")
    return path, folders[-1]


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in `path`, without any cutting or padding that its file may ask for."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise TrainError(f"{path}: is not a tokenizer ({error}). Pack the data again.") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
