"""Compiled kernels are kept, and forgotten when a function that they call changes in another file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from rules.text.compiled import ROOMS, room_of, source_stamp

ROOT = Path(__file__).parents[1]
OUTER = "from rules.text.compiled import kernel\nfrom rules.inner import step\n\n\n@kernel\ndef outer(x):\n    return step(x)\n\n\nprint(outer(1), sum(outer.stats.cache_hits.values()))\n"
INNER = "from numba import njit\n\n\n@njit\ndef step(x):\n    return x + {number}\n"


def room(folder: Path) -> Path:
    """A room of modules, with what compiles kernels and the two of this page: where it is."""
    rules = folder / "rules"
    (rules / "text").mkdir(parents=True)
    (rules / "__init__.py").touch()
    (rules / "text/__init__.py").touch()
    shutil.copy(ROOT / "rules/text/compiled.py", rules / "text")
    (rules / "outer.py").write_text(OUTER)
    (rules / "inner.py").write_text(INNER.format(number=1))
    return rules


def said(folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    return subprocess.run([sys.executable, "-m", "rules.outer"], check=True, capture_output=True, text=True, env=environment, cwd=folder).stdout


def test_a_change_in_another_file_is_seen(tmp_path):
    rules = room(tmp_path)
    assert said(tmp_path) == "2 0\n"
    assert said(tmp_path) == "2 1\n"  # from the cache
    (rules / "inner.py").write_text(INNER.format(number=20))
    assert said(tmp_path) == "21 0\n"


def test_rooms_depend_on_those_before_them():
    from curation.clusters import union_bands
    from rules.text.buffers import string_buffers

    assert room_of(string_buffers) == "rules" and room_of(union_bands) == "curation"
    assert room_of(said) == ROOMS[-1]
    files = [source_stamp(room)[1] for room in ROOMS]
    assert files == sorted(files) and files[0] > 50


def test_a_kernel_from_the_cache_is_a_part_of_one_that_is_compiled(tmp_path):
    """Its bitcode is read then; a kernel whose source changed is compiled with those that did not."""
    rules = room(tmp_path)
    (rules / "inner.py").write_text(INNER.format(number=1).replace("from numba import njit", "from rules.text.compiled import kernel").replace("@njit", "@kernel"))
    (rules / "outer.py").write_text(OUTER.replace("print(outer(1)", "print(step(1), outer(1)"))
    assert said(tmp_path) == "2 2 0\n"
    for file in (tmp_path / "cache").rglob("outer.outer-*"):
        file.unlink()
    assert said(tmp_path) == "2 2 0\n" and said(tmp_path) == "2 2 1\n"


def test_what_cannot_be_read_is_compiled_again(tmp_path):
    """An index that names a module of an older version, and files that were cut off."""
    room(tmp_path)
    assert said(tmp_path) == "2 0\n"
    (index,), (code,) = (list((tmp_path / "cache").rglob(f"outer.outer-*.{kind}")) for kind in ("nbi", "nbc"))
    of_another = index.read_bytes()[: index.read_bytes().index(b".") + 1] + b"cgone.module\nKind\n."
    for file, content in ((index, of_another), (index, b""), (index, index.read_bytes()[:-9]), (code, b""), (code, code.read_bytes()[:-9])):
        file.write_bytes(content)
        assert said(tmp_path) == "2 0\n"
        assert said(tmp_path) == "2 1\n"
