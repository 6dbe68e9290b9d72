"""The page of results, and the tables of figures in README and docs/, from what benchmarks/results.py found.

Results are a JSON file: machine, versions, and each benchmark with what it printed, its figures and its tables
(benchmarks/figures.py). In a page of Markdown they stand between two comments, the first of which names figures, or a table:

    <!-- figures: rules-space-shipped encode-cold -->
    <!-- /figures -->
    <!-- table: growth -->
    <!-- /table -->

`filled` writes what is between. A figure that was not measured has no row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.json"
TIMES = ("s", "ms")  # units of which less is better
MARKED = re.compile(r"(<!-- (?P<kind>figures|table): (?P<keys>[^>]*?) -->\n).*?(<!-- /(?P=kind) -->)", re.S)
NOT_MEASURED = "not measured yet"
Figure = dict[str, Any]
Table = dict[str, Any]


def load(path: Path = RESULTS) -> dict[str, Any]:
    """The results that are there; empty ones if there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machine": "", "versions": [], "peers": [], "runs": 0, "benchmarks": []}


def figures_of(results: dict[str, Any]) -> dict[str, Figure]:
    """All figures by their keys, each with the command that measured it."""
    return {figure["key"]: figure | {"command": benchmark["command"]} for benchmark in results["benchmarks"] for figure in benchmark["figures"]}


def tables_of(results: dict[str, Any]) -> dict[str, Table]:
    """All tables by their keys, each with the command that measured it."""
    return {found["table"]: found | {"command": benchmark["command"]} for benchmark in results["benchmarks"] for found in benchmark.get("tables", [])}


# ---- numbers


def number(value: float) -> str:
    """Two or three digits that count."""
    size = abs(value)
    places = 0 if size >= 20 else 1 if size >= 2 else 2 if size >= 0.1 else 3
    return f"{value:,.{places}f}"


def ratio(figure: Figure) -> tuple[float, float, float] | None:
    """How much better we are than the peer by medians, and at the least and at the most of any two runs; None without a peer."""
    ours, theirs = figure["ours"], figure["theirs"]
    if not theirs:
        return None
    if figure["unit"] in TIMES:
        ours, theirs = theirs, ours
    return median(ours) / median(theirs), min(ours) / max(theirs), max(ours) / min(theirs)


def amount(values: Sequence[float], unit: str, spread: bool = False) -> str:
    """The median, with the lowest and the highest behind it if they are asked for."""
    text = f"{number(median(values))} {unit}"
    return f"{text} ({number(min(values))} to {number(max(values))})" if spread and len(values) > 1 else text


# ---- tables


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> list[str]:
    """The lines of a table in Markdown, whose last `numbers` columns stand on the right."""
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return ["| " + " | ".join(map(cell, row)) + " |" for row in (header, rule, *rows)]


def short_table(figures: dict[str, Figure], keys: Iterable[str]) -> list[str]:
    """What pages of the docs show: what, our figure, how many times the peer's, and the command."""
    rows = []
    for key in keys:
        if figure := figures.get(key):
            found = ratio(figure)
            beside = f"{number(found[0])} times {figure['peer']}" if found else ""
            rows.append((figure["what"], amount(figure["ours"], figure["unit"]), beside, f"`{figure['command']}`"))
    return table(("what", "ours", "beside a peer", "command"), rows)


def filled(text: str, results: dict[str, Any]) -> str:
    """`text` with all its tables written anew."""
    figures, tables = figures_of(results), tables_of(results)

    def block(found: re.Match[str]) -> str:
        keys = found["keys"].split()
        lines = figures_block(results, figures, keys) if found["kind"] == "figures" else table_block(results, tables.get(keys[0]))
        return found[1] + "\n" + "\n".join(lines) + "\n\n" + found[4]

    return MARKED.sub(block, text)


def figures_block(results: dict[str, Any], figures: dict[str, Figure], keys: list[str]) -> list[str]:
    origin = f"{results['machine']}; {runs_told(results['runs'])}" if results["benchmarks"] else NOT_MEASURED
    return [*short_table(figures, keys), "", f"{origin}."]


