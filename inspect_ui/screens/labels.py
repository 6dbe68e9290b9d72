"""Labels: everything that was said, by whom and how the document was come upon; undone ones, stale ones, disagreements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.labels import Disagreement, Label, LabelError, export_labels
from inspect_ui.screens.asking import Prompt
from inspect_ui.screens.frame import Frame
from inspect_ui.widgets.table import Column, Table
from rules.visible import visible

VIEWS = ("all", "drop", "keep", "unsure", "stale", "undone", "disagreements")


class Labels(Frame):
    """The log of labels, newest first."""

    NUMBER = 7
    BINDINGS = [
        Binding("v", "view(1)", "View", tooltip="all, drop, keep, unsure, stale, undone, disagreements"),
        Binding("V", "view(-1)", "View before", show=False),
        Binding("r", "read", "Read", tooltip="read the document of this label"),
        Binding("z", "app.undo", "Undo", tooltip="take your last label back"),
        Binding("Z", "app.redo", "Redo", tooltip="give back the label that was taken back"),
        Binding("a", "export", "Export", tooltip="write all labels to a Parquet file"),
    ]

    def __init__(self):
        super().__init__()
        self.shown = VIEWS[0]
        self.labels: Sequence[Label | Disagreement] = []

    def body(self) -> Iterable[Widget]:
        yield Static(id="effect", markup=False)
        yield Table([Column("", 2), Column("label", 7), Column("document", 18, grows=True), Column("line", 5, right=True, rank=1), Column("rule", 22, rank=2), Column("sample", 13), Column("by", 8), Column("when", 16, rank=3)], id="labels")

    def fill(self) -> None:
        self.work("reading labels", self._found, self._show)

    def _found(self) -> tuple[str, Sequence[Label | Disagreement]]:
        together, judged = self.session.merged, self.session.judgements
        logs = [self.session.log, *self.session.others]
        labels = [(log, label) for log in logs for label in log.labels]
        counts = Counter(label.label for label in together.labels.values())
        first = f"{counts['drop']:,} drop · {counts['keep']:,} keep · {counts['unsure']:,} unsure · {sum(judged.random):,} from random samples"
        second = f"{self.shown}: %d · {len(judged.stale):,} stale · {judged.elsewhere:,} of other documents · {len(together.disagreements):,} disagreements of {together.judged_by_several:,} judged by several"
        if self.shown == "disagreements":
            return f"{first}\n{second % len(together.disagreements)}", together.disagreements
        stale = set(map(id, judged.stale))
        tests = {"all": lambda log, one: True, "undone": lambda log, one: log.is_undone(one), "stale": lambda log, one: id(one) in stale}
        test = tests.get(self.shown, lambda log, one: one.label == self.shown and not log.is_undone(one))
        chosen = [label for log, label in labels if test(log, label)]
        return f"{first}\n{second % len(chosen)}", sorted(chosen, key=lambda one: (one.at, one.number), reverse=True)

    def _show(self, found: tuple[str, Sequence[Label | Disagreement]]) -> None:
        told, self.labels = found
        self.query_one("#effect", Static).update(visible(told))
        table = self.query_one(Table)
        table.empty = "no labels yet: y, x and u on 1 Read make them" if self.shown == "all" else f"no labels here ({self.shown})"
        table.show(len(self.labels), self._cells, self._style)
        if self.focused is None:
            table.focus()

    def _cells(self, place: int) -> tuple[str, ...]:
        one = self.labels[place]
        if isinstance(one, Disagreement):
            said = ", ".join(f"{name}: {answer}" for name, answer in one.said.items())
            return "≠", "", one.doc, str(one.line or ""), said, "", "", ""
        return self._sign(one), one.label, one.doc, str(one.line or ""), one.rule, one.sample, one.by, one.at[:16].replace("T", " ")

    def _sign(self, label: Label) -> str:
        if any(log.is_undone(label) for log in self._logs_of(label)):
            return "⌫"
        return "≉" if any(label is stale for stale in self.session.judgements.stale) else ""

    def _logs_of(self, label: Label) -> list:
        return [log for log in (self.session.log, *self.session.others) if any(label is one for one in log.labels)]

    def _style(self, place: int) -> str:
        one = self.labels[place]
        if isinstance(one, Disagreement) or self._sign(one):
            return "dim" if not isinstance(one, Disagreement) else "tag"
        return one.label

    def action_view(self, step: int) -> None:
        self.shown = VIEWS[(VIEWS.index(self.shown) + step) % len(VIEWS)]
        self.fill()

    def on_table_chosen(self, message: Table.Chosen) -> None:
        self.action_read()

    def action_read(self) -> None:
        cursor = self.query_one(Table).cursor
        if cursor < len(self.labels):
            one = self.labels[cursor]
            row = self.attempt(lambda: self.session.row_of(one.doc))
            if row is not None:
                self.app.read_document(row, one.line or None)

    def action_export(self) -> None:
        self.app.push_screen(Prompt("write all labels in force to (Parquet)", str(self.session.log.path.with_suffix(".parquet"))), self._export)

    def _export(self, name: str | None) -> None:
        if name:
            self.work("writing", lambda: self._exported(Path(name)), self.say, replaces=False)

    def _exported(self, path: Path) -> str:
        if path.suffix != ".parquet":
            raise LabelError(f"{path} should end in .parquet")
        count = export_labels([self.session.log, *self.session.others], path)
        return f"{count:,} labels written to {path}"
