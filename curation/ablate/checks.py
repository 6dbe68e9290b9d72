"""What is seen before anything is trained: that the output is free, and that what models are judged on can be read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from curation.inputs import InputError, list_inputs
from curation.object_store import StoreError
from rules.places import Located, Problem
from train.config import TrainError
from train.evaluate.task import Task, find_task, read_items

if TYPE_CHECKING:
    from curation.ablate.settings import JudgeSettings

OWN = ("arms", "data")  # folders with which every output begins


def output_problems(output: str, located: Located, folder: Path) -> list[Problem]:
    """An output that is a file, or a folder of something else: a training run, say."""
    place = folder / output
    if place.exists() and not place.is_dir():
        return [located.problem(("output",), "R103", f"{str(place)!r} is a file; name a folder")]
    if not place.exists() or any((place / name).exists() for name in OWN):
        return []
    strangers = sorted(path.name for path in place.iterdir() if not path.name.startswith("."))
    message = f"{str(place)!r} holds something else ({', '.join(strangers[:3])}); name another folder"
    return [located.problem(("output",), "R103", message)] if strangers else []


def checked_judge(judge: JudgeSettings, located: Located, folder: Path, problems: list[Problem]) -> tuple[tuple[Task, ...], JudgeSettings]:
    """The tasks that are named, and the settings with the path of their items made absolute; what cannot be read is added to
    `problems`. Raises TrainError for a task that nobody knows."""
    tasks = tuple(find_task(str(folder / name) if name.endswith((".yaml", ".yml")) else name) for name in judge.tasks)
    judge = dataclasses.replace(judge, items=str((folder / judge.items).resolve()) if judge.items else None)
    problems += [located.problem(("judge", "tasks"), "R103", message) for task in tasks if (message := _item_problem(task, judge.items))]
    names = (judge.documents,) if isinstance(judge.documents, str) else tuple(judge.documents)
    try:
        list_inputs(names, folder.resolve()) if names else None
    except (InputError, StoreError) as error:
        problems.append(located.problem(("judge", "documents"), "R103", str(error)))
    return tasks, judge


def _item_problem(task: Task, folder: str | None) -> str:
    """Why the items of a task cannot be read; empty if they can."""
    try:
        for file in filter(None, (task.data, task.examples)):
            read_items(task, Path(folder) if folder else None, file)
    except TrainError as error:
        return str(error)
    return ""
