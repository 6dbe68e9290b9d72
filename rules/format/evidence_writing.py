"""Write evidence beside the rule it is about: in place, comments and order as they were, the file never half written.

The newest record comes first. After writing the pack is read again; where it does not say what it should, the file is put
back as it was.
"""

from __future__ import annotations

from pathlib import Path

from rules.format.evidence import Evidence, evidence_yaml
from rules.format.file_text import replace_file
from rules.format.pack import SHIPPED, load_pack
from rules.places import KEY, KeyPath, Located, Problems, load
from rules.rule import Rule

INDENT = "  "


class EvidenceError(ValueError):
    """Evidence that cannot be written into a pack; the text says why, and what to add by hand."""


def write_evidence(rule: Rule, evidence: Evidence) -> Path:
    """Write `evidence` under the rule in the file that the rule was read from; returns that file. Raises EvidenceError."""
    if rule.place is None:
        raise EvidenceError(f"{rule.id} was not read from a file")
    file = Path(rule.place.located.path)
    if file.resolve().is_relative_to(SHIPPED.resolve()):
        raise EvidenceError(f"{rule.id} comes with gristmill and is not written to. In a pack that extends it, add:\n{_block(evidence, '')}")
    located = load(file)  # as it is now: it may have been edited since the rule was read
    at = _place_of(located, rule.id)
    if at is None:
        raise EvidenceError(f"{file}: has no rule {rule.id} any more. Add where it belongs:\n{_block(evidence, '')}")
    with open(file, encoding="utf-8", newline="") as opened:  # line ends stay as they are
        old = opened.read()
    new = _with_record(old, located, at, evidence)
    if new is None:
        line, _ = located.place(at)
        raise EvidenceError(f"{file}:{line}: the rule is not written one key a line, so this is not added by itself:\n{_block(evidence, '')}")
    replace_file(file, new)
    if not _says(file, rule.id, evidence):
        replace_file(file, old)
        raise EvidenceError(f"{file}: evidence could not be added in place; add to rule {rule.id}:\n{_block(evidence, '')}")
    return file


def _place_of(located: Located, name: str) -> KeyPath | None:
    rules = located.data.get("rules") if isinstance(located.data, dict) else None
    for index, raw in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(raw, dict) and str(raw.get("id", "")).rpartition("/")[2] == name:
            return ("rules", index)
    return None


def _with_record(text: str, located: Located, at: KeyPath, evidence: Evidence) -> str | None:
    """The text of the file with the record in it; None where its layout leaves no place."""
    lines = text.split("\n")
    raw = located.data["rules"][at[1]]
    if raw.get("evidence"):
        line, col = located.place((*at, "evidence", 0))
        begin = lines[line - 1][: col - 1]
        if begin.strip() != "-":
            return None
        indent = begin[: begin.index("-")]
        return _inserted(lines, line, evidence_yaml(evidence, indent))
    for key in reversed(list(raw)):
        line, col = located.place((*at, key, KEY))
        if key != "id" and not lines[line - 1][: col - 1].strip() and "evidence" not in raw:
            return _inserted(lines, line, _block(evidence, " " * (col - 1)))
    return None


def _block(evidence: Evidence, indent: str) -> str:
    return f"{indent}evidence:\n" + evidence_yaml(evidence, indent + INDENT)


def _inserted(lines: list[str], line: int, block: str) -> str:
    """`block` before line number `line` (from 1), with the line ends of the file."""
    end = "\r\n" if lines[0].endswith("\r") else "\n"
    return "\n".join(lines[: line - 1] + [block.removesuffix("\n").replace("\n", end) + end.removesuffix("\n")] + lines[line - 1 :])


def _says(file: Path, name: str, evidence: Evidence) -> bool:
    try:
        rule = load_pack(file, draft=True).rule(name)
    except Problems:
        return False
    first = rule.evidence[0] if rule and rule.evidence else None
    return first is not None and (first.date, first.verdict, first.on, first.tokens) == (evidence.date, evidence.verdict, evidence.on, evidence.tokens)
