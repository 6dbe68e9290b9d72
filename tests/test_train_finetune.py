"""Fine-tuning: the tasks are learned, a stopped run ends the same bit for bit, scores agree with scipy, mistakes have a place."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_train_config import write_config
from test_train_handoff import BOS, EOS, made_up_texts, write_packed

from train.attention import PrefixPlan
from train.batch import packed_batch
from train.config import load_config
from train.finetune import finetune
from train.finetune_cli import finetune as command
from train.finetune_config import load_finetune
from train.finetune_head import Head, open_reader, scores_of
from train.finetune_items import Items, read_items
from train.finetune_scores import macro_f1, pearson, spearman
from train.loop import train
from train.open_model import open_model
from train.run import Stopped

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A small trained model."""
    folder = tmp_path_factory.mktemp("finetune")
    write_packed(folder / "packed", {"train": made_up_texts(60, 1), "held_out": made_up_texts(9, 2)}, 64)
    train(load_config(write_config(folder / "train.yaml", "packed", "model", steps=40)))
    return folder / "model"


def write_items(path: Path, task: str, count: int = 96, seed: int = 0) -> Path:
    """Items whose answer is what their text ends with, so that they can be learned quickly."""
    random = np.random.default_rng(seed)
    words = ["stone", "water", "wheel", "grist"]
    with open(path, "w", encoding="utf-8") as stream:
        for _ in range(count):
            first, second = random.choice(words, 2)
            item = {
                "classification": {"text": f"the {first} a {second}", "label": "wet" if second == "water" else "dry"},
                "similarity": {"text": f"the {first}", "other": f"a {second}", "label": 5.0 * (first == "water") + 5.0 * (second == "water")},
                "multiple_choice": {"text": "the mill", "choices": [f"{w} ça" for w in random.permutation(words)[:3]]},
            }[task]
            if task == "multiple_choice":
                item["choices"][random.integers(3)] = "Q"
                item["label"] = item["choices"].index("Q")
            stream.write(json.dumps(item) + "\n")
    return path


def write_yaml(folder: Path, model: Path, task: str, **changes) -> Path:
    fields = {"classification": {}, "similarity": {"second_text": "'{other}'", "target": "number"}, "multiple_choice": {"choices": "choices"}}[task]
    settings = {"model": model, "output": "tuned", "task": task, "items": "items.jsonl", "text": "'{text}'", "epochs": 6, "batch_items": 8,
                "learning_rate": 3e-3, "held_out_frac": 0.25, "device": "cpu", "log_every": 5, **fields, **changes}  # fmt: skip
    settings = {name: value for name, value in settings.items() if value is not None}
    path = folder / "finetune.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    return path


