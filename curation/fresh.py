"""`run --fresh`: what earlier runs wrote into the output is deleted, after a question that names it."""

from __future__ import annotations

import click

from curation.job import LoadedJob
from curation.run_directory import RunDirectoryError, check_place, delete_run, held
from curation.run_lock import locked
from curation.stored_run import delete_stored
from rules.visible import shown_path


def delete_earlier(job: LoadedJob, yes: bool) -> None:
    """Delete what earlier runs wrote, after a question that names it."""
    output = job.output
    check_place(output)
    if not output.exists() and job.store is None:
        return
    with locked(output):
        files = held(output)
        what = f"{len(files):,} files ({sum(path.stat().st_size for path in files) / 1e6:,.1f} MB) of earlier runs in {shown_path(output)}"
        if job.store is not None:
            what = f"every object of earlier runs in {job.store}, and {what}"
        if (files or job.store) and not yes and not confirmed(f"delete {what}?"):
            raise RunDirectoryError("nothing was deleted; say yes to the question, or give --yes; without --fresh, the run goes on after what is done")
        if job.store is not None:
            delete_stored(job.store)
        delete_run(output)


def confirmed(question: str) -> bool:
    """No, where there is nobody to ask."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False
