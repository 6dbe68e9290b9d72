"""`gristmill profile`: how often each word occurs in texts, for the signals that compare a text with them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from curation.cli import user_errors

MEGABYTE = 1_000_000


@click.group()
def profile() -> None:
    """Build and show profiles: the distribution of words that unigram_kl, unigram_logprob and outlier_token_frac compare with.

    TEXTS are run directories (their clean/ is read) or files in any format gristmill reads, with globs and URLs."""


@profile.command()
@click.argument("texts", nargs=-1, required=True)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The profile to write (.parquet); over another one if it is there.")
@click.option("--words", default=50_000, show_default=True, type=click.IntRange(1), help="Most frequent words to keep; all others are outliers.")
@click.option("--language", metavar="LANG", help="Only documents in this language.")
@click.option("--megabytes", default=200.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Text to count, chosen by document id.")
@user_errors
def build(texts: tuple[str, ...], out: Path, words: int, language: str | None, megabytes: float) -> None:
    """Count the words of TEXTS, in lower case, and write the most frequent ones with their counts.

    The same texts give the same file, byte for byte."""
    from curation.inputs import InputError
    from curation.reference_texts import reference_sample
    from curation.text_sources import local_files
    from rules.models.profiles import WordTally, is_profile, write_parquet
    from rules.outputs import check_output
    from rules.visible import shown_path

    if out.suffix != ".parquet":
        raise click.BadParameter(f"{out.name} does not end in .parquet", param_hint="--out")
    check_output(out, local_files(texts), is_profile, "a profile")
    sample = reference_sample(texts, int(megabytes * MEGABYTE), language)
    tally = WordTally()
    for column in sample.batches():
        tally.add(column)
    if not tally.all_words:
        raise InputError("the texts have no words")
    made = tally.profile(words)
    write_parquet(made, out, {"sources": sample.sources, "texts": sample.documents, "language": language})
    share = sum(made.counts) / made.all_words
    click.echo(f"{shown_path(out)}: {len(made.words):,} of {made.different_words:,} words, {share:.2%} of {made.all_words:,} occurrences, from {sample.documents:,} texts")


@profile.command()
@click.argument("file", metavar="PROFILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--top", default=20, show_default=True, type=click.IntRange(0), help="Most frequent words to print.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@user_errors
def show(file: Path, top: int, as_json: bool) -> None:
    """Show what PROFILE was made of, and its most frequent words."""
    from curation.inputs import InputError
    from rules.models.profiles import profile_about, read_profile
    from rules.visible import visible

    try:
        found = read_profile(file)
    except UnicodeDecodeError:
        raise InputError(f"{file} is no profile: make one with `gristmill profile build`") from None
    except ValueError as error:
        raise InputError(str(error)) from error
    about = profile_about(file) if file.suffix == ".parquet" else {}
    frequent = dict(zip(found.words[:top], found.counts[:top]))
    if as_json:
        click.echo(json.dumps({"words": len(found.words), "all_words": found.all_words, "different_words": found.different_words, **about, "top": frequent}, indent=1))
        return
    click.echo(f"{len(found.words):,} of {found.different_words:,} words; {found.all_words:,} occurrences in all")
    for source in about.get("sources", []):
        click.echo(visible(f"made of {source['name']} ({source['sha256'][:12]})"))
    for word, count in frequent.items():
        click.echo(visible(f"{count / found.all_words:8.4%}  {word}"))
