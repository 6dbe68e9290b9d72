"""Tasks: scores by hand from a transformers model, few-shot prompts, files and mistakes told in words."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train_handoff import BOS, BYTE_VOCABULARY, EOS, PAD, byte_tokenizer, made_up_texts, write_packed
from test_train_model import TINY, hugging_face_twin, lively_model

from rules.places import Problems
from train.config import TrainError
from train.evaluate.few_shot import build_prompts, encode_pair
from train.evaluate.intervals import estimate
from train.evaluate.run_task import Settings, run_task
from train.evaluate.task import Item, Task, fill, find_task, read_items, shipped_tasks
from train.evaluate_cli import evaluate, task_lines
from train.hugging_face import export_model
from train.saved_model import SavedModel

torch.set_num_threads(1)
CONFIG = dataclasses.replace(TINY, vocab_size=BYTE_VOCABULARY, context=256)
SAVED = SavedModel(lively_model(CONFIG, 4).eval(), byte_tokenizer(), BOS, EOS, PAD)
FILES = {
    "arc_easy": [{"query": f"Question: what is {n}?", "choices": [f"{n} mills", "a wheel", "ça va, water"], "gold": n % 3} for n in range(12)],
    "winogrande": [{"context_options": [f"The mill {n} and", f"The stone {n} and"], "continuation": "it turns.", "gold": n % 2} for n in range(8)],
    "lambada_openai": [{"context": f"the water {n} turns the", "continuation": "wheel"} for n in range(8)],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Items of three kinds, one file of them compressed."""
    folder = tmp_path_factory.mktemp("items")
    for name, records in FILES.items():
        text = "".join(json.dumps(record) + "\n" for record in records)
        opened = gzip.open(folder / f"{name}.jsonl.gz", "wt") if name == "winogrande" else open(folder / f"{name}.jsonl", "w")
        with opened as stream:
            stream.write(text)
    return folder


@functools.cache
def twin():
    return hugging_face_twin(SAVED.model)


def log_likelihood(context: str, continuation: str) -> tuple[float, bool]:
    """As lm-evaluation-harness defines it, with the begin token, on transformers' own model."""
    ids = [BOS, *SAVED.encode(context + continuation)]
    first = 1 + len(SAVED.encode(context))
    with torch.no_grad():
        logs = twin()(torch.tensor([ids]), use_cache=False).logits[0].log_softmax(1)
    places = range(first, len(ids))
    return sum(float(logs[place - 1, ids[place]]) for place in places), all(int(logs[p - 1].argmax()) == ids[p] for p in places)


@pytest.mark.parametrize("shots", [0, 2])
def test_multiple_choice_by_hand(folder: Path, shots: int) -> None:
    task = find_task("arc_easy")
    found = run_task(SAVED, task, Settings(folder, shots, seed=5, limit=6))
    items, order = FILES["arc_easy"], np.random.default_rng(5).permutation(12)[: shots + 1].tolist()
    accuracy, per_byte, bits = [], [], []
    for number, (item, detail) in enumerate(zip(items[:6], found["details"], strict=True)):
        solved = [items[k] for k in order if k != number][:shots]
        prompt = "".join(f"{one['query']}\nAnswer: {one['choices'][one['gold']]}\n\n" for one in solved) + f"{item['query']}\nAnswer:"
        logs = np.array([log_likelihood(prompt, f" {choice}")[0] for choice in item["choices"]])
        sizes = np.array([len(choice.encode()) for choice in item["choices"]])
        assert detail["log_likelihoods"] == pytest.approx(logs.tolist(), abs=1e-3)
        accuracy.append(logs.argmax() == item["gold"])
        per_byte.append((logs / sizes).argmax() == item["gold"])
        bits.append(-logs[item["gold"]] / math.log(2) / sizes[item["gold"]])
    metrics = {name: score["value"] for name, score in found["metrics"].items()}
    assert metrics == pytest.approx({"accuracy": np.mean(accuracy), "accuracy_per_byte": np.mean(per_byte), "gold_bits_per_byte": np.mean(bits)}, rel=1e-4)
    assert (found["items"], found["fewer_shots"], found["cut"]) == (6, 0, 0)


def test_schemas_compare_contexts_and_cloze_asks_for_the_very_words(folder: Path) -> None:
    found = run_task(SAVED, find_task("winogrande"), Settings(folder))
    for item, detail in zip(FILES["winogrande"], found["details"], strict=True):
        logs = [log_likelihood(context, " it turns.")[0] for context in item["context_options"]]
        assert detail["log_likelihoods"] == pytest.approx(logs, abs=1e-3) and detail["chosen"] == int(np.argmax(logs))
    found = run_task(SAVED, find_task("lambada"), Settings(folder))
    for item, detail in zip(FILES["lambada_openai"], found["details"], strict=True):
        nats, greedy = log_likelihood(item["context"], " wheel")
        assert detail["log_likelihoods"] == pytest.approx([nats], abs=1e-3) and detail["accuracy"] == float(greedy)
        assert detail["gold_bits_per_byte"] == pytest.approx(-nats / math.log(2) / 5, rel=1e-4)


