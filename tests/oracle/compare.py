"""Compare gristmill's packs with datatrove's filters, document by document: verdict, first reason, C4's text.

    python tests/oracle/compare.py [PARQUET FILES OR FOLDERS] [--words space] [--documents 500] [--peer .venv-oracle]

The peer runs in an environment of its own (`make oracle` makes it). Every threshold is moved to where it decides for a
quarter, a half and three quarters of the documents (of those where it is not zero) with every other check off, to one
such place with all others as they ship, and off. Thresholds are values that documents have, so that `>` and `>=` differ. Words:

    space  all documents; words between white space on both sides
    spacy  documents that are English or of unknown language; the peer as it ships

With `space` words sentences are those of tests/definitions.py on both sides, with `spacy` words those of spaCy. Prints
every configuration, writes each difference that no named exception explains, and exits 1 if there is one. The peer's
verdicts, which take half an hour, are kept beside the peer: the next run over the same documents asks only gristmill.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from oracle import ours  # noqa: E402
from oracle.checks import CHECKS, DEFAULTS, Configuration, without  # noqa: E402
from oracle.exceptions import exception_for, same_text  # noqa: E402
from rules.format.pack import load_pack, shipped_packs  # noqa: E402
from rules.measures.signals import measure  # noqa: E402
from rules.splitters.words import Splitter  # noqa: E402
from rules.text.buffers import large_strings  # noqa: E402

PEER = ROOT / "tests" / "oracle" / "peer.py"
PEER_CODE = (PEER, PEER.with_name("checks.py"), ROOT / "tests" / "definitions.py")
PEER_WORDS = {"space": "space", "spacy": "shipped"}
QUANTILES = (0.25, 0.5, 0.75)


def main() -> None:
    arguments = parse_arguments()
    table = documents(arguments.paths, arguments.documents)
    if arguments.show:
        print("\n".join(f"{c.name}: {c.settings}" for c in configurations(large_strings(table["text"]), "space")))
        return
    wrong = 0
    for words in arguments.words:
        if words not in get_args(Splitter):
            print(f"{words}: gristmill has no such words; not compared")
            continue
        wrong += compare(table, words, arguments)
    if wrong:
        sys.exit(f"{wrong:,} differences that no exception in docs/parity.md explains")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("paths", nargs="*", type=Path, default=[shared / "sample", shared / "web"])
    parser.add_argument("--words", nargs="+", choices=["space", "spacy"], default=["space", "spacy"])
    parser.add_argument("--documents", type=int, help="compare this many, spread over all")
    parser.add_argument("--processes", type=int, default=2, help="of the peer's")
    parser.add_argument("--peer", type=Path, default=ROOT / ".venv-oracle", help="virtual environment with datatrove")
    parser.add_argument("--show", action="store_true", help="print the configurations and stop")
    return parser.parse_args()


def documents(paths: list[Path], most: int | None) -> pa.Table:
    """Columns text and lang of all files."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        sys.exit(f"no {' and no '.join(missing)}: name Parquet files with the columns text and lang, or folders of them (make oracle DATA=...)")
    files = [file for path in paths for file in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])]
    tables = [parquet.read_table(file) for file in files]
    table = pa.concat_tables([t.select(["text"]).append_column("lang", _languages(t)) for t in tables], promote_options="permissive")
    if most is None or most >= len(table):
        return table
    return table.take(pa.array(np.linspace(0, len(table) - 1, most).astype(np.int64)))


def _languages(table: pa.Table) -> pa.ChunkedArray:
    return table["lang"].cast(pa.string()) if "lang" in table.column_names else pa.chunked_array([pa.nulls(len(table), pa.string())])


# ---- configurations


def configurations(texts: pa.Array, words: str) -> list[Configuration]:
    """The filters as they ship, then each threshold moved: alone, and with the others as they ship."""
    found = list(DEFAULTS)
    for filter, checks in CHECKS.items():
        thresholds = _thresholds(filter, texts, words)
        for check in checks:
            values = thresholds.get(check.setting, [])
            for value in values:
                alone = {**without(filter, check.setting), check.setting: value}
                found.append(Configuration(f"{filter}: only {check.setting} {value:.6g}", filter, alone))
            if check.setting:
                found += [Configuration(f"{filter}: {check.setting} {value:.6g}", filter, {check.setting: value}) for value in values[1:2]]
                found.append(Configuration(f"{filter}: no {check.setting}", filter, {check.setting: check.off}))
    found += _c4_configurations()
    return list({c.name: c for c in found}.values())


def _thresholds(filter: str, texts: pa.Array, words: str) -> dict[str, list[float]]:
    """Setting -> values at the quantiles of the signal that it is compared with (C4's line rules have theirs below)."""
    rules = {rule.id: rule for rule in load_pack(shipped_packs()[filter]).rules if rule.drop_when and not rule.variant}
    found: dict[str, list[float]] = {}
    for check in CHECKS[filter]:
        if check.setting and check.rule in rules:
            [condition] = rules[check.rule].drop_when
            values = measure(texts, [condition.signal], words=words)[condition.signal]
            values = np.sort(values[values > 0])  # a threshold of zero switches a check of Gopher's off
            if len(values):
                found.setdefault(check.setting, []).extend(float(values[int(q * (len(values) - 1))]) for q in QUANTILES)
    return {setting: sorted(set(values)) for setting, values in found.items()}


