"""A run whose output is in object storage: held by one run at a time, its manifest fetched before, the rest put after.

The lock is an object that names its holder; the holder writes it again every minute. A lock whose process is gone from
this machine, or that nobody wrote for ten minutes, is stale and is taken over.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from curation.manifest import Entry, Manifest
from curation.object_store import STORE_FILE, ObjectStore, StoreError, store_of, unreachable, workspace_of
from curation.report import REPORT_JSON
from curation.run_directory import DATA_FOLDERS, RUN_FILE, RunDirectoryError
from curation.run_lock import Holder, this_process
from curation.run_log import LOG_FILE
from curation.shard_numbers import NUMBERS_FILE
from curation.shards import whole_file

LOCK_OBJECT = "lock.json"
BEAT_SECONDS, STALE_SECONDS = 60.0, 600.0


@contextmanager
def stored(workspace: Path, url: str | None) -> Iterator[None]:
    """Hold the store at `url` (None: there is none), and make the manifest of `workspace` the store's."""
    if url is None:
        (workspace / STORE_FILE).unlink(missing_ok=True)
        yield
        return
    store = ObjectStore(url)
    with _held(store):
        (workspace / STORE_FILE).write_text(url, encoding="utf-8")
        fetch_manifest(workspace, store)
        yield


def fetch_manifest(workspace: Path, store: ObjectStore) -> None:
    """Entries whose objects are all there become the workspace's manifest; the others are nobody's, and are deleted."""
    sizes = store.sizes()
    check_store(store, sizes)
    entries = _entries(store, sizes)
    found = _whole(entries, sizes)
    store.delete(entries.keys() - found.keys())
    for unit in Manifest(workspace).units():
        if f"manifest/{unit}.json" not in found:
            (workspace / f"manifest/{unit}.json").unlink()
    for name, data in found.items():
        _put(workspace / name, data)
    for name in {RUN_FILE, NUMBERS_FILE} & sizes.keys():
        _put(workspace / name, store.read(name))


def check_store(store: ObjectStore, sizes: dict[str, int]) -> None:
    """Raises RunDirectoryError where the store holds something else."""
    strangers = sorted(name for name in sizes if name != LOCK_OBJECT)
    if strangers and RUN_FILE not in sizes:
        raise RunDirectoryError(f"output {store.url} is not empty and not a run directory (it holds {', '.join(strangers[:3])}); name another place")


def _entries(store: ObjectStore, sizes: dict[str, int]) -> dict[str, bytes]:
    return store.read_all(name for name in sizes if name.startswith("manifest/") and name.endswith(".json"))


def _whole(entries: dict[str, bytes], sizes: dict[str, int]) -> dict[str, bytes]:
    """The entries all of whose outputs are there."""
    whole = {}
    for name, data in entries.items():
        try:
            outputs = json.loads(data)["outputs"]
        except (ValueError, KeyError, TypeError):
            outputs = {name: {"bytes": -1}}
        if all(sizes.get(path) == out["bytes"] for path, out in outputs.items()):
            whole[name] = data
    return whole


def _put(file: Path, data: bytes) -> None:
    if not file.exists() or file.read_bytes() != data:
        with whole_file(file) as temporary:
            temporary.write_bytes(data)


def publish_start(workspace: Path) -> None:
    """Put run.json and the numbers of shards, before the first unit."""
    store = store_of(workspace)
    if store is not None:
        for name in (RUN_FILE, NUMBERS_FILE):
            store.upload(workspace / name, name)


def publish_end(workspace: Path, live: Iterable[Entry]) -> None:
    """Delete objects that no unit of the run lists, and put the report, report.json last."""
    store = store_of(workspace)
    if store is None:
        return
    live = list(live)
    listed = {path for entry in live for path in entry.outputs} | {f"manifest/{entry.unit}.json" for entry in live}
    folders = tuple(f"{folder}/" for folder in DATA_FOLDERS)
    store.delete(name for name in store.sizes() if name.startswith(folders) and name not in listed)
    reports = [str(p.relative_to(workspace)) for p in sorted((workspace / "report").rglob("*")) if p.is_file()]
    for name in [*sorted(reports, key=lambda name: name == REPORT_JSON), LOG_FILE]:
        store.upload(workspace / name, name)


def delete_stored(url: str) -> None:
    """Delete every object of a run directory but run.json."""
    store = ObjectStore(url)
    with _held(store):
        sizes = store.sizes()
        check_store(store, sizes)
        store.delete(name for name in sizes if name not in (LOCK_OBJECT, RUN_FILE))


def local_copy(url: str) -> Path:
    """A run directory in object storage, fetched: what is in its workspace already is not fetched again."""
    store, workspace = ObjectStore(url), workspace_of(url)
    sizes = store.sizes()
    if RUN_FILE not in sizes:
        raise RunDirectoryError(f"{url} is not a run directory (it has no {RUN_FILE}); make one with `gristmill run JOB`")
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        (workspace / STORE_FILE).write_text(url, encoding="utf-8")
        fetch_manifest(workspace, store)
        shutil.rmtree(workspace / "report", ignore_errors=True)
        for name in (name for name in sizes if name.startswith("report/") or name == RUN_FILE):
            store.fetch(name, workspace / name)
        _fetch_outputs(workspace)
    except OSError as error:
        raise StoreError(f"{url} cannot be fetched to {workspace}: {error}") from None
    return workspace


def _fetch_outputs(workspace: Path) -> None:
    manifest = Manifest(workspace)
    for unit in manifest.units():
        entry = manifest.read(unit)
        if entry is not None:
            manifest.done(unit, entry.key)


# --- the lock ----------------------------------------------------------------------------------------------


@contextmanager
def _held(store: ObjectStore) -> Iterator[None]:
    holder, stop = this_process(), threading.Event()
    try:
        _take(store, holder)
    except (RunDirectoryError, StoreError):
        raise
    except Exception as error:  # each library raises its own when credentials, or the bucket, are missing
        raise unreachable(f"cannot write to output {store.url}", error) from None
    beat = threading.Thread(target=_beat, args=(store, holder, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        with suppress(StoreError, OSError):  # where the store is gone the lock ends by itself, and what went wrong is told
            store.delete([LOCK_OBJECT])


def _take(store: ObjectStore, holder: Holder) -> None:
    try:
        store.write(LOCK_OBJECT, _told(holder), create=True)
    except FileExistsError:
        other, seen = _read(store)
        if other is not None and not other.is_gone and time.time() - seen < STALE_SECONDS:
            message = f"{store.url} is in use by another run ({other}); wait for it, or stop it first; if it is gone, its lock ends in {STALE_SECONDS / 60:.0f} minutes"
            raise RunDirectoryError(message) from None
        store.write(LOCK_OBJECT, _told(holder))


def _told(holder: Holder) -> bytes:
    return json.dumps({**asdict(holder), "seen": time.time()}).encode()


def _read(store: ObjectStore) -> tuple[Holder | None, float]:
    try:
        found = json.loads(store.read(LOCK_OBJECT))
        seen = float(found.pop("seen"))
        return Holder(**found), seen
    except (ValueError, TypeError, KeyError, FileNotFoundError):
        return None, 0.0


def _beat(store: ObjectStore, holder: Holder, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        try:
            store.write(LOCK_OBJECT, _told(holder))
        except Exception:  # of any library; the next one may get through, and a run whose lock ends is still the run
            continue
