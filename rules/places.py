"""YAML that remembers where everything stood, and dataclasses built from it.

Every configuration of gristmill (packs, jobs, training) is read here, so that every mistake is reported as
`file:line:col: CODE message`, all mistakes of a file in one go. Costs one walk over the YAML nodes.

YAML is read with the booleans of YAML 1.2 only: `no:` is Norwegian and `off` is a word, not `False`
(PyYAML's own YAML 1.1 rules turn both into `False`), and a key that occurs twice is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

KeyPath = tuple[Any, ...]
KEY = "[key]"  # last part of a key path that points at a key itself, not at its value

_TYPE_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file: where it is and what to do about it."""

    path: str
    line: int
    col: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.col}: {self.code} {self.message}"


class Problems(Exception):
    """All mistakes found in one or more files."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple:
        return Problems, (self.problems,)  # so that it comes back whole from a worker process


@dataclass(frozen=True)
class Located:
    """Plain data read from `path`, and the line and column (from 1) of every key path in it."""

    path: str
    data: Any
    places: dict[KeyPath, tuple[int, int]]

    def place(self, at: KeyPath) -> tuple[int, int]:
        """The place of `at`, or of its nearest ancestor that has one."""
        while at and at not in self.places:
            at = at[:-1]
        return self.places.get(at, (1, 1))

    def problem(self, at: KeyPath, code: str, message: str) -> Problem:
        line, col = self.place(at)
        return Problem(self.path, line, col, code, message)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` , did you mean 'x'?` when one of `known` is close to `name`, else the empty text."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""


# --- reading -------------------------------------------------------------------------------------


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"


def _with_yaml_1_2(loader: type) -> type:
    """`loader` with the booleans and numbers of YAML 1.2: 1e-3 is one (YAML 1.1 asks for a dot before the exponent)."""
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, "tag:yaml.org,2002:timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), list("tf"))
    loader.add_implicit_resolver(_FLOAT, re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789."))
    return loader


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML in Python: any nesting ends in an exception."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Safe YAML through libyaml, ten times faster; its recursion is C's, so only texts without deep nesting get it."""


_with_yaml_1_2(_PlainLoader)
_with_yaml_1_2(_FastLoader)
_FAST_BRACKETS = 200  # how deep brackets may be nested for the fast loader; block nesting is bounded by its indentation
_FAST_INDENT = 1000


