"""Imports go one way, start-up stays light, and every file says what it is for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("curation", "rules", "train", "inspect_ui")
ALLOWED = {
    "rules": {"rules"},
    "train": {"train", "rules"},
    "curation": {"curation", "rules", "train"},
    "inspect_ui": {"inspect_ui", "curation", "rules"},
}
SOURCES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py")) + [ROOT / "gristmill.py"]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_opens_with_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "a module needs a docstring"


def test_no_file_is_long():
    files = [*SOURCES, *(p for folder in ("benchmarks", "scripts", "tests") for p in (ROOT / folder).rglob("*.py"))]
    assert not {p.name: lines for p in files if (lines := len(p.read_text().splitlines())) > 400}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parent != ROOT], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imports(path)} & set(ROOMS)
    assert ours <= ALLOWED[room]
    if room == "train":
        assert {n for n in imports(path) if n.split(".")[0] == "rules"} <= {"rules.places", "rules.visible", "rules.outputs"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import gristmill", {"numpy", "pyarrow", "numba", "torch", "ray", "rich", "yaml"}),
        ("import rules, curation, train", {"numpy", "pyarrow", "numba", "torch", "ray", "click"}),
        ("import train.loop, train.generate, train.handoff", {"ray", "fasttext", "textual", "numba", "click", "fastwarc"}),
        ("import curation.run_cli, train.cli", {"numpy", "pyarrow", "torch", "ray", "numba"}),
        ("import curation.run, curation.job", {"torch", "ray", "textual", "fasttext", "trafilatura"}),
    ],
)
def test_what_an_import_brings_along(statement, forbidden):
    if "train.loop" in statement:
        pytest.importorskip("torch")
    assert not loaded_by(statement) & forbidden


def module_imports(path: Path, modules: set[str]) -> set[str]:
    """The modules of ours that importing a file imports; what functions import, and types alone, comes later."""
    found, bodies = set(), [ast.parse(path.read_text()).body]
    while bodies:
        for node in bodies.pop():
            if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test) or isinstance(node, ast.Try):
                bodies += [node.body, node.orelse]
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & modules


def test_no_module_imports_itself_through_others():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES}
    left = {name: module_imports(path, set(names)) - {name} for name, path in names.items()}
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert not left, {name: sorted(needed & left.keys()) for name, needed in left.items()}
