"""The pages of docs/ tell the truth: what is marked `<!-- runnable -->` is run, and prints what the page shows.

Every page has a folder of its own: the project that `gristmill init` makes, after its run. A block after
`<!-- file: NAME -->` is written to that file first.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from test_readme import ROOT, environment, run_session, sessions

import gristmill

PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
BLOCK = re.compile(r"^<!-- (runnable|file: (?P<name>\S+)) -->\n```(?P<language>\w+)\n(?P<body>.*?)^```$", re.M | re.S)
RUNNABLE = [name for name, text in PAGES.items() if "<!-- runnable -->" in text]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "mill"
    command = f"gristmill init {folder} && cd {folder} && gristmill run job.yaml"
    subprocess.run(command, shell=True, check=True, capture_output=True, env=environment())
    return folder


@pytest.mark.parametrize("page", RUNNABLE)
def test_what_is_marked_runnable_prints_what_the_page_shows(page, project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "mill")
    for block in BLOCK.finditer(PAGES[page]):
        if block["name"]:
            (folder / block["name"]).write_text(block["body"], encoding="utf-8")
        else:
            (session,) = sessions(f"```console\n{block['body']}```")
            run_session(session, folder)


def test_every_mark_stands_before_a_block():
    for name, text in PAGES.items():
        blocks = list(BLOCK.finditer(text))
        assert len(blocks) == len(re.findall(r"^<!-- (?:runnable|file:)", text, re.M)), name
        assert all(block["name"] or block["language"] == "console" for block in blocks), name
    assert len(RUNNABLE) >= 5


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, click.Command]]:
    """Every command below this one with its full name."""
    found = [(" ".join(path), command)] if path else []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found += commands(command.get_command(context, name), (*path, name))
    return found


@pytest.mark.parametrize(("name", "command"), commands(gristmill.gristmill), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_has_help_and_docs(name, command):
    """Docs: a page that people wrote names the command; the page made from the code, which is current, names the option."""
    assert command.help, name
    told = command.get_help(click.Context(command, info_name=f"gristmill {name}", terminal_width=80))
    assert max(map(len, told.splitlines())) <= 80, f"gristmill {name} --help does not fit 80 columns"
    written = "\n".join(text for page, text in PAGES.items() if page != "commands.md")
    assert f"gristmill {name}" in written, f"no page of docs/ says `gristmill {name}`"
    for option in (p for p in command.params if isinstance(p, click.Option)):
        assert option.help, f"gristmill {name} {option.opts[0]} has no help"
        assert re.search(rf"^\| `{', '.join(option.opts)}\b", section(name), re.M), f"docs/commands.md lacks {option.opts[-1]} of {name}: run python scripts/write_docs.py"


def section(name: str) -> str:
    return PAGES["commands.md"].partition(f"## gristmill {name}\n")[2].partition("\n## ")[0]


def test_every_link_between_pages_leads_somewhere():
    for name, text in PAGES.items():
        for target, anchor in re.findall(r"\]\(((?!http)[^)#\s]*)(?:#([^)\s]+))?\)", text):
            path = ROOT / "docs" / (target or name)
            assert path.exists(), f"{name}: {target}"
            if anchor and path.suffix == ".md":
                assert anchor in anchors(path.read_text(encoding="utf-8")), f"{name}: {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """The names that headings get on a page: lower case, without marks, words joined by hyphens."""
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}
