"""The commands about tokenizers: train, extend, measure, import. They parse, call, print, and choose the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from curation.cli import user_errors

MEGABYTE = 1_000_000
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False)
_WEIGHTS = "Share of each language, such as en=3,de=1,*=1 (* is all others together); without it, as much as there is of each."


@click.group()
def tokenizer() -> None:
    """Train, extend, measure and import tokenizers (tokenizer.json).

    TEXTS are run directories (their clean/ is read) or files in any format gristmill reads, with globs and URLs."""


def _sample_options(default_megabytes: float) -> Callable[[Callable], Callable]:
    def decorate(command: Callable) -> Callable:
        command = click.option("--megabytes", default=default_megabytes, show_default=True, type=click.FloatRange(0, min_open=True), help="Text to learn from, chosen by document id.")(command)
        return click.option("--weights", metavar="LANG=W,...", help=_WEIGHTS)(command)

    return decorate


@tokenizer.command()
@click.argument("texts", nargs=-1, required=True)
@click.option("--out", required=True, type=_OUT, help="The tokenizer.json to write; over another one if it is there.")
@click.option("--vocab-size", default=32_768, show_default=True, type=click.IntRange(259), help="Tokens, with 256 bytes and 3 special tokens.")
@_sample_options(200.0)
@user_errors
def train(texts: tuple[str, ...], out: Path, vocab_size: int, megabytes: float, weights: str | None) -> None:
    """Train byte-level BPE on TEXTS, with the pre-tokenisation of GPT-4 and Llama 3.

    Any text can be encoded: there is no unknown token. The same texts give the same file, byte for byte."""
    from curation.text_sources import local_files
    from curation.tokenizer import save_tokenizer, train_tokenizer

    _check_out(out, local_files(texts))
    sample = _texts_to_learn(texts, megabytes, weights)
    trained = train_tokenizer((column for _, column in sample), vocab_size)
    save_tokenizer(trained, out)
    _say_written(out, trained.get_vocab_size(), vocab_size)


@tokenizer.command()
@click.argument("base", type=_FILE)
@click.argument("texts", nargs=-1, required=True)
@click.option("--add", required=True, type=click.IntRange(1), help="Tokens to add.")
@click.option("--languages", metavar="LANG,...", help="Languages to learn from, in equal parts; --weights says more.")
@click.option("--out", required=True, type=_OUT, help="The tokenizer.json to write; over another one if it is there.")
@_sample_options(200.0)
@user_errors
def extend(base: Path, texts: tuple[str, ...], add: int, languages: str | None, out: Path, megabytes: float, weights: str | None) -> None:
    """Add tokens learned from TEXTS to the tokenizer BASE, as Llama 3 added 28,000 for other languages.

    Tokens of BASE keep their ids, so that the embeddings of a trained model stay valid."""
    from curation.text_sources import local_files
    from curation.tokenizer import load_tokenizer, save_tokenizer
    from curation.vocabulary_extension import extend_tokenizer

    if languages and weights:
        raise click.UsageError("give --languages or --weights, not both: weights name languages, too")
    _check_out(out, [base, *local_files(texts)])
    _, info = load_tokenizer(base)
    sample = _texts_to_learn(texts, megabytes, weights or languages)
    extended = extend_tokenizer(_as_published(base), (column for _, column in sample), add)
    save_tokenizer(extended, out)
    _say_written(out, max(extended.get_vocab().values()) + 1, info.vocab_size + add)


def _as_published(path: Path) -> Any:
    """The tokenizer of a file with its templates and special tokens as they are: `load_tokenizer` has checked it."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def _check_out(out: Path, inputs: list[Path]) -> None:
    from curation.tokenizer import looks_like_tokenizer
    from rules.outputs import check_output

    check_output(out, inputs, looks_like_tokenizer, "a tokenizer.json")


def _say_written(out: Path, found: int, wanted: int) -> None:
    from rules.visible import shown_path

    click.echo(f"{shown_path(out)}: {found:,} tokens")
    if found < wanted:
        click.echo(f"warning: {wanted:,} were asked for; the texts have no more pairs that occur twice. Give more text.", err=True)


