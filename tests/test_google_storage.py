"""Input and output in Google's object storage, against a server on this machine that speaks its protocol."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
from corpus import write_corpus, write_job
from run_data import local_data, stored_data

from curation import object_store
from curation.job import load_job
from curation.object_store import ObjectStore, open_system
from curation.run import run_job
from curation.run_directory import RunDirectoryError
from curation.stored_run import LOCK_OBJECT, stored
from curation.verify import verify

emulator = pytest.importorskip("gcp_storage_emulator.server")
if importlib.util.find_spec("gcsfs") is None:
    pytest.skip("gcsfs is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def google():
    """The file system of gs://, whose every object is on a server of this process."""
    running = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    running.start()
    port = running._api._httpd.server_port
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks Google itself of what kind the bucket is
        system, _ = open_system("gs://bucket/x")
        yield system
        type(system).clear_instance_cache()
        object_store._opened.cache_clear()
    running.stop()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_run_reads_and_writes_there_and_goes_on_elsewhere(google, tmp_path, cache):
    corpus = write_corpus(tmp_path / "corpus")
    for file in sorted(corpus.iterdir()):
        google.put_file(str(file), f"bucket/in/{file.name}")
    text = re.sub("input: .*", "input: gs://bucket/in/*.jsonl", write_job(tmp_path / "local.yaml", corpus).read_text())
    (tmp_path / "local.yaml").write_text(text)
    (tmp_path / "job.yaml").write_text(re.sub("output: .*", "output: gs://bucket/run", text))
    local, job, store = load_job(tmp_path / "local.yaml"), load_job(tmp_path / "job.yaml"), ObjectStore("gs://bucket/run")
    run_job(local, "inline")
    with pytest.raises(KeyboardInterrupt):
        run_job(job, "inline", should_stop=lambda: sum(name.startswith("manifest/") for name in store.sizes()) >= 3)
    shutil.rmtree(cache)  # another machine goes on
    assert run_job(job, "2").done_before >= 3
    here = local_data(local.output)
    assert stored_data(store) == here
    assert verify("gs://bucket/run").problems == []
    google.pipe_file(f"bucket/run/{min(here)}", b"something else")
    assert verify("gs://bucket/run").problems


def test_one_run_at_a_time_holds_a_place(google, tmp_path):
    with stored(tmp_path, "gs://bucket/held"):
        with pytest.raises(RunDirectoryError, match=r"process \d+ on .* since"), stored(tmp_path, "gs://bucket/held"):
            pass
    assert LOCK_OBJECT not in ObjectStore("gs://bucket/held").sizes()
