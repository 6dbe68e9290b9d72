"""Input and output in object storage, against a real S3 server on this machine."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus import documents, write_corpus, write_job
from fsspec.registry import _registry
from run_data import local_data, stored_data

from curation import object_store
from curation.cli import report as report_command
from curation.cli import verify as verify_command
from curation.inputs import InputError, list_inputs, plan_shards
from curation.job import load_job
from curation.manifest import Manifest
from curation.object_store import ObjectStore, StoreError, open_system, workspace_of
from curation.readers import ReadSettings, read_shard
from curation.run import run_job
from curation.run_argument import RUN_FOLDER
from curation.run_cli import run as run_command
from curation.run_directory import RunDirectoryError
from curation.run_lock import this_process
from curation.stored_run import LOCK_OBJECT, STALE_SECONDS, stored
from curation.verify import verify
from curation.why_cli import why as why_command

COMMANDS = {"why": why_command, "verify": verify_command, "report": report_command}
s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


def set_address(patch: pytest.MonkeyPatch, host: str, port: int, **more: str) -> None:
    """Have every s3:// go to a server of this machine."""
    told = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (told | more).items():
        patch.setenv(name, value)


@pytest.fixture(scope="module")
def s3():
    """The address of an S3 server on localhost, which every s3:// of these tests goes to."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        set_address(patch, host, port)
        s3fs.S3FileSystem.clear_instance_cache()
        system, _ = open_system("s3://bucket/x")
        system.mkdir("bucket")
        yield system
        s3fs.S3FileSystem.clear_instance_cache()
        object_store._opened.cache_clear()
    running.stop()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def remote_job(folder: Path, url: str) -> Path:
    job = write_job(folder / "job.yaml", write_corpus(folder / "corpus"))
    text = job.read_text().splitlines()
    job.write_text("\n".join(f"output: {url}" if line.startswith("output:") else line for line in text) + "\n")
    return job


def test_input_of_every_kind_is_read_from_s3(s3, tmp_path):
    """Names with spaces, unicode and what globs and URLs give meaning to; folders, globs and single objects."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    local = write_corpus(tmp_path / "corpus", files=1) / "part-0.jsonl"
    text = local.read_bytes()
    pq.write_table(pa.Table.from_pylist(documents()), tmp_path / "t.parquet", row_group_size=50)
    names = {
        "in/a b.jsonl": text,
        "in/größe#1?.jsonl.gz": gzip.compress(text),
        "in/deep/t%20.parquet": (tmp_path / "t.parquet").read_bytes(),
        "in/_SUCCESS": b"",
        "in/x.txt": b"words",
    }
    for name, content in names.items():
        s3.pipe_file(f"bucket/{name}", content)
    files = list_inputs(["s3://bucket/in"], tmp_path)
    assert [file.name for file in files] == sorted(["a b.jsonl", "größe#1?.jsonl.gz", "deep/t%20.parquet", "x.txt"])
    assert [file.name for file in list_inputs(["s3://bucket/in/*.jsonl"], tmp_path)] == ["a b.jsonl"]
    assert len(list_inputs(["s3://bucket/in/größe#1?.jsonl.gz"], tmp_path)) == 1
    rows = {shard.file.name: [batch.records for batch in read_shard(shard, ReadSettings())] for shard in plan_shards(files)}
    assert {name: sum(counts) for name, counts in rows.items()} == {"a b.jsonl": 120, "größe#1?.jsonl.gz": 120, "deep/t%20.parquet": 120, "x.txt": 1}


def test_what_cannot_be_listed_is_told(s3, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="matches no file"):
        list_inputs(["s3://bucket/nothing/*.jsonl"], tmp_path)
    with pytest.raises(InputError, match="matches no file|cannot be listed"):
        list_inputs(["s3://no-such-bucket/x.jsonl"], tmp_path)
    with pytest.raises(StoreError, match="nope://"):
        list_inputs(["nope://bucket/x"], tmp_path)
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as where it is not installed
    for protocol in ("gs", "gcs"):
        monkeypatch.delitem(_registry, protocol, raising=False)
    with pytest.raises(StoreError, match=r"pip install 'gristmill\[gcs\]'"):
        list_inputs(["gs://bucket/x"], tmp_path)


def test_a_run_to_s3_holds_the_bytes_of_a_local_one_and_resumes_elsewhere(s3, tmp_path, cache):
    local = load_job(write_job(tmp_path / "local.yaml", write_corpus(tmp_path / "corpus")))
    run_job(local, "inline")
    job = load_job(remote_job(tmp_path, "s3://bucket/runs/one"))
    store = ObjectStore("s3://bucket/runs/one")
    with pytest.raises(KeyboardInterrupt):
        run_job(job, "inline", should_stop=lambda: sum(name.startswith("manifest/") for name in store.sizes()) >= 3)
    assert LOCK_OBJECT not in store.sizes() and "run.json" in store.sizes()
    shutil.rmtree(cache)  # another machine goes on
    result = run_job(job, "inline")
    assert result.done_before >= 3
    assert stored_data(store) == local_data(local.output)
    assert verify("s3://bucket/runs/one").problems == []
    shutil.rmtree(cache)
    again = run_job(job, "inline")
    assert again.done_before == again.units


