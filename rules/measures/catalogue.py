"""What the signals are, to read: the list, and one signal with an example that is measured on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from rules.format.pack import load_pack, shipped_packs
from rules.format.pack_files import FILE_SIGNALS, spelled
from rules.line_rules.line_signals import LINE_SIGNALS
from rules.measures.counts import MEANINGS
from rules.measures.signals import SIGNALS, measure
from rules.measures.token_signals import TOKEN_MEANINGS
from rules.measures.word_lists import LIST_SIGNALS
from rules.places import did_you_mean
from rules.rule import ENGINE_SIGNALS
from rules.visible import visible

MOST_NAMED = 12  # packs with the same rule that are named
OTHERS = {
    "of a pack's word lists": {f"{name}(LIST)": text for name, (text, _) in LIST_SIGNALS.items()},
    "of a pack's files": {spelled(kind, "NAME"): f"{signal.meaning} ({signal.unit}); `{signal.section}`" for kind, signal in FILE_SIGNALS.items()},
    "of a pack's tokenizer (`tokenizer: PATH`)": TOKEN_MEANINGS,
    "of what a pack's line rules did": ENGINE_SIGNALS,
    "of a line (in `when`)": LINE_SIGNALS,
}


def as_data() -> list[dict[str, str]]:
    """Every signal: name, meaning, source, and the unit of those that need nothing but a text."""
    of_texts = [{"name": s.name, "meaning": s.meaning, "unit": s.unit, "source": s.source} for s in SIGNALS.values()]
    return of_texts + [{"name": name, "meaning": meaning, "source": title} for title, signals in OTHERS.items() for name, meaning in signals.items()]


def list_lines() -> list[str]:
    """All signals by source, one line each."""
    lines, width = [], max(map(len, SIGNALS))
    for source in dict.fromkeys(signal.source for signal in SIGNALS.values()):
        lines += ["", source]
        lines += [f"  {s.name:<{width}}  {s.meaning} ({s.unit})" for s in SIGNALS.values() if s.source == source]
    for title, signals in OTHERS.items():
        lines += ["", title]
        lines += [f"  {name:<{width}}  {meaning}" for name, meaning in signals.items()]
    return lines[1:]


def explain(name: str) -> dict[str, Any]:
    """One signal with its example and where it is used. Raises ValueError for a name that is none."""
    for others in OTHERS.values():
        meaning = next((others[form] for form in (name, f"{name}(LIST)", f"{name}(NAME)", f"{name}.NAME") if form in others), None)
        if meaning:
            return {"name": name, "meaning": meaning, "used_by": list(_uses(name))}
    if name not in SIGNALS:
        raise ValueError(f"no signal {name!r}{did_you_mean(name, SIGNALS)}; `gristmill signals` lists them")
    signal = SIGNALS[name]
    return {
        "name": name, "meaning": signal.meaning, "unit": signal.unit, "source": signal.source,
        "counts": {count: MEANINGS[count] for count in signal.counts}, "example": signal.example,
        "values": _values(name, signal.example), "used_by": list(_uses(name)),
    }  # fmt: skip


def _values(name: str, example: str) -> dict[str, float]:
    """The signal of its example, for each splitter that is installed and made for such a text."""
    found = {}
    for words in ("space", "unicode", "spacy"):
        try:
            found[words] = float(measure(pa.array([example]), [name], words)[name][0])
        except ValueError:  # a splitter that is an extra
            continue
    return found


def _uses(name: str) -> Iterator[str]:
    """Rules of the shipped packs that look at the signal, with their thresholds."""
    for path in shipped_packs().values():
        pack = load_pack(path)
        for rule in pack.rules:
            for condition in (*rule.drop_when, *rule.when):
                if condition.signal.partition("(")[0] == name:
                    yield f"{pack.name}/{rule.form}: {', '.join(map(str, condition.any_of))}"


def explain_lines(found: dict[str, Any]) -> list[str]:
    """An explanation to read."""
    lines = [found["name"], f"  {found['meaning']}"]
    if "unit" in found:
        lines += [f"  unit: {found['unit']}; source: {found['source']}", "", "made of"]
        lines += [f"  {count}: {meaning}" for count, meaning in found["counts"].items()]
        lines += ["", "in this text", *(f"  | {visible(line)}" for line in found["example"].splitlines())]
        lines += ["it is", *(f"  {value:.6g} with words: {words}" for words, value in found["values"].items())]
    uses = _grouped(found["used_by"])
    return [*lines, "", "rules of shipped packs that look at it", *(f"  {use}" for use in uses)] if uses else lines


def _grouped(uses: list[str]) -> list[str]:
    """Uses that packs of a folder have alike, such as those of single languages, as one: `folder/{a,b}/rule: > 1`."""
    packs: dict[tuple[str, str], list[str]] = {}
    for use in uses:
        pack, slash, rule = use.rpartition("/")
        folder, inside, name = pack.rpartition("/")
        packs.setdefault((folder + inside, slash + rule), []).append(name)
    return [_one_use(folder, names, rule) for (folder, rule), names in packs.items()]


def _one_use(folder: str, names: list[str], rule: str) -> str:
    if len(names) > MOST_NAMED:
        return f"{folder}*{rule} ({len(names)} packs)"
    return f"{folder}{names[0] if len(names) == 1 else '{' + ','.join(names) + '}'}{rule}"