@pytest.mark.parametrize("trains", ["full", "head"])
@pytest.mark.parametrize("task", ["classification", "similarity", "multiple_choice"])
def test_tasks_are_learned(model, tmp_path, task, trains):
    write_items(tmp_path / "items.jsonl", task)
    rates = {"full": {}, "head": {"learning_rate": 0.05, "epochs": 30, "dropout": 0}}[trains]
    config = load_finetune(write_yaml(tmp_path, model, task, trains=trains, **rates))
    before = open_model(model, torch.device("cpu")).model.state_dict()
    scores = finetune(config)["scores"]
    if task == "similarity":
        assert scores["pearson"]["value"] > 0.7, scores
    else:
        beaten = scores["majority" if task == "classification" else "chance"]["value"]
        assert scores["accuracy"]["value"] > beaten + 0.05 and scores["accuracy"]["low"] <= scores["accuracy"]["value"], scores
    after = open_model(tmp_path / "tuned", torch.device("cpu")).model.state_dict()  # generate and eval take it
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()) == (trains == "head")
    lines = [json.loads(line) for line in (tmp_path / "tuned/predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 24 and lines[0].keys() >= {"line", "label", "predicted"}


def test_a_stopped_run_ends_the_same(model, tmp_path):
    tensors = []
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        write_items(tmp_path / name / "items.jsonl", "classification", 40)
        config = load_finetune(write_yaml(tmp_path / name, model, "classification", epochs=2))
        if name == "stopped":
            asked = iter([False] * 3 + [True])
            with pytest.raises(Stopped) as stopped:
                finetune(config, should_stop=lambda asked=asked: next(asked))
            assert stopped.value.step == 4
        events: list[dict] = []
        summary = finetune(config, events.append)
        assert events[0]["step"] == (4 if name == "stopped" else 0)
        tensors.append((open_model(tmp_path / name / "tuned", torch.device("cpu")).model.state_dict(), summary["scores"]))
    assert tensors[0][1] == tensors[1][1]
    assert all(torch.equal(tensor, tensors[1][0][key]) for key, tensor in tensors[0][0].items())
    again = finetune(config, events.clear)
    assert again == summary


@pytest.mark.parametrize("task", ["classification", "similarity", "multiple_choice"])
def test_scores_are_those_of_sequences_one_by_one(model, tmp_path, task):
    """The state of the last token of each sequence read alone: both orders added, choices each scored."""
    saved = open_model(model, torch.device("cpu"))
    config = load_finetune(write_yaml(tmp_path, model, task))
    items = read_items(config, saved, str(write_items(tmp_path / "items.jsonl", task, 12)))
    outputs = max(1, len(items.classes))
    head = Head(saved.model.config.dim, outputs, 0.0, 3)
    reader = open_reader(saved, [items])
    states, nats = reader.states([tokens for item in items.items for tokens in item.sequences], True)
    together = scores_of(head, states, items.items, task)
    total = 0.0
    for place, item in enumerate(items.items):
        own = []
        for tokens in item.sequences:
            assert tokens[0] == BOS and tokens[-1] == EOS
            batch = packed_batch([(tokens, np.array([len(tokens)]), np.zeros(1, np.int64))])
            with torch.no_grad():
                hidden = saved.model(batch.input_ids, batch.positions, PrefixPlan())[0]
            logits = saved.model.logits(hidden[:-1])
            total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[1:]), reduction="sum").detach())
            own.append(hidden[-1])
        read = [sum(own)] if task == "similarity" else own
        alone = torch.cat([head(state) for state in read])
        assert torch.allclose(together[place], alone, atol=1e-5)
    assert float(nats.detach()) == pytest.approx(total, rel=1e-4)


def test_fixed_shapes_change_nothing(model, tmp_path):
    """As on CUDA: one width, and rows filled up to a power of two."""
    saved = open_model(model, torch.device("cpu"))
    config = load_finetune(write_yaml(tmp_path, model, "multiple_choice"))
    items = read_items(config, saved, str(write_items(tmp_path / "items.jsonl", "multiple_choice", 7)))
    reader = open_reader(saved, [items])
    assert torch.allclose(reader.states_of(items.items), dataclasses.replace(reader, width=64).states_of(items.items), atol=1e-5)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_learns_a_task(model, tmp_path):
    write_items(tmp_path / "items.jsonl", "multiple_choice")
    scores = finetune(load_finetune(write_yaml(tmp_path, model, "multiple_choice", device="cuda")))["scores"]
    assert scores["accuracy"]["value"] > scores["chance"]["value"] + 0.05


def test_texts_too_long_lose_tokens_where_they_say_least(model, tmp_path):
    saved = open_model(model, torch.device("cpu"))
    long, path = "x" * 90 + "END", tmp_path / "items.jsonl"
    path.write_text(json.dumps({"text": long, "other": "y" * 10, "choices": ["one", "two"], "label": 1}) + "\n")
    for task, expected in (("classification", "x" * 30), ("multiple_choice", "END\none"), ("similarity", "x" * 19 + "\n" + "y" * 10)):
        config = load_finetune(write_yaml(tmp_path, model, task, max_tokens=32))
        items = read_items(config, saved, str(path), ("a", "b"), labelled=False)
        text = saved.tokenizer.decode(items.items[0].sequences[0].tolist())
        assert text.endswith(expected) and len(items.items[0].sequences[0]) == 32 and items.cut > 0