def _composed(text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The nodes of a text; mistakes in it are left to the loader in Python, which says better where they are."""
    try:
        loader = _loader(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        loader = _PlainLoader(text)
        return loader, loader.get_single_node()


def _loader(text: str) -> yaml.SafeLoader:
    depth = deepest = 0
    for bracket in re.findall(r"[\[{}\]]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth, -depth)
    indent = max(map(len, re.findall(r"(?m)^[ \-?:]*", text)), default=0)
    return (_FastLoader if deepest <= _FAST_BRACKETS and indent <= _FAST_INDENT else _PlainLoader)(text)


def load(path: str | Path) -> Located:
    """Read one YAML file. Raises Problems for bad syntax, duplicate keys or a file that cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Problems([Problem(str(path), 1, 1, "R100", f"cannot read this file: {reason}")]) from None
    return loads(text, str(path))


def loads(text: str, path: str = "<text>") -> Located:
    """Read YAML from `text`; `path` is the name used in messages."""
    try:
        loader, node = _composed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = " ".join(str(part) for part in (error.problem, error.context) if part)
        raise Problems([Problem(path, line, col, "R100", message)]) from None
    except yaml.YAMLError as error:  # a character YAML does not allow
        raise Problems([_character_problem(path, text, error)]) from None
    walk = _Walk(loader, path)
    data = walk.build(node, (), 0) if node is not None else None
    if walk.problems:
        raise Problems(walk.problems)
    return Located(path, data, walk.places)


def _character_problem(path: str, text: str, error: yaml.YAMLError) -> Problem:
    position = getattr(error, "position", 0)
    before = text[:position]
    line, col = before.count("\n") + 1, position - before.rfind("\n")
    return Problem(path, line, col, "R100", "a character that YAML does not allow (write it as \\uXXXX in quotes)")


_TAGS = {"map", "seq", "str", "int", "float", "bool", "null"}


class _Walk:
    """One walk over the YAML nodes: plain data out, places and problems collected."""

    MAX_DEPTH = 100  # deeper nesting is a mistake or an attack; Python's own stack must never decide
    MAX_NODES = 2_000_000  # aliases can blow up a small file ("billion laughs")

    def __init__(self, loader: yaml.SafeLoader, path: str):
        self.loader, self.path = loader, path
        self.places: dict[KeyPath, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self.nodes = 0

    def fail(self, node: yaml.Node, code: str, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self.path, mark.line + 1, mark.column + 1, code, message))

    def build(self, node: yaml.Node, at: KeyPath, depth: int) -> Any:
        self.nodes += 1
        if depth > self.MAX_DEPTH or self.nodes > self.MAX_NODES:
            if not self.problems:
                self.fail(node, "R100", "nested too deep, or too many aliases")
            return None
        self.places[at] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            self.fail(node, "R100", f"the tag {node.tag} is not used here")
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, at, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*at, i), depth + 1) for i, item in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, at: KeyPath, depth: int) -> dict:
        out: dict = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.fail(key_node, "R100", "a key must be plain text")
                continue
            key = self.key(key_node)
            if key in out:
                self.fail(key_node, "R101", f"duplicate key {key!r}")
                continue
            out[key] = self.build(value_node, (*at, key), depth + 1)
            self.places[(*at, key, KEY)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        return out

    def key(self, node: yaml.ScalarNode) -> Any:
        """Keys are names: only whole numbers are read as anything but text (`true:` is the text 'true')."""
        return self.scalar(node) if node.tag == "tag:yaml.org,2002:int" else node.value

    def scalar(self, node: yaml.Node) -> Any:
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.fail(node, "R100", f"cannot read {getattr(node, 'value', '')!r} as {node.tag.rsplit(':', 1)[-1]}")
            return None


# --- dataclasses from data -------------------------------------------------------------------------


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


def yaml_key(field: dataclasses.Field) -> str:
    """The key that stands for `field` in YAML (metadata `yaml`, for names such as `with`)."""
    return field.metadata.get("yaml", field.name)


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
        key = getattr(error, "key", None)
        problems.append(located.problem((*at, key) if key else at, "R103", str(error)))
        return None


class SettingError(ValueError):
    """Raised in a dataclass's __post_init__: `key` has a value that makes no sense, and why."""

    def __init__(self, key: str, message: str):
        super().__init__(message)
        self.key = key


def _has_default(field: dataclasses.Field) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _build_union(args: tuple, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
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
    return isinstance(data, kind) and (kind is bool or not isinstance(data, bool))


def _build_choice(args: tuple, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    for choice in args:  # `1 == True` must not let a boolean pass for a number
        if choice == data and type(choice) is type(data):
            return choice
    names = ", ".join(map(str, args))
    problems.append(located.problem(at, "R103", f"expected one of {names}, got {_shown(data)}{did_you_mean(data, map(str, args))}"))
    return None


def _build_list(origin: Any, args: tuple, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if not isinstance(data, list):
        problems.append(located.problem(at, "R103", f"expected a list, got {_shown(data)}"))
        return None
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        if len(args) != len(data):
            problems.append(located.problem(at, "R103", f"expected a list of {len(args)} values, got {len(data)}"))
            return None
        kinds: Iterable = args
    else:
        kinds = [args[0]] * len(data)
    return origin(_build(k, item, located, (*at, i), problems) for i, (k, item) in enumerate(zip(kinds, data)))


def _build_dict(args: tuple, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if not isinstance(data, dict):
        problems.append(located.problem(at, "R103", f"expected a mapping, got {_shown(data)}"))
        return None
    return {key: _build(args[1], value, located, (*at, key), problems) for key, value in data.items()}


def _build_scalar(kind: Any, data: Any, located: Located, at: KeyPath, problems: list[Problem]) -> Any:
    if kind is typing.Any or _shape_fits(kind, data):
        return float(data) if kind is float else data
    problems.append(located.problem(at, "R103", f"expected {_TYPE_NAMES.get(kind, kind)}, got {_shown(data)}"))
    return None


def _shown(data: Any) -> str:
    if isinstance(data, dict):
        return "a mapping"
    if isinstance(data, list):
        return "a list"
    return "nothing" if data is None else repr(data)
