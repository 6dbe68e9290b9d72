"""The packs in force in a session: found by name, tuned, written back, and read again when their files change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from inspect_ui.judging import Judged, judge
from inspect_ui.line_tuning import line_tunings
from inspect_ui.reading import forms_of
from inspect_ui.sample import InspectError, PackFile
from inspect_ui.scores import Judgements, Score, document_score
from inspect_ui.tune import Tuning, tunings
from inspect_ui.wilson import Share
from inspect_ui.write_back import write_threshold
from rules.format.examples import example_problems
from rules.format.pack import SHIPPED, load_pack
from rules.places import Problem, Problems
from rules.rule import Comparison, Pack, Rule
from rules.thresholds import meets


@dataclass(frozen=True)
class Reloaded:
    """What reading packs again came to. Where a pack has `problems`, the one that was in force stays in force.

    `notes` are what is still missing before `check` and `run` take it (a `why`, examples that agree)."""

    changed: list[str]  # names of packs that are in force now
    problems: list[Problem]
    notes: list[Problem]


class InForce:
    """The part of a session that is about its packs."""

    documents: pa.Table
    files: list[PackFile]
    judged: Judged
    judgements: Judgements

    @property
    def packs(self) -> list[Pack]:
        """The packs in force, in order."""
        return [file.pack for file in self.files]

    def _forms(self, name: str) -> list[Rule]:
        try:
            return forms_of(self.packs, name)
        except KeyError:
            known = ", ".join(f"{pack.name}/{rule.id}" for pack in self.packs for rule in pack.rules[:3]) or "none; name packs with --packs"
            raise InspectError(f"no rule {name!r} in force; rules are called pack/id ({known} ...)") from None

    def tunings(self, name: str) -> list[Tuning]:
        """Every comparison of a rule that has a threshold, ready to be moved: of a rule that finds lines, those of its `when`.

        Raises InspectError for an unknown rule."""
        rule = self._forms(name)[0]
        if rule.when and rule.action != "off":
            return line_tunings(self.judged, name, rule)
        return tunings(self.judged, name)

    def tune_score(self, tuning: Tuning, threshold: float) -> Score:
        """Precision and recall of the rule with another threshold, from the labels there are."""
        if tuning.unit == "lines":
            return self._tune_line_score(tuning, threshold)
        hit = np.zeros(len(self.documents), bool)
        others = self.judged.decision.rule_hits.get(tuning.rule, hit).copy()
        others[tuning.sorted.rows] = False
        hit[tuning.sorted.rows] = tuning.hit(tuning.sorted.rows, threshold)
        return document_score(self.judgements, hit | others)

    def _tune_line_score(self, tuning: Tuning, threshold: float) -> Score:
        """Precision with another threshold, of the lines that were labelled while the rule was looked at."""
        met = meets(tuning.sorted.values, Comparison(tuning.operator, threshold))
        hit = set(zip(tuning.sorted.rows[met].tolist(), tuning.sorted.lines[met].tolist()))
        labels = self.judgements
        mine = [drop for row, line, drop, rule in zip(labels.rows.tolist(), labels.lines.tolist(), labels.drop.tolist(), labels.rules) if rule == tuning.rule and (row, line) in hit]
        return Score(Share(sum(mine), len(mine)), None)

    def file_of(self, name: str) -> tuple[PackFile, Rule]:
        """The file that rule pack/id is read from, and the rule. Raises InspectError for an unknown rule."""
        rule = self._forms(name)[0]
        return next(file for file in self.files if rule in file.pack.rules and name.startswith(f"{file.pack.name}/")), rule

    def write_threshold(self, tuning: Tuning, threshold: float) -> Path:
        """Write a threshold into the pack's file and put it in force; returns the file. Raises InspectError where it cannot be."""
        file, rule = self.file_of(tuning.rule)
        write_threshold(file.path, rule, *tuning.place, tuning.operator, threshold)
        self.reload(only=file.path)
        return file.path

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


def _with_actions(pack: Pack, actions: dict[str, str]) -> Pack:
    """`pack` with the actions that a job sets; of rules that are gone, none."""
    return replace(pack, rules=tuple(replace(rule, action=actions.get(rule.id, rule.action)) for rule in pack.rules))


def _without_why(pack: Pack) -> list[Problem]:
    return [rule.place.located.problem((*rule.place.at, "why"), "R101", "say in one sentence why this rule exists") for rule in pack.rules if not rule.why and rule.place and not rule.variant]