def test_written_answers_are_compared_as_text(folder: Path) -> None:
    task = Task("t", "x", "generation", "lambada_openai.jsonl", "{context}", answer="{continuation}", tokens=8, stop=("e", "\n"))
    free = run_task(SAVED, task, Settings(folder))
    written = [detail["written"] for detail in free["details"]]
    assert all("e" not in text and "\n" not in text for text in written)
    (folder / "own.jsonl").write_text("".join(
        json.dumps({**item, "continuation": f"  {text.upper()} "}) + "\n" for item, text in zip(FILES["lambada_openai"], written)))  # fmt: skip
    again = run_task(SAVED, dataclasses.replace(task, data="own.jsonl"), Settings(folder))
    assert again["metrics"]["accuracy"]["value"] == 1.0 and free["metrics"]["accuracy"]["value"] == 0.0


def test_items_that_occur_in_the_corpus_are_flagged(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "overlaps").mkdir()
    with pytest.raises(TrainError, match="has no overlaps/"):
        run_task(SAVED, find_task("arc_easy"), Settings(folder, limit=4, overlaps=tmp_path))
    rows = [("arc_easy.jsonl", "2"), ("arc_easy.jsonl", "4"), ("arc_easy.jsonl", "2"), ("other.jsonl", "1")]
    pq.write_table(pa.table({"file": [row[0] for row in rows], "item": [row[1] for row in rows]}), tmp_path / "overlaps" / "00000.parquet")
    found = run_task(SAVED, find_task("arc_easy"), Settings(folder, limit=4, overlaps=tmp_path))
    assert [detail["in_corpus"] for detail in found["details"]] == [False, True, False, True] and found["in_corpus"] == 2
    kept = [found["details"][place]["gold_bits_per_byte"] for place in (0, 2)]
    assert found["metrics_without"]["gold_bits_per_byte"]["value"] == pytest.approx(np.mean(kept))
    assert "2 items occur in the corpus; without them: accuracy" in "\n".join(task_lines([found]))


def test_as_many_examples_as_fit(folder: Path) -> None:
    small = dataclasses.replace(SAVED, model=lively_model(dataclasses.replace(CONFIG, context=90), 4))
    task, items = find_task("arc_easy"), read_items(find_task("arc_easy"), folder)
    for shots, kept in ((1, 1), (2, 1), (9, 1)):
        prompts = build_prompts(small, task, items, items, shots, seed=0)
        assert {len(examples) for examples in prompts.examples} == {kept}
        assert prompts.fewer_shots == (len(items) if shots > kept else 0) and prompts.cut == 0
        assert max(len(r.context) + len(r.continuation) for item in prompts.requests for r in item) <= 91
        for item, examples in zip(items, prompts.examples):
            assert not any(item.prompts[0] in example for example in examples)
    tiny = dataclasses.replace(SAVED, model=lively_model(dataclasses.replace(CONFIG, context=20), 4))
    assert build_prompts(tiny, task, items, items, 0, 0).cut == len(items)


@given(st.text(alphabet="ab \n", max_size=8), st.text(alphabet="ab ", min_size=1, max_size=6))
def test_pairs_are_the_tokens_of_their_text(context: str, continuation: str) -> None:
    request = encode_pair(SAVED, context, continuation)
    assert request.context + request.continuation == [BOS, *SAVED.encode(context + continuation)]
    assert request.context == [BOS, *SAVED.encode(context.rstrip())]
    without = encode_pair(dataclasses.replace(SAVED, bos_id=None), context, continuation)
    assert without.context and without.continuation


@given(st.lists(st.text(max_size=5), max_size=3), st.text(max_size=9))
def test_what_an_item_says_is_never_a_template(values: list[str], other: str) -> None:
    record = {"a": "{b}" + other, "b": "x", "c": "".join(values)}
    assert fill("<{a}|{c}>", record, "w") == "<{b}" + other + "|" + "".join(values) + ">"


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_intervals_hold_the_truth_about_as_often_as_they_say(seed: int) -> None:
    random = np.random.default_rng(seed)
    found = [estimate(random.normal(3.0, 2.0, 40), seed) for _ in range(20)]
    assert sum(one.low <= 3.0 <= one.high for one in found) >= 14
    assert all(one.low < one.mean < one.high and 0.15 < one.stderr < 0.55 for one in found)
    assert estimate(np.array([1.0])).record() == {"value": 1.0, "stderr": None, "low": None, "high": None}


