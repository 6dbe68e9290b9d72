"""`gristmill fit-thresholds`: a pack for each language, with thresholds from texts that are known to be good."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from curation.cli import user_errors
from curation.files_option import FilesCommand, files_option

MEGABYTE = 1_000_000


@click.command("fit-thresholds", cls=FilesCommand)
@files_option("--reference", required=True, help="Texts known to be good, in the languages to fit; may be given again.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="A pack file (.yaml) for one language, or a folder for a pack a language; over earlier ones of this command.")
@click.option("--language", "languages", multiple=True, metavar="LANG", help="Only this language; may be given again.")
@click.option("--signals", metavar="NAME,...", help="Signals whose thresholds are fitted; without it, those that FineWeb-2 fitted.")
@click.option("--method", default="tail", show_default=True, type=click.Choice(["tail", "quantile", "mean-std", "median-ratio"]), help="How a threshold follows from the texts.")
@click.option("--tail", default=0.1, show_default=True, type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Share of the texts beyond each threshold (method tail).")
@click.option("--deviations", default=2.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Standard deviations from the mean (method mean-std without --english).")
@files_option("--english", help="English texts to which the thresholds of --like belong (quantile, median-ratio, mean-std).")
@click.option("--like", default="fineweb2/base", show_default=True, help="The pack to adapt, with thresholds for English.")
@click.option("--keep", default=0.9, show_default=True, type=click.FloatRange(0, 1), help="Share of the texts that all rules together keep; thresholds move outwards until they do.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(0), help="Of the cross-validation: what packs fitted without a fold keep of it; 0: none.")
@click.option("--megabytes", default=50.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Text of each language, chosen by document id.")
@click.option("--min-texts", "--fewest", "min_texts", default=30, show_default=True, type=click.IntRange(5), help="Texts that a language needs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@user_errors
def fit_thresholds(
    reference: tuple[str, ...], out: Path, languages: tuple[str, ...], signals: str | None, method: Any, tail: float, deviations: float,
    english: tuple[str, ...], like: str, keep: float, folds: int, megabytes: float, min_texts: int, as_json: bool,
) -> None:  # fmt: skip
    """Adapt a pack to other languages, from reference texts in them, as FineWeb-2 did.

    Writes thresholds, stop words and what they were made of. Exit 1 when a pack keeps less than 85 % of the reference, or less of texts it was
    not fitted on."""
    from curation.fitted_packs import FitSettings, fit_packs
    from curation.reference_texts import source_hashes
    from curation.text_sources import local_files
    from curation.threshold_fitting import FitError
    from rules.format.pack import find_pack
    from rules.outputs import check_output

    chosen = tuple(name.strip() for name in signals.split(",") if name.strip()) if signals else ()
    if folds == 1:
        raise FitError("--folds 1 leaves nothing to fit on: give 2 or more, or 0 for no cross-validation")
    inputs = [Path(like), *local_files(reference), *local_files(english)]
    if _is_pack_file(out):
        check_output(out, inputs, _is_fitted, "a pack of this command")  # before minutes of fitting
    settings = FitSettings(method, tail, deviations, keep, folds, like, chosen, int(megabytes * MEGABYTE), min_texts)
    try:
        find_pack(like, Path())
        fits, few = fit_packs(reference, settings, languages, english)
    except ValueError as error:
        raise FitError(str(error)) from error
    if _is_pack_file(out) and len(fits) > 1:
        raise FitError(f"the texts are in {', '.join(fit.code for fit in fits)}: name one with --language, or give a folder for --out")
    for fit in fits:
        check_output(pack_path(out, fit.code), inputs, _is_fitted, "a pack of this command")
    written = write_packs(fits, settings, [*source_hashes(reference), *(source_hashes(english) if english else [])], out)
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "too_few": few, "packs": [_data(fit, path) for fit, path in zip(fits, written)]}, indent=1))
    else:
        _print(fits, written, few)
    if any(fit.flagged for fit in fits):
        raise click.exceptions.Exit(1)


def _is_pack_file(out: Path) -> bool:
    return out.suffix in (".yaml", ".yml")


def pack_path(out: Path, code: str) -> Path:
    """Where the pack of a language is written: `out` itself, or a file in that folder."""
    return out if _is_pack_file(out) else out / f"{code}.yaml"


def _is_fitted(path: Path) -> bool:
    from curation.fitted_packs import WRITTEN_BY

    return path.read_bytes().startswith(WRITTEN_BY.encode())


def write_packs(fits: Sequence[Any], settings: Any, sources: list[dict[str, Any]], out: Path, note: str = "") -> list[Path]:
    """Write the packs, each read again and its examples run first."""
    from curation.fitted_packs import pack_text
    from curation.shards import whole_file
    from rules.format.examples import example_problems
    from rules.format.pack import load_pack
    from rules.format.problems import Problems

    written = []
    for fit in fits:
        path = pack_path(out, fit.code)
        name = slug(path.stem) if path == out else f"{slug(out.resolve().name)}/{slug(fit.code)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(pack_text(fit, name, settings, sources, note), encoding="utf-8")
        problems = example_problems(load_pack(path))
        if problems:
            raise Problems(problems)
        written.append(path)
    return written


def min_scores(fits: Sequence[Any]) -> str:
    """The fitted language scores as the setting `min_scores` of a job, in YAML; empty where there are none."""
    from curation.fitted_packs import quoted

    scores = [f"{quoted(fit.code)}: {fit.min_language_score:g}" for fit in fits if fit.min_language_score is not None]
    return f"{{min_scores: {{{', '.join(scores)}}}}}" if scores else ""


def slug(text: str) -> str:
    """`text` as the name of a pack."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "fitted"


def _data(fit: Any, path: Path) -> dict[str, Any]:
    bounds = [
        {"rule": one.bound.rule, "signal": one.bound.signal, "was": str(one.bound.comparison), "is": one.comparison and str(one.comparison), "drops": one.dropped, "note": one.note}
        for one in fit.bounds
    ]
    plain = {name: getattr(fit, name) for name in ("documents", "kept", "folds", "held_out_kept", "min_language_score", "stop_words", "flagged")}
    return {"language": fit.code, "file": str(path), **plain, "bounds": bounds}


def _print(fits: Sequence[Any], written: Sequence[Path], few: dict[str, int]) -> None:
    from rules.visible import shown_path, visible

    for fit, path in zip(fits, written):
        rest = "" if fit.held_out_kept is None else f", {fit.held_out_kept:.1%} where not fitted on"
        flag = "  <- drops much of its own reference" if fit.flagged else ""
        click.echo(f"{fit.code}: keeps {fit.kept:.1%} of {fit.documents:,} texts{rest}; language score from {fit.min_language_score}; {shown_path(path)}{flag}")
        if len(fits) == 1:
            for one in fit.bounds:
                now = str(one.comparison) if one.comparison else "off"
                click.echo(f"  {one.bound.rule:<22} {one.bound.signal:<32} {one.bound.comparison!s:>12} -> {now:<10} drops {one.dropped:6.1%}{'  ' + one.note if one.note else ''}")
            click.echo(visible(f"  stop words: {' '.join(fit.stop_words)}"))
    if scores := min_scores(fits):
        click.echo(f"for the job that uses them:\nlanguage: {scores}")
    if few:
        click.echo("too few texts: " + visible(", ".join(f"{code} ({count})" for code, count in few.items())), err=True)
