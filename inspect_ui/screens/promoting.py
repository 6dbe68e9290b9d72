"""From a selection to a rule in force: draft, preview, editor, preview again.

Nothing is written before the preview is agreed to. A rule begins as a tag, which changes nothing; what it would take is
seen first. Mistakes made in the editor are shown where they are, and the rule as it was stays in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inspect_ui.draft import Draft, DraftEffect
from inspect_ui.editing import edit
from inspect_ui.effects import Effect, LineAt
from inspect_ui.screens.told import InForce, Mistakes, Preview
from inspect_ui.session import InspectError, Reloaded, Session
from rules.format.pack import SHIPPED
from rules.visible import excerpt

if TYPE_CHECKING:
    from inspect_ui.app import Inspect

SHOWN_LINES = 12


def promote(app: Inspect, make: Callable[[], Draft]) -> None:
    """Preview the draft that `make` makes, and go on from there."""

    def tried() -> tuple[Draft, DraftEffect, list[LineAt]]:
        draft = make()
        found = app.session.patterns.try_draft(draft)
        return draft, found, app.session.effect_lines(found.effect, SHOWN_LINES)

    app.frame.work("drafting", tried, lambda found: _preview(app, *found))


def _preview(app: Inspect, draft: Draft, found: DraftEffect, lines: list[LineAt]) -> None:
    def answered(answer: str | None) -> None:
        if answer == "literal":
            promote(app, lambda: replace(draft, pattern=draft.literal))
        elif answer == "write":
            app.frame.work("writing", lambda: app.session.patterns.save(draft, app.session.drafts), lambda saved: _saved(app, draft, saved), replaces=False)

    answers = ("write", "literal") if draft.generalised else ("write",)
    app.push_screen(Preview(f"A rule for {app.session.drafts}: {draft.id}", preview_text(draft, found, lines), answers), answered)


def _saved(app: Inspect, draft: Draft, saved: Reloaded) -> None:
    """It is in force as a tag; the user says why it exists, and what else there is to say."""
    if saved.problems:
        app.push_screen(Mistakes(saved.problems))
        return
    names = [f"{pack.name}/{draft.id}" for pack in app.session.packs if pack.rule(draft.id)]
    app.rule = names[-1] if names else app.rule
    edit_rule(app, app.rule)


def edit_rule(app: Inspect, name: str) -> None:
    """Open the rule in the editor; when it has ended, put the file in force and show what the rule does then."""
    place = app.frame.attempt(lambda: rule_place(app.session, name))
    if place and app.frame.attempt(lambda: edit(app, *place) or True):
        app.frame.work("applying rules", app.session.reload, lambda found: _edited(app, name, found), replaces=False)


def _edited(app: Inspect, name: str, found: Reloaded) -> None:
    if found.problems:
        app.push_screen(Mistakes(found.problems), lambda answer: edit_rule(app, name) if answer == "edit" else None)
        return
    app.frame.fill()
    app.frame.work("previewing", lambda: in_force_text(app.session, name, found), lambda told: _in_force(app, name, told))


def _in_force(app: Inspect, name: str, told: tuple[str, bool]) -> None:
    def answered(answer: str | None) -> None:
        if answer == "edit":
            edit_rule(app, name)
        elif answer == "enforce":
            app.frame.work("writing", lambda: app.session.patterns.enforce(name), lambda path: _enforced(app, name, path), replaces=False)

    text, is_tag = told
    app.push_screen(InForce(f"{name} is in force", text, ("edit", "enforce") if is_tag else ("edit",)), answered)


def _enforced(app: Inspect, name: str, path: Path) -> None:
    app.frame.fill()
    app.frame.say(f"{name} drops its lines now, here and in {path}")


# ---- what is said


def preview_text(draft: Draft, found: DraftEffect, lines: list[LineAt]) -> str:
    parts = [f"match: {draft.pattern}", "", effect_text(found.effect)]
    if draft.generalised:
        parts += ["", f"what was selected, alone: {found.literal.lines or 0:,} lines; generalising it adds {found.added_lines:,}:", *map(line_text, found.added)]
    if lines:
        parts += ["", "lines it hits:", *map(line_text, lines)]
    parts += ["", "lines it leaves alone:", *(f"  {excerpt(text, 200)}" for text in draft.keep)]
    return "\n".join(parts)


def effect_text(effect: Effect) -> str:
    """`tags 123 lines in 45 documents (0.2 %) of 7 hosts, 210 words (0.01 %); 12 are removed already`"""
    lines = f"{effect.lines:,} lines in " if effect.lines is not None else ""
    already = f"; rules in force remove {effect.already:,} already" if effect.already else ""
    languages = ", ".join(f"{name or 'no language'} {count:,}" for name, count in list(effect.by_language.items())[:5])
    return (
        f"{effect.action}: {lines}{effect.documents:,} documents ({100 * effect.document_share:.2g} %) of {effect.hosts:,} hosts, "
        f"{effect.words:,} words ({100 * effect.word_share:.2g} %){already}" + (f"\nlanguages: {languages}" if languages else "")
    )


def line_text(line: LineAt) -> str:
    after = f"  →  {excerpt(line.after, 100)}" if line.after is not None else ""
    return f"  {excerpt(line.text, 200)}{after}   ({excerpt(line.id, 40)}:{line.line})"


def in_force_text(session: Session, name: str, found: Reloaded) -> tuple[str, bool]:
    """What a rule does now and what is still missing in it, and whether it is a rule for lines that only tags them."""
    file, rule = session.file_of(name)
    effect = session.effect(file.pack, rule.id)
    parts = [rule.why or "(it says no why yet)", "", effect_text(effect), ""]
    parts += [f"still to do: {note}" for note in found.notes]
    parts += map(line_text, session.effect_lines(effect, SHOWN_LINES))
    return "\n".join(parts), rule.action == "tag" and rule.acts_on_lines


def rule_place(session: Session, name: str) -> tuple[Path, int]:
    """The file and line where rule pack/id is written. Raises InspectError where it cannot be edited."""
    if not name:
        raise InspectError("choose a rule on 2 Rules first")
    _, rule = session.file_of(name)
    if rule.place is None:
        raise InspectError(f"{name} was not read from a file")
    path = Path(rule.place.located.path)
    if path.resolve().is_relative_to(SHIPPED.resolve()):
        pack = name.rpartition("/")[0]
        raise InspectError(f"{name} comes with gristmill and is not written to: make a pack with `extends: [{pack}]` and change the rule there")
    return path, rule.place.located.place(rule.place.at)[0]