def test_shipped_tasks_read_the_shared_items(shared_data: Path) -> None:
    counts = {"arc_easy": 2376, "arc_challenge": 1172, "openbook_qa": 500, "piqa": 1838, "copa": 100, "winogrande": 1267,
              "hellaswag": 10042, "lambada": 5153, "language_identification": 10000}  # fmt: skip
    assert counts.keys() == set(shipped_tasks())
    for name, count in counts.items():
        items = read_items(find_task(name), shared_data / "eval")
        assert len(items) == count and all(0 <= item.gold < len(item.answers) for item in items)


def test_tasks_of_ones_own_and_mistakes(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    lines = ["task: mine", "about: x", "kind: multiple_choice", "data: mine.jsonl", 'prompt: "{q}"', "choices: options", "gold: right"]
    path.write_text("\n".join(lines))
    data = tmp_path / "mine.jsonl"
    data.write_text('{"q": "a", "options": ["b", "c"], "right": "c"}\n')
    assert read_items(find_task(str(path)), None) == [Item(("a",), ("b", "c"), 1)]
    for content, words in (
        ('{"q": "a", "options": ["b"], "right": 0}', "mine.jsonl:1: 'options' is not a list of two texts"),
        ('{"q": "a", "options": ["b", "c"], "right": 2}', "mine.jsonl:1: 'right' is 2"),
        ('{"options": ["b", "c"], "right": 0}', "mine.jsonl:1: has no field 'q'"),
        ("\n{", "mine.jsonl:2: cannot be read"),
        ("", "holds no items"),
    ):
        data.write_text(content)
        with pytest.raises(TrainError, match=words):
            read_items(find_task(str(path)), None)
    data.unlink()
    with pytest.raises(TrainError, match="Name the folder of its items"):
        read_items(find_task(str(path)), None)
    with pytest.raises(TrainError, match="nor with .gz"):
        read_items(find_task(str(path)), tmp_path)
    path.write_text("\n".join([*lines[:5], "gold: right"]))
    with pytest.raises(Problems, match="a multiple_choice task needs `choices`"):
        find_task(str(path))
    with pytest.raises(TrainError, match="did you mean 'arc_easy'"):
        find_task("arceasy")


def test_details_go_over_no_items(folder: Path, tmp_path: Path) -> None:
    task, items, notes = (tmp_path / name for name in ("mine.yaml", "mine.jsonl", "notes.jsonl"))
    task.write_text('task: mine\nabout: x\nkind: multiple_choice\ndata: mine.jsonl\nprompt: "{q}"\nchoices: options\ngold: right\n')
    items.write_text('{"q": "a", "options": ["b", "c"], "right": "c"}\n')
    notes.write_text("my notes\n")
    export_model(SAVED, tmp_path / "model", "float32", None)
    for out, words in ((items, "is an input"), (task, "is an input"), (notes, "is not a file of --details")):
        before = out.read_text()
        result = CliRunner().invoke(evaluate, [str(tmp_path / "model"), str(task), "--details", str(out)])
        assert result.exit_code == 2 and words in result.stderr and out.read_text() == before, result.output


def test_the_command(folder: Path, tmp_path: Path) -> None:
    export_model(SAVED, tmp_path / "model", "float32", None)
    arguments = [str(tmp_path / "model"), "arc_easy", "winogrande", "--items", str(folder), "--limit", "4", "--shots", "1"]
    result = CliRunner().invoke(evaluate, [*arguments, "--details", str(tmp_path / "details.jsonl"), "--json"])
    record = json.loads(result.stdout)
    assert result.exit_code == 0 and [task["task"] for task in record["tasks"]] == ["arc_easy", "winogrande"]
    details = [json.loads(line) for line in (tmp_path / "details.jsonl").read_text().splitlines()]
    assert len(details) == 8 and details[4]["task"] == "winogrande" and details[4]["item"] == 0
    result = CliRunner().invoke(evaluate, [*arguments, "--details", str(tmp_path / "details.jsonl")])
    assert result.exit_code == 0 and "accuracy_per_byte" in result.stdout
    packed = write_packed(tmp_path / "packed", {"train": made_up_texts(9, 1), "held_out": made_up_texts(9, 2)}, 64)
    result = CliRunner().invoke(evaluate, [str(tmp_path / "model"), "--data", str(packed), "--by", "lang", "--json"])
    loss = json.loads(result.stdout)["loss"]
    assert result.exit_code == 0 and loss["by_lang"].keys() == {"de", "en"} and loss["bits_per_byte"] > 0
    for arguments, words in (
        ([str(tmp_path / "model")], "name what to judge the model on"),
        ([str(tmp_path / "model"), "--data", str(packed), "--by", "nothing"], "no column 'nothing'"),
        ([str(tmp_path / "model"), "arc_easy"], "Name the folder of its items"),
        ([str(tmp_path / "model"), "arc_easy", "--items", str(folder), "--shots", "99"], "99 examples were asked for"),
        ([str(tmp_path / "none"), "arc_easy"], "does not exist"),
    ):
        result = CliRunner().invoke(evaluate, arguments)
        assert result.exit_code == 2 and words in result.stderr and result.stdout == ""
