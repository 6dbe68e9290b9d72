"""What a task is: where its items are, and how an item becomes a prompt. Read from YAML, checked, with places of mistakes.

    task: arc_easy
    about: Grade-school science questions.
    kind: multiple_choice            # or cloze, schema, generation
    data: arc_easy.jsonl             # JSON lines (also .gz), in the folder of this file or in --items
    prompt: "{query}\nAnswer:"
    choices: choices                 # the field with the answers to choose from
    gold: gold                       # the field with the number of the right one, or the right answer itself

multiple_choice   one prompt, several answers: which is the most likely?
schema            several prompts (`contexts`), one continuation (`answer`): after which is it the most likely? (Winogrande)
cloze             one prompt, one answer: is it what the model writes? (LAMBADA)
generation        the model writes up to a `stop` text: is it the answer?

`{name}` in a template stands for the field of the item; what the item says is never read as a template.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rules.places import SettingError, build, did_you_mean, load
from train.config import TrainError

SHIPPED = Path(__file__).parent / "tasks"
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Task:
    """One task. `delimiter` stands between a prompt and its answer, `separator` between the examples of a prompt."""

    task: str
    about: str
    kind: Literal["multiple_choice", "schema", "cloze", "generation"]
    data: str
    prompt: str
    choices: str | None = None
    contexts: str | None = None
    gold: str = "gold"
    answer: str | None = None
    delimiter: str = " "
    separator: str = "\n\n"
    examples: str | None = None  # a file to draw examples from; without it, the other items
    stop: tuple[str, ...] = ("\n",)
    tokens: int = 64

    def __post_init__(self) -> None:
        needed = {"multiple_choice": "choices", "schema": "contexts"}.get(self.kind, "answer")
        if getattr(self, needed) is None:
            raise SettingError(needed, f"a {self.kind} task needs `{needed}`")
        if self.kind == "schema" and self.answer is None:
            raise SettingError("answer", "a schema task needs `answer`, the continuation of all its contexts")


@dataclass(frozen=True)
class Item:
    """A prompt and its answers; `gold` is the place of the right one. Of a schema, `prompts` has one for each answer.

    `file` and `line` (from 1) say where it was read.
    """

    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    gold: int
    file: str = dataclasses.field(default="", compare=False)
    line: int = dataclasses.field(default=0, compare=False)


def find_task(name: str) -> Task:
    """The shipped task of that name, or the task in a YAML file. Raises TrainError or Problems."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        return _with_files_beside(build(Task, load(path)), path.parent.resolve())
    names = shipped_tasks()
    if name not in names:
        if Path(name).is_dir():
            raise TrainError(f"{name}: is a folder, not a task. A packed folder to tell the loss on goes with --data.")
        hint = did_you_mean(name, names) or "."
        raise TrainError(f"no task {name!r}{hint} There are {', '.join(names)}; or name a YAML file.")
    return build(Task, load(SHIPPED / f"{name}.yaml"))


def shipped_tasks() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read_items(task: Task, folder: Path | None, file: str | None = None) -> list[Item]:
    """The items of `task` from its file, in `folder` unless the task says where. Raises TrainError at file:line."""
    path = _items_path(task, folder, file or task.data)
    items = [
        dataclasses.replace(_item(task, record, f"{path}:{number}"), file=path.name, line=number)
        for number, record in _records(path)
    ]
    if not items:
        raise TrainError(f"{path}: holds no items.")
    return items


def files_of(task: Task, folder: Path | None) -> list[Path]:
    """The files that the items and examples of `task` are read from. Raises TrainError where one is not there."""
    return [_items_path(task, folder, name) for name in (task.data, task.examples) if name]


def _with_files_beside(task: Task, folder: Path) -> Task:
    """`task` with the files that lie in `folder` named in full."""

    def placed(name: str) -> str:
        return str(folder / name) if (folder / name).exists() else name

    return dataclasses.replace(task, data=placed(task.data), examples=task.examples and placed(task.examples))


def _items_path(task: Task, folder: Path | None, name: str) -> Path:
    if Path(name).is_absolute():
        return Path(name)
    if folder is None:
        raise TrainError(f"task {task.task}: where is {name}? Name the folder of its items (--items; in a file of settings, `items` beside `tasks`).")
    candidates = [folder / name, folder / f"{name}.gz"]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        raise TrainError(f"{folder / name}: no such file (nor with .gz), but task {task.task} reads its items there.")
    return found


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise ValueError("not a JSON object")
                    yield number, record
    except (ValueError, EOFError, OSError) as error:
        raise TrainError(f"{path}:{number + isinstance(error, UnicodeDecodeError)}: cannot be read ({error}).") from None


def _item(task: Task, record: dict[str, Any], where: str) -> Item:
    if task.kind in ("cloze", "generation"):
        return Item((fill(task.prompt, record, where),), (fill(task.answer or "", record, where),), 0)
    if task.kind == "schema":
        contexts = _texts(record, task.contexts or "", where)
        answer = fill(task.answer or "", record, where)
        prompts = tuple(fill(task.prompt, {**record, "context": context}, where) for context in contexts)
        return Item(prompts, (answer,) * len(contexts), _gold(task, record, contexts, where))
    choices = _texts(record, task.choices or "", where)
    return Item((fill(task.prompt, record, where),), choices, _gold(task, record, choices, where))


def fill(template: str, record: dict[str, Any], where: str) -> str:
    """`template` with the fields of `record`; what a field says is not read again."""
    def value(match: re.Match[str]) -> str:
        if match[1] not in record:
            raise TrainError(f"{where}: has no field {match[1]!r}, which the task's template names; it has {', '.join(record)}.")
        return str(record[match[1]])

    return _FIELD.sub(value, template)


def _texts(record: dict[str, Any], field: str, where: str) -> tuple[str, ...]:
    values = record.get(field)
    if not isinstance(values, list) or len(values) < 2 or not all(isinstance(value, str) and value for value in values):
        raise TrainError(f"{where}: {field!r} is not a list of two texts or more.")
    return tuple(values)


def _gold(task: Task, record: dict[str, Any], answers: tuple[str, ...], where: str) -> int:
    gold = record.get(task.gold)
    if isinstance(gold, str) and gold in answers:
        return answers.index(gold)
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(answers):
        raise TrainError(f"{where}: {task.gold!r} is {gold!r}, neither the place of an answer (from 0) nor one of them.")
    return gold
