"""From a step to documents and their stories: what training really read, losses by hand, texts that inspect opens."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from corpus import write_corpus, write_job
from test_train_config import write_config

from curation.job import load_job
from curation.run import run_job
from curation.sample import draw_sample
from curation.trace import curation_run, step_lines, trace_row, trace_step, worst_documents
from curation.trace_cli import trace
from train.attention import PrefixPlan
from train.batch import Loader
from train.config import TrainError, load_config
from train.handoff import open_split, read_documents
from train.loop import train
from train.open_model import open_model
from train.trace import open_traced

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A curation run, a training run on it, and the batches that its steps took."""
    folder = tmp_path_factory.mktemp("trace")
    job = write_job(folder / "job.yaml", write_corpus(folder / "corpus"))
    run_job(load_job(job))
    ramp = "[{until_step: 2, batch_rows: 2}]"
    config = load_config(write_config(folder / "train.yaml", "out/packed", "run", steps=12, batch_rows=4, accumulation=2, eval_every=12, batch_ramp=ramp))
    taken: list = []
    batch = Loader.batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loader, "batch", lambda self, step, *world: taken.append(batch(self, step, *world)) or taken[-1])
        train(config)
    return folder, taken


def test_a_step_is_what_training_read(project) -> None:
    folder, taken = project
    traced = open_traced(folder / "run")
    for step in range(1, 13):
        refs = np.concatenate([part.doc_refs for part in taken[step - 1].parts])
        rows = trace_step(traced, step)
        assert [piece["ref"] for row in rows for piece in row["documents"]] == refs.tolist()
        tokens = np.concatenate([part.input_ids.numpy() for part in taken[step - 1].parts])
        assert len(rows) == (2 if step <= 2 else 4)
        for number, row in enumerate(rows):
            assert np.array_equal(traced.split.sequence(row["packed_row"])[0], tokens[number])
            assert (row["step"], row["row"], row["tokens"] + row["padding"]) == (step, number, 64)


def test_a_row_leads_to_texts_and_stories(project) -> None:
    folder, _ = project
    traced = open_traced(folder / "run")
    out = curation_run(traced, None)
    assert out == folder / "out"
    texts = {row["id"]: row["text"] for path in (out / "clean").glob("*.parquet") for row in pq.read_table(path).to_pylist()}
    edited = 0
    for step in range(1, 13, 2):
        for row in range(len(traced.rows(step))):
            found = trace_row(traced, step, row, out)
            for document in found["documents"]:
                text = texts[document["document"]]
                assert text[document["char_start"] : document["char_end"]] == document["text"]
                assert document["story"]["fate"] == "kept" and document["story"]["text"] == text
                assert document["story"]["document"]["input_file"]
                edited += len(document["story"]["edits"])
    assert edited
    last = found["documents"][-1]
    for token in (last["first_token"], last["last_token"]):
        assert trace_row(traced, 11, 3, out, token)["documents"] == [last]
    assert trace_row(traced, 11, 3, None)["documents"][0]["story"] is None