def table_block(results: dict[str, Any], found: Table | None) -> list[str]:
    """A table as its benchmark noted it, and under it, on what and by what."""
    if not found:
        return [f"{NOT_MEASURED}."]
    origin = "; ".join(part for part in (found["on"], results["machine"], f"one run of `{found['command']}`") if part)
    return [*table(found["header"], found["rows"], found["numbers"]), "", f"{origin}."]


def pages() -> list[Path]:
    """The pages that have tables of figures."""
    return [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if MARKED.search(path.read_text(encoding="utf-8"))]


def write_tables(results: dict[str, Any]) -> list[Path]:
    """Write the tables of all pages anew; returns the pages."""
    for path in pages():
        path.write_text(filled(path.read_text(encoding="utf-8"), results), encoding="utf-8")
    return pages()


def runs_told(runs: int) -> str:
    return "one run of each" if runs == 1 else f"each figure the median of {runs} runs"


def named(text: str, kind: str) -> list[str]:
    """The keys that a page names, of figures or of tables (`kind`: figures, table)."""
    return [key for found in MARKED.finditer(text) if found["kind"] == kind for key in found["keys"].split()]


# ---- the page


def page(results: dict[str, Any]) -> str:
    """benchmarks/RESULTS.md."""
    benchmarks = results["benchmarks"]
    figures = list(figures_of(results).values())
    failed = [[b["name"], b["error"].strip().splitlines()[-1] if b["error"].strip() else "no words"] for b in benchmarks if b["error"] is not None]
    minutes = sum(b["seconds"] for b in benchmarks) / 60
    lines = [
        "# Results", "",
        f"Made by `make bench` in {minutes:.0f} minutes: {runs_told(results['runs'])} on the same documents, after one that",
        "compiles and loads, unless the number of runs beside it is another. Behind a median stand the lowest and the highest run; behind a",
        "ratio our worst run by the peer's best, and our best by its worst. Seconds are of processors, where the clock is not named.", "",
        f"- machine: {results['machine']}",
        f"- versions: {', '.join(results['versions'])}",
        f"- peers in environments of their own: {', '.join(results['peers'])}",
        "- not installed: text-dedup, which brings Spark; the peers of MinHash are datatrove, datasketch and rensa", "",
        "## Beside peers", "",
        *table(("what", "ours", "peer", "peer's", "ratio", "runs", "on"), map(peer_row, (f for f in figures if f["theirs"]))), "",
        "## By itself", "",
        *table(("what", "ours", "runs", "on"), ((f["what"], amount(f["ours"], f["unit"], True), str(len(f["ours"])), described(f)) for f in figures if not f["theirs"])), "",
    ]  # fmt: skip
    if failed:
        lines += ["## Failed", "", *table(("benchmark", "its last words"), failed), ""]
    for benchmark in benchmarks:
        lines += section(benchmark)
    return "\n".join(lines)


def peer_row(figure: Figure) -> list[str]:
    middle, least, most = ratio(figure) or (0.0, 0.0, 0.0)
    apart = f" ({number(least)} to {number(most)})" if max(len(figure["ours"]), len(figure["theirs"])) > 1 else ""
    runs = f"{len(figure['ours'])} and {len(figure['theirs'])}"
    ours, theirs = (amount(figure[side], figure["unit"], True) for side in ("ours", "theirs"))
    return [figure["what"], ours, figure["peer"], theirs, f"**{number(middle)}**{apart}", runs, described(figure)]


def described(figure: Figure) -> str:
    return "; ".join(part for part in (figure["on"], figure["note"]) if part)


def section(benchmark: dict[str, Any]) -> list[str]:
    """A benchmark: its command, how long it took, and what it printed."""
    printed = benchmark["printed"].rstrip()
    took = f"`{benchmark['command']}`, {benchmark['seconds']:.0f} s, {benchmark['processor_seconds']:.0f} s of processors, load {benchmark['load']:.1f} when it began"
    lines = [f"## {benchmark['name']}", "", took, ""]
    if printed:
        lines += [printed, ""] if printed.lstrip().startswith("|") else ["```", printed, "```", ""]
    if benchmark["error"] is not None:
        lines += ["It failed:", "", "```", *benchmark["error"].strip().splitlines()[-15:], "```", ""]
    return lines
