"""Everything that a screen shows, computed without one: a sample, the packs in force, and the labels.

A Session is opened once and asked many times; the screens and `gristmill inspect --print` ask the same questions.

    session = Session.open(["corpus/*.parquet"], packs=["web_chrome", "mine.yaml"])
    session.title                                    "20,000 of 3.1 M, seed 7"
    session.document(row)                            text, spans that rules hit, signals, hits
    session.rules()                                  the table of rules
    session.tunings("gopher_quality/word-count")     a threshold to move: .move(60.0), .histogram(40), .nearest(60.0)
    session.effect(pack, "new-rule")                 what a rule that is not in force would do
    session.patterns.mine("lines").rows              what repeats; drafts are made of it (inspect_ui/patterns.py)
    session.label(row, "drop", sample="near")        one line in the file of labels, synced

Rows are numbers of documents in the sample, from 0. Texts come as they are: show them through rules.visible. Questions
may be asked from several threads; what changes the session (labels, packs) belongs to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.plain_rows import rows_of
from curation.sample import SAMPLE_DOCUMENTS, Stratum
from inspect_ui.clusters import Cluster, Member, list_clusters, members_of
from inspect_ui.differences import DiffView, diff_lines
from inspect_ui.effects import Effect, LineAt, effect_of, some_lines
from inspect_ui.in_force import InForce, Reloaded
from inspect_ui.judging import Judged, judge
from inspect_ui.labelled import Labelled
from inspect_ui.labels import Label, LabelLog
from inspect_ui.patterns import Patterns
from inspect_ui.reading import DocumentView, first_matches, hit_rows, signal_rows, spans_of, starts_of
from inspect_ui.replay import told_lines
from inspect_ui.rule_table import RuleRow, rule_rows
from inspect_ui.sample import InspectError, Opened, PackFile, open_sample
from inspect_ui.scores import Judgements
from rules.format.pack import load_pack
from rules.matching.patterns import pattern_error
from rules.places import Problems
from rules.rule import Pack
from rules.text.buffers import large_strings
from rules.urls import hosts

__all__ = ["InspectError", "ListRow", "Reloaded", "Session"]


@dataclass(frozen=True)
class ListRow:
    """A document in a list."""

    row: int
    id: str
    host: str
    lang: str
    words: int
    dropped: bool
    reason: str  # of the packs in force; of a run and a document they keep: `stage/reason` that removed it there
    edited: bool
    label: str  # keep, drop, unsure; empty: none


class Session(InForce, Labelled):
    """A sample that is looked at. See the module for what it is asked."""

    def __init__(self, opened: Opened, labels: Sequence[Path] = (Path("labels.jsonl"),), by: str = "", drafts: Path = Path("draft.yaml")):
        self.opened = opened
        self.documents: pa.Table = opened.documents
        self.texts: pa.LargeStringArray = large_strings(opened.documents["text"])
        self.hosts: pa.Array = hosts(large_strings(opened.documents["url"]))
        self.drafts = drafts  # the pack that drafts are written to; in force as the last one where it is there
        self.draft_notices: list[str] = []
        self.files: list[PackFile] = [*opened.packs, *self._drafts_there()]
        self.log = LabelLog(labels[0], by)
        self.others = [LabelLog(path) for path in labels[1:]]
        self.judged: Judged = judge(self.documents, self.packs)
        self._judgements: Judgements | None = None

    def _drafts_there(self) -> list[PackFile]:
        """The drafts of an earlier session, if there are any that can be read."""
        if not self.drafts.is_file() or any(file.path.resolve() == self.drafts.resolve() for file in self.opened.packs):
            return []
        try:
            pack = load_pack(self.drafts, draft=True)
        except Problems as found:
            self.draft_notices = [f"drafts are not in force: {found.problems[0]}"]
            return []
        if any(file.pack.name == pack.name for file in self.opened.packs):
            self.draft_notices = [f"{self.drafts} is not in force: another pack is called {pack.name!r}"]
            return []
        self.draft_notices = [f"drafts of {self.drafts} are in force ({len(pack.rules)} rule{'s' * (len(pack.rules) != 1)})"]
        return [PackFile(self.drafts, pack)]

    @classmethod
    def open(
        cls,
        paths: Sequence[str],
        packs: Sequence[str] = (),
        size: int = SAMPLE_DOCUMENTS,
        seed: int = 0,
        stratify: Stratum | None = None,
        labels: Sequence[Path] = (Path("labels.jsonl"),),
        by: str = "",
        drafts: Path = Path("draft.yaml"),
    ) -> Session:
        """Open a run directory, or files (paths, folders, globs, URLs), and apply packs to a sample of about `size` documents.

        `labels`: the first file is read and written to, the others (of other people) are read. `drafts`: the pack file that
        drafts are written to."""
        return cls(open_sample(paths, packs, size, seed, stratify), labels, by, drafts)

    # ---- the sample

    @property
    def title(self) -> str:
        """How much of how much is seen: `20,000 of 3.1 M, seed 7`. Belongs on every screen."""
        return self.opened.title

    @property
    def notices(self) -> list[str]:
        """What a user should know about what was opened."""
        damaged = [f"{log.path}: line {log.damaged[0]} is no label and is left out" for log in (self.log, *self.others) if log.damaged]
        nothing = [] if self.files or self.opened.notices else ["no rules are applied: name packs with --packs, such as --packs web_chrome,gopher_quality"]
        return [*self.opened.former_names, *self.opened.notices, *self.draft_notices, *nothing, *damaged]

    @property
    def count(self) -> int:
        """Documents in the sample."""
        return len(self.documents)

    @cached_property
    def languages(self) -> dict[str, int]:
        """Language -> documents, most first; `` is none."""
        return _counts(self.documents["lang"])

    def row_of(self, document_id: str) -> int:
        """The row of a document. Raises InspectError where it is not in the sample."""
        row = pc.index(self.documents["id"], document_id).as_py()
        if row < 0:
            raise InspectError(f"no document {document_id!r} in the sample ({self.title}); another --seed or a larger --sample may have it")
        return row

    def listed(self, rows: Sequence[int] | np.ndarray | None = None) -> list[ListRow]:
        """The documents `rows`, in this order; None: all. A thousand take a few milliseconds."""
        rows = np.arange(self.count) if rows is None else np.asarray(rows, np.int64)
        places = pa.array(rows)
        ids, langs, names = (column.take(places).to_pylist() for column in (self.documents["id"], self.documents["lang"], self.hosts))
        reasons, fates = self.judged.decision.reasons.take(places).to_pylist(), self._fates(places)
        current = self.merged.labels
        return [
            ListRow(row, name, host or "", lang or "", int(self.judged.words[row]), bool(self.judged.decision.dropped[row]), reason or fate, bool(self.judged.edited_rows[row]), _answer(current.get((name, 0))))
            for row, name, host, lang, reason, fate in zip(rows.tolist(), ids, names, langs, reasons, fates)
        ]  # fmt: skip

    def _fates(self, places: pa.Array) -> list[str]:
        """What became of documents in the run: `stage/reason`, empty where they were kept or there is no run."""
        if "stage" not in self.documents.column_names:
            return [""] * len(places)
        stages, reasons = (self.documents[name].take(places).to_pylist() for name in ("stage", "reason"))
        return [reason if not stage or (reason or "").startswith(f"{stage}/") else f"{stage}/{reason}" for stage, reason in zip(stages, ((r or "") for r in reasons))]

    def document(self, row: int) -> DocumentView:
        """Everything about one document: text, spans, signals, hits. 10 MB take about 0.2 s."""
        record = rows_of(self.documents.slice(row, 1).drop_columns(["text"]))[0]
        text = self.texts[row].as_py()
        starts = starts_of(text)
        spans = spans_of(self.judged, row, text, starts)
        return DocumentView(
            row, record["id"], record["url"] or "", self.hosts[row].as_py() or "", record["source"] or "", record["lang"] or "", text,
            int(self.judged.words[row]), bool(self.judged.decision.dropped[row]), self.judged.decision.reasons[row].as_py() or "",
            record.get("stage") or "", record.get("reason") or "", bool(self.judged.edited_rows[row]),
            starts, told_lines(self.judged, row), spans, signal_rows(self.judged, row), hit_rows(self.judged, row), _answer(self.merged.labels.get((record["id"], 0))),
        )  # fmt: skip

    def search(self, pattern: str) -> np.ndarray:
        """Rows whose text an RE2 pattern matches. Raises InspectError for what is no pattern."""
        self.check_pattern(pattern)
        return np.flatnonzero(pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False))

    def find(self, row: int, pattern: str) -> list[tuple[int, int, int]]:
        """The first match of an RE2 pattern in each line of a document: line (from 1), start and end (characters of the line)."""
        self.check_pattern(pattern)
        lines = self.texts[row].as_py().split("\n")
        numbers = np.flatnonzero(pc.match_substring_regex(pa.array(lines, pa.large_string()), pattern).to_numpy(zero_copy_only=False)).tolist()
        found = first_matches([lines[number] for number in numbers], [pattern])
        return [(number + 1, *match) for number, match in zip(numbers, found) if match]

    def check_pattern(self, pattern: str) -> None:
        """Raises InspectError for what is no RE2 pattern."""
        error = pattern_error(pattern)
        if error:
            raise InspectError(f"not an RE2 pattern: {error}")

    # ---- rules

    def rules(self) -> list[RuleRow]:
        """The table of rules, in the order of packs and rules."""
        return rule_rows(self.judged, self.judgements)

    def rule_documents(self, name: str) -> np.ndarray:
        """Rows (ascending) that rule pack/id hits, or, of a line rule, changes. Raises InspectError for an unknown rule."""
        self._forms(name)
        if name in self.judged.decision.rule_hits:
            return np.flatnonzero(self.judged.decision.rule_hits[name])
        return self.judged.edit_documents.get(name, np.zeros(0, np.int64))

    # ---- what repeats, duplicates

    @cached_property
    def patterns(self) -> Patterns:
        """Mining, drafts and suggestions (inspect_ui/patterns.py)."""
        return Patterns(self)

    def clusters(self, limit: int = 1000) -> list[Cluster]:
        """Duplicate clusters of the run, largest first. Raises InspectError where no run is open, or it has none."""
        return list_clusters(self._run(), limit)

    def members(self, cluster: Cluster | str, limit: int = 100) -> list[Member]:
        """The members of a cluster (or of the one whose kept document has this id), the kept one first."""
        if isinstance(cluster, str):
            return members_of(self._run(), cluster, None, limit)
        return members_of(self._run(), cluster.kept_id, cluster.stage, limit)

    def _run(self) -> Path:
        if self.opened.run is None:
            raise InspectError("clusters are found by a run: open its directory (gristmill run JOB, then gristmill inspect OUT)")
        return self.opened.run

    # ---- before and after

    def diff(self, row: int, rule: str = "", context: int = 3) -> DiffView:
        """What `rule` (empty: all rules) did to the lines of a document."""
        if rule:
            self._forms(rule)
        lines = diff_lines(self.judged, row, rule, context)
        kinds = [line.kind for line in lines]
        before, after = (pc.utf8_length(texts[row]).as_py() for texts in (self.texts, self.judged.measured.texts))
        removed = kinds.count("-") - kinds.count("+")
        name = self.documents["id"][row].as_py()
        return DiffView(row, name, rule, bool(self.judged.decision.dropped[row]), self.judged.decision.reasons[row].as_py() or "", removed, kinds.count("+"), before, after, lines)

    def changed_documents(self, rule: str = "") -> np.ndarray:
        """Rows (ascending) that a rule, or any, changed lines of or dropped."""
        return self.rule_documents(rule) if rule else np.flatnonzero(self.judged.edited_rows | self.judged.decision.dropped)

    # ---- trying a rule

    def effect(self, pack: Pack, rule_id: str) -> Effect:
        """What a rule does to the sample, whether it is in force or not; a line rule on 60 MB in about 0.2 s."""
        return effect_of(self.documents, self.hosts, self.judged, pack, rule_id)

    def effect_lines(self, effect: Effect, count: int = 20, seed: int = 0) -> list[LineAt]:
        """Some of the lines that a rule hits, no text twice."""
        return some_lines(effect, self.documents, count, seed)

def _answer(label: Label | None) -> str:
    return label.label if label else ""


def _counts(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    items = pc.value_counts(pc.fill_null(values, "")).to_pylist()
    return {item["values"]: item["counts"] for item in sorted(items, key=lambda item: (-item["counts"], item["values"]))}
