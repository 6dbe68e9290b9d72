"""`gristmill classifier`: train a quality classifier on good and bad texts, and score texts with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from curation.cli import user_errors
from curation.files_option import FilesCommand, files_option

MEGABYTE = 1_000_000


@click.group()
def classifier() -> None:
    """Train classifiers of texts, for the signal classifier.NAME, and score texts with them.

    FILES are run directories (their clean/ is read) or files in any format gristmill reads, with globs and URLs."""


@classifier.command(cls=FilesCommand)
@files_option("--positive", required=True, help="Texts as they should be; may be given again.")
@files_option("--negative", required=True, help="Texts as they should not be; may be given again.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder to write: model.ftz, classifier.json, calibration.png.")
@click.option("--fresh", is_flag=True, help="Train over the model that is in the folder; asks before.")
@click.option("--yes", is_flag=True, help="With --fresh: do not ask.")
@click.option("--language", metavar="LANG", help="Only documents in this language.")
@click.option("--megabytes", default=200.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Text of each kind, chosen by document id.")
@click.option("--held-out", default=0.2, show_default=True, type=click.FloatRange(0, 0.9, min_open=True), help="Share of the texts to measure on.")
@click.option("--held-out-texts", type=click.Path(path_type=Path, file_okay=False), help="Write the texts that were measured on to this folder, over earlier ones: positive.parquet and negative.parquet, to preview rules on.")
@click.option("--all", "everything", is_flag=True, help="Train on all documents, even if there are more of one kind.")
@click.option("--epochs", default=10, show_default=True, type=click.IntRange(1), help="Passes over the texts.")
@click.option("--learning-rate", "--lr", "learning_rate", default=0.5, show_default=True, type=click.FloatRange(0, min_open=True), help="Learning rate at the start; it falls to 0.")
@click.option("--dim", default=16, show_default=True, type=click.IntRange(1), help="Numbers of a word's vector.")
@click.option("--word-ngrams", default=2, show_default=True, type=click.IntRange(1, 5), help="Longest run of words that is a feature.")
@click.option("--min-count", default=3, show_default=True, type=click.IntRange(1), help="Least occurrences of a word.")
@click.option("--buckets", default=1 << 20, show_default=True, type=click.IntRange(1), help="Hash buckets of n-grams.")
@click.option("--features", default=200_000, show_default=True, type=click.IntRange(256), help="Words and n-grams that the quantised model keeps.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads to train with; with one, the same texts give the same model.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the training.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
@user_errors
def train(
    positive: tuple[str, ...], negative: tuple[str, ...], out: Path, fresh: bool, yes: bool, language: str | None, megabytes: float, held_out: float,
    held_out_texts: Path | None, everything: bool, epochs: int, learning_rate: float, dim: int, word_ngrams: int, min_count: int, buckets: int, features: int,
    threads: int, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Train a classifier with fastText and measure it on held-out texts: precision, recall, AUC, calibration.

    A pack uses it with `classifiers: {NAME: FOLDER}` and the signal classifier.NAME: the probability that a text is like
    the positive ones."""
    from curation.classifier_measures import measure_lines
    from curation.classifier_training import TrainingPlan, train_classifier
    from curation.fasttext_training import FastTextSettings
    from rules.visible import shown_path

    if yes and not fresh:
        raise click.UsageError("--yes goes with --fresh")
    _check_places(out, held_out_texts, [*positive, *negative])
    _ask_before_replacing(out, fresh, yes)
    plan = TrainingPlan(positive, negative, language, int(megabytes * MEGABYTE), held_out, not everything)
    settings = FastTextSettings(dim, epochs, learning_rate, word_ngrams, min_count, buckets, features, seed, threads)
    manifest = train_classifier(plan, settings, out, held_out_texts)
    if as_json:
        click.echo(json.dumps(manifest, indent=1))
        return
    for name, about in manifest["inputs"].items():
        shared = f" ({about['in_both']:,} that are on both sides left out)" if about["in_both"] else ""
        click.echo(f"{name}: {about['documents']:,} documents, {about['different_texts']:,} different texts{shared}; {about['train']:,} to train on, {about['held_out']:,} held out")
    for line in measure_lines(manifest["held_out"]):
        click.echo(line)
    click.echo(f"AUC before quantisation {manifest['auc_before_quantisation']:.4f}")
    click.echo(f"{shown_path(out)}: model of {(out / manifest['model']).stat().st_size / MEGABYTE:.2f} MB; use it in a pack with classifiers: {{NAME: {shown_path(out)}}}")


def _check_places(out: Path, held_out_texts: Path | None, texts: list[str]) -> None:
    """Before minutes of training: can both folders be written to, and are their files no others?"""
    from curation.classifier_training import held_out_files, model_files, of_held_out
    from curation.text_sources import local_files
    from rules.outputs import check_output

    inputs = local_files(texts)
    for path in model_files(out):
        check_output(path, inputs, lambda _: True, "")  # --fresh asks about files that are there
    for path in held_out_files(held_out_texts) if held_out_texts else ():
        check_output(path, inputs, of_held_out, "a file of --held-out-texts", "--held-out-texts")


def _ask_before_replacing(out: Path, fresh: bool, yes: bool) -> None:
    from curation.classifier_training import model_files
    from curation.fresh import confirmed
    from curation.inputs import InputError
    from rules.visible import shown_path

    there = [path.name for path in model_files(out) if path.exists()]
    if not there:
        return
    what = f"{shown_path(out)} holds a model ({', '.join(there)}), which packs may use"
    if not fresh:
        raise InputError(f"{what}: name another folder, or train over it with --fresh")
    if not yes and not confirmed(f"{what}; train over it?"):
        raise InputError("nothing was written; say yes to the question, or give --yes")


@classifier.command()
@click.argument("model", metavar="FOLDER", type=click.Path(path_type=Path, exists=True))
@click.argument("texts", nargs=-1, required=True)
@click.option("--label", help="Of a model file of fastText: the label whose probability is the score.")
@click.option("--paragraphs", is_flag=True, help="Score every line with words by itself.")
@click.option("--show", default=10, show_default=True, type=click.IntRange(0), help="Texts to print from each end.")
@click.option("--documents", default=2_000, show_default=True, type=click.IntRange(1), help="Documents to draw.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the sample.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every score.")
@user_errors
def score(model: Path, texts: tuple[str, ...], label: str | None, paragraphs: bool, show: int, documents: int, seed: int, as_json: bool) -> None:
    """Score a sample of TEXTS: how the scores are distributed, and the texts (or paragraphs) at both ends."""
    from curation.inputs import InputError
    from curation.sample import draw_sample
    from curation.scored_texts import as_data, score_lines, scored
    from rules.format.pack_files import open_file

    try:
        file = open_file("classifiers", "model", model, {"label": label})
    except ValueError as error:
        raise InputError(str(error)) from error
    found = scored(draw_sample(texts, Path(), documents, seed).documents, file, paragraphs)
    _print(as_data(found) if as_json else score_lines(found, show), as_json)


def _print(found: Any, as_json: bool) -> None:
    from rules.visible import visible

    if as_json:
        click.echo(json.dumps(found, indent=1).replace("\x7f", "\\u007f"))
        return
    for line in found:
        click.echo(visible(line))
