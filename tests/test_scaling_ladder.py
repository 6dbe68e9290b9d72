"""Two-stage prediction: OLMo's published ladder, planted sigmoids, what is left out, mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.config import TrainError
from train.scaling.ladder import Points, Target, fit_ladder, fit_stage_two, read_points, run_ends, sigmoid_curve
from train.scaling.parametric import Law
from train.scaling.runs import read_table

OLMO = Path(__file__).parent / "data/scaling/olmo_ladder_task_points.csv.gz"
NAMES = {"params": "params_nonemb", "nll": "bpb_correct", "accuracy": "acc_rc_5shot"}
WELL_PREDICTED = ("mmlu_avg_test", "hellaswag_val", "piqa_val", "socialiqa_val")


@pytest.fixture(scope="module")
def olmo():
    """For each task: the ladder of OLMo's small models, and the ends of its 7B and 13B models."""
    table = read_table(OLMO)
    small, large = (read_points(table.where({"mode": mode}), NAMES) for mode in ("train", "eval"))
    return {task: (fit_ladder(task, points, 20), run_ends(large[task])) for task, points in small.items()}


def test_olmos_7b_and_13b_are_predicted_as_published(olmo):
    errors = {
        task: [100 * (ladder.predict(Target(params, tokens)).accuracy - accuracy)
               for params, tokens, accuracy in zip(large.params, large.tokens, large.accuracy)]
        for task, (ladder, large) in olmo.items()
    }  # fmt: skip
    assert all(abs(error) < 2 for task in WELL_PREDICTED for error in errors[task]), errors
    others = [abs(error) for task, both in errors.items() if task not in WELL_PREDICTED for error in both]
    assert len(others) == 8 and np.mean(others) == pytest.approx(6.9, abs=0.3), errors


def test_stage_one_equals_the_published_fit(olmo):
    """NLL predicted for 13B on 5T tokens, as in the ladder's own table of results."""
    published = {"mmlu_avg_test": 0.7501562, "hellaswag_val": 0.6531766, "piqa_val": 0.8747949, "csqa_val": 0.6617283,
                 "arc_challenge_test": 0.7833239, "arc_easy_test": 0.5931046, "socialiqa_val": 0.9915737, "openbookqa_test": 1.2750065}  # fmt: skip
    for task, (ladder, large) in olmo.items():
        place = int(large.params.argmax())
        assert ladder.predict(Target(large.params[place], large.tokens[place])).nll == pytest.approx(published[task], rel=1e-4)


def test_the_error_that_is_told_is_of_the_largest_left_out(olmo):
    ladder, _ = olmo["hellaswag_val"]
    assert [one.run for one in ladder.held_out] == ["1B-10xC", "1B-1xC", "1B-2xC", "1B-5xC"]
    assert ladder.held_out_error > 3 * ladder.first.relative_error


def made_up(noise: float, by_flops: bool = False, seed: int = 0) -> Points:
    """Twelve runs of five checkpoints that follow a known law and a known sigmoid."""
    random, law = np.random.default_rng(seed), Law(30.0, 60.0, 0.4, 0.25, 0.25)
    params = np.repeat(np.geomspace(1e8, 2e9, 4), 15)
    share = np.tile(np.linspace(0.2, 1, 5), 12)
    tokens = params * np.tile(np.repeat([20.0, 60, 200], 5), 4) * share
    nll = law.loss(params, tokens) * np.exp(noise * random.standard_normal(60))
    accuracy = sigmoid_curve(nll)(np.array([[-0.75, 6.0, 0.9, 1.0]]))[0][0] + noise * random.standard_normal(60)
    runs, flops = np.repeat([f"run-{number}" for number in range(12)], 5), 6 * params * tokens
    nothing = np.full(60, np.nan)
    return Points(runs, nothing, nothing, flops, nll, accuracy) if by_flops else Points(runs, params, tokens, flops, nll, accuracy)


def test_a_planted_sigmoid_is_found():
    assert fit_stage_two(made_up(0.0), 2, 0).parameters == pytest.approx([-0.75, 6.0, 0.9, 1.0], rel=0.25)
    found = fit_ladder("made", made_up(0.002), 50)
    prediction = found.predict(Target(2e10, 4e11))
    truth = Law(30.0, 60.0, 0.4, 0.25, 0.25).loss(2e10, 4e11)
    assert prediction.nll == pytest.approx(truth, rel=0.03)
    assert prediction.nll_within.low < prediction.nll < prediction.nll_within.high
    assert prediction.accuracy_within.low <= prediction.accuracy <= prediction.accuracy_within.high


def test_flops_alone_will_do():
    found = fit_ladder("made", made_up(0.001, by_flops=True), 50)
    assert 0 < found.first.relative_error < 0.05 and len(found.held_out) == 1
    nearer, further = (found.predict(Target(flops=flops)) for flops in (1e21, 1e23))
    assert nearer.nll > further.nll and nearer.accuracy < further.accuracy


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, -0.05), st.floats(0.1, 30), st.floats(0.2, 2), st.floats(0, 1))
def test_derivatives_are_those_of_differences(a, k, x0, b):
    curve, parameters = sigmoid_curve(np.linspace(0.1, 2, 7)), np.array([[a, k, x0, b]])
    for index in range(4):
        shift = 1e-6 * np.eye(4)[index]
        difference = (curve(parameters + shift)[0] - curve(parameters - shift)[0])[0] / 2e-6
        assert curve(parameters)[1][0, :, index] == pytest.approx(difference, abs=1e-5)


def test_points_that_say_too_little_are_refused(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("task,run,nll,accuracy\na,r,1,0.3\n")
    with pytest.raises(TrainError, match="neither params and tokens nor flops"):
        read_points(read_table(path), {})
    with pytest.raises(TrainError, match="'lost' is none"):
        read_points(read_table(path), {"lost": "nll"})
    points = made_up(0.0)
    with pytest.raises(ValueError, match="more than 5 runs"):
        fit_ladder("made", points.chosen(np.arange(20)), 2)