def _c4_configurations() -> list[Configuration]:
    """C4 as FineWeb runs it, without the rule on end punctuation, and line rules that decide for many lines."""
    found = []
    for base_name, base in (("c4", {}), ("c4 as FineWeb", {"filter_no_terminal_punct": False})):
        for name, settings in {
            "": {},
            "1 sentence": {"min_num_sentences": 1},
            "any number of sentences": {"min_num_sentences": -1},
            "any number of sentences, citations stay": {"min_num_sentences": -1, "remove_citations": False},
            "lines of 1 word": {"min_words_per_line": 1, "min_num_sentences": 2},
            "lines of 12 words": {"min_words_per_line": 12, "min_num_sentences": 2},
            "words of 12 characters": {"max_word_length": 12, "min_num_sentences": 2},
            "no dropping of documents": {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": 2},
        }.items():
            found.append(Configuration(f"{base_name}: {name or 'defaults'}", "c4", base | settings))
    return found


# ---- both sides


def compare(table: pa.Table, words: str, arguments: argparse.Namespace) -> int:
    """Compare all configurations; returns the number of unexplained differences."""
    if words == "spacy":
        english = pc.or_kleene(pc.is_null(table["lang"]), pc.starts_with(table["lang"], "en"))
        table = table.filter(english)
    texts = large_strings(table["text"])
    wanted = configurations(texts, words)
    print(f"{words}: {len(texts):,} documents, {pc.sum(pc.binary_length(texts)).as_py() / 1e6:.1f} MB, {len(wanted)} configurations")
    theirs = run_peer(texts, wanted, words, arguments)
    found = ours.verdicts(texts, wanted, words)
    as_strings = texts.to_pylist()
    wrong = sum([show(c, words, as_strings, theirs, found) for c in wanted])
    return wrong


def run_peer(texts: pa.Array, wanted: list[Configuration], words: str, arguments: argparse.Namespace) -> dict[str, list]:
    """The peer's verdicts: those kept of the same texts, configurations and code, or new ones."""
    python = arguments.peer / "bin" / "python"
    if not python.exists():
        sys.exit(f"no {python}: make oracle makes it")
    with tempfile.TemporaryDirectory(dir=arguments.peer) as name:
        inputs = [Path(name) / file for file in ("texts.parquet", "configurations.json")]
        parquet.write_table(pa.table({"text": texts}), inputs[0])
        inputs[1].write_text(json.dumps([dataclasses.asdict(c) for c in wanted]))
        kept = arguments.peer / f"verdicts-{words}-{_key(*inputs, *PEER_CODE)}.parquet"
        if not kept.exists():
            made = Path(name) / kept.name
            subprocess.run([python, PEER, *inputs, made, "--words", PEER_WORDS[words], "--processes", str(arguments.processes)], check=True)
            os.replace(made, kept)
    table = parquet.read_table(kept)
    return {name: table[name].to_pylist() for name in table.column_names}


def _key(*files: Path) -> str:
    """Of what the files hold."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:16]


def show(configuration: Configuration, words: str, texts: list[str], theirs: dict[str, list], found: dict[str, list]) -> int:
    """One line on a configuration, and three unexplained differences at most; returns how many there are."""
    name, wrong, explained = configuration.name, [], {}
    for row, (text, peer, our) in enumerate(zip(texts, theirs[name], found[name])):
        if peer != our:
            exception = exception_for(configuration, words, text, peer, our)
            explained[exception] = explained.get(exception, 0) + 1
            if not exception:
                wrong.append(f"    document {row}: peer {peer}, gristmill {our}: {text[:200]!r}")
    explained.pop(None, None)
    line = f"{name}: {sum(reason is not None for reason in theirs[name]):,} dropped, {len(wrong)} differences"
    if configuration.filter == "c4":
        line += _compare_texts(name, theirs, found, wrong)
    print(line + "".join(f"; {number} of {exception}" for exception, number in explained.items()))
    print("".join(f"{example}\n" for example in wrong[:3]), end="", flush=True)
    return len(wrong)


def _compare_texts(name: str, theirs: dict[str, list], found: dict[str, list], wrong: list[str]) -> str:
    pairs = [(row, a, b) for row, (a, b) in enumerate(zip(theirs[f"{name} text"], found[f"{name} text"])) if a is not None and b is not None]
    equal = sum(a == b for _, a, b in pairs)
    alike = sum(a != b and same_text(a, b) for _, a, b in pairs)
    wrong += [f"    document {row}: peer's text {a[:200]!r}, gristmill's {b[:200]!r}" for row, a, b in pairs if a != b and not same_text(a, b)]
    return f"; texts: {equal:,} equal, {alike:,} but for line breaks and blank ends, {len(pairs) - equal - alike} different"


if __name__ == "__main__":
    main()
