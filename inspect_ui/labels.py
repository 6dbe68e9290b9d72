"""Labels that people give documents and lines: an append-only file, undo as a line of its own, and what they say together.

One JSON object a line, written at once and synced before the screen goes on, so a label that was seen is on disk:

    {"doc": "d-17", "line": 0, "text_sha": "…", "label": "drop", "rule": "gopher/bullet-lines", "sample": "near",
     "by": "ann", "at": "2025-01-31T12:00:00+00:00"}
    {"undo": 12, "by": "ann", "at": "…"}      {"redo": 12, …}      the number is a line of the file, from 1

`line` is 0 for a document, else the line (from 1) that was judged; `text_sha` is of the text that was judged, so a label
of a text that has changed since is known to be stale. `sample` says how the document was come upon: only labels of a
random sample may speak about recall. Nothing in the file is ever changed or removed.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from curation.inputs import InputError

Answer = Literal["keep", "drop", "unsure"]

# How what is labelled was come upon. `hits`: lines or documents that a rule hits; `other`: by hand.
SamplingMode = Literal["random", "near", "only", "disagreements", "rare-host", "longest", "each-language", "hits", "other"]

ANSWERS, MODES = get_args(Answer), get_args(SamplingMode)
TABLE = pa.schema([(name, pa.int64() if name in ("line", "number") else pa.string()) for name in ("doc", "line", "text_sha", "label", "rule", "sample", "by", "at", "file", "number")])


class LabelError(InputError):
    """A file of labels that cannot be used; the text says which, and what to do."""


@dataclass(frozen=True)
class Label:
    """What somebody said about a document (`line` 0) or one line of it; `number`: the line of the file that says it."""

    doc: str
    line: int
    text_sha: str
    label: Answer
    rule: str
    sample: SamplingMode
    by: str
    at: str
    number: int = 0
    file: str = ""

    @property
    def about(self) -> tuple[str, int]:
        return self.doc, self.line


def text_sha(text: str) -> str:
    """32 hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass
class LabelLog:
    """One person's file of labels. Reading a file that is not there yields no labels; it is made with the first one."""

    path: Path
    by: str = ""
    labels: list[Label] = field(default_factory=list)  # every label of the file, undone ones too
    damaged: list[int] = field(default_factory=list)  # lines that say nothing we know
    _undone: set[int] = field(default_factory=set)
    _can_redo: list[int] = field(default_factory=list)
    _lines: int = 0

    def __post_init__(self) -> None:
        self.by = self.by or _user()
        if self.path.is_dir():
            raise LabelError(f"labels {str(self.path)!r} is a folder; name a file, such as {self.path}/labels.jsonl")
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise LabelError(f"cannot read the labels {str(self.path)!r}: {error.strerror}") from None
        for line in data.split(b"\n") if data else ():
            self._take(line)
        self._lines -= data.endswith(b"\n")

    def add(self, doc: str, text: str, label: Answer, rule: str = "", sample: SamplingMode = "random", line: int = 0) -> Label:
        """Write a label down, and return it. Raises LabelError where the file cannot be written."""
        if label not in ANSWERS or sample not in MODES:
            raise ValueError(f"a label is one of {', '.join(ANSWERS)} from a sample of {', '.join(MODES)}; got {label!r}, {sample!r}")
        record = {"doc": doc, "line": line, "text_sha": text_sha(text), "label": label, "rule": rule, "sample": sample}
        self._write(record)
        self._can_redo.clear()
        return self.labels[-1]

    def undo(self) -> Label | None:
        """Take this person's last label back, by a line that says so; None where there is none."""
        mine = [one for one in self.labels if one.by == self.by and one.number not in self._undone]
        if not mine:
            return None
        self._write({"undo": mine[-1].number})
        self._can_redo.append(mine[-1].number)
        return mine[-1]

    def redo(self) -> Label | None:
        """Give the label back that was undone last; None where a label came after it, or none was undone."""
        if not self._can_redo:
            return None
        number = self._can_redo.pop()
        self._write({"redo": number})
        return next(one for one in self.labels if one.number == number)

    def is_undone(self, label: Label) -> bool:
        return label.number in self._undone

    def current(self) -> dict[tuple[str, int], Label]:
        """(document, line) -> the last label that was not undone."""
        return {one.about: one for one in self.labels if one.number not in self._undone}

    def _write(self, record: dict[str, Any]) -> None:
        record = record | {"by": self.by, "at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())}
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                torn = _catch_up(file, self)
                file.write(b"\n" + line if torn else line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LabelError(f"cannot write the label to {str(self.path)!r}: {error.strerror}; it is not kept") from None
        self._take(line.rstrip(b"\n"))

    def _take(self, line: bytes) -> None:
        """One more line of the file."""
        self._lines += 1
        if not line.strip():
            return
        try:
            record = json.loads(line)
            if "undo" in record:
                self._undone.add(int(record["undo"]))
            elif "redo" in record:
                self._undone.discard(int(record["redo"]))
            else:
                self.labels.append(_label(record, self._lines, self.path.name))
        except (ValueError, TypeError, KeyError, AttributeError):
            self.damaged.append(self._lines)


def _catch_up(file: Any, log: LabelLog) -> bool:
    """Take lines that another program has added since; says whether the last line of the file was cut short."""
    file.seek(0)
    lines = file.read().split(b"\n")
    torn = bool(lines[-1])
    for line in lines[log._lines : len(lines) - (not torn)]:
        log._take(line)
    return torn


def _label(record: dict[str, Any], number: int, file: str) -> Label:
    if record["label"] not in ANSWERS:
        raise ValueError(record["label"])
    texts = {name: str(record.get(name, "")) for name in ("rule", "by", "at")}
    sample = record.get("sample", "random")
    return Label(str(record["doc"]), int(record.get("line", 0)), str(record["text_sha"]), record["label"], sample=sample if sample in MODES else "other", number=number, file=file, **texts)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


# ---- several people


@dataclass(frozen=True)
class Disagreement:
    """A document, or a line of one, about which people said different things."""

    doc: str
    line: int
    said: dict[str, Answer]  # by whom -> what


@dataclass
class Together:
    """What all files say: `labels` are those about which nobody disagrees, one for each thing judged."""

    labels: dict[tuple[str, int], Label]
    disagreements: list[Disagreement]
    judged_by_several: int  # things that two or more people judged


def together(logs: Sequence[LabelLog]) -> Together:
    """Merge the labels of several people: the last word of each; where they differ, none counts and it is listed.

    `unsure` disagrees with nothing."""
    said: dict[tuple[str, int], dict[str, Label]] = {}
    for log in logs:
        for label in log.current().values():
            said.setdefault(label.about, {})[label.by] = label
    found = Together({}, [], 0)
    for about, by_whom in said.items():
        sure = {one.label for one in by_whom.values()} - {"unsure"}
        found.judged_by_several += len(by_whom) > 1
        if len(sure) > 1:
            found.disagreements.append(Disagreement(*about, {name: one.label for name, one in sorted(by_whom.items())}))
        else:
            found.labels[about] = max(by_whom.values(), key=lambda one: (one.label != "unsure", one.at))
    return found


def label_table(labels: Iterable[Label]) -> pa.Table:
    return pa.Table.from_pylist([asdict(label) for label in labels], schema=TABLE)


def export_labels(logs: Sequence[LabelLog], path: Path) -> int:
    """Write every label in force, of everybody, to a Parquet file; returns how many. Raises LabelError where it cannot."""
    table = label_table(label for log in logs for label in log.current().values())
    temporary = path.with_name(f".{path.name}.part")
    try:
        pq.write_table(table, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise LabelError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    return len(table)
