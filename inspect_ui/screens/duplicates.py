"""Duplicates: the clusters of a run, their members, which one was kept and why, and how two differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from inspect_ui.clusters import Cluster, Member, member_diff
from inspect_ui.screens.diff import shown
from inspect_ui.screens.frame import Frame
from inspect_ui.widgets.document import Document
from inspect_ui.widgets.table import Column, Table
from rules.visible import visible


class Duplicates(Frame):
    """Clusters at the left, members at the right, and below them how the one under the cursor differs from the kept one."""

    NUMBER = 6
    BINDINGS = [
        Binding("d", "difference", "Diff or text", tooltip="how it differs from the kept one, or its text"),
        Binding("v", "context", "Lines around", tooltip="only what differs, or all lines"),
        Binding("r", "read", "Read", tooltip="read this document, where it is in the sample"),
        Binding("c", "copy", "Copy text", show=False, tooltip="copy the text of this document"),
        Binding("C", "copy_id", "Copy id", show=False, tooltip="copy the id of this document"),
        Binding("right_square_bracket", "step(1)", "Next cluster", tooltip="the next cluster"),
        Binding("left_square_bracket", "step(-1)", "Cluster before", show=False),
    ]

    def __init__(self):
        super().__init__()
        self.clusters: Sequence[Cluster] = []
        self.members: Sequence[Member] = []
        self.differs = True
        self.context = 3

    def body(self) -> Iterable[Widget]:
        yield Static(id="effect", markup=False)
        with Horizontal(id="duplicates"):
            yield Table([Column("size", 6, right=True), Column("stage", 5), Column("kept", 12, grows=True)], id="clusters")
            with Vertical():
                yield Table([Column("", 1), Column("alike", 5, right=True), Column("id", 16, grows=True), Column("url or source", 16, grows=True, rank=1)], id="members")
                yield Document(id="diff")

    def fill(self) -> None:
        self.query_one("#clusters", Table).empty = "no clusters"
        if self.focused is None:
            self.query_one("#clusters", Table).focus()
        if not self.clusters:
            self.work("reading clusters", self.session.clusters, self._show)

    def _show(self, clusters: Sequence[Cluster]) -> None:
        self.clusters = clusters
        self.query_one("#clusters", Table).show(len(clusters), lambda i: (f"{clusters[i].size:,}", clusters[i].stage, clusters[i].kept_id))

    @property
    def member(self) -> Member | None:
        cursor = self.query_one("#members", Table).cursor
        return self.members[cursor] if cursor < len(self.members) else None

    def on_table_highlighted(self, message: Table.Highlighted) -> None:
        if message.control.id == "clusters" and message.control.cursor < len(self.clusters):
            cluster = self.clusters[message.control.cursor]
            self.work("reading members", lambda: self.session.members(cluster), lambda members: self._show_members(cluster, members))
        elif message.control.id == "members":
            self._draw()

    def on_table_chosen(self, message: Table.Chosen) -> None:
        self.query_one(Document if message.control.id == "members" else "#members").focus()

    def _show_members(self, cluster: Cluster, members: Sequence[Member]) -> None:
        self.members = members
        at = self.clusters.index(cluster)
        first = f"cluster {at + 1:,} of {len(self.clusters):,}: {cluster.size:,} documents ({cluster.stage})"
        self.query_one("#effect", Static).update(visible(f"{first}\n{cluster.why}"))
        table = self.query_one("#members", Table)
        table.show(len(members), lambda i: member_cells(members[i]), lambda i: "keep" if members[i].kept else "", 1 if len(members) > 1 else 0)

    def _draw(self) -> None:
        text, member = self.query_one(Document), self.member
        if member is None:
            text.show("")
        elif member.kept or not self.differs:
            text.show(member.text)
        else:
            told, spans, numbers = shown(member_diff(self.members[0], member, self.context))
            text.show(told or "the texts are equal", spans, numbers)

    # ---- keys

    def action_difference(self) -> None:
        self.differs = not self.differs
        self._draw()

    def action_context(self) -> None:
        self.context = 1_000_000 if self.context == 3 else 3
        self._draw()

    def action_step(self, clusters: int) -> None:
        table = self.query_one("#clusters", Table)
        table.move_to(table.cursor + clusters)

    def action_read(self) -> None:
        if self.member:
            row = self.attempt(lambda: self.session.row_of(self.member.id))
            if row is not None:
                self.app.read_document(row)

    def action_copy(self) -> None:
        if self.member:
            self.app.copy_to_clipboard(self.member.text)
            self.say(f"copied {len(self.member.text):,} characters")

    def action_copy_id(self) -> None:
        if self.member:
            self.app.copy_to_clipboard(self.member.id)
            self.say(f"copied {self.member.id}")


def member_cells(member: Member) -> tuple[str, ...]:
    return "★" if member.kept else " ", f"{member.similarity:.2f}", member.id, member.url or member.source
