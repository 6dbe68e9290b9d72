"""The command `gristmill duplicates`: clusters of a finished run to look at, and near duplicates of a new text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from curation.cli import _print_json, user_errors
from curation.run_argument import RUN_FOLDER

COLOURS: dict[str, dict[str, Any]] = {"gone": {"fg": "red"}, "new": {"fg": "green"}, "head": {"bold": True}, "same": {}}


@click.command()
@click.argument("output", metavar="OUT", type=RUN_FOLDER)
@click.argument("document_id", metavar="[ID]", required=False)
@click.option("--query", metavar="FILE", type=click.File("rb"), help="Find near duplicates of the text in FILE (- for standard input) instead.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="With --query: also documents of this estimated similarity or more that meet on no band.")
@click.option("--show", default=5, show_default=True, type=click.IntRange(0), help="Members whose texts are compared with the kept one; with --query, documents.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the texts.")
@user_errors
def duplicates(output: Path, document_id: str | None, query: Any, threshold: float | None, show: int, as_json: bool) -> None:
    """Show the clusters of document ID in run directory OUT: members, similarity, and what differs from the kept one.

    With --query, find the documents of the run that are near duplicates of a new text."""
    if (document_id is None) == (query is None):
        raise click.UsageError("name a document ID, or a text with --query FILE")
    if query is None and threshold is not None:
        raise click.UsageError("--threshold goes with --query")
    if query is not None:
        _show_query(output, query.read().decode("utf-8", "replace"), threshold, show, as_json)
    else:
        _show_clusters(output, document_id, show, as_json)


def _show_clusters(output: Path, document_id: str | None, show: int, as_json: bool) -> None:
    from curation.cluster_view import cluster_lines, clusters_of

    found = clusters_of(output, str(document_id), show)
    if as_json:
        _print_json({"id": document_id, "clusters": found})
        return
    for kind, text in cluster_lines(found):
        click.echo(click.style(text, **COLOURS[kind]))


def _show_query(output: Path, text: str, threshold: float | None, show: int, as_json: bool) -> None:
    from curation.explain import fate_text
    from curation.near_query import near_query
    from rules.visible import visible

    found = near_query(output, text, threshold, show)
    if as_json:
        _print_json({"documents": found})
    for row in () if as_json else found:
        fate = f"removed by {row['removed_by']} in favour of {row['kept_id']}" if row["removed_by"] else "stayed"
        click.echo(visible(f"{row['jaccard']:.3f}  {row['id']}  {fate}") + fate_text(row["kept_chain"]))
    if not found:
        click.echo("no near duplicates", err=True)
