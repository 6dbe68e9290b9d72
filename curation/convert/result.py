"""What a conversion makes: a job, packs, and a list of what has no equal here; and how they are written to a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

NO_INPUT, NO_OUTPUT = "input", "out"  # where the configuration names none
Comparison = tuple[str, float]  # operator and threshold: ("<", 50.0)


class ConvertError(ValueError):
    """A configuration that cannot be read: says where, and what is read."""


@dataclass(frozen=True)
class Note:
    """Something that is not, or not quite, the same here. `equal`: it does the same, under a condition that the text says."""

    where: str  # file:line, as far as it is known
    what: str
    why: str
    equal: bool = False


@dataclass
class Converted:
    """A job as plain data, its packs by name, and notes. `job["packs"]` names the packs in order."""

    source: str
    tool: str
    job: dict[str, Any] = field(default_factory=dict)
    packs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    outputs: set[str] = field(default_factory=set)  # folders that steps so far wrote to: reading them is no input

    def missing(self, where: str, what: str, why: str) -> None:
        """Note that `what` has no equal."""
        self.notes.append(Note(where, what, why))

    def differs(self, where: str, what: str, why: str) -> None:
        """Note what is to be known about a step that was converted."""
        self.notes.append(Note(where, what, why, equal=True))

    def add_pack(self, pack: dict[str, Any]) -> None:
        """Add a pack and use it in the job; a name that is taken gets a number."""
        name, number = pack["pack"], 2
        while pack["pack"] in self.packs:
            pack["pack"], number = f"{name}_{number}", number + 1
        self.packs[pack["pack"]] = pack
        self.job.setdefault("packs", []).append(f"packs/{pack['pack']}.yaml")


def number(value: float) -> str:
    """As short as it can be written without being another number."""
    return f"{int(value)}" if float(value).is_integer() else f"{float(value)!r}"


def comparisons(pairs: list[Comparison]) -> str | list[str]:
    """As packs have them: one, or a list of which any may hold."""
    texts = [f"{operator} {number(value)}" for operator, value in pairs]
    return texts[0] if len(texts) == 1 else texts


def beside(operator: str, value: float) -> tuple[float, float]:
    """Two values that an example may have: one that the comparison hits, and one that it does not."""
    step = 1.0 if float(value).is_integer() and abs(value) >= 1 else 0.001
    step = step if operator.startswith(">") else -step
    hits, misses = value + step, value if operator in ("<", ">") else value - step
    return round(hits, 6), round(misses, 6)


def threshold_examples(signal: str, pairs: list[Comparison]) -> dict[str, list[dict[str, float]]]:
    """Examples just on either side of each threshold."""
    sides = [beside(operator, value) for operator, value in pairs]
    keep = [misses for _, misses in sides if not any(_holds(operator, misses, value) for operator, value in pairs)]
    drop = [{signal: _whole(hits)} for hits, _ in sides]
    return {"drop": drop, "keep": [{signal: _whole(value)} for value in keep]} if keep else {"drop": drop}


def _holds(operator: str, value: float, threshold: float) -> bool:
    return {"<": value < threshold, ">": value > threshold, "<=": value <= threshold, ">=": value >= threshold, "==": value == threshold}[operator]


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def threshold_rule(name: str, why: str, signal: str, pairs: list[Comparison], **more: Any) -> dict[str, Any]:
    """A document rule on one signal, with examples."""
    return {"id": name, "why": why, **more, "drop_when": {signal: comparisons(pairs)}, "examples": threshold_examples(signal, pairs)}


def write(converted: Converted, folder: Path) -> list[Path]:
    """Write job.yaml and packs/ into a folder that is new or empty; the paths written, the job first.

    Raises ConvertError where the folder holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConvertError(f"{str(folder)!r} is not empty; name a new folder with -o")
    (folder / "packs").mkdir(parents=True, exist_ok=True)
    written = [folder / "job.yaml"]
    written[0].write_text(_heading(converted) + _yaml(_seen_from(folder, converted.job)), encoding="utf-8")
    for name, pack in converted.packs.items():
        written.append(folder / "packs" / f"{name}.yaml")
        written[-1].write_text(_yaml(pack), encoding="utf-8")
    return written


def _seen_from(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """The job with its paths relative to `folder`, as jobs have them: those of the other tool are relative to where it runs,
    which is taken to be here. What the configuration does not say stays as it is."""
    inputs = [job["input"]] if isinstance(job["input"], str) else job["input"]
    rebased = [_rebased(path, folder) if path != NO_INPUT else path for path in inputs]
    output = _rebased(job["output"], folder) if job["output"] != NO_OUTPUT else NO_OUTPUT
    return job | {"input": rebased[0] if isinstance(job["input"], str) else rebased, "output": output}


def _rebased(path: str, folder: Path) -> str:
    return path if "://" in path or path.startswith("~") or Path(path).is_absolute() else os.path.relpath(path, folder)


def _heading(converted: Converted) -> str:
    lines = [f"# From {converted.tool}: {converted.source}"]
    lines += [f"# {'Note' if note.equal else 'NOT CONVERTED'}: {note_line(note)}" for note in converted.notes]
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"


def note_line(note: Note) -> str:
    """One line about a note."""
    return f"{note.where}: {note.what}: {note.why}"


class _Dumper(yaml.SafeDumper):
    """Lists are indented, and what people write on one line is on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


class _OneLine(dict):  # type: ignore[type-arg]
    """A mapping that is written on one line."""


_Dumper.add_representer(_OneLine, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True))
ONE_LINE = ("examples", "drop_when", "when", "url", "lists", "near", "exact", "language", "read", "extract", "substrings")


def _yaml(data: dict[str, Any]) -> str:
    return yaml.dump(_styled(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000, default_flow_style=None)


def _styled(data: Any) -> Any:
    if isinstance(data, list):
        return [_styled(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {key: _OneLine(value) if key in ONE_LINE and isinstance(value, dict) else _styled(value) for key, value in data.items()}
