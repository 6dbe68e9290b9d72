"""The argument OUT of commands: a run directory on this machine, or one in object storage, which is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class RunFolder(click.ParamType):
    """A path; a URL becomes the path of the run's local copy."""

    name = "path"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path:
        if isinstance(value, Path) or "://" not in value:
            return Path(value)
        from curation.object_store import StoreError
        from curation.run_directory import RunDirectoryError
        from curation.stored_run import local_copy

        click.echo(f"fetching {value}", err=True)
        try:
            return local_copy(value)
        except (StoreError, RunDirectoryError) as error:
            self.fail(str(error), parameter, context)


RUN_FOLDER = RunFolder()
