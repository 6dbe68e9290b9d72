"""A run that nobody disturbed, and the job of one that will be."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import write_corpus, write_job

from curation.job import load_job
from curation.run import run_job


@pytest.fixture(scope="session")
def left_alone(tmp_path_factory) -> Path:
    """A run that nobody disturbed: its folder, with corpus, job and out."""
    folder = tmp_path_factory.mktemp("left_alone")
    run_job(load_job(write_job(folder / "job.yaml", write_corpus(folder / "corpus"))))
    return folder


@pytest.fixture
def job(left_alone, tmp_path) -> Path:
    return write_job(tmp_path / "job.yaml", left_alone / "corpus")