def test_forked_workers_write_to_s3_what_one_process_writes(s3, tmp_path, cache):
    """A fork has nothing of the connections that the run has opened: each worker opens its own, to read and to write."""
    corpus = write_corpus(tmp_path / "corpus")
    for file in sorted(corpus.iterdir()):
        s3.put_file(str(file), f"bucket/forked-in/{file.name}")
    job = remote_job(tmp_path, "s3://bucket/runs/forked")
    job.write_text(re.sub("input: .*", "input: s3://bucket/forked-in", job.read_text()))
    result = run_job(load_job(job), "2")
    assert result.done_before == 0 and verify("s3://bucket/runs/forked").problems == []
    store = ObjectStore("s3://bucket/runs/forked")
    forked = stored_data(store)
    shutil.rmtree(cache)
    job.write_text(job.read_text().replace("runs/forked", "runs/inline"))
    run_job(load_job(job), "inline")
    assert forked == stored_data(ObjectStore("s3://bucket/runs/inline"))


def test_a_changed_job_leaves_nothing_of_the_earlier_one(s3, tmp_path, cache):
    path = remote_job(tmp_path, "s3://bucket/runs/two")
    run_job(load_job(path), "inline")
    path.write_text(path.read_text().replace("gopher_quality]", "{use: gopher_quality, set: {stop-words: tag}}]"))
    shutil.rmtree(cache)
    run_job(load_job(path), "inline")
    assert verify("s3://bucket/runs/two").problems == []


def test_verify_and_reading_commands_take_the_url(s3, tmp_path, cache):
    job = remote_job(tmp_path, "s3://bucket/runs/three")
    assert CliRunner().invoke(run_command, [str(job), "--workers", "inline"]).exit_code == 3
    folder = RUN_FOLDER.convert("s3://bucket/runs/three", None, None)
    assert folder == workspace_of("s3://bucket/runs/three") and (folder / "report/report.json").exists()
    store = ObjectStore("s3://bucket/runs/three")
    victim = next(name for name in store.sizes() if name.startswith("clean/"))
    content = store.read(victim)
    done = CliRunner().invoke(verify_command, ["s3://bucket/runs/three"])
    assert done.exit_code == 0, done.output
    for damaged, said in ((content[:-1], "bytes, the manifest says"), (b"?" + content[1:], "altered"), (None, "missing")):
        store.delete([victim]) if damaged is None else store.write(victim, damaged)
        store.write("removed/stranger", b"x")
        found = CliRunner().invoke(verify_command, ["s3://bucket/runs/three"]).output
        assert f"{victim}: " in found and said in found and "removed/stranger: not listed" in found
    run_job(load_job(job), "inline")  # an entry that lists what is not there is nobody's
    assert store.read(victim) == content and verify("s3://bucket/runs/three").problems == []
    with pytest.raises(RunDirectoryError):
        verify("s3://bucket/nothing here")
    refused = CliRunner().invoke(run_command, [str(job), "--fresh"], input="n\n")
    assert refused.exit_code == 2 and "s3://bucket/runs/three" in refused.output and store.exists(victim)
    assert CliRunner().invoke(run_command, [str(job), "--fresh", "--yes", "--workers", "inline"]).exit_code == 3


