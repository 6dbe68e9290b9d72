"""report.html: the report and its documents as one file that asks for nothing else, runs no script, and obeys no document.

Whatever comes from a run goes through `visible` and is escaped; charts are SVG drawn by the template.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from curation.reports.markdown import FLAGGED_MEANS, flagged_rows, size_range
from rules.visible import visible

FOLDER = Path(__file__).parent
MOST_SIZES = 12  # of clusters, a row each; of more, sizes are taken together


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    class Compiled(FileSystemBytecodeCache):
        """Compiled templates beside compiled modules, where these may be written; compiling takes as long as rendering."""

        def dump_bytecode(self, bucket: Any) -> None:
            if not sys.dont_write_bytecode:
                with contextlib.suppress(OSError):
                    super().dump_bytecode(bucket)

    def shown(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def breakable(name: str) -> Markup:
        return Markup("<wbr>").join([Markup.escape(part) for part in re.split(r"(?<=[/.])", visible(name))])

    templates = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True, lstrip_blocks=True, bytecode_cache=Compiled(str(FOLDER / "__pycache__"), "template-%s.cache"))
    templates.filters.update(count=count, size=size, share=share, number=number, pretty=pretty, breakable=breakable, told=told, size_ranges=size_ranges)
    templates.globals.update(size_range=size_range, shown=visible, flagged_means=FLAGGED_MEANS, flagged_rows=flagged_rows, is_logarithmic=is_logarithmic, bars=lambda histogram: Markup(bars(histogram)))
    return templates


def load_templates() -> None:
    """Load what `html` needs, before it is called."""
    for name in ("report.html", "frame.html", "parts.html"):
        _templates().get_template(name)


def html(report: dict[str, Any], documents: dict[str, Any], title: str) -> str:
    """The page of a run, from the numbers of report.json and the documents of documents.json."""
    return _templates().get_template("report.html").render(r=report, d=documents, title=title, rules=rule_rows(report, documents), sections=sections(report, documents), other=other_reasons(report, documents))


def compared_html(found: dict[str, Any], sections: list[tuple[str, str, list[list[Any]]]]) -> str:
    """The page of two runs, from the numbers of `comparison.compare` and the tables of its sections: title, what, rows."""
    return _templates().get_template("compared.html").render(c=found, tables=sections)


def rule_rows(report: dict[str, Any], documents: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each rule that judges documents: its counts, seconds, evidence, and documents to look at."""
    most = max((said["hits"] for said in report["rules"].values()), default=0)
    found = []
    for name, said in report["rules"].items():
        form = next(iter(report["rule_forms"].get(name, [])), {})
        found.append({
            "name": name, **said, "seconds": report["seconds"].get(name), "bar": said["hits"] / most if most else 0.0, "why": form.get("why", ""), "action": form.get("action", ""),
            "forms": report["rule_forms"].get(name, []), "evidence": report["evidence"].get(name, []),
            "removed": documents["removed"].get(name, []), "nearly": documents["nearly_removed"].get(name, []),
        })  # fmt: skip
    return found


def sections(report: dict[str, Any], documents: dict[str, Any]) -> list[tuple[str, str]]:
    """Anchor and title of the sections that have something to say."""
    every = [
        ("funnel", "Funnel", True), ("rules", "Rules", report["rules"]), ("evidence", "Evidence", report["evidence"]), ("signals", "Signals", report["histograms"]),
        ("edits", "Edits", report["edits"]), ("stages", "Other removals", other_reasons(report, documents)),
        ("languages", "Languages", report["languages"]["in"] or report["languages"]["kept"]), ("packs-and-languages", "Packs and languages", flagged_rows(report["pack_languages"])), ("hosts", "Hosts", report["hosts"]["rows"]),
        ("duplicates", "Duplicates", report["duplicates"]), ("evaluation", "Evaluation items", report["evaluation"]), ("quarantine", "Quarantine", report["quarantine"]),
        ("packed", "Packed", report["packed"]), ("time", "Time", report["seconds"]), ("provenance", "Provenance", True),
    ]  # fmt: skip
    return [(anchor, title) for anchor, title, there in every if there]


def other_reasons(report: dict[str, Any], documents: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Documents that something other than a rule removed: extraction, language, a line rule that left nothing."""
    return {reason: some for reason, some in documents["removed"].items() if reason not in report["rules"] and not any(document.get("kept_id") for document in some)}


def told(hit: dict[str, Any]) -> str:
    """What is said of a hit behind the name of its rule."""
    says = "" if hit["threshold"] is None else f", rule says {hit['comparison']} {number(hit['threshold'])}"
    return f"{' (tag)' if hit['action'] == 'tag' else ''}: {hit['signal']} is {number(hit['value'])}{says}"


def bars(histogram: dict[str, Any]) -> str:
    """The bars of a histogram in SVG, 320 wide and 90 high: of numbers alone, so that there is nothing to escape."""
    counts, edges = histogram["counts"], [number(float(edge)) for edge in histogram["edges"]]
    step, tall, found = 320 / len(counts), heights(histogram), []
    for place, documents in enumerate(counts):
        if documents:
            height = max(90 * tall[place], 1)
            title = f"{edges[place]} to {edges[place + 1]}: {documents:,}"
            found.append(f'<rect class="kept" x="{place * step:.1f}" y="{92 - height:.1f}" width="{step - 1:.1f}" height="{height:.1f}"><title>{title}</title></rect>')
    return "".join(found)


def heights(histogram: dict[str, Any]) -> list[float]:
    """Of the bars, 0 to 1; the logarithm of counts where one bar holds most documents, or the others could not be seen."""
    counts = histogram["counts"]
    drawn = [math.log1p(n) for n in counts] if is_logarithmic(histogram) else counts
    return [value / max(drawn) for value in drawn]


def is_logarithmic(histogram: dict[str, Any]) -> bool:
    """Does one bar hold more than half of the documents?"""
    return 2 * max(histogram["counts"]) > histogram["documents"]


def size_ranges(clusters_by_size: dict[str, int]) -> list[tuple[str, int]]:
    """Cluster sizes and how many clusters have them; where sizes are many, from each power of two to the next."""
    sizes = {int(size): clusters for size, clusters in clusters_by_size.items()}
    if len(sizes) <= MOST_SIZES:
        return [(f"{size:,}", clusters) for size, clusters in sizes.items()]
    found: dict[int, int] = {}
    for size, clusters in sizes.items():
        found[size.bit_length()] = found.get(size.bit_length(), 0) + clusters
    return [(size_range({"from": max(2, 1 << bits - 1), "to": (1 << bits) - 1}), clusters) for bits, clusters in found.items()]


def count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "" if value is None else f"{value:,.0f}"


def size(value: float) -> str:
    """Bytes, to three digits."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value / scale < 999.5 else f"{value / scale:,.0f} {unit}"
    return f"{value:.0f} B"


def share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else ""


def number(value: Any) -> str:
    """A figure, to four digits; whole ones in full."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 and abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def pretty(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
