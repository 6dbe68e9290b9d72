"""Write one changed value back into a pack's YAML: in place, comments and order as they were, the file never half written.

The place of every value is known from reading the file (rules/places.py). After writing the pack is read again; where it
does not say what it should, the file is put back.
"""

from __future__ import annotations

import re
from pathlib import Path

from inspect_ui.sample import InspectError
from rules.format.file_text import replace_file
from rules.format.pack import SHIPPED, load_pack
from rules.places import KEY, KeyPath, Problems
from rules.rule import Pack, Rule

_SCALAR = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\n]|\'\')*\'|[^,\]}\n#]*[^,\]}\n#\s]')


def write_threshold(path: Path, rule: Rule, signal: str, number: int, operator: str, threshold: float) -> Pack:
    """Write comparison `number` of `signal` of a rule as `operator threshold`; returns the pack at `path` as it is then.

    Raises InspectError where the rule is not written in a file of the user, or the value cannot be changed alone."""
    at, file = _place(rule)
    side = "drop_when" if rule.drop_when else "when"
    value = _raw(rule, at, side, signal)
    key = (*at, side, signal, *((number,) if isinstance(value, list) else ()))
    text = f'"{operator} {number_text(threshold)}"'
    return _write(path, file, rule, key, text, lambda pack: _says(pack, rule, signal, number, threshold))


def write_line_rule(path: Path, rule: Rule, lines: str = "drop") -> Pack:
    """Make a rule that only tags lines one that drops them: `action: tag` becomes `lines: drop`. Raises InspectError."""
    at, file = _place(rule)
    if rule.match is None or rule.lines or "action" not in _raw(rule, at):
        raise InspectError(f"{rule.id} is no rule that tags lines (match, with action: tag)")
    text = f"lines: {lines}"
    return _write(path, file, rule, (*at, "action", KEY), text, lambda pack: pack.rule(rule.id) is not None and pack.rule(rule.id).lines == lines)


def number_text(value: float) -> str:
    """`value` as short as it can be written and read back the same."""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _place(rule: Rule) -> tuple[KeyPath, Path]:
    if rule.place is None:
        raise InspectError(f"{rule.id} was not read from a file")
    file = Path(rule.place.located.path)
    if file.resolve().is_relative_to(SHIPPED.resolve()):
        name = file.resolve().relative_to(SHIPPED.resolve()).with_suffix("")
        raise InspectError(f"{name}/{rule.id} comes with gristmill and is not written to: make a pack with `extends: [{name}]` and change the rule there")
    return rule.place.at, file


def _raw(rule: Rule, at: KeyPath, *more: str):
    data = rule.place.located.data
    for key in (*at, *more):
        data = data[key]
    return data


def _says(pack: Pack, rule: Rule, signal: str, number: int, threshold: float) -> bool:
    now = pack.rule(rule.id)
    conditions = [c for c in (*now.drop_when, *now.when) if c.signal == signal] if now else []
    return bool(conditions) and conditions[0].any_of[number].threshold == threshold


def _write(path: Path, file: Path, rule: Rule, key: KeyPath, value: str, says) -> Pack:
    with open(file, encoding="utf-8", newline="") as opened:  # line ends stay as they are
        old = opened.read()
    line, col = rule.place.located.place(key)
    lines = old.split("\n")
    match = _SCALAR.match(lines[line - 1], col - 1) if line <= len(lines) else None
    if match is None:
        raise InspectError(f"{file}:{line}:{col}: cannot change this value alone; edit the file")
    lines[line - 1] = lines[line - 1][: col - 1] + value + lines[line - 1][match.end() :]
    replace_file(file, "\n".join(lines))
    try:
        pack = load_pack(path, draft=True)
        if says(pack):
            return pack
    except Problems:
        pass
    replace_file(file, old)
    raise InspectError(f"{file}:{line}:{col}: cannot change this value alone (has the file changed?); edit the file")
