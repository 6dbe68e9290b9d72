"""The real program in a real terminal: tmux starts it, types, and reads the screen."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.driving import ROOT
from tests.inspected import write_corpus

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux (apt-get install tmux)")
PATIENCE_SECONDS = 900  # kernels may have to be compiled first


class Terminal:
    """A tmux of its own, 80 by 24, that runs one command."""

    def __init__(self, socket: str, command: list[str], folder: str):
        self.socket = socket
        environment = {"TEXTUAL_ANIMATIONS": "none", "EDITOR": "true", "LC_ALL": "C.UTF-8"}
        line = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in environment.items()), shlex.join(command)])
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "-c", folder, f"env -u NO_COLOR -u TMUX {line}; echo ended with $?; sleep 600")

    def tmux(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        return subprocess.run(["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *arguments], capture_output=True, text=True, check=True, env=environment).stdout

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def wait_for(self, *texts: str, without: str = "\0") -> str:
        """The screen, as soon as all of `texts` are on it, and `without` is not."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            screen = self.screen()
            if all(text in screen for text in texts) and without not in screen:
                return screen
            time.sleep(0.05)
        raise AssertionError(f"{texts} not on screen:\n{self.screen()}")


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    corpus = write_corpus(tmp_path)
    hostile = {"id": "title-setter", "text": "\x1b]0;CHANGED\x07\x1b[2J\x1b[?1049l a text that tries to take the terminal", "url": "https://aaa.example/", "lang": "en"}
    corpus.write_text(corpus.read_text() + json.dumps(hostile) + "\n")
    command = [sys.executable, str(ROOT / "gristmill.py"), "inspect", str(corpus), "--packs", str(tmp_path / "town.yaml"), "--seed", "7"]
    running = Terminal(str(tmp_path / "tmux"), command, str(tmp_path))
    yield running
    running.tmux("kill-server")


def test_a_reader_opens_labels_tunes_and_leaves(terminal, tmp_path):
    terminal.wait_for("1 Read", "66 of 66, seed 7", "Keep")
    terminal.type("y", "x")
    terminal.wait_for("drop: ")
    assert [json.loads(line)["label"] for line in (tmp_path / "labels.jsonl").read_text().splitlines()] == ["keep", "drop"]
    terminal.type("&")
    terminal.wait_for("& list only")
    terminal.type("host:aaa.example", "Enter")
    terminal.wait_for("<U+001B>]0;CHANGED<U+0007><U+001B>[2J<U+001B>", "& host:aaa.example")
    assert "CHANGED" not in terminal.tmux("display-message", "-p", "#{pane_title}")
    terminal.type("2")
    terminal.wait_for("town/cookie-banner", "town/short-text", "drop line")
    terminal.type("g", "j", "t")
    terminal.wait_for("3 Tune", "words < 14  hits")
    terminal.type("L")
    terminal.wait_for("(in force: 14)")
    terminal.type("?")
    terminal.wait_for("Keys", "Threshold right")
    terminal.type("Escape")  # alone: with another key at once it would be Alt and that key
    terminal.wait_for("Type it", without="Esc leaves")
    terminal.type("q")
    terminal.wait_for("ended with 0")
