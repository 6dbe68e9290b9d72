"""Pipelines as lists of steps with settings, read from YAML, JSON or, without running it, from a Python script.

A script is parsed, never run: calls are found by name, and their settings are taken where they are literals, or names of
constants of the module. Everything else is an unknown setting, which the conversion tells.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from curation.convert.result import ConvertError

MOST_BYTES = 8 << 20  # a configuration is small; whatever is larger is something else


class Unknown:
    """The value of a setting that a script computes."""

    def __repr__(self) -> str:
        return "what the script computes"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Step:
    """One step: the name of the class or operator, its settings, and where it stands."""

    name: str
    settings: dict[str, Any]
    where: str


def read_text(path: Path) -> str:
    """The text of a configuration. Raises ConvertError."""
    if path.stat().st_size > MOST_BYTES:
        raise ConvertError(f"{path}: {path.stat().st_size:,} bytes are no configuration; name a YAML, JSON or Python file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConvertError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def read_yaml(path: Path) -> Any:
    """The data of a YAML or JSON file. Raises ConvertError."""
    try:
        return yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConvertError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def steps_of_data(data: Any, path: Path) -> list[Step]:
    """Steps of `{Name: settings}`, a list of such, or a list of `{name: ..., settings...}`; `pipeline:` may hold it."""
    if isinstance(data, dict) and isinstance(data.get("pipeline"), (list, dict)):
        data = data["pipeline"]
    items = list(data.items()) if isinstance(data, dict) else [_item(entry, path) for entry in data or ()] if isinstance(data, list) else None
    if items is None:
        raise ConvertError(f"{path}: a pipeline is a mapping of class names to settings, or a list of such")
    return [Step(str(name), _settings(settings, str(name), path), path.name) for name, settings in items]


def _item(entry: Any, path: Path) -> tuple[Any, Any]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        return entry["name"], {key: value for key, value in entry.items() if key != "name"}
    if isinstance(entry, dict) and len(entry) == 1:
        return next(iter(entry.items()))
    raise ConvertError(f"{path}: a step is a name, or a name with settings, not {str(entry)[:60]!r}")


def _settings(settings: Any, name: str, path: Path) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConvertError(f"{path}: the settings of {name} are no mapping: {str(settings)[:60]!r}")
    return {str(key): value for key, value in settings.items()}


def steps_of_script(path: Path, parameters: dict[str, tuple[str, ...]], also: Collection[str] = ()) -> list[Step]:
    """The calls of classes in `parameters` (names of their positional parameters) and `also`, in the order of the text."""
    try:
        tree = ast.parse(read_text(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConvertError(f"{path}: not Python: {error}") from None
    constants, aside = _constants(tree), _of_exclusion(tree)
    found = []
    for node in ast.walk(tree):
        name = _called(node)
        if isinstance(node, ast.Call) and node not in aside and (name in parameters or name in also):
            settings = dict(zip(parameters.get(name, ()), (_value(value, constants) for value in node.args)))
            settings |= {word.arg: _value(word.value, constants) for word in node.keywords if word.arg}
            found.append((node.lineno, node.col_offset, Step(name, settings, f"{path.name}:{node.lineno}")))
    return [step for _, _, step in sorted(found, key=lambda item: item[:2])]


def _of_exclusion(tree: ast.Module) -> set[ast.AST]:
    """What stands in `exclusion_writer=...`: where removed documents go."""
    words = (node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "exclusion_writer")
    return {inner for word in words for inner in ast.walk(word.value)}


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Names of the module that are given a value once."""
    values: dict[str, list[ast.expr]] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                values.setdefault(target.id, []).append(node.value)
    return {name: found[0] for name, found in values.items() if len(found) == 1}


def _value(node: ast.expr, constants: dict[str, ast.expr], depth: int = 0) -> Any:
    """A literal, a call as a Step, or UNKNOWN."""
    if depth > 20:
        return UNKNOWN
    if isinstance(node, ast.Name) and node.id in constants:
        return _value(constants[node.id], constants, depth + 1)
    if isinstance(node, ast.Call):
        return Step(_called(node), {word.arg: _value(word.value, constants, depth + 1) for word in node.keywords if word.arg}, "")
    if isinstance(node, ast.JoinedStr):
        return _joined(node, constants, depth)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item, constants, depth + 1) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def _joined(node: ast.JoinedStr, constants: dict[str, ast.expr], depth: int) -> Any:
    """An f-string of constants."""
    parts = [part.value if isinstance(part, ast.FormattedValue) and not part.format_spec else part for part in node.values]
    values = [_value(part, constants, depth + 1) if isinstance(part, ast.expr) else UNKNOWN for part in parts]
    return "".join(map(str, values)) if all(isinstance(value, (str, int, float)) for value in values) else UNKNOWN
