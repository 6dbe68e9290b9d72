"""A command that compiles kernels says so, once, and one that loads them says nothing."""

from __future__ import annotations

from numba import njit
from numba.core import event

from curation import compile_notice
from curation.compile_notice import tell_of_compiling


def compiled_twice(capsys, monkeypatch, patience: float) -> str:
    """What is said on stderr while numba compiles two functions."""
    registered: list = []
    register = event.register
    monkeypatch.setattr(compile_notice, "PATIENCE_SECONDS", patience)
    monkeypatch.setattr(event, "register", lambda *given: (registered.append(given), register(*given)))
    tell_of_compiling()
    try:
        for added in (1, 2):
            assert njit(lambda number, added=added: number + added)(1) == 1 + added
    finally:
        event.unregister(*registered[0])  # numba registers some of its own meanwhile
    return capsys.readouterr().err


def test_it_speaks_once(capsys, monkeypatch):
    assert compiled_twice(capsys, monkeypatch, 0.0).splitlines() == ["compiling kernels, once after an installation: up to half a minute"]


def test_it_is_silent_about_a_moment(capsys, monkeypatch):
    assert compiled_twice(capsys, monkeypatch, 600.0) == ""
