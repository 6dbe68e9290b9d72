"""A model together with its tokenizer and the ids that frame a document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from train.config import TrainError
from train.model import Transformer


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


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in `path`, without any cutting or padding that its file may ask for."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise TrainError(f"{path}: is not a tokenizer ({error}). Pack the data again.") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # text that spells a special token is text, as in training
    return tokenizer
