"""`gristmill why`: one document's story, by id or URL; without one, some documents to ask about."""

from __future__ import annotations

from pathlib import Path

import click

from curation.cli import _print_json, user_errors
from curation.run_argument import RUN_FOLDER


@click.command()
@click.argument("output", metavar="OUT", type=RUN_FOLDER)
@click.argument("document", metavar="[ID|URL]", required=False)
@click.option("--show", default=2, show_default=True, type=click.IntRange(1), help="Without ID: documents to list for each reason.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the whole text.")
@user_errors
def why(output: Path, document: str | None, show: int, as_json: bool) -> None:
    """Tell the story of a document in run directory OUT, named by its id or its URL.

    Where it came from, what each stage measured, which rules hit and by how much, what was edited, what it duplicates.
    Without one, lists some documents that were removed for each reason."""
    from curation.removed_examples import removed_examples, removed_lines

    if document is not None:
        _tell_story(output, document, as_json)
    elif as_json:
        _print_json(removed_examples(output, show))
    else:
        for line in removed_lines(removed_examples(output, show), output):
            click.echo(line)


def _tell_story(output: Path, document: str, as_json: bool) -> None:
    """The story of the document with this id; else of the one with this URL, or which ones have it."""
    from curation.explain import stories, story_lines
    from curation.removed_examples import documents_at, same_url_lines

    found = stories(output, [document]).get(document)
    if found is None:
        same = documents_at(output, document)
        if len(same) > 1:
            if as_json:
                _print_json({"schema_version": 1, "url": document, "documents": same})
            else:
                for line in same_url_lines(same, document, output):
                    click.echo(line)
            return
        found = stories(output, [same[0]["id"]])[same[0]["id"]]
    if as_json:
        _print_json(found)
    else:
        for line in story_lines(found):
            click.echo(line)
