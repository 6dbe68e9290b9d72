"""The command about rules themselves: signals."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def signals(name: str | None, as_json: bool) -> None:
    """List the signals that rules can compare with thresholds, or explain signal NAME with an example."""
    from rules.measures.catalogue import as_data, explain, explain_lines, list_lines

    try:
        found = None if name is None else explain(name)
    except ValueError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps(as_data() if found is None else found, indent=1))
    else:
        for line in list_lines() if found is None else explain_lines(found):
            click.echo(line)
