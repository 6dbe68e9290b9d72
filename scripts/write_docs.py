"""Write the pages of docs/ that are made from the code: commands, signals, packs, keys, and the settings of jobs at the end of
docs/jobs.md; and the tables of figures in README.md and docs/, from benchmarks/RESULTS.json. Tests fail when they are stale."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
SETTINGS_TITLE = "## Every setting"
sys.path.insert(0, str(ROOT))
from benchmarks import results_page  # noqa: E402
from benchmarks.results_page import table  # noqa: E402
from rules.format.pack import load_pack, shipped_packs  # noqa: E402
from rules.measures.catalogue import OTHERS  # noqa: E402
from rules.measures.signals import SIGNALS  # noqa: E402
from rules.rule import Rule  # noqa: E402


def signals_page() -> str:
    """Every signal by source."""
    lines = ["# Signals", "", "What rules can compare with thresholds. `gristmill signals NAME` measures an example of each. Words are the pack's (`words:`)."]
    for source in dict.fromkeys(signal.source for signal in SIGNALS.values()):
        rows = [(f"`{s.name}`", s.meaning, s.unit) for s in SIGNALS.values() if s.source == source]
        lines += ["", f"## {source}", "", *table(("signal", "meaning", "unit"), rows)]
    for title, others in OTHERS.items():
        lines += ["", f"## Signals {title}", "", *table(("signal", "meaning"), [(f"`{n}`", m) for n, m in others.items()])]
    return "\n".join([*lines, ""])


def packs_page() -> str:
    """Every shipped pack with its rules; of FineWeb-2's languages only the names."""
    names = shipped_packs()
    languages = [name for name in names if name.startswith("fineweb2/") and name != "fineweb2/base"]
    fitted = [name for name in names if name.startswith("reference/")]
    lines = ["# Shipped packs", "", "`packs: [NAME]` in a job uses one; `gristmill check` runs their examples."]
    for name in (n for n in names if n not in (*languages, *fitted)):
        pack = load_pack(name)
        scope = f" Languages: {', '.join(pack.languages)}." if pack.languages else ""
        rows = [(f"`{r.id}`", what(r), r.why) for r in pack.rules if not r.variant]
        lines += ["", f"## {name}", "", f"{pack.about} Source: {pack.source or 'gristmill'}. Words: {pack.words}.{scope}", "", *table(("rule", "does", "why"), rows)]
        if name == "fineweb2/base":
            lines += ["", f"Languages: {', '.join(n.removeprefix('fineweb2/') for n in languages)}, each as `fineweb2/CODE`, with its own thresholds and stop words."]
            lines += ["", f"Fitted to passages of Wikipedia and prose of manuals, as an example of what [`gristmill fit-thresholds`](fit-thresholds.md) makes: {', '.join(n.removeprefix('reference/') for n in fitted)}, each as `reference/CODE`."]
    return "\n".join([*lines, ""])


def what(rule: Rule) -> str:
    """What a rule does, in a few words."""
    if rule.action == "off":
        return "off"
    if rule.lines:
        return {"ftfy": "repair lines with ftfy", "nfc": "lines in NFC", "nfkc": "lines in NFKC"}.get(rule.lines, f"{rule.lines} lines")
    if rule.drop_when:
        conditions = " and ".join(f"{c.signal} {' or '.join(map(str, c.any_of))}" for c in rule.drop_when)
        return f"{rule.action}: {conditions}"
    return f"{rule.action}: {'URL' if rule.url else 'a line matches'}"


def keys_page() -> str:
    from inspect_ui.app import Inspect
    from inspect_ui.screens.frame import NAMES
    from inspect_ui.screens.keys import rows_of
    from inspect_ui.widgets.document import Document
    from inspect_ui.widgets.histogram import Histogram
    from inspect_ui.widgets.table import Table

    lines = ["# Keys of the inspector", "", "`?` shows those of the screen that you are on; `Ctrl+p` finds commands by name. The mouse works, too: tabs, rows, titles of", "columns, the threshold (drag it), text (drag to mark, twice for a line)."]
    parts = [("Everywhere", Inspect), ("In a text", Document), ("In a list", Table), ("In the histogram", Histogram)]
    for name, owner in [*((f"{number} {name}", Inspect.MODES[name.lower()]) for number, name in enumerate(NAMES, 1)), *parts]:
        rows = [(" ".join(f"`{key}`" for key in keys.split()), what) for _, keys, what in rows_of("", owner)]
        lines += ["", f"## {name}", "", *table(("keys", "do"), rows)]
    return "\n".join([*lines, ""])


