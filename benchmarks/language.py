"""Language identification beside fastText's: the same labels, how much faster, how often right, and what windows cost.

    python -m benchmarks.language [PARQUET FILES OR FOLDERS] [--bigbench FILE] [--tables]

Every document goes through the kernels and through `fasttext.predict` of the same model (lid.176.ftz) on its text without
line ends; labels must be equal, and scores within 1e-4. Times are processor times of one thread, the median of five runs
each, taken in turns; a run of the kernels starts with an empty memo of words. fastText is given ready strings, whose making
is not counted. Then: how often the label is the language that documents are said to be in (`lang`), and that of the
sentences of BIG-bench's language_identification; and how often windows of long documents have the label of the whole.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fasttext
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.documents import DATA, DOCUMENTS, megabytes, options, table_of
from benchmarks.figures import in_turns, median, named, rates, record, timed
from curation.language_id.identifier import Identifier
from curation.language_id.judging import Windows, judge
from curation.language_id.models import VENDORED, label_code
from rules.languages import language_names, normalise
from rules.text.kernels import kernel_texts

MODEL = "lid.176"
PLACES = [DATA / "sample", DATA / "web", DOCUMENTS] if DOCUMENTS.is_relative_to(DATA) else [DOCUMENTS]
FEWEST = 5  # documents of a language, for a row of its own


def main() -> None:
    arguments = parse_arguments()
    fasttext_model = fasttext.load_model(str(VENDORED[MODEL]))
    tables = {path: documents_of(path) for path in arguments.paths}
    for path, documents in tables.items():
        compare(path.name, documents["text"], fasttext_model)
    documents = pa.concat_tables(tables.values())
    show_windows(documents["text"])
    said = [known_code(lang) for lang in documents["lang"].to_pylist()]
    show_accuracy("documents labelled by their sources", said, judge(documents["text"]).languages.to_pylist(), arguments.tables)
    if arguments.bigbench.is_file():
        names, sentences = bigbench_items(arguments.bigbench)  # names of three letters, such as Mon, look like codes of others
        show_accuracy("BIG-bench sentences", [known_code(name) if len(name) > 3 else None for name in names], judge(pa.array(sentences)).languages.to_pylist(), arguments.tables)


def parse_arguments() -> argparse.Namespace:
    parser = options(__doc__, PLACES)
    parser.add_argument("--bigbench", type=Path, default=DATA / "eval" / "bigbench_language_identification.jsonl.gz")
    parser.add_argument("--tables", action="store_true", help="print accuracy language by language, as Markdown")
    return parser.parse_args()


def documents_of(path: Path) -> pa.Table:
    return table_of([path], ["text", "lang"])


# ---- the same, and faster


def compare(name: str, texts: pa.ChunkedArray, theirs: fasttext.FastText._FastText) -> None:
    """Print how much faster the kernels are on `texts`; exit where a label differs."""
    offsets, data = kernel_texts(texts)
    lines = [text.replace("\n", " ") for text in pc.fill_null(texts, "").to_pylist()]
    ours = Identifier(VENDORED[MODEL])
    ours.best(offsets[:2], data)  # compiled before the clock starts
    found: dict[str, Any] = {}

    def cold() -> None:
        ours._local.__dict__.clear()
        found["ours"] = ours.best(offsets, data)

    def predict() -> None:
        found["fasttext"] = [theirs.predict(line) for line in lines]

    times = in_turns({"cold": cold, "warm": lambda: ours.best(offsets, data), "fasttext": predict})
    places, scores = found["ours"]
    different = [row for row, ((label,), _) in enumerate(found["fasttext"]) if ours.labels[places[row, 0]] != label]
    largest = max((abs(float(scores[row, 0]) - float(score[0])) for row, (_, score) in enumerate(found["fasttext"])), default=0.0)
    middle, size = {what: median(seconds) for what, seconds in times.items()}, megabytes(texts)
    print(
        f"{name}: {len(texts):,} documents, {size:.1f} MB: {len(texts) / middle['cold']:,.0f} documents/s"
        f" ({size / middle['cold']:.1f} MB/s), with words known {len(texts) / middle['warm']:,.0f};"
        f" fasttext.predict {len(texts) / middle['fasttext']:,.0f}: {middle['fasttext'] / middle['cold']:.1f} times"
        f" ({middle['fasttext'] / middle['warm']:.1f} with words known); {len(different)} labels differ, scores by {largest:.1e} at most"
    )
    record(
        f"language-{name}", "languages by lid.176.ftz, every label fastText's", rates(size, times["cold"]), "MB/s", peer=f"{named('fasttext-numpy2')}, predict",
        theirs=rates(size, times["fasttext"]), on=f"{len(texts):,} documents of {name}, {size:.1f} MB",
    )  # fmt: skip
    if different or largest > 1e-4:
        sys.exit(f"not the labels and scores of fastText: documents {different[:10]}")


def show_windows(texts: pa.ChunkedArray) -> None:
    whole = judge(texts)
    for count, size in ((2, 512), (4, 512), (4, 2048), (8, 2048)):
        long = pc.greater(pc.binary_length(texts), count * size)
        some, expected = texts.filter(long), whole.languages.filter(long.combine_chunks())
        found = judge(some, windows=Windows(count, size))
        same = pc.sum(pc.equal(found.languages, expected)).as_py() or 0
        seconds = timed(lambda some=some, count=count, size=size: judge(some, windows=Windows(count, size)), 2, warm=False)
        full = timed(lambda some=some: judge(some), 2, warm=False)
        print(f"{count} windows of {size:,} bytes: {same:,} of {len(some):,} longer documents have the label of the whole ({same / max(len(some), 1):.2%}); {median(full) / median(seconds):.1f} times as fast on them")
        record(
            f"windows-{count}-{size}", f"languages by {count} windows of {size:,} bytes", rates(megabytes(some), seconds), "MB/s", peer="the whole document",
            theirs=rates(megabytes(some), full), on=f"{len(some):,} longer documents, {megabytes(some):.1f} MB; {same / max(len(some), 1):.1%} have the label of the whole",
        )  # fmt: skip


# ---- how often right


def known_code(language: str | None) -> str | None:
    """The code of a language that the model knows; else None."""
    try:
        code = normalise(language or "")
    except ValueError:
        return None
    return code if code in model_codes() else None


def model_codes() -> set[str]:
    if not _CODES:
        _CODES.update(label_code(label, MODEL) for label in Identifier(VENDORED[MODEL]).labels)
    return _CODES


_CODES: set[str] = set()


def bigbench_items(path: Path) -> tuple[list[str], list[str]]:
    """The names of the languages of all items, and their sentences."""
    names, sentences = [], []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            question, _, options = item["query"].partition("\nA. ")
            sentences.append(question.partition("Sentence:")[2].strip())
            choices = [line.removeprefix(f"{letter}. ") for letter, line in zip("ABCDEFGH", f"A. {options}".splitlines())]
            names.append(choices[item["gold"]])
    return names, sentences


def show_accuracy(what: str, said: list[str | None], found: list[str | None], tables: bool) -> None:
    """How often `found` is what is `said`, of those whose language the model knows."""
    pairs = [(truth, label) for truth, label in zip(said, found) if truth is not None]
    right = sum(truth == label for truth, label in pairs)
    print(f"{what}: {right:,} of {len(pairs):,} in {len({truth for truth, _ in pairs})} languages that the model knows ({right / max(len(pairs), 1):.1%}); {len(said) - len(pairs):,} in others or in none")
    if tables:
        print("\n".join(confusion_table(pairs)))


def confusion_table(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    """Markdown: of each language of FEWEST or more, how many are found, and what others are taken for."""
    by_language: dict[str, Counter] = defaultdict(Counter)
    for truth, label in pairs:
        by_language[truth][label] += 1
    lines = ["", "| language | documents | right | taken for |", "|---|---:|---:|---|"]
    for code, labels in sorted(by_language.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        count = sum(labels.values())
        if count >= FEWEST:
            wrong = ", ".join(f"{label or 'none'} {times}" for label, times in labels.most_common(5) if label != code)
            lines.append(f"| {code} {language_names(code).name} | {count:,} | {labels[code] / count:.1%} | {wrong} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
