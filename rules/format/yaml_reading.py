"""YAML that remembers where everything stood. Costs one walk over the YAML nodes.

YAML is read with the booleans of YAML 1.2 only: `no:` is Norwegian and `off` is a word, not `False`
(PyYAML's own YAML 1.1 rules turn both into `False`), and a key that occurs twice is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from rules.format.problems import KEY, KeyPath, Located, Problem, Problems

_DATA = (".jsonl", ".ndjson", ".parquet", ".arrow", ".warc", ".wet", ".arc", ".gz", ".zst", ".bz2")
_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"


def _with_yaml_1_2(loader: Any) -> None:
    """`loader` with the booleans and numbers of YAML 1.2: 1e-3 is one (YAML 1.1 asks for a dot before the exponent)."""
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, "tag:yaml.org,2002:timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), list("tf"))
    loader.add_implicit_resolver(_FLOAT, re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789."))


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML in Python: any nesting ends in an exception."""


# Safe YAML through libyaml where it is there, ten times faster; its recursion is C's, so only texts without deep nesting get it.
_FastLoader: Any = type("_FastLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
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
    if deepest <= _FAST_BRACKETS and indent <= _FAST_INDENT:
        fast: yaml.SafeLoader = _FastLoader(text)
        return fast
    return _PlainLoader(text)


def load(path: str | Path) -> Located:
    """Read one YAML file. Raises Problems for bad syntax, duplicate keys or a file that cannot be read."""
    if Path(path).suffix in _DATA:
        raise Problems([Problem(str(path), 1, 1, "R100", "this is data, not YAML; a job reads documents (`input:`), and `gristmill check PACK --sample FILES` tries a pack on them")])
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
        raise Problems([Problem(path, line, col, "R100", message + _hint(message))]) from None
    except yaml.YAMLError as error:  # a character YAML does not allow
        raise Problems([_character_problem(path, text, error)]) from None
    walk = _Walk(loader, path)
    data = walk.build(node, (), 0) if node is not None else None
    if walk.problems:
        raise Problems(walk.problems)
    return Located(path, data, walk.places)


# What a parser says of common mistakes, and what to do about each; the first that is found is told.
_HINTS = {
    "<block end>, but found '-'": "it does not stand under the items of the list that it belongs to: give each '-' the same indentation",
    "<block end>, but found '<scalar>'": "a text ended before it: a quote in '...' is written twice, and a text with quotes in it is quoted whole",
    "<block end>": "its indentation is not that of the keys beside it",
    "found character '\\t'": "indent by spaces, not by tabs",
    "cannot start any token": "put the text in single quotes",
    "undefined alias": "put the text in single quotes: a * begins an alias",
    "mapping values are not allowed": "a text with ': ' in it is put in single quotes; else its indentation is not that of the keys beside it",
    "unknown escape character": "a backslash in double quotes is YAML's own: put patterns in single quotes",
    "while scanning a quoted scalar": "a quote has no end",
}


def _hint(message: str) -> str:
    return next((f" ({hint})" for said, hint in _HINTS.items() if said in message), "")


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

    def mapping(self, node: yaml.MappingNode, at: KeyPath, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
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
