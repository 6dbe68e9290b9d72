"""Arrays that kernels make and work on without an owner are held until the work is done."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rules.text.kernels import held, kernel, unowned

ROOT = Path(__file__).parents[1]
WITHOUT_OWNER = ("unowned", "ownerless")


@kernel
def squares(count):
    """An array of the kernel's own, filled while others are made and freed, and what it sums up to."""
    own = np.zeros(count, np.int64)
    to, total = unowned(own), 0
    for k in range(to.size):
        other = np.full(count, -1, np.int64)
        to[k] = k * k + other[k] + 1
    for k in range(to.size):
        total += to[k]
    held(own)
    return total


def test_what_is_held_is_not_freed_before():
    assert squares(1000) == sum(k * k for k in range(1000))


def calls_of(node: ast.AST, *names: str) -> Iterator[ast.Call]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in names)


def not_held(source: str) -> list[str]:
    """Functions and arrays that they make, take without an owner, and neither hold, nor return, nor use in the same loop again."""
    found = []
    for function in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)):
        arguments = {argument.arg for argument in function.args.args}
        kept = {ast.unparse(call.args[0]) for call in calls_of(function, "held")}
        returned = {n.id for r in ast.walk(function) if isinstance(r, ast.Return) for n in ast.walk(r) if isinstance(n, ast.Name)}
        again = {id(call) for loop in ast.walk(function) if isinstance(loop, (ast.For, ast.While)) for call in calls_of(loop, *WITHOUT_OWNER)}
        for call in calls_of(function, *WITHOUT_OWNER):
            names = {n.id for n in ast.walk(call.args[0]) if isinstance(n, ast.Name)}
            rebound = any(isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id in names and n.lineno == call.lineno for n in ast.walk(function))
            safe = kept | (set() if rebound else returned)
            if not names & arguments and not names & safe and id(call) not in again:
                found.append(f"{function.name}: {ast.unparse(call)}")
    return found


@pytest.mark.parametrize("room", ["rules", "curation", "inspect_ui"])
def test_kernels_hold_what_they_make(room):
    found = {str(p): not_held(p.read_text(encoding="utf-8")) for p in (ROOT / room).rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("body", ["a = make()\n    b = unowned(a)\n    return b.size", "a = make()\n    a = unowned(a)\n    return a"])
def test_what_is_not_held_is_found(body):
    assert not_held(f"def f(x):\n    {body}\n") == ["f: unowned(a)"]
    assert not_held("def f(x):\n    b = unowned(x)\n    return b") == []
