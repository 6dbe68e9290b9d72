"""lm-evaluation-harness on a saved model: its three questions answered as defined, a task of its own machinery."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from test_train_handoff import BOS
from test_train_tasks import SAVED, log_likelihood

from train.evaluate_cli import evaluate
from train.generate import Writer
from train.hugging_face import export_model

torch.set_num_threads(1)


def asked(*arguments) -> SimpleNamespace:
    return SimpleNamespace(args=arguments)


def test_without_the_package_the_command_says_how_to_get_it(tmp_path: Path, monkeypatch) -> None:
    export_model(SAVED, tmp_path / "model", "float32", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(evaluate, [str(tmp_path / "model"), "--harness", "arc_easy"])
    assert result.exit_code == 2 and "pip install lm_eval" in result.stderr and result.stdout == ""


def test_likelihoods_and_texts() -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    from train.evaluate.harness import HarnessModel

    model = HarnessModel(SAVED)
    pairs = [("the mill", " turns"), ("the mill", " stands"), ("", "a"), ("water ", "wheel")]
    for pair, (value, greedy) in zip(pairs, model.loglikelihood([asked(*pair) for pair in pairs]), strict=True):
        context = pair[0].rstrip()
        expected = log_likelihood(context, pair[0][len(context) :] + pair[1])
        assert value == pytest.approx(expected[0], abs=1e-3) and greedy == expected[1]
    text = "the mill and the wheel " * 20  # longer than the context of 256
    (whole,) = model.loglikelihood_rolling([asked(text)])
    ids = [BOS, *SAVED.encode(text)]
    first = log_likelihood("", SAVED.tokenizer.decode(ids[1:257]))[0]
    assert whole < first and len(ids) > 257
    writer = Writer(**vars(SAVED))
    free = writer.continuation("the", 9, 0.0, 1.0, 0)
    settings = {"until": [free[4]], "max_gen_toks": 9, "do_sample": False}
    assert model.generate_until([asked("the", settings)]) == [free[: free.index(free[4])]]


def test_a_task_of_the_harness(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    from train.evaluate.harness import run_harness

    items = [{"query": f"what is {n}?", "choices": ["a mill", "a wheel"], "gold": n % 2} for n in range(6)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    task = {"task": "local", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(tmp_path / "items.jsonl")}},
            "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "{{query}}", "doc_to_choice": "choices",
            "doc_to_target": "gold", "metric_list": [{"metric": "acc"}]}  # fmt: skip
    found = run_harness(SAVED, [task], 0, None, bootstrap_iters=0)
    expected = [log_likelihood(i["query"], " a wheel")[0] > log_likelihood(i["query"], " a mill")[0] for i in items]
    assert found["local"]["acc,none"] == pytest.approx(sum(e == i["gold"] for e, i in zip(expected, items)) / 6)
