"""A short fuzz of every reader and loader; `make fuzz` is the long one, guided by coverage."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from corpus import write_corpus, write_job
from fuzzing import (
    check_language_model,
    check_packed,
    check_reader,
    check_rules,
    model_seeds,
    mutated,
    rule_seeds,
    seeds,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.job import load_job
from curation.language_id.models import load_model
from curation.run import run_job

LIGHT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS, RULES = seeds(), rule_seeds()


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    job = load_job(write_job(folder / "job.yaml", write_corpus(folder / "corpus", files=1, count=40)))
    run_job(job, "inline")
    return job.output / "packed"


def test_the_seeds_themselves_are_read(tmp_path):
    for name, data in SEEDS.items():
        check_reader(name, data, tmp_path)
    for name, data in RULES.items():
        check_rules(name, data, tmp_path)
    for name, data in model_seeds(tmp_path).items():
        check_language_model(name, data, tmp_path)
        load_model(str(tmp_path / name))


@pytest.mark.parametrize("name", SEEDS)
@LIGHT
@given(seed=st.integers(0, 2**32))
def test_any_damage_to_a_file_is_survived(tmp_path, name, seed):
    rng = random.Random(seed)
    check_reader(name, mutated(SEEDS[name], rng, list(SEEDS.values())), tmp_path)


@LIGHT
@given(name=st.sampled_from(sorted(SEEDS)), data=st.binary(max_size=400))
def test_any_bytes_under_any_name_are_survived(tmp_path, name, data):
    check_reader(name, data, tmp_path)


@LIGHT
@given(seed=st.integers(0, 2**32))
def test_packed_data_is_opened_or_refused_in_words(tmp_path, packed, seed):
    rng = random.Random(seed)
    path = rng.choice(sorted(packed.iterdir()))
    check_packed(path.name, mutated(path.read_bytes(), rng, list(SEEDS.values())), packed, tmp_path)


@LIGHT
@given(seed=st.integers(0, 2**32))
def test_language_models_are_loaded_or_refused(tmp_path, seed):
    models, rng = model_seeds(tmp_path), random.Random(seed)
    name = rng.choice(sorted(models))
    check_language_model(name, mutated(models[name], rng, list(models.values())), tmp_path)


@LIGHT
@given(seed=st.integers(0, 2**32))
def test_rule_packs_and_jobs_are_loaded_or_refused_at_places(tmp_path, seed):
    rng = random.Random(seed)
    name = rng.choice(sorted(RULES))
    check_rules(name, mutated(RULES[name], rng, list(RULES.values())), tmp_path)
