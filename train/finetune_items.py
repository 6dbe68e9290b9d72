"""Items of a fine-tuning task: from JSON lines to token ids and right answers, with the line in every mistake.

A text becomes: begin token, text, end token, each token where the model has one. Its last token is what the head reads
(GPT-1's extract token). Two texts have the delimiter between them; a choice follows the text after it. A text too long
loses tokens where they say least: at the end of a text, at the beginning of what stands before a choice.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.config import TrainError
from train.evaluate.task import fill
from train.finetune_config import FinetuneConfig
from train.saved_model import SavedModel


@dataclass(frozen=True)
class Item:
    """The sequences of an item: one; two orders of two texts; or one for each choice. `label` is a class, place or number."""

    sequences: tuple[np.ndarray, ...]
    label: float
    line: int


@dataclass(frozen=True)
class Items:
    """`classes` are the names of classes in order (none for choices and numbers); `cut` counts texts that were too long."""

    items: list[Item]
    classes: tuple[str, ...]
    cut: int


def read_items(config: FinetuneConfig, saved: SavedModel, path: str, classes: Sequence[str] = (), labelled: bool = True) -> Items:
    """All items of the file `path`. Classes are taken from it unless given. Raises TrainError at file:line.

    `labelled`: False for items whose answers are to be predicted; labels are then 0.
    """
    records = list(_records(Path(path)))
    if not records:
        raise TrainError(f"{path}: has no items. Expected a JSON object a line.")
    encoder = _Encoder(config, saved)
    by_class = labelled and config.target == "class" and config.task != "multiple_choice"
    names = tuple(classes) or (_classes(config, records) if by_class else ())
    items = []
    for line, record, where in records:
        label = _label(config, record, names, where) if labelled else 0.0
        items.append(Item(encoder.sequences(record, where), label, line))
    return Items(items, names, encoder.cut)


def split_items(items: Items, frac: float, seed: int) -> tuple[Items, Items]:
    """Items to train on, and a random `frac` of them (one at least) held out."""
    order = np.random.default_rng([seed, 1]).permutation(len(items.items))
    count = max(1, round(frac * len(order)))
    if count >= len(order):
        raise TrainError(f"{len(order)} items are too few to hold some out. Give a `held_out_file`, or more items.")
    chosen = [[items.items[place] for place in sorted(part.tolist())] for part in (order[count:], order[:count])]
    return Items(chosen[0], items.classes, items.cut), Items(chosen[1], items.classes, 0)


class _Encoder:
    """Texts to token ids that fit the model's context."""

    def __init__(self, config: FinetuneConfig, saved: SavedModel):
        self.config, self.saved, self.cut = config, saved, 0
        self.room = min(config.max_tokens or saved.model.config.context, saved.model.config.context)
        self.begin, self.end = saved.begin(), [] if saved.eos_id is None else [saved.eos_id]

    def sequences(self, record: dict[str, Any], where: str) -> tuple[np.ndarray, ...]:
        config = self.config
        text = fill(config.text, record, where)
        if config.task == "multiple_choice":
            return tuple(self._choice(text, choice, where) for choice in _choices(config, record, where))
        if config.second_text is None:
            return (self._framed(self._encode(text, where), where),)
        second = fill(config.second_text, record, where)
        if config.task == "classification":
            return (self._pair(text, second, where),)
        return self._pair(text, second, where), self._pair(second, text, where)

    def _choice(self, text: str, choice: str, where: str) -> np.ndarray:
        before, after = self._encode(text, where), self._encode(self.config.delimiter + choice, where)
        surplus = len(before) + len(after) - self._room()
        self.cut += surplus > 0
        return self._framed(before[max(surplus, 0) :] + after if surplus < len(before) else after, where)

    def _pair(self, first: str, second: str, where: str) -> np.ndarray:
        """Both texts, the longer one cut first."""
        between = self.saved.encode(self.config.delimiter)
        one, two = self._encode(first, where), self._encode(second, where)
        room = self._room() - len(between)
        if len(one) + len(two) > room:
            self.cut += 1
            kept = min(len(one), max(room // 2, room - len(two)))
            one, two = one[:kept], two[: room - kept]
        return self._framed(one + between + two, where)

    def _framed(self, tokens: list[int], where: str) -> np.ndarray:
        kept = tokens[: self._room()]
        self.cut += len(kept) < len(tokens)
        framed = self.begin + kept + self.end
        if not framed:
            raise TrainError(f"{where}: the text is empty, and this model has no token to begin or end it with.")
        return np.array(framed, np.int64)

    def _room(self) -> int:
        return self.room - len(self.begin) - len(self.end)

    def _encode(self, text: str, where: str) -> list[int]:
        try:
            return self.saved.encode(text)
        except TrainError:
            raise TrainError(f"{where}: holds text that is not valid UTF-8.") from None


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Line number (from 1), object and file:line of each line that is not blank."""
    number = 0
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as stream:
        try:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise TrainError(f"{path}:{number}: is not a JSON object.")
                yield number, record, f"{path}:{number}"
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise TrainError(f"{path}: is not text in UTF-8 ({error}).") from None
        except json.JSONDecodeError as error:
            raise TrainError(f"{path}:{number}: is not JSON ({error}).") from None


def _choices(config: FinetuneConfig, record: dict[str, Any], where: str) -> list[str]:
    found = record.get(config.choices or "")
    if not isinstance(found, list) or len(found) < 2 or not all(isinstance(choice, str) for choice in found):
        raise TrainError(f"{where}: {config.choices!r} is not a list of two texts or more.")
    return found


def _classes(config: FinetuneConfig, records: Sequence[tuple[int, dict, str]]) -> tuple[str, ...]:
    """The names of all classes, in the order of their texts."""
    names = sorted({_name(config, record, where) for _, record, where in records})
    if len(names) < 2:
        raise TrainError(f"{records[0][2]}: all items have the label {names[0]!r}; a classifier needs two or more.")
    return tuple(names)


def _name(config: FinetuneConfig, record: dict[str, Any], where: str) -> str:
    value = record.get(config.label)
    if not isinstance(value, (str, int, bool)):
        raise TrainError(f"{where}: {config.label!r} is {value!r}, expected the name or number of a class.")
    return value if isinstance(value, str) else json.dumps(value)


def _label(config: FinetuneConfig, record: dict[str, Any], classes: Sequence[str], where: str) -> float:
    value = record.get(config.label)
    if config.task == "multiple_choice":
        choices = _choices(config, record, where)
        if isinstance(value, str) and value in choices:
            return float(choices.index(value))
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(choices):
            raise TrainError(f"{where}: {config.label!r} is {value!r}, neither the place of a choice (from 0) nor one of them.")
        return float(value)
    if config.target == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise TrainError(f"{where}: {config.label!r} is {value!r}, expected a number.")
        return float(value)
    name = _name(config, record, where)
    if name not in classes:
        raise TrainError(f"{where}: {config.label!r} is {name!r}, a class that the items to train on have not ({', '.join(classes)}).")
    return float(classes.index(name))
