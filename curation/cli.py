"""The commands about data other than run: init, diff, report, verify, schema. They parse, call, print, and choose the exit code."""

from __future__ import annotations

import errno
import functools
import json
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from curation.files_option import FilesCommand, files_option
from curation.run_argument import RUN_FOLDER

CLEAN, FINDINGS, CANNOT_RUN, QUARANTINED, INTERRUPTED = 0, 1, 2, 3, 130


def user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn mistakes of the user (and of the world) into a message and exit code 2; our own bugs keep their traceback."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        from rules.places import Problems
        from rules.visible import visible

        try:
            command(*arguments, **options)
        except Problems as found:
            for problem in found.problems:
                click.echo(visible(str(problem)), err=True)
            sys.exit(CANNOT_RUN)
        except BrokenPipeError:
            raise  # the reader of our output has seen enough (`| head`): click ends quietly
        except MemoryError as error:  # no record's fault, or it would be in quarantine
            saved, fewer = ("; what is finished is saved", ", or use fewer workers or a lower `memory`") if _goes_on() else ("", "")
            click.echo(visible(f"error: memory ran out ({error or 'no more was given'}){saved}"), err=True)
            click.echo(f"free memory{fewer}, then give the same command again", err=True)
            sys.exit(CANNOT_RUN)
        except (ValueError, OSError) as error:
            if not _is_user_error(error):
                raise
            click.echo(visible(f"error: {error}"), err=True)
            if type(error).__module__.startswith("pyarrow") or type(error) is OSError and error.errno is None:  # Arrow's, of no file
                click.echo("a file is damaged; if it is one of a run, `gristmill verify OUT` names it, and says how to mend it", err=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                saved = "what is finished is saved: " if _goes_on() else ""
                click.echo(f"there is no room to write; {saved}make room, then give the same command again", err=True)
            sys.exit(CANNOT_RUN)

    return wrapped


def _goes_on() -> bool:
    """Does the command that is carried out go on where it stopped, when it is given again? All others begin anew."""
    context = click.get_current_context(silent=True)
    return context is not None and context.command.name in GO_ON


class PackOrPath(click.Path):
    """A path, or the name of a shipped pack, which becomes the path of its file."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if isinstance(value, str) and not Path(value).exists():
            from rules.format.pack import shipped_packs
            from rules.places import did_you_mean

            shipped = shipped_packs()
            if value not in shipped:
                self.fail(f"{value!r} is no file or folder, and no shipped pack{did_you_mean(value, shipped)}", parameter, context)
            return shipped[value]
        return super().convert(value, parameter, context)


PACK_OR_PATH, PACK_OR_FILE = (PackOrPath(path_type=Path, exists=True, dir_okay=folders) for folders in (True, False))

GO_ON = ("run", "ablate", "probe", "mix")

USER_ERRORS = {  # made to be read
    "curation.convert.result.ConvertError", "curation.duplicates.DuplicatesError", "curation.evaluation_items.EvaluationError",
    "curation.fasttext_training.TrainingError", "curation.inputs.InputError", "curation.language_sample.WeightsError",
    "curation.object_store.StoreError", "curation.ray_start.WorkerError", "curation.run_directory.RunDirectoryError",
    "curation.threshold_fitting.FitError", "curation.token_files.TokenFileError", "curation.tokenizer.TokenizerError",
}  # fmt: skip


def _is_user_error(error: Exception) -> bool:
    """Errors of our own that are made to be read, and errors of the file system. By their names: to import the modules that
    define them would be slow, and leaves half of a compiled module behind where the disk is full (before Python 3.12.8)."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return isinstance(error, OSError) or not USER_ERRORS.isdisjoint(names)


def _print_json(data: Any) -> None:
    """Printable ASCII only: nothing in a document can reach the terminal raw."""
    click.echo(json.dumps(data, indent=1, default=str).replace("\x7f", "\\u007f"))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--demo", is_flag=True, help="The demo instead: 528 real web pages, a job that cleans and packs them, and a training configuration.")
@user_errors
def init(folder: Path, demo: bool) -> None:
    """Start a project in FOLDER: a commented job, a rule pack of your own and 20 sample documents."""
    from curation.starter import DEMO, STARTER, write_project

    for path in write_project(folder, DEMO if demo else STARTER):
        click.echo(path)
    steps = (("run", "job.yaml"), ("train", "train.yaml")) if demo else (("check", "."), ("run", "job.yaml"))
    click.echo("next: " + "; ".join(shlex.join(["gristmill", command, str(folder / name)]) for command, name in steps))


def tell_warnings(warnings: Sequence[Any]) -> None:
    """Print what is worth a look in a file of the user, such as settings that have another name today."""
    if warnings:
        from rules.visible import visible

        for warning in warnings:
            click.echo(visible(f"{warning} (warning)"), err=True)


def tell_unread(unread: Counter[str]) -> None:
    """Say what of the records that a sample met is not in it."""
    if unread:
        causes = ", ".join(f"{cause} {count:,}" for cause, count in sorted(unread.items()))
        records = f"{unread.total():,} record{'' if unread.total() == 1 else 's'}"
        click.echo(f"{records} could not be read and {'is' if unread.total() == 1 else 'are'} not in the sample ({causes}); a run puts such into quarantine/, raw, with the reason", err=True)


@click.command(cls=FilesCommand)
@click.argument("job_a", metavar="JOB_A", type=PACK_OR_FILE)
@click.argument("job_b", metavar="JOB_B", type=PACK_OR_FILE)
@files_option("--sample", "samples", help="Documents to compare on (paths, a folder, glob or URL; may be given again); without it, the input of JOB_B.")
@click.option("--documents", default=20_000, show_default=True, type=click.IntRange(1), help="Documents to draw.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the sample.")
@click.option("--show", default=20, show_default=True, type=click.IntRange(0), help="Documents to print of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every document that changes.")
@user_errors
def diff(job_a: Path, job_b: Path, samples: tuple[str, ...], documents: int, seed: int, show: int, as_json: bool) -> None:
    """Show which documents of a sample JOB_A and JOB_B judge differently, and why. Either may be a pack, yours
    by path or a shipped one by name.

    Exit 1 when there is a difference."""
    from curation.compare import compare, comparison_lines, load_side, seen_by_sides
    from curation.compile_notice import tell_of_compiling
    from curation.sample import draw_sample
    from rules.visible import visible

    tell_of_compiling()
    a, b = load_side(job_a), load_side(job_b)
    for side in (a, b):
        tell_warnings(side.job.warnings if side.job else ())
    if not samples and not b.job:
        raise click.UsageError("a pack has no input: name documents with --sample")
    seen_a, seen_b = seen_by_sides(a, b)
    patterns, folder = (samples, Path()) if samples or not b.job else (b.job.inputs, b.job.folder)
    reading = b.job or a.job
    drawn = draw_sample(patterns, folder, documents, seed, reading.read_settings if reading else None, label=lambda read: read)
    tell_unread(drawn.unread)
    found = compare(drawn.documents, a.packs, b.packs, seen_a, seen_b)
    if as_json:
        _print_json(found.as_dict())
    else:
        for line in comparison_lines(found, show):
            click.echo(line)
        for note in dict.fromkeys([*seen_a.notes, *seen_b.notes]):
            click.echo(visible(note))
    sys.exit(FINDINGS if found.changes else CLEAN)


@click.command()
@click.argument("output", metavar="OUT", type=RUN_FOLDER)
@click.argument("other", metavar="[OTHER]", type=RUN_FOLDER, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print report.json instead of report.md.")
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False), help="Of two runs: write compared.html, compared.md and compared.json there.")
@user_errors
def report(output: Path, other: Path | None, as_json: bool, out: Path | None) -> None:
    """Rebuild the report of run directory OUT, check its books, and print it. With OTHER, print two runs side by side.

    Writes into OUT/report: report.html (one page that holds everything), report.md, report.json, documents.json (the
    documents that are shown), and pictures as PNG. Two runs are only read."""
    if other is None and out is not None:
        raise click.UsageError("--out is for two runs; the report of one is in its own folder report/")
    if other is not None:
        _print_compared(output, other, as_json, out)
        return
    from curation.report import write_report
    from curation.reports.markdown import markdown

    numbers = write_report(output, pictures=True)
    if as_json:
        _print_json(numbers)
    else:
        click.echo(markdown(numbers), nl=False)


