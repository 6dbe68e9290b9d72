"""What is being looked at: documents of the sample in an order, narrowed by a filter, and the place reached in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.labels import SamplingMode
from inspect_ui.session import InspectError, ListRow, Session

FILTERS = "words of a document, or host:NAME, lang:CODE, rule:PACK/ID, label:keep, is:dropped, is:kept, is:changed"
MODE_NAMES: dict[SamplingMode, str] = {
    "random": "at random",
    "near": "near the threshold",
    "only": "only this rule drops",
    "hits": "this rule hits",
    "disagreements": "labels and rules disagree",
    "rare-host": "rare hosts first",
    "longest": "longest first",
    "each-language": "one of each language",
    "other": "by hand",
}


@dataclass
class Looking:
    """`rows` of the sample in the order of `mode`; `place` is the one that is on screen."""

    rows: np.ndarray
    mode: SamplingMode = "random"
    rule: str = ""
    narrowed: str = ""
    place: int = 0
    all_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    @property
    def row(self) -> int | None:
        """The document on screen; None where there is none."""
        return int(self.rows[self.place]) if 0 <= self.place < len(self.rows) else None

    @property
    def title(self) -> str:
        """How the documents were chosen, for the line at the top."""
        parts = ["" if self.mode == "random" else MODE_NAMES.get(self.mode, self.mode), f"& {self.narrowed}" if self.narrowed else ""]
        return ", ".join(part for part in parts if part)


def look(session: Session, mode: SamplingMode = "random", rule: str = "", **arguments) -> Looking:
    """Documents in the order of `mode`. Raises InspectError where the mode needs something that is not given."""
    rows = session.rows_for(mode, rule, **arguments)
    if not len(rows):
        raise InspectError(f"no document is found so ({MODE_NAMES.get(mode, mode)}{f', {rule}' if rule else ''})")
    return Looking(rows, mode, rule, all_rows=rows)


def narrow(session: Session, looking: Looking, wanted: str) -> Looking:
    """The same documents, only those that meet `wanted` (see FILTERS); empty: all of them. Raises InspectError for none."""
    if not wanted.strip():
        return Looking(looking.all_rows, looking.mode, looking.rule, all_rows=looking.all_rows)
    meets = np.ones(session.count, bool)
    for word in wanted.split():
        meets &= _meets(session, word)
    rows = looking.all_rows[meets[looking.all_rows]]
    if not len(rows):
        raise InspectError(f"no document meets {wanted!r}; a filter is made of {FILTERS}")
    return Looking(rows, looking.mode, looking.rule, wanted, all_rows=looking.all_rows)


def _meets(session: Session, word: str) -> np.ndarray:
    """bool [documents of the sample]"""
    kind, _, value = word.partition(":")
    if kind == "host":
        return _equal(session.hosts, value)
    if kind == "lang":
        return _equal(session.documents["lang"], value)
    if kind == "rule":
        return _rows(session, session.rule_documents(value))
    if kind == "label":
        return np.array([row.label == value for row in session.listed()], bool)
    if kind == "is":
        return _fate(session, value)
    return _rows(session, session.search(word))


def _equal(column: pa.Array | pa.ChunkedArray, value: str) -> np.ndarray:
    return pc.fill_null(pc.equal(column, value), False).to_numpy(zero_copy_only=False).astype(bool)


def _rows(session: Session, rows: np.ndarray) -> np.ndarray:
    meets = np.zeros(session.count, bool)
    meets[rows] = True
    return meets


def _fate(session: Session, fate: str) -> np.ndarray:
    dropped = session.judged.decision.dropped
    known = {"dropped": dropped, "kept": ~dropped, "changed": session.judged.edited_rows}
    if fate not in known:
        raise InspectError(f"is:{fate} means nothing; there are is:{', is:'.join(known)}")
    return np.asarray(known[fate], bool)


class Listing:
    """Rows of a list of any length, asked from the session a hundred at a time, and kept until `forget`."""

    PAGE = 100

    def __init__(self, session: Session, rows: np.ndarray):
        self.session, self.rows = session, rows
        self._pages: dict[int, list[ListRow]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> ListRow:
        page = place // self.PAGE
        if page not in self._pages:
            self._pages[page] = self.session.listed(self.rows[page * self.PAGE : (page + 1) * self.PAGE])
        return self._pages[page][place % self.PAGE]

    def forget(self) -> None:
        """Ask again: labels or rules have changed."""
        self._pages.clear()