def test_large_files_go_in_parts_and_appear_whole(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(object_store, "PART_BYTES", 5 << 20)
    store, file = ObjectStore("s3://bucket/parts"), tmp_path / "large"
    file.write_bytes(bytes(range(256)) * (44 << 10))  # 11 MiB
    store.upload(file, "large")
    assert s3.info("bucket/parts/large")["ETag"].strip('"').endswith("-3")  # S3's mark of an upload in three parts
    store.fetch("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", _fail_at_part(s3fs.S3FileSystem._call_s3))
    with pytest.raises(OSError, match="cable"):
        store.upload(file, "never")
    assert not store.exists("never")


def _fail_at_part(real):
    async def call(self, method, *args, **kwargs):
        if method == "upload_part" and kwargs["PartNumber"] == 2:
            raise OSError("cable cut")
        return await real(self, method, *args, **kwargs)

    return call


def test_an_entry_is_put_after_its_outputs_and_taken_away_before_they_change(s3, tmp_path, cache, monkeypatch):
    store, seen = ObjectStore("s3://bucket/order"), []
    (tmp_path / object_store.STORE_FILE).write_text(store.url)
    for name in ("upload", "write", "delete"):
        monkeypatch.setattr(ObjectStore, name, _noted(name, getattr(ObjectStore, name), seen))
    from curation.manifest import Entry

    for text in ("one", "two", "two"):
        (tmp_path / "clean").mkdir(exist_ok=True)
        (tmp_path / "clean/a").write_text(text)
        Manifest(tmp_path).record(Entry("pass0/00000", "key", {"clean/a": {"rows": 0, "bytes": 3, "sha256": text}}))
    entry = "manifest/pass0/00000.json"
    put = [("upload", "clean/a"), ("write", entry)]
    assert seen == [*put, ("delete", entry), *put, ("write", entry)]


def _noted(what, real, seen):
    def call(self, *args, **kwargs):
        seen.append((what, args[0][0] if what == "delete" else args[-1] if what == "upload" else args[0]))
        return real(self, *args, **kwargs)

    return call


def test_two_runs_at_once_are_refused_and_a_stale_lock_is_taken(s3, tmp_path):
    url, store = "s3://bucket/held", ObjectStore("s3://bucket/held")
    with stored(tmp_path, url):
        assert json.loads(store.read(LOCK_OBJECT))["process"] == this_process().process
        with pytest.raises(RunDirectoryError, match=r"process \d+ on .* since"), stored(tmp_path, url):
            pass
    assert LOCK_OBJECT not in store.sizes()
    other = {"process": 1, "machine": "another", "since": "2024-01-01 00:00:00 +0000", "epoch": 1.7e9}
    now = this_process().epoch
    store.write(LOCK_OBJECT, json.dumps(other | {"seen": now}).encode())
    with pytest.raises(RunDirectoryError, match="process 1 on another since 2024-01-01"), stored(tmp_path, url):
        pass
    store.write(LOCK_OBJECT, json.dumps(other | {"seen": now - STALE_SECONDS - 1}).encode())
    with stored(tmp_path, url):
        pass


def test_the_lock_is_taken_by_one_of_many(s3):
    store, won = ObjectStore("s3://bucket/race"), []

    def take(number: int) -> None:
        try:
            store.write("lock", str(number).encode(), create=True)
            won.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(won) == 1 and store.read("lock") == str(won[0]).encode()


def test_a_store_that_goes_away_is_told_and_the_run_goes_on_when_it_is_back(tmp_path, cache, monkeypatch):
    """The server ends after the third unit, and comes back at the same address with what it had."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    set_address(monkeypatch, host, port, AWS_MAX_ATTEMPTS="1")
    s3fs.S3FileSystem.clear_instance_cache()
    object_store._opened.cache_clear()
    system, _ = open_system("s3://leaving/x")
    system.mkdir("leaving")
    job, units, closed = remote_job(tmp_path, "s3://leaving/run"), [], socket.socket()
    closed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def stop_server() -> bool:
        units.append(None)
        if len(units) == 3:
            running.stop()
            closed.bind((host, port))  # and does not listen: nobody else is given the port meanwhile
        return False

    with pytest.raises(StoreError, match=r"s3://leaving/run cannot .*check the address"):
        run_job(load_job(job), "inline", should_stop=stop_server)
    for command in (["why", "s3://leaving/run", "x"], ["verify", "s3://leaving/run"], ["report", "s3://leaving/run"]):
        done = CliRunner().invoke(COMMANDS[command[0]], command[1:])
        assert done.exit_code == 2 and "s3://leaving/run cannot be listed" in done.output and "Traceback" not in done.output
    store = ObjectStore("s3://leaving/run")
    for asked in (lambda: store.exists("run.json"), lambda: store.read_all(["run.json", LOCK_OBJECT]), lambda: store.read_all(["run.json"])):
        with pytest.raises(StoreError, match="s3://leaving/run cannot be used: .*check the address"):
            asked()
    with pytest.raises(StoreError) as caught:
        run_job(load_job(job), "inline")
    assert str(caught.value).count("check the address") == 1
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    running.start()
    closed.close()
    try:
        system.rm(f"leaving/run/{LOCK_OBJECT}")  # of this process, which another would find gone
        assert run_job(load_job(job), "inline").done_before >= 1
        assert verify("s3://leaving/run").problems == []
    finally:
        running.stop()
        s3fs.S3FileSystem.clear_instance_cache()
        object_store._opened.cache_clear()


def test_a_place_with_something_else_is_refused(s3, tmp_path, cache):
    s3.pipe_file("bucket/mine/thesis.doc", b"precious")
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        run_job(load_job(remote_job(tmp_path, "s3://bucket/mine")), "inline")
    assert s3.cat_file("bucket/mine/thesis.doc") == b"precious"
    with pytest.raises(StoreError, match="cannot write to output"):
        run_job(load_job(remote_job(tmp_path, "s3://no-such-bucket/x")), "inline")
