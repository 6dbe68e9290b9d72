"""The labels of a session: given, taken back, and sorted out; and the order in which documents come up to be labelled."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inspect_ui import modes
from inspect_ui.judging import Judged
from inspect_ui.labels import Answer, Label, LabelLog, SamplingMode, Together, together
from inspect_ui.sample import InspectError, Opened
from inspect_ui.scores import Judgements, judgements
from inspect_ui.tune import Tuning


class Labelled:
    """The part of a session that is about labels. Labels belong to one thread."""

    opened: Opened
    documents: pa.Table
    texts: pa.LargeStringArray
    hosts: pa.Array
    judged: Judged
    log: LabelLog
    others: list[LabelLog]
    _judgements: Judgements | None

    @property
    def merged(self) -> Together:
        """What all files of labels say together."""
        return together([self.log, *self.others])

    @property
    def judgements(self) -> Judgements:
        """The labels that speak about this sample, and those that are stale."""
        if self._judgements is None:
            self._judgements = judgements(self.merged, self.documents, self.text_of)
        return self._judgements

    def text_of(self, row: int, line: int = 0) -> str:
        """The text of a document, or of one line of it (from 1; empty where there is none)."""
        text = self.texts[row].as_py()
        if not line:
            return text
        lines = text.split("\n")
        return lines[line - 1] if line <= len(lines) else ""

    def label(self, row: int, answer: Answer, rule: str = "", sample: SamplingMode = "random", line: int = 0) -> Label:
        """Write down what somebody says about a document, or about one line of it. On disk when this returns."""
        self._judgements = None
        return self.log.add(self.documents["id"][row].as_py(), self.text_of(row, line), answer, rule, sample, line)

    def undo(self) -> Label | None:
        """Take the last label back; returns it, or None."""
        self._judgements = None
        return self.log.undo()

    def redo(self) -> Label | None:
        """Give the last label back that was undone; returns it, or None."""
        self._judgements = None
        return self.log.redo()

    def rows_for(self, mode: SamplingMode, rule: str = "", tuning: Tuning | None = None, threshold: float | None = None, seed: int | None = None) -> np.ndarray:
        """Rows in the order in which `mode` looks at them. `near` needs a tuning, `only` and `hits` a rule.

        Raises InspectError where the mode needs something that is not given."""
        seed = self.opened.seed if seed is None else seed
        if mode in ("near", "only", "hits") and not rule and tuning is None:
            raise InspectError(f"the sampling mode {mode!r} is about a rule: choose one (--rule PACK/ID, or on the screen 2 Rules)")
        if mode == "near":
            tuning = tuning or next(iter(self.tunings(rule)), None)
            if tuning is None:
                raise InspectError(f"{rule} has no threshold to be near to")
            return modes.near_rows(tuning, tuning.threshold if threshold is None else threshold)
        if mode in ("only", "hits"):
            self._forms(rule)
            return modes.only_rows(self.judged, rule, seed) if mode == "only" else np.random.default_rng(seed).permutation(self.rule_documents(rule))
        simple = {
            "random": lambda: modes.random_rows(self.count, seed),
            "disagreements": lambda: modes.disagreement_rows(self.judged, self.judgements, rule),
            "rare-host": lambda: modes.rare_host_rows(self.hosts, seed),
            "longest": lambda: modes.longest_rows(self.texts),
            "each-language": lambda: modes.each_language_rows(self.documents["lang"], seed),
        }
        if mode not in simple:
            raise InspectError(f"no sampling mode {mode!r}; there are near, only, hits, {', '.join(simple)}")
        return simple[mode]()
