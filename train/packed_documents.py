"""Documents put together again from a packed folder: their tokens over all rows, and their texts.

A document lies in one row, or in several where it is longer than a sequence; a mixture may have packed it more than once,
and then its first copy is taken. Opening reads `documents.parquet` and the references of all rows (about 100 bytes a
piece in memory); a document costs a look at its rows. No torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from train.handoff import TOKENIZER_NAME, HandoffError, PackedSplit, read_documents, read_manifest

NOWHERE = -1


class PackedDocuments:
    """The documents of a packed folder by id, in the order they were packed. Raises HandoffError like `open_split`."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self.manifest = read_manifest(folder)
        table = read_documents(folder, ["document", "part"])
        self._first_piece = np.flatnonzero(table["part"].to_numpy() == 0)
        self._parts = np.diff(self._first_piece, append=len(table))
        names = table["document"].take(self._first_piece).to_pylist()
        self._number = {name: number for number, name in enumerate(names)}
        self._splits = [PackedSplit(self.folder, split, self.manifest) for split in self.manifest.splits]
        self._place = _places(self._splits, len(table))
        self._tokenizer: Tokenizer | None = None

    def __len__(self) -> int:
        return len(self._number)

    def __iter__(self) -> Iterator[str]:
        return iter(self._number)

    def __contains__(self, document: object) -> bool:
        return document in self._number

    def tokens(self, document: str) -> np.ndarray:
        """The tokens of a document, begin and end included, as one array.

        Raises HandoffError for an id that is not there, and for a document that a mixture or a budget left out.
        """
        if document not in self._number:
            raise HandoffError(f"{self.folder}: has no document {document!r}; ids are in documents.parquet, empty documents are not packed.")
        number = self._number[document]
        first = self._first_piece[number]
        places = self._place[first : first + self._parts[number]]
        if (places[:, 0] == NOWHERE).any():
            raise HandoffError(f"{self.folder}: document {document!r} is in no row: the mixture or the budget of the job left it out.")
        return np.concatenate([self._piece(*place) for place in places.tolist()])

    def text(self, document: str) -> str:
        """The text of a document: what its tokens between begin and end decode to."""
        if self._tokenizer is None:
            self._tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER_NAME))
        return self._tokenizer.decode(self.tokens(document)[1:-1].tolist(), skip_special_tokens=False)

    def _piece(self, split: int, row: int, start: int) -> np.ndarray:
        tokens, lengths, _ = self._splits[split].sequence(row)
        starts = np.cumsum(lengths) - lengths
        return tokens[start : start + int(lengths[np.searchsorted(starts, start)])]


def _places(splits: list[PackedSplit], pieces: int) -> np.ndarray:
    """The split, row and first token of each piece, int64 [pieces, 3]; NOWHERE for a piece in no row."""
    places = np.full((pieces, 3), NOWHERE, np.int64)
    for number, split in enumerate(splits):
        for first_row, lengths, counts, refs in split.references():
            ends = np.cumsum(lengths, dtype=np.int64)
            row = np.repeat(np.arange(len(counts)), counts)
            before_row = np.concatenate([[0], ends])[np.cumsum(counts) - counts]
            found = np.stack([np.full(len(refs), number), first_row + row, ends - lengths - before_row[row]], axis=1)
            new = places[refs, 0] == NOWHERE
            places[refs[new][::-1]] = found[new][::-1]  # of several in these rows, the first one wins
    return places