def test_the_worst_documents_by_hand(project) -> None:
    folder, _ = project
    traced, saved = open_traced(folder / "run"), open_model(folder / "run", torch.device("cpu"))
    documents = read_documents(traced.data).to_pydict()
    split, sums = open_split(traced.data, "train"), {}
    for step in range(3, 7):
        for number, row in enumerate(traced.rows(step)):
            tokens, lengths, refs = split.sequence(row)
            for piece, ref in zip(np.split(tokens, np.cumsum(lengths)), refs.tolist(), strict=False):
                ids = torch.from_numpy(piece.astype(np.int64))[None]
                with torch.no_grad():
                    logits = saved.model.logits(saved.model(ids, torch.arange(len(piece))[None], PrefixPlan()))
                nats = float(torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum"))
                own_bytes = documents["text_bytes"][ref] * ((len(piece) - 1) / len(piece) if documents["part"][ref] else 1)
                sums.setdefault(documents["document"][ref], []).append((nats, len(piece) - 1, own_bytes, step, number))
    totals = {name: np.array(parts)[:, :3].sum(0) for name, parts in sums.items()}
    bits = {name: nats / math.log(2) / size for name, (nats, count, size) in totals.items() if count >= 32}
    expected = sorted(bits, key=lambda name: -bits[name])
    found = worst_documents(traced, range(3, 7), saved, 5, 32, folder / "out")
    assert found["id"].to_pylist() == expected[:5]
    for row in found.to_pylist():
        assert row["bits_per_byte"] == pytest.approx(bits[row["id"]], rel=1e-4)
        assert row["tokens"] == totals[row["id"]][1]
        hardest = max(sums[row["id"]], key=lambda part: part[0] / max(part[2], 1e-9))
        assert (row["step"], row["row"]) == hardest[3:]
    assert len(worst_documents(traced, range(3, 7), saved, 9999, 1, None)) == len(totals)


def test_the_worst_documents_are_written_so_that_they_open_as_documents(project, tmp_path: Path) -> None:
    folder, _ = project
    out = tmp_path / "worst" / "worst.parquet"
    result = CliRunner().invoke(trace, [str(folder / "run"), "--steps", "1-12", "--worst", "4", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "gristmill inspect" in result.stderr and len(result.stdout.splitlines()) == 5
    written, opened = pq.read_table(out), draw_sample((str(out),), Path(), 100, 0).documents
    assert opened["id"].to_pylist() == written["id"].to_pylist() and opened["text"].to_pylist() == written["text"].to_pylist()
    assert opened["bits_per_byte"].to_pylist() == written["bits_per_byte"].to_pylist() == sorted(written["bits_per_byte"].to_pylist(), reverse=True)


def test_the_command_shows_steps_and_rows(project, tmp_path: Path) -> None:
    folder, _ = project
    result = CliRunner().invoke(trace, [str(folder / "run"), "--step", "4"])
    assert result.exit_code == 0 and [line.split(":")[0] for line in result.stdout.splitlines()] == [f"step 4, row {n}" for n in range(4)]
    result = CliRunner().invoke(trace, [str(folder / "run"), "--step", "2", "--row", "1"])
    assert result.exit_code == 0 and "curation  kept" in result.stdout and "gristmill why" in result.stdout
    found = json.loads(CliRunner().invoke(trace, [str(folder / "run"), "--step", "2", "--row", "1", "--json"]).stdout)
    assert found == trace_row(open_traced(folder / "run"), 2, 1, folder / "out")
    shutil.copytree(folder / "out" / "packed", tmp_path / "moved")
    result = CliRunner().invoke(trace, [str(folder / "run"), "--step", "2", "--row", "1", "--data", str(tmp_path / "moved")])
    assert result.exit_code == 0 and "name it with --curation OUT" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--step", "13"], "has steps 1 to 12, there is no step 13"),
        (["--step", "5", "--row", "4"], "has rows 0 to 3, there is no row 4"),
        (["--steps", "3-99"], "there is no step 99"),
        (["--steps", "9-3"], "is not a window"),
        (["--row", "1"], "name --step N"),
        (["--steps", "1-2", "--row", "1"], "--row needs --step"),
        (["--step", "1", "--steps", "1-2"], "name --step N"),
        (["--step", "1", "--row", "0", "--curation", "."], "is not a run directory"),
    ],
)
def test_mistakes_exit_2_with_words(project, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(trace, [str(project[0] / "run"), *arguments])
    assert result.exit_code == 2 and words in result.stderr and result.stdout == "" and "Traceback" not in result.stderr


def test_other_data_is_not_taken_for_what_was_trained_on(project, tmp_path: Path) -> None:
    folder, _ = project
    packed = shutil.copytree(folder / "out" / "packed", tmp_path / "packed")
    manifest = packed / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(TrainError, match="is not the packed data that"):
        open_traced(folder / "run", packed)


def test_a_token_that_no_document_has_is_told_with_the_range(project) -> None:
    folder, _ = project
    traced = open_traced(folder / "run")
    places = [(step, row["row"], row["tokens"]) for step in range(1, 13) for row in trace_step(traced, step) if row["padding"]]
    step, row, tokens = places[0]
    for token, words in ((tokens, f"tokens 0 to {tokens - 1} and padding up to 63"), (64, "there is none at token 64")):
        result = CliRunner().invoke(trace, [str(folder / "run"), "--step", str(step), "--row", str(row), "--token", str(token)])
        assert result.exit_code == 2 and result.stdout == "" and words in result.stderr
    result = CliRunner().invoke(trace, [str(folder / "run"), "--step", str(step), "--row", str(row), "--token", str(tokens - 1)])
    assert result.exit_code == 0 and f"-{tokens - 1}  document " in result.stdout


@pytest.mark.parametrize("options", [["--worst", "4"], ["--row", "1", "--min-tokens", "9"], ["--out", "x.parquet"], ["--model", "run"]])
def test_options_of_a_window_are_refused_without_one(project, options: list[str]) -> None:
    result = CliRunner().invoke(trace, [str(project[0] / "run"), "--step", "3", *options])
    assert result.exit_code == 2 and f"{options[-2]} needs --steps A-B" in result.stderr


def test_a_curation_run_that_knows_none_of_the_documents(project, tmp_path: Path) -> None:
    folder, _ = project
    other = tmp_path / "other"
    shutil.copytree(folder / "out", other)
    for name in ("clean", "removed"):
        shutil.rmtree(other / name, ignore_errors=True)
    result = CliRunner().invoke(trace, [str(folder / "run"), "--step", "11", "--row", "3", "--curation", str(other)])
    assert result.exit_code == 0 and "knows none of these documents" in result.stdout and "gristmill why" not in result.stdout


def test_the_checkpoint_whose_losses_are_told_is_named_and_one_piece_is_one(project) -> None:
    folder, _ = project
    result = CliRunner().invoke(trace, [str(folder / "run"), "--steps", "3-4"])
    assert result.exit_code == 0 and "step-00000012: the last checkpoint, step 12" in result.stderr
    pieces = [line for step in range(1, 13) for line in step_lines(trace_step(open_traced(folder / "run"), step))]
    assert not any("; 1 pieces" in line for line in pieces)
    assert any("; 1 piece of a document from" in line for line in pieces)
