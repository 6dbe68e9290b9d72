"""Deciding again: after a change of thresholds, actions or rules, a run has the bytes of one from the start, and
measures no signal that it has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import write_corpus, write_job
from test_run import data_files, rows

from curation import revise
from curation.duplicates import unpacked
from curation.job import load_job
from curation.manifest import Manifest
from curation.run import run_job
from rules.measures import shared_signals

PACK = """\
pack: mine
about: x
words: space
rules:
  - id: cookie
    why: x.
    lines: drop
    match: '^We use cookies'
    examples: {drop: [We use cookies now.], keep: [They use cookies.]}
  - id: short
    why: x.
    drop_when: {words: "< 20"}
    examples: {drop: [{words: 1}], keep: [{words: 500}]}
  - id: digits
    why: x.
    drop_when: {alpha_word_frac: "< 0.5"}
    examples: {drop: [{alpha_word_frac: 0.001}], keep: [{alpha_word_frac: 0.5}]}
  - id: chromed
    why: x.
    action: tag
    drop_when: {removed_line_frac: "> 0"}
    examples: {drop: [{removed_line_frac: 0.1}], keep: [{removed_line_frac: 0}]}
  - id: bread
    why: x.
    action: tag
    match: bread
    examples: {drop: [bread tower], keep: [butter]}
"""
SECOND = """\
pack: second
about: x
rules:
  - id: long
    why: x.
    drop_when: {words: "> 150"}
    examples: {drop: [{words: 151}], keep: [{words: 150}]}
  - id: host
    why: x.
    url: {host: [host2.example]}
    action: tag
    examples: {drop: ["http://host2.example/host1"], keep: ["http://host3.example/"]}
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def job(folder: Path, corpus: Path, more: str = "", output: str = "out") -> Path:
    path = write_job(folder / "job.yaml", corpus, output, more)
    path.write_text(path.read_text().replace("[web_chrome, gopher_repetition, gopher_quality]", "[mine.yaml, second.yaml]"))
    (folder / "mine.yaml").write_text(PACK)
    (folder / "second.yaml").write_text(SECOND)
    return path


def change(folder: Path, old: str, new: str, name: str = "mine.yaml") -> None:
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """Names of the signals that were measured, in order."""
    names: list[str] = []
    real = shared_signals.measure

    def recording(texts, wanted, words="unicode"):
        names.extend(wanted)
        return real(texts, wanted, words=words)

    monkeypatch.setattr(shared_signals, "measure", recording)
    return names


CHANGES = {
    "a threshold that drops more": ('words: "< 20"', 'words: "< 150"'),
    "a threshold that drops less": ('words: "< 20"', 'words: "< 2"'),
    "an action": ("    action: tag\n    drop_when: {removed", "    drop_when: {removed"),
    "a pattern rule that drops now": ("    action: tag\n    match: bread", "    match: bread"),
    "a rule off": ("- id: digits\n    why: x.\n", "- id: digits\n    why: x.\n    action: off\n"),
}


