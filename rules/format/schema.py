"""JSON Schema for editors, made from the dataclasses that the readers check against: completion and hints while typing.

No anyOf: an editor would print one list of complaints per alternative for a single mistake. Where a value may have
several shapes, `type` lists them. The readers say more than a schema can; this is for typing, `check` is for truth.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rules.format.pack_files import FILE_SIGNALS
from rules.format.pack_yaml import PackYaml, RuleYaml
from rules.line_rules.line_signals import LINE_SIGNALS
from rules.measures.signals import SIGNALS
from rules.measures.token_signals import TOKEN_MEANINGS
from rules.measures.word_lists import LIST_SIGNALS
from rules.places import yaml_key
from rules.rule import ENGINE_SIGNALS

DIALECT = "http://json-schema.org/draft-07/schema#"
_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "string"}

Schema = dict[str, Any]


def schema_of(kind: Any) -> Schema:
    """The schema of a type: a dataclass, a scalar, a Literal, a list, a mapping, or a union of them."""
    if dataclasses.is_dataclass(kind):
        return _of_dataclass(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_union([a for a in arguments if a is not type(None)])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    return {} if kind is Any else {"type": _SCALARS[kind]}


def _of_dataclass(kind: Any) -> Schema:
    hints, properties, required = get_type_hints(kind), {}, []
    for field in dataclasses.fields(kind):
        if field.metadata.get("internal"):
            continue
        about = {"description": field.metadata["about"]} if "about" in field.metadata else {}
        properties[yaml_key(field)] = about | schema_of(hints[field.name])
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(yaml_key(field))
    return {"type": "object", "additionalProperties": False, "properties": properties} | ({"required": required} if required else {})


def _of_union(kinds: list[Any]) -> Schema:
    """One schema that lists the types, with what each of them brings."""
    if len(kinds) == 1:
        return schema_of(kinds[0])
    merged: Schema = {}
    names: list[str] = []
    for part in map(schema_of, kinds):
        if "enum" in part:
            part = {"type": sorted({_SCALARS[type(value)] for value in part["enum"]}), "examples": part["enum"]}
        names += [part["type"]] if isinstance(part.get("type"), str) else part.get("type", [])
        merged |= {key: value for key, value in part.items() if key != "type"}
    return {"type": list(dict.fromkeys(names)), **merged}


def pack_schema() -> Schema:
    """The schema of a pack file."""
    schema = schema_of(PackYaml)
    rule = schema_of(RuleYaml)
    rule["required"] = ["id"]  # a rule that changes one of an extended pack gives only what differs
    override = rule["properties"]["by_language"]["additionalProperties"]
    for part in (rule, override):
        _name_signals(part["properties"], "drop_when", {**{n: s.meaning for n, s in SIGNALS.items()}, **TOKEN_MEANINGS, **ENGINE_SIGNALS})
        _name_signals(part["properties"], "when", LINE_SIGNALS)
    schema["properties"]["rules"]["items"] = rule
    return {"$schema": DIALECT, "title": "gristmill rule pack", **schema}


def _name_signals(properties: dict[str, Schema], key: str, signals: Mapping[str, str]) -> None:
    comparison = properties[key]["additionalProperties"]
    properties[key]["properties"] = {name: {"description": meaning, **comparison} for name, meaning in sorted(signals.items())}
    called = [name for name in (*(LIST_SIGNALS if key == "drop_when" else ()), *FILE_SIGNALS) if name != "classifier"]
    properties[key]["patternProperties"] = {rf"^(({'|'.join(called)})\(.+\)|classifier\..+)$": comparison}
    properties[key]["additionalProperties"] = False
