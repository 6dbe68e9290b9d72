"""What repeats in a session, and rules made of it: mine, select, draft, try, save; and what is suggested.

    patterns = session.patterns
    groups = patterns.mine("prefixes", host="example.org")
    groups.rows()                                  the table
    draft = patterns.draft_of_rows(groups, [0, 3])
    patterns.try_draft(draft)                      its effect on the sample, and what generalising added
    patterns.save(draft, Path("draft.yaml"))       written, and in force as a tag
    patterns.enforce("draft/we-use-cookies")       `action: tag` becomes `lines: drop`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inspect_ui.draft import Draft, DraftEffect, draft_pack, host_draft, make_draft, write_draft
from inspect_ui.effects import lines_at, lines_found
from inspect_ui.generalise import Edge
from inspect_ui.mine import KINDS, SHOWN, Groups, Kind, MinedRow, Scope, mine_hosts, mine_lines, scope_of_lines
from inspect_ui.sample import InspectError
from inspect_ui.suggest import LineSuggestion, SignalSuggestion, suggest_lines, suggest_signals, tried_signals
from inspect_ui.write_back import write_line_rule
from rules.rule import Pack, Rule
from rules.text.buffers import large_strings

if TYPE_CHECKING:
    from inspect_ui.session import Reloaded, Session

EDGES: dict[Kind, Edge] = {"lines": "line", "templates": "line", "prefixes": "start", "suffixes": "end", "ngrams": "inside", "words": "inside"}
_ADDED = 20  # lines shown of those that generalising adds
_VARIANTS = 200  # texts of a template that a pattern is made from


@dataclass
class Mined:
    """A mined table: its rows, how much was looked at, and the groups that patterns are made from (hosts have none)."""

    kind: Kind
    host: str | None
    language: str | None
    match: str | None
    documents: int  # in scope
    lines: int  # in scope
    rows: list[MinedRow]
    groups: Groups | None = field(default=None, repr=False)


class Patterns:
    """The questions about what repeats in the sample of a session."""

    def __init__(self, session: Session):
        self.session = session

    def mine(self, kind: Kind, host: str | None = None, language: str | None = None, match: str | None = None, limit: int = SHOWN) -> Mined:
        """What repeats: lines, prefixes, suffixes, ngrams, words, templates or hosts; of one host, of one language, and in
        lines that an RE2 pattern matches, if wanted. Raises InspectError for an unknown kind, host, language or pattern."""
        if kind not in KINDS:
            raise InspectError(f"no kind {kind!r} to mine; there are {', '.join(KINDS)}")
        wanted = self._wanted(host, language)
        scope = self._scope(wanted, match)
        rows = np.flatnonzero(wanted) if wanted is not None else np.arange(self.session.count)
        rows = rows if match is None else np.unique(scope.document)
        if kind == "hosts":
            found = mine_hosts(rows, self.session.hosts, self.session.judged.decision.dropped, scope.table.first, limit)
            return Mined(kind, host, language, match, len(rows), len(scope.numbers), found)
        groups = mine_lines(scope, kind, limit)
        return Mined(kind, host, language, match, len(rows), len(scope.numbers), groups.rows(), groups)

    def _wanted(self, host: str | None, language: str | None) -> np.ndarray | None:
        if host is None and language is None:
            return None
        wanted = np.ones(self.session.count, bool)
        for column, value, name in ((self.session.hosts, host, "host"), (self.session.documents["lang"], language, "language")):
            if value is not None:
                wanted &= pc.equal(pc.fill_null(column, ""), value).to_numpy(zero_copy_only=False)
                if not wanted.any():
                    raise InspectError(f"no document of the sample has {name} {value!r}; see --print mine hosts" if name == "host" else f"no document of the sample is in {value!r}; there are {', '.join(filter(None, self.session.languages))}")
        return wanted

    def _scope(self, wanted: np.ndarray | None = None, match: str | None = None) -> Scope:
        judged = self.session.judged
        numbers = None if match is None else self._matching(match)
        return scope_of_lines(judged.lines, judged.decision.dropped, self.session.hosts, wanted, numbers)

    def _matching(self, pattern: str) -> np.ndarray:
        """The lines of the table that an RE2 pattern matches."""
        self.session.check_pattern(pattern)
        pack = Pack("scope", "", (Rule("lines", "", lines="drop", match=pattern),))
        found = lines_found(self.session.documents, pack, "lines")
        return self.session.judged.lines.number(found["row"].to_numpy(), found["line"].to_numpy(), pack)

    # ---- drafts

    def draft_of_rows(self, mined: Mined, numbers: Sequence[int], taken: set[str] | None = None) -> Draft:
        """A draft for rows of a mined table, generalised when they stand for several texts. Raises InspectError for none."""
        if not len(numbers):
            raise InspectError("no row is selected")
        taken = self._taken() if taken is None else taken
        if mined.groups is None:
            return host_draft([mined.rows[i].text for i in numbers], large_strings(self.session.documents["url"]), self.session.hosts, taken, self.session.opened.seed)
        texts = [text for i in numbers for text in mined.groups.texts_of(i, _VARIANTS)]
        lines = [line for i in numbers for line in mined.groups.lines_of(i, _VARIANTS)]
        return make_draft(texts, EDGES[mined.kind], lines, self.session.judged.lines, taken, self.session.opened.seed)

    def draft_of_text(self, row: int, start: int, end: int, taken: set[str] | None = None) -> Draft:
        """A draft for characters `start` to `end` of a document's text. Part of a line is tied to the edge of the line that it
        reaches; of several lines, each is taken whole. Raises InspectError where nothing but white space is marked."""
        text = self.session.text_of(row)
        start, end = min(start, end), max(start, end)
        first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        whole = text[first : last if last >= 0 else len(text)]
        selected = text[start:end].strip()
        texts, edge = ([line for line in whole.split("\n") if line.strip()], "line") if "\n" in selected else ([selected], _edge_of(whole, selected))
        return make_draft(texts, edge, whole.split("\n"), self.session.judged.lines, self._taken() if taken is None else taken, self.session.opened.seed)

    def _taken(self) -> set[str]:
        """Ids of the rules in force, which no draft takes."""
        return {rule.id for pack in self.session.packs for rule in pack.rules}

    def try_draft(self, draft: Draft) -> DraftEffect:
        """What a draft does to the sample: with its pattern, and with the texts alone that were selected."""
        effect = self.session.effect(draft_pack(draft), draft.id)
        if not draft.generalised:
            return DraftEffect(effect, effect, [])
        literal = self.session.effect(draft_pack(draft, draft.literal), draft.id)
        assert effect.found is not None and literal.found is not None
        mine, theirs = (_line_numbers(found) for found in (effect.found, literal.found))
        places = np.flatnonzero(~np.isin(mine, theirs))
        chosen = np.sort(np.random.default_rng(self.session.opened.seed).permutation(places)[:_ADDED])
        return DraftEffect(effect, literal, lines_at(effect.found, self.session.documents, chosen))

    def save(self, draft: Draft, path: Path) -> Reloaded:
        """Write a draft as the last rule of the pack at `path` (made if it is not there), and put it in force, as a tag."""
        write_draft(path, draft)
        return self.session.reload(only=path)

    def enforce(self, name: str) -> Path:
        """Make rule pack/id, which tags lines, drop them; in its file and in force. Raises InspectError where it cannot be."""
        file, rule = self.session.file_of(name)
        write_line_rule(file.path, rule)
        self.session.reload(only=file.path)
        return file.path

    # ---- suggestions

    def suggest_lines(self, limit: int = 10, host: str | None = None, language: str | None = None) -> list[LineSuggestion]:
        """The line patterns that would remove most words at least risk."""
        return suggest_lines(self._scope(self._wanted(host, language)), limit)

    def suggest_signals(self, recall: float = 0.5, limit: int = 10) -> list[SignalSuggestion]:
        """Rules of one signal, from labels of a random sample. Raises InspectError for too few of them."""
        return suggest_signals(self.session.texts, self.session.judgements, tried_signals(self.session.packs), recall, limit)

    def draft_of_suggestion(self, one: LineSuggestion) -> Draft:
        """A draft for a suggested line pattern."""
        line = self.session.text_of(one.row.row, one.row.line)
        draft = make_draft([line], "line", [line], self.session.judged.lines, self._taken(), self.session.opened.seed)
        return Draft(draft.id, one.pattern, draft.literal, draft.drop, draft.keep)


def _edge_of(line: str, selected: str) -> Edge:
    """What of a line a selection is."""
    starts, ends = line.strip().startswith(selected), line.strip().endswith(selected)
    return "line" if line.strip() == selected else "start" if starts else "end" if ends else "inside"


def _line_numbers(found: pa.Table) -> np.ndarray:
    """One number for each line of each document."""
    return found["row"].to_numpy() << 32 | found["line"].to_numpy()
