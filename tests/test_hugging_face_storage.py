"""Input and output in a dataset of the Hugging Face Hub, against a server on this machine that speaks its protocol."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest
from corpus import write_corpus, write_job
from hub_server import Hub

from curation import object_store
from curation.job import load_job
from curation.object_store import ObjectStore, open_system
from curation.run import run_job
from curation.run_directory import DATA_FOLDERS, RunDirectoryError
from curation.stored_run import LOCK_OBJECT, stored
from curation.verify import verify

pytest.importorskip("huggingface_hub")
DATASET = "hf://datasets/org/name"


@pytest.fixture
def hub(monkeypatch):
    """A hub with one dataset, empty."""
    constants = pytest.importorskip("huggingface_hub.constants")
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("HF_ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
        monkeypatch.setenv(name, server.url)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)  # read from the environment once, by whoever imports it first
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    system, _ = open_system(f"{DATASET}/x")
    type(system).clear_instance_cache()
    yield server
    type(system).clear_instance_cache()
    object_store._opened.cache_clear()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def data_of(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name.split("/")[0] in DATA_FOLDERS and not name.startswith("manifest/")}


def test_a_run_reads_and_writes_there_and_goes_on_elsewhere(hub, tmp_path, cache):
    corpus = write_corpus(tmp_path / "corpus")
    for file in sorted(corpus.iterdir()):
        hub.files[f"in/{file.name}"] = file.read_bytes()
    text = re.sub("input: .*", f"input: {DATASET}/in/*.jsonl", write_job(tmp_path / "local.yaml", corpus).read_text())
    (tmp_path / "local.yaml").write_text(text)
    (tmp_path / "job.yaml").write_text(re.sub("output: .*", f"output: {DATASET}/run", text))
    local, job = load_job(tmp_path / "local.yaml"), load_job(tmp_path / "job.yaml")
    run_job(local, "inline")
    with pytest.raises(KeyboardInterrupt):
        run_job(job, "inline", should_stop=lambda: sum(name.startswith("run/manifest/") for name in hub.files) >= 3)
    shutil.rmtree(cache)  # another machine goes on
    assert run_job(job, "inline").done_before >= 3
    here = {str(p.relative_to(local.output)): p.read_bytes() for p in local.output.rglob("*") if p.is_file()}
    there = {name.removeprefix("run/"): data for name, data in hub.files.items() if name.startswith("run/")}
    assert data_of(there) == data_of(here) != {}
    assert verify(f"{DATASET}/run").problems == []
    hub.files["run/" + min(data_of(here))] = b"something else"
    assert verify(f"{DATASET}/run").problems


def test_what_no_unit_lists_is_deleted(hub):
    store = ObjectStore(f"{DATASET}/run")
    for name in ("a", "b/c"):
        store.write(name, b"x")
    store.delete(["a", "b/c"])
    assert store.sizes() == {} and hub.files == {}


def test_one_run_at_a_time_holds_a_place(hub, tmp_path):
    with stored(tmp_path, f"{DATASET}/held"):
        assert f"held/{LOCK_OBJECT}" in hub.files
        with pytest.raises(RunDirectoryError, match=r"process \d+ on .* since"), stored(tmp_path, f"{DATASET}/held"):
            pass
    assert hub.files == {}
