"""Everything that a screen shows, computed without one: a sample, the packs in force, and the labels.

A Session is opened once and asked many times; the screens and `gristmill inspect --print` ask the same questions.

    session = Session.open(["corpus/*.parquet"], packs=["web_chrome", "mine.yaml"])
    session.title                                    "20,000 of 3.1 M, seed 7"
    session.document(row)                            text, spans that rules hit, signals, hits
    session.rules()                                  the table of rules
    session.tunings("gopher_quality/word-count")     a threshold to move: .move(60.0), .histogram(40), .nearest(60.0)
    session.effect(pack, "new-rule")                 what a rule that is not in force would do
    session.label(row, "drop", sample="near")        one line in the file of labels, synced

Rows are numbers of documents in the sample, from 0. Texts come as they are: show them through rules.visible. Questions
may be asked from several threads; what changes the session (labels, packs) belongs to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.sample import SAMPLE_DOCUMENTS, Stratum
from inspect_ui import modes
from inspect_ui.differences import DiffView, diff_lines
from inspect_ui.effects import Effect, LineAt, effect_of, some_lines
from inspect_ui.judging import Judged, judge
from inspect_ui.labels import Answer, Label, LabelLog, SamplingMode, Together, together
from inspect_ui.reading import DocumentView, first_matches, forms_of, hit_rows, signal_rows, spans_of, starts_of
from inspect_ui.rule_table import RuleRow, rule_rows
from inspect_ui.sample import InspectError, Opened, PackFile, open_sample
from inspect_ui.scores import Judgements, Score, document_score, judgements
from inspect_ui.tune import Tuning, tunings
from inspect_ui.write_back import write_threshold
from rules.buffers import large_strings
from rules.examples import example_problems
from rules.pack import SHIPPED, load_pack
from rules.patterns import pattern_error
from rules.places import Problem, Problems
from rules.rule import Pack
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


@dataclass(frozen=True)
class Reloaded:
    """What reading packs again came to. Where a pack has `problems`, the one that was in force stays in force.

    `notes` are what is still missing before `check` and `run` take it (a `why`, examples that agree)."""

    changed: list[str]  # names of packs that are in force now
    problems: list[Problem]
    notes: list[Problem]


class Session:
    """A sample that is looked at. See the module for what it is asked."""

    def __init__(self, opened: Opened, labels: Sequence[Path] = (Path("labels.jsonl"),), by: str = ""):
        self.opened = opened
        self.documents: pa.Table = opened.documents
        self.texts: pa.LargeStringArray = large_strings(opened.documents["text"])
        self.hosts: pa.Array = hosts(large_strings(opened.documents["url"]))
        self.files: list[PackFile] = list(opened.packs)
        self.log = LabelLog(labels[0], by)
        self.others = [LabelLog(path) for path in labels[1:]]
        self.judged: Judged = judge(self.documents, self.packs)
        self._judgements: Judgements | None = None

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
    ) -> Session:
        """Open a run directory, or files (paths, folders, globs, URLs), and apply packs to a sample of about `size` documents.

        `labels`: the first file is read and written to, the others (of other people) are read."""
        return cls(open_sample(paths, packs, size, seed, stratify), labels, by)

    # ---- the sample

    @property
    def title(self) -> str:
        """How much of how much is seen: `20,000 of 3.1 M, seed 7`. Belongs on every screen."""
        return self.opened.title

    @property
    def notices(self) -> list[str]:
        """What a user should know about what was opened."""
        damaged = [f"{log.path}: line {log.damaged[0]} is no label and is left out" for log in (self.log, *self.others) if log.damaged]
        return [*self.opened.notices, *damaged]

    @property
    def count(self) -> int:
        """Documents in the sample."""
        return len(self.documents)

    @cached_property
    def languages(self) -> dict[str, int]:
        """Language -> documents, most first; `` is none."""
        return _counts(self.documents["lang"])

    @cached_property
    def host_counts(self) -> dict[str, int]:
        """Host -> documents, most first; `` is none."""
        return _counts(self.hosts)

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
        record = self.documents.slice(row, 1).drop_columns(["text"]).to_pylist()[0]
        text = self.texts[row].as_py()
        starts = starts_of(text)
        spans = spans_of(self.judged, row, text, starts)
        return DocumentView(
            row, record["id"], record["url"] or "", self.hosts[row].as_py() or "", record["source"] or "", record["lang"] or "", text,
            int(self.judged.words[row]), bool(self.judged.decision.dropped[row]), self.judged.decision.reasons[row].as_py() or "",
            record.get("stage") or "", record.get("reason") or "", bool(self.judged.edited_rows[row]),
            starts, spans, signal_rows(self.judged, row), hit_rows(self.judged, row, spans), _answer(self.merged.labels.get((record["id"], 0))),
        )  # fmt: skip

    def search(self, pattern: str) -> np.ndarray:
        """Rows whose text an RE2 pattern matches. Raises InspectError for what is no pattern."""
        self._check_pattern(pattern)
        return np.flatnonzero(pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False))

    def find(self, row: int, pattern: str) -> list[tuple[int, int, int]]:
        """The first match of an RE2 pattern in each line of a document: line (from 1), start and end (characters of the line)."""
        self._check_pattern(pattern)
        lines = self.texts[row].as_py().split("\n")
        numbers = np.flatnonzero(pc.match_substring_regex(pa.array(lines, pa.large_string()), pattern).to_numpy(zero_copy_only=False)).tolist()
        found = first_matches([lines[number] for number in numbers], [pattern])
        return [(number + 1, *match) for number, match in zip(numbers, found) if match]

    def _check_pattern(self, pattern: str) -> None:
        error = pattern_error(pattern)
        if error:
            raise InspectError(f"not an RE2 pattern: {error}")

    # ---- rules

    @property
    def packs(self) -> list[Pack]:
        """The packs in force, in order."""
        return [file.pack for file in self.files]

    def rules(self) -> list[RuleRow]:
        """The table of rules, in the order of packs and rules."""
        return rule_rows(self.judged, self.judgements)

    def rule_documents(self, name: str) -> np.ndarray:
        """Rows (ascending) that rule pack/id hits, or, of a line rule, changes. Raises InspectError for an unknown rule."""
        self._forms(name)
        if name in self.judged.decision.rule_hits:
            return np.flatnonzero(self.judged.decision.rule_hits[name])
        return self.judged.edit_documents.get(name, np.zeros(0, np.int64))

    def _forms(self, name: str):
        try:
            return forms_of(self.packs, name)
        except KeyError:
            known = ", ".join(f"{pack.name}/{rule.id}" for pack in self.packs for rule in pack.rules[:3]) or "none; name packs with --packs"
            raise InspectError(f"no rule {name!r} in force; rules are called pack/id ({known} ...)") from None

    def tunings(self, name: str) -> list[Tuning]:
        """Every comparison of a document rule that has a threshold, ready to be moved. Raises InspectError for an unknown rule."""
        self._forms(name)
        return tunings(self.judged, name)

    def tune_score(self, tuning: Tuning, threshold: float) -> Score:
        """Precision and recall of the rule with another threshold, from the labels there are."""
        hit = np.zeros(self.count, bool)
        others = self.judged.decision.rule_hits.get(tuning.rule, hit).copy()
        others[tuning.sorted.rows] = False
        hit[tuning.sorted.rows] = tuning.hit(tuning.sorted.rows, threshold)
        return document_score(self.judgements, hit | others)

    def write_threshold(self, tuning: Tuning, threshold: float) -> Path:
        """Write a threshold into the pack's file and put it in force; returns the file. Raises InspectError where it cannot be."""
        rule = self._forms(tuning.rule)[0]
        file = next(file for file in self.files if rule in file.pack.rules)
        write_threshold(file.path, rule, *tuning.place, tuning.operator, threshold)
        self.reload(only=file.path)
        return file.path

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

    def use(self, pack: Pack, path: Path) -> None:
        """Put a pack in force, instead of the one from this file, or as the last."""
        places = [number for number, file in enumerate(self.files) if file.path.resolve() == path.resolve()]
        file = replace(self.files[places[0]], pack=_with_actions(pack, self.files[places[0]].actions)) if places else PackFile(path, pack)
        files = [file if number in places else other for number, other in enumerate(self.files)] + ([] if places else [file])
        names = [one.pack.name for one in files]
        if len(set(names)) < len(names):
            raise InspectError(f"two packs have the name {pack.name!r}: rename the one in {path}")
        self.judged = judge(self.documents, [one.pack for one in files], self.judged)
        self.files = files

    def reload(self, only: Path | None = None) -> Reloaded:
        """Read the packs' files again (or `only` one, which may be new) and put those without mistakes in force.

        A rule without a `why` yet, or with examples that disagree, is in force here, and noted: check and run refuse it."""
        paths = [file.path for file in self.files if not file.path.is_relative_to(SHIPPED)] if only is None else [only]
        found = Reloaded([], [], [])
        for path in paths:
            try:
                pack = load_pack(path, draft=True)
            except Problems as mistakes:
                found.problems.extend(mistakes.problems)
                continue
            found.notes.extend([*_without_why(pack), *example_problems(pack)])
            old = next((file.pack for file in self.files if file.path.resolve() == path.resolve()), None)
            if old is None or old.sha256 != pack.sha256 or old != pack:
                self.use(pack, path)
                found.changed.append(pack.name)
        return found

    # ---- labels

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


def _answer(label: Label | None) -> str:
    return label.label if label else ""


def _counts(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    items = pc.value_counts(pc.fill_null(values, "")).to_pylist()
    return {item["values"]: item["counts"] for item in sorted(items, key=lambda item: (-item["counts"], item["values"]))}


def _with_actions(pack: Pack, actions: dict[str, str]) -> Pack:
    """`pack` with the actions that a job sets; of rules that are gone, none."""
    return replace(pack, rules=tuple(replace(rule, action=actions.get(rule.id, rule.action)) for rule in pack.rules))


def _without_why(pack: Pack) -> list[Problem]:
    return [rule.place.located.problem((*rule.place.at, "why"), "R101", "say in one sentence why this rule exists") for rule in pack.rules if not rule.why and rule.place and not rule.variant]
