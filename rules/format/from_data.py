"""Dataclasses from plain data: every value is checked against the type of its field, unknown keys are mistakes."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rules.format.problems import KEY, KeyPath, Located, Problem, Problems, did_you_mean

_TYPE_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def build(cls: type, located: Located, at: KeyPath = ()) -> Any:
    """An instance of dataclass `cls` from the data at `at`. Raises Problems with every mistake found."""
    data = located.data
    for part in at:
        data = data[part]
    problems: list[Problem] = []
    value = _build(cls, data, located, at, problems)
    if problems:
        raise Problems(problems)
    return value


def yaml_key(field: dataclasses.Field[Any]) -> str:
    """The key that stands for `field` in YAML (metadata `yaml`, for names such as `with`)."""
    return str(field.metadata.get("yaml", field.name))


def _build(kind: Any, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, located, at, problems)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _build_union(args, data, located, at, problems)
    if origin is Literal:
        return _build_choice(args, data, located, at, problems)
    if origin in (list, tuple):
        return _build_list(origin, args, data, located, at, problems)
    if origin is dict:
        return _build_dict(args, data, located, at, problems)
    return _build_scalar(kind, data, located, at, problems)


@functools.cache
def _type_hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _build_dataclass(cls: Any, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if data is None and all(_has_default(f) for f in dataclasses.fields(cls)):
        data = {}
    if not isinstance(data, dict):
        problems.append(located.problem(at, "R103", f"expected a mapping of settings, got {_shown(data)}"))
        return None
    hints = _type_hints(cls)
    fields = {yaml_key(f): f for f in dataclasses.fields(cls) if f.init and not f.metadata.get("internal")}
    for key in data:
        if key not in fields:
            message = f"unknown key {key!r}{did_you_mean(key, fields)}"
            problems.append(located.problem((*at, key, KEY), "R101", message))
    values, before = {}, len(problems)
    for key, field in fields.items():
        if key in data:
            values[field.name] = _build(hints[field.name], data[key], located, (*at, key), problems)
        elif not _has_default(field):
            problems.append(located.problem(at, "R101", f"missing key {key!r}"))
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except ValueError as error:  # a dataclass may check its own values in __post_init__
        for mistake in error.mistakes if isinstance(error, SettingErrors) else [error]:
            key = getattr(mistake, "key", None)
            problems.append(located.problem((*at, key) if key else at, "R103", str(mistake)))
        return None


class SettingError(ValueError):
    """Raised in a dataclass's __post_init__: `key` has a value that makes no sense, and why."""

    def __init__(self, key: str, message: str):
        super().__init__(message)
        self.key = key


class SettingErrors(SettingError):
    """Several of them at once, so that all are told in one go; `key` is that of the first."""

    def __init__(self, mistakes: Sequence[SettingError]):
        super().__init__(mistakes[0].key, "; ".join(map(str, mistakes)))
        self.mistakes = mistakes


def check_settings(mistakes: Iterable[SettingError]) -> None:
    """Raise all of `mistakes`, if there are any: for a __post_init__ that looks at every setting before it gives up."""
    found = list(mistakes)
    if found:
        raise SettingErrors(found)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _build_union(args: tuple[Any, ...], data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    """The first alternative whose shape fits; its own problems are reported, never one list per alternative."""
    if data is None and type(None) in args:
        return None
    options = [a for a in args if a is not type(None)]
    fitting = [a for a in options if _shape_fits(a, data)]
    return _build(fitting[0] if fitting else options[0], data, located, at, problems)


def _shape_fits(kind: Any, data: Any) -> bool:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind) or origin is dict:
        return isinstance(data, dict)
    if origin in (list, tuple):
        return isinstance(data, list)
    if origin is Literal:
        return data in get_args(kind)
    if kind is float:
        return isinstance(data, (int, float)) and not isinstance(data, bool)
    if kind is Path:
        return isinstance(data, str)
    return isinstance(data, kind) and (kind is bool or not isinstance(data, bool))


def _build_choice(args: tuple[Any, ...], data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    for choice in args:  # `1 == True` must not let a boolean pass for a number
        if choice == data and type(choice) is type(data):
            return choice
    names = ", ".join(map(str, args))
    problems.append(located.problem(at, "R103", f"expected one of {names}, got {_shown(data)}{did_you_mean(data, map(str, args))}"))
    return None


def _build_list(origin: Any, args: tuple[Any, ...], data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if not isinstance(data, list):
        problems.append(located.problem(at, "R103", f"expected a list, got {_shown(data)}"))
        return None
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        if len(args) != len(data):
            problems.append(located.problem(at, "R103", f"expected a list of {len(args)} values, got {len(data)}"))
            return None
        kinds: Iterable[Any] = args
    else:
        kinds = [args[0]] * len(data)
    return origin(_build(k, item, located, (*at, i), problems) for i, (k, item) in enumerate(zip(kinds, data)))


def _build_dict(args: tuple[Any, ...], data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if not isinstance(data, dict):
        problems.append(located.problem(at, "R103", f"expected a mapping, got {_shown(data)}"))
        return None
    return {key: _build(args[1], value, located, (*at, key), problems) for key, value in data.items()}


def _build_scalar(kind: Any, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if kind is typing.Any or _shape_fits(kind, data):
        return kind(data) if kind in (float, Path) else data
    problems.append(located.problem(at, "R103", f"expected {_TYPE_NAMES.get(kind, kind)}, got {_shown(data)}"))
    return None


def _shown(data: Any) -> str:
    if isinstance(data, dict):
        return "a mapping"
    if isinstance(data, list):
        return "a list"
    return "nothing" if data is None else repr(data)