def commands_page() -> str:
    """Every command with what it takes."""
    import gristmill

    lines = ["# Commands", "", "All that `gristmill COMMAND --help` says. Results go to stdout, progress and messages to stderr. Exit codes: 0 clean, 1 findings, 2 cannot", "run, 3 done with quarantined records, 130 interrupted and resumable."]
    for name in gristmill.COMMANDS:
        lines += command_section(gristmill.gristmill.get_command(click.Context(gristmill.gristmill), name), name)
    return "\n".join([*lines, ""])


def command_section(command: click.Command, name: str) -> list[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(["gristmill", name, *command.collect_usage_pieces(context)])
    text = [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").replace("\b", "").split("\n\n")]
    lines = ["", f"## gristmill {name}", "", f"`{usage}`", *(line for part in text for line in ("", part))]
    options = [record for p in command.params if isinstance(p, click.Option) and (record := p.get_help_record(context))]
    if options:
        lines += ["", *table(("option", "does"), [(f"`{names}`", " ".join(what.split())) for names, what in options])]
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            lines += command_section(command.get_command(context, sub), f"{name} {sub}")
    return lines


def jobs_page() -> str:
    """The page about jobs as people wrote it, up to its last heading, and under that every setting, from the dataclasses."""
    from curation.job_settings import Job

    written = (ROOT / "docs/jobs.md").read_text(encoding="utf-8").partition(f"\n{SETTINGS_TITLE}\n")[0]
    lines = [written, SETTINGS_TITLE, "", "Made from the code; `gristmill schema job` prints the same for editors. A setting without a default must be given.", "", *settings_table(Job)]
    for name, kind in nested_settings(Job):
        text = re.sub(r" \(\w+\.py\)", "", " ".join(inspect.cleandoc(kind.__doc__ or "").split()))
        lines += ["", f"### {name}", "", text, "", *settings_table(kind)]
    return "\n".join([*lines, ""])


def nested_settings(owner: type, before: str = "") -> list[tuple[str, type]]:
    """The dataclasses that settings of `owner` are, at any depth, with the names of their keys."""
    found: list[tuple[str, type]] = []
    for name, hint in typing.get_type_hints(owner).items():
        for kind in (part for part in parts_of(hint) if dataclasses.is_dataclass(part)):
            found += [(f"{before}{name}", kind), *nested_settings(kind, f"{before}{name}.")]
    return found


def parts_of(hint: Any) -> list[Any]:
    """A type and all types in it."""
    return [hint, *(part for inner in typing.get_args(hint) for part in parts_of(inner))]


def settings_table(owner: type) -> list[str]:
    """Name, type, default and comment of every setting of a dataclass."""
    hints, comments = typing.get_type_hints(owner), dict(re.findall(r"^    (\w+): [^#\n]*#\s*(.*)$", inspect.getsource(owner), re.M))
    rows = [(f"`{f.name}`", type_told(hints[f.name]), default_told(f), comments.get(f.name, f.metadata.get("about", ""))) for f in dataclasses.fields(owner) if not f.metadata.get("internal")]
    if not any(row[3] for row in rows):
        return table(("setting", "is", "default"), [row[:3] for row in rows])
    return table(("setting", "is", "default", ""), rows)


def type_told(hint: Any) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_told(part) for part in parts if part is not type(None)))
    if origin in (list, tuple):
        return f"list of {type_told(parts[0])}"
    if origin is dict:
        return f"{type_told(parts[0])}: {type_told(parts[1])}, ..."
    names = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", Path: "path"}
    return names.get(hint, "settings, see below")


def default_told(field: dataclasses.Field) -> str:
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if value is dataclasses.MISSING:
        return "must be given"
    if value is None or value == () or value == {} or value == "":
        return ""
    if dataclasses.is_dataclass(value):
        return "its defaults"
    return "`" + (", ".join(map(str, value)) if isinstance(value, tuple) else json.dumps(value, default=str)).strip('"') + "`"


def copy_pictures() -> list[Path]:
    """The accepted pictures of the inspector's screens become those of docs/inspect.md."""
    accepted = ROOT / "tests/__snapshots__/test_inspect_pictures"
    pictures = [(path, ROOT / f"docs/pictures/{path.stem.partition('[')[2].partition('-')[0].lower()}.svg") for path in sorted(accepted.glob("*-120x40].svg"))]
    for path, picture in pictures:
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(path.read_bytes())
    return [picture for _, picture in pictures]


PAGES = {"docs/commands.md": commands_page, "docs/signals.md": signals_page, "docs/packs.md": packs_page, "docs/inspect-keys.md": keys_page, "docs/jobs.md": jobs_page}

if __name__ == "__main__":
    for path, page in PAGES.items():
        (ROOT / path).write_text(page(), encoding="utf-8")
        print(path)
    results_page.RESULTS.with_suffix(".md").write_text(results_page.page(results_page.load()), encoding="utf-8")
    for path in results_page.write_tables(results_page.load()):
        print(path.relative_to(ROOT))
    for picture in copy_pictures():
        print(picture.relative_to(ROOT))