def test_the_command_trains_predicts_and_answers_again(model, tmp_path):
    write_items(tmp_path / "items.jsonl", "classification")
    path = write_yaml(tmp_path, model, "classification", trains="head", epochs=2)
    first = CliRunner().invoke(command, [str(path)])
    assert first.exit_code == 0, first.output
    assert "accuracy" in first.stdout and "macro_f1" in first.stdout and "majority" in first.stdout and "72 items, 24 held out" in first.stderr
    again = CliRunner().invoke(command, [str(path), "--json"])
    assert again.exit_code == 0 and again.stderr == "" and json.loads(again.stdout)["held_out_items"] == 24
    (tmp_path / "new.jsonl").write_text('{"text": "the water"}\n\n{"text": "a wheel"}\n')
    found = CliRunner().invoke(command, [str(path), "--predict", str(tmp_path / "new.jsonl")])
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line["line"] for line in lines] == [1, 3] and lines[0]["predicted"] in ("wet", "dry")
    assert sum(lines[0]["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("items", "changes", "words"),
    [
        ('{"text": "a", "label": "x"}\n{"text": "b"}\n', {}, "items.jsonl:2: 'label' is None, expected the name"),
        ('{"text": "a", "label": "x"}\n{"label": "y"}\n', {}, "items.jsonl:2: has no field 'text'"),
        ('{"text": "a", "label": "x"}\nno\n', {}, "items.jsonl:2: is not JSON"),
        ('{"text": "a", "label": "x"}\n[]\n', {}, "items.jsonl:2: is not a JSON object"),
        ('{"text": "a", "label": "x"}\n', {}, "a classifier needs two or more"),
        ("\n", {}, "items.jsonl: has no items"),
        ('{"text": "a", "label": 1}\n{"text": "a", "label": 1}\n', {"target": "number"}, "all items have the same number"),
        ('{"text": "a", "label": "x"}\n', {"target": "number"}, "items.jsonl:1: 'label' is 'x', expected a number"),
        ('{"text": "a", "label": "x"}\n', {"task": "similarity", "second_text": None}, "a similarity task needs `second_text`"),
        ('{"text": "a", "label": 3, "c": ["x", "y"]}\n', {"task": "multiple_choice", "choices": "c"}, "neither the place of a choice"),
        ('{"text": "a", "label": 0, "c": "x"}\n', {"task": "multiple_choice", "choices": "c"}, "'c' is not a list of two texts"),
        ("{}\n", {"epocs": 3}, "unknown key 'epocs', did you mean 'epochs'"),
        ("{}\n", {"dropout": 1.5}, "must be at least 0 and below 1"),
        ("{}\n", {"model": "nowhere"}, "does not exist"),
    ],
)
def test_mistakes_exit_2_with_words(model, tmp_path, items, changes, words):
    (tmp_path / "items.jsonl").write_text(items)
    result = CliRunner().invoke(command, [str(write_yaml(tmp_path, **{"model": model, "task": "classification"} | changes))])
    assert result.exit_code == 2 and "Traceback" not in result.stderr, result.output
    assert words in result.stderr


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_correlations_equal_scipys(pairs):
    a, b = np.array(pairs, float).T
    if np.ptp(a) and np.ptp(b):
        assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
    else:
        assert np.isnan(pearson(a, b))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_macro_f1_is_the_mean_of_f1(pairs):
    predicted, right = np.array(pairs).T
    expected = []
    for name in sorted(set(predicted) | set(right)):
        hits = ((predicted == name) & (right == name)).sum()
        expected.append(2 * hits / ((predicted == name).sum() + (right == name).sum()))
    assert macro_f1(predicted, right, 4) == pytest.approx(np.mean(expected))


def test_items_are_split_by_seed(model, tmp_path):
    from train.finetune_items import split_items

    saved = open_model(model, torch.device("cpu"))
    items = read_items(load_finetune(write_yaml(tmp_path, model, "classification")), saved, str(write_items(tmp_path / "items.jsonl", "classification", 20)))
    kept, held = split_items(items, 0.25, 1)
    assert len(held.items) == 5 and sorted(item.line for part in (kept, held) for item in part.items) == list(range(1, 21))
    assert isinstance(held, Items) and [item.line for item in split_items(items, 0.25, 1)[1].items] == [item.line for item in held.items]