@tokenizer.command()
@click.argument("file", metavar="TOKENIZER", type=_FILE)
@click.argument("texts", nargs=-1, required=True)
@click.option("--against", type=_FILE, help="Another tokenizer.json to compare with.")
@click.option("--plot", "plot_path", type=_OUT, help="Draw bytes per token by language (PNG, SVG or PDF).")
@click.option("--megabytes", default=1.0, show_default=True, type=click.FloatRange(0, min_open=True), help="Text of each language to measure, chosen by document id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@user_errors
def measure(file: Path, texts: tuple[str, ...], against: Path | None, plot_path: Path | None, megabytes: float, as_json: bool) -> None:
    """Measure TOKENIZER on TEXTS: bytes and characters per token, tokens per word, for every language."""
    from curation.prepared_tokenizer import prepared_tokenizer
    from curation.tokenizer_measures import as_data, measure_tokenizers, plot, table_lines
    from rules.visible import visible

    files = [file, *([against] if against else [])]
    _check_plot(plot_path, files, texts)
    encoders = [prepared_tokenizer(path).encoder for path in files]
    for path, encoder in zip(files, encoders):
        if encoder.slow_because:
            click.echo(visible(f"{path}: encoded by tokenizers, slowly: {encoder.slow_because}"), err=True)
    rows = measure_tokenizers(_equal_sample(texts, megabytes), encoders)
    names = _short_names(files)
    if as_json:
        click.echo(json.dumps(as_data(rows, names), indent=1))
    else:
        for line in table_lines(rows, names):
            click.echo(visible(line))
    if plot_path is not None:
        plot(rows, names, plot_path)
        click.echo(f"plot: {plot_path}", err=True)


def _check_plot(path: Path | None, files: list[Path], texts: tuple[str, ...]) -> None:
    from curation.text_sources import local_files
    from rules.outputs import check_output, is_picture

    if path is None:
        return
    if path.suffix.lower() not in ("", ".png", ".svg", ".pdf"):
        raise click.BadParameter(f"{path.suffix} is not .png, .svg or .pdf", param_hint="--plot")
    check_output(path, [*files, *local_files(texts)], is_picture, "a picture", "--plot")


def _short_names(paths: list[Path]) -> list[str]:
    """File names without their suffix, or the paths where those are the same."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(map(str, paths))


@tokenizer.command("import")
@click.argument("file", metavar="TIKTOKEN_FILE", type=_FILE)
@click.option("--out", required=True, type=_OUT, help="The tokenizer.json to write; over another one if it is there.")
@click.option("--like", type=click.Choice(["gpt2", "cl100k", "o200k", "llama3", "qwen"]), help="The family: its pattern and special tokens.")
@click.option("--pattern", help="A pre-tokenisation pattern instead of the family's.")
@click.option("--special", multiple=True, metavar="NAME[=ID]", help="A special token instead of the family's; may be given again.")
@user_errors
def import_(file: Path, out: Path, like: str | None, pattern: str | None, special: tuple[str, ...]) -> None:
    """Write the tokenizer.json of a TIKTOKEN_FILE (lines of a token in base64 and its rank).

    Such a file holds neither pattern nor special tokens: name its family with --like, or give --pattern and --special."""
    from curation.tiktoken_files import FAMILIES, Family, read_ranks, special_tokens, tokenizer_from_ranks
    from curation.tokenizer import save_tokenizer

    if like is None and not (pattern and special):
        raise click.UsageError("name the family of the file with --like, or give both --pattern and --special")
    _check_out(out, [file])
    family = FAMILIES[like] if like else Family("", {})
    ranks = read_ranks(file)
    specials = special_tokens(list(special), max(ranks.values()) + 1) if special else family.specials
    imported = tokenizer_from_ranks(ranks, pattern or family.pattern, specials)
    save_tokenizer(imported, out)
    size = max(imported.get_vocab().values()) + 1
    _say_written(out, size, size)


# ---- texts


def _texts_to_learn(texts: tuple[str, ...], megabytes: float, weights: str | None) -> list[tuple[str, Any]]:
    """A sample by weights. Raises InputError where it has no text, so that no tokenizer of bytes alone replaces one."""
    import pyarrow.compute as pc

    from curation.inputs import InputError

    sample = list(_sampled(texts, megabytes, weights))
    if not any(pc.any(pc.match_substring_regex(column, r"\S")).as_py() for _, column in sample):
        raise InputError(f"{', '.join(texts)}: hold no text to learn from, in records that can be read and have a text in their column text")
    return sample


def _sampled(texts: tuple[str, ...], megabytes: float, weights: str | None) -> Iterator[tuple[str, Any]]:
    """A sample by weights; says what it took where weights were given."""
    from curation.language_sample import (
        LanguageSample,
        WeightsError,
        language_budgets,
        language_bytes,
        missed_shares,
        parse_weights,
    )
    from curation.sampling import TextSample
    from curation.text_sources import read_documents

    budget = int(megabytes * MEGABYTE)
    if weights is None:
        everything = TextSample(budget)
        for documents in read_documents(texts):
            everything.add(documents["id"], documents["text"])
        yield from (("", column) for column in everything.batches())
        return
    wanted, sizes = parse_weights(weights), language_bytes(read_documents(texts))
    budgets = language_budgets(sizes, budget, wanted)
    if not budgets:
        raise WeightsError(f"no text is in {', '.join(wanted)}; the texts are in {', '.join(sizes) or 'no language'}")
    sample = LanguageSample(budgets)
    for documents in read_documents(texts):
        sample.add(documents)
    shares = ", ".join(f"{name} {size / MEGABYTE:.2f}" for name, size in sorted(budgets.items(), key=lambda item: -item[1]))
    click.echo(f"learning from (MB): {shares}", err=True)
    for missed in missed_shares(budgets, wanted):
        click.echo(f"warning: {missed}", err=True)
    yield from sample.texts()


def _equal_sample(texts: tuple[str, ...], megabytes: float) -> Iterator[tuple[str, Any]]:
    """The same amount of every language, or all there is."""
    from curation.language_sample import LanguageSample, language_bytes
    from curation.text_sources import read_documents

    sample = LanguageSample(dict.fromkeys(language_bytes(read_documents(texts)), int(megabytes * MEGABYTE)))
    for documents in read_documents(texts):
        sample.add(documents)
    return sample.texts()