def write_lists(output: Path) -> None:
    """Make the signatures of a run lists, as an earlier version wrote them."""
    for unit in Manifest(output).units():
        entry = Manifest(output).read(unit)
        for path, told in entry.outputs.items():
            if path.endswith(".keys.parquet"):
                keys = pq.read_table(output / path)
                lists = pa.FixedSizeListArray.from_arrays(pa.array(unpacked(keys["signature"]).ravel()), keys.schema.field("signature").type.byte_width // 8)
                pq.write_table(keys.set_column(keys.column_names.index("signature"), "signature", lists), output / path)
                told["bytes"] = (output / path).stat().st_size
        Manifest(output).record(entry)


def test_what_an_earlier_version_signed_is_decided_again_too(tmp_path, corpus, measured):
    path = job(tmp_path, corpus)
    run_job(load_job(path))
    write_lists(tmp_path / "out")
    change(tmp_path, 'words: "< 20"', 'words: "< 60"')
    run_measured(path, measured)
    assert measured == []
    run_job(load_job(job_copy(path, tmp_path / "fresh")))
    assert data_files(tmp_path / "out") == data_files(tmp_path / "fresh")


@pytest.mark.parametrize("name", CHANGES)
def test_thresholds_and_actions_measure_nothing_and_give_the_bytes_of_a_run_from_the_start(tmp_path, corpus, measured, name):
    old, new = CHANGES[name]
    path = job(tmp_path, corpus)
    run_job(load_job(path))
    before = rows(tmp_path / "out", "clean")
    change(tmp_path, old, new)
    run_measured(path, measured)
    assert measured == []
    assert rows(tmp_path / "out", "clean") != before
    run_job(load_job(job_copy(path, tmp_path / "fresh")))
    assert data_files(tmp_path / "out") == data_files(tmp_path / "fresh")


def run_measured(path: Path, measured: list[str]) -> None:
    """Run the job; afterwards `measured` holds what the run measured (and not what checking its examples did)."""
    loaded = load_job(path)
    measured.clear()
    run_job(loaded)


def job_copy(path: Path, output: Path) -> Path:
    """The same job into another run directory, from the start."""
    shutil.rmtree(output, ignore_errors=True)
    other = path.with_name("fresh.yaml")
    other.write_text(path.read_text().replace("output: out", f"output: {output.name}"))
    return other


def test_there_and_back_again(tmp_path, corpus, measured):
    path = job(tmp_path, corpus)
    run_job(load_job(path))
    first = data_files(tmp_path / "out")
    for old, new in (('words: "< 20"', 'words: "< 150"'), ('words: "< 150"', 'words: "< 20"')):
        change(tmp_path, old, new)
        run_measured(path, measured)
        assert measured == []
    assert data_files(tmp_path / "out") == first


MEASURED_AGAIN = {
    "a line rule of the first pack": ("mine.yaml", "'^We use cookies'", "'^We use|garden'", {"words", "alpha_word_frac"}),
    "a new signal": ("second.yaml", 'drop_when: {words: "> 150"}\n    examples: {drop: [{words: 151}], keep: [{words: 150}]}', 'drop_when: {chars: "> 900"}\n    examples: {drop: [{chars: 901}], keep: [{chars: 900}]}', {"chars"}),
    "a pattern that drops": ("mine.yaml", "match: bread", "match: tower", set()),
    "a URL": ("second.yaml", "[host2.example]", "[host2.example, host0.example]", set()),
}


@pytest.mark.parametrize("name", MEASURED_AGAIN)
def test_rules_that_look_elsewhere_measure_only_what_depends_on_them(tmp_path, corpus, measured, name):
    file, old, new, names = MEASURED_AGAIN[name]
    path = job(tmp_path, corpus)
    run_job(load_job(path))
    change(tmp_path, old, new, file)
    run_measured(path, measured)
    assert set(measured) == names
    run_job(load_job(job_copy(path, tmp_path / "fresh")))
    assert data_files(tmp_path / "out") == data_files(tmp_path / "fresh")


def test_deciding_again_in_a_pass_after_duplicates(tmp_path, corpus, measured):
    path = job(tmp_path, corpus, "order: [exact, rules, near]")
    run_job(load_job(path))
    change(tmp_path, 'words: "< 20"', 'words: "< 150"')
    run_measured(path, measured)
    assert measured == []
    run_job(load_job(job_copy(path, tmp_path / "fresh")))
    assert data_files(tmp_path / "out") == data_files(tmp_path / "fresh")


def test_a_run_killed_while_deciding_again_starts_that_shard_afresh(tmp_path, corpus, measured, monkeypatch):
    path = job(tmp_path, corpus)
    run_job(load_job(path))
    change(tmp_path, 'words: "< 20"', 'words: "< 150"')

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(revise, "hand_on", killed)
        with pytest.raises(KeyboardInterrupt):
            run_job(load_job(path))
    manifest = Manifest(tmp_path / "out")
    assert [manifest.read(f"pass0/{n:05d}").key for n in range(4)].count("being decided again") == 1
    run_measured(path, measured)
    assert measured.count("alpha_word_frac") == 1, "the shard that was being rewritten is measured again, the others are not"
    run_job(load_job(job_copy(path, tmp_path / "fresh")))
    assert data_files(tmp_path / "out") == data_files(tmp_path / "fresh")
    assert not list((tmp_path / "out").rglob("*.tmp"))
