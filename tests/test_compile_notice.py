"""A command that compiles kernels says so, once, and one that loads them says nothing."""

from __future__ import annotations

import os

from numba import njit

from curation import compile_notice
from curation.compile_notice import tell_of_compiling


def compiled_twice(capsys, monkeypatch, patience: float) -> str:
    """What is said on stderr while numba compiles two functions, in a process where an earlier command listened too."""
    monkeypatch.setattr(compile_notice, "PATIENCE_SECONDS", patience)
    tell_of_compiling()
    tell_of_compiling()
    for added in (1, 2):
        assert njit(lambda number, added=added: number + added)(1) == 1 + added
    return capsys.readouterr().err


def test_it_speaks_once(capsys, monkeypatch):
    assert compiled_twice(capsys, monkeypatch, 0.0).splitlines() == ["compiling kernels for their first use here: up to half a minute"]


def test_every_command_of_a_process_speaks(capsys, monkeypatch):
    assert compiled_twice(capsys, monkeypatch, 0.0) == compiled_twice(capsys, monkeypatch, 0.0) != ""


def test_of_many_workers_one_speaks_and_all_count(capfd, monkeypatch):
    monkeypatch.setattr(compile_notice, "PATIENCE_SECONDS", 0.0)
    tell_of_compiling()
    compile_notice._shared[:8] = bytes(8)
    for added in (3, 4):
        kernel = njit(lambda number, added=added: number * added)
        if not (child := os.fork()):
            kernel(1)
            os._exit(0)
        os.waitpid(child, 0)
    assert capfd.readouterr().err.count("compiling kernels") == 1 and compile_notice.compiling_seconds() > 0, "of the processes that compiled"


def test_a_display_tells_itself(capsys, monkeypatch):
    monkeypatch.setattr(compile_notice, "PATIENCE_SECONDS", 0.0)
    tell_of_compiling(speak=False)
    compile_notice._shared[:8] = bytes(8)
    njit(lambda number: number + 5)(1)
    assert capsys.readouterr().err == "" and compile_notice.compiling_seconds() > 0


def test_it_is_silent_about_a_moment(capsys, monkeypatch):
    assert compiled_twice(capsys, monkeypatch, 600.0) == ""