def _print_compared(first: Path, second: Path, as_json: bool, out: Path | None) -> None:
    from curation.reports.comparison import COMPARED_HTML, compare, compared_markdown, write_comparison
    from rules.visible import shown_path, visible

    found = compare(first, second)
    if as_json:
        _print_json(found)
    else:
        click.echo(compared_markdown(found), nl=False)
    if out is not None:
        write_comparison(found, out)
        click.echo(visible(f"comparison: {shown_path(out / COMPARED_HTML)}"), err=True)


@click.command()
@click.argument("output", metavar="OUT")
@click.option("--inputs", is_flag=True, help="Also read the input files again, and tell which hold something else than what was read.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@user_errors
def verify(output: str, inputs: bool, as_json: bool) -> None:
    """Check the finished run in OUT (a folder, or a URL in object storage) from its files alone.

    Every file against its checksum and rows in the manifest, every file on disk against the list, documents against the
    books, packed/ as a trainer reads it. Exit 1 when anything is missing, truncated, altered or unlisted."""
    from curation.verify import verify as verified
    from rules.visible import visible

    found = verified(output if "://" in output else Path(output), inputs)
    if as_json:
        _print_json(found.as_dict())
    else:
        for problem in found.problems:
            click.echo(visible(problem))
        click.echo(found.summary())
    sys.exit(FINDINGS if found.problems else CLEAN)


@click.command()
@click.argument("what", type=click.Choice(["pack", "job"]))
def schema(what: str) -> None:
    """Print the JSON Schema of packs or of jobs: editors complete and check YAML with it.

    A file that begins with `# yaml-language-server: $schema=pack.schema.json` is checked against it while you type."""
    if what == "pack":
        from rules.format.schema import pack_schema

        _print_json(pack_schema())
    else:
        from curation.job import job_schema

        _print_json(job_schema())
