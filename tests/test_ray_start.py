"""Joining a cluster that is there, one that is not, and what is said where Ray does not start."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from curation.ray_start import (
    RaySettings,
    WorkerError,
    available_memory,
    diagnosis,
    ray_processes,
    started_ray,
    told_when_it_stalls,
)
from rules.places import SettingError

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def test_a_cluster_that_is_not_there_is_refused_at_once():
    with socket.socket() as silent:  # whose port nobody else can take meanwhile
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(WorkerError, match=f"127.0.0.1:{port} does not answer.*\n(.*\n)+.*--workers inline"):
            started_ray(0, RaySettings(address=f"127.0.0.1:{port}"))
        assert time.monotonic() - began < 20


def test_the_address_may_come_from_the_environment(monkeypatch):
    assert RaySettings().cluster() is None
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert RaySettings().cluster() == "head:6379" and RaySettings(address="auto").cluster() == "auto"


def test_a_stall_is_told_with_what_to_do(capfd):
    said, until = "", time.monotonic() + 60
    with told_when_it_stalls("127.0.0.1:1", seconds=0.01):
        while "--workers inline" not in said and time.monotonic() < until:  # its last line
            time.sleep(0.01)
            said += capfd.readouterr().err
    assert "not started after 0.01 s" in said and "does not answer" in said and "--workers inline" in said
    with told_when_it_stalls(None, seconds=30):
        pass
    assert capfd.readouterr().err == ""


def test_what_is_looked_at_on_this_machine():
    assert available_memory() > 0 and ray_processes() >= 0
    assert all(line.startswith("  ") for line in diagnosis(None))


@pytest.mark.parametrize(("settings", "key"), [({"cpus_per_task": 0}, "cpus_per_task"), ({"memory_per_task": "2 houses"}, "memory_per_task"), ({"memory_per_task": 2000}, "memory_per_task"), ({"in_flight": 0}, "in_flight")])
def test_settings_are_checked(settings, key):
    with pytest.raises(SettingError, match=key):
        RaySettings(**settings)


ON_THE_CLUSTER = """
import os

from curation.executor import Watch, map_tasks
from curation.manifest import key_of
from curation.ray_start import RaySettings, WorkerError

ready = []
prepared = Watch(prepare=os.getpid, ready=ready.append)
assert sorted(map_tasks(key_of, range(5), "auto", watch=prepared)) == sorted(map(key_of, range(5))) and 1 <= ready[0] <= 2
assert sorted(map_tasks(key_of, range(5), "auto", RaySettings(memory_per_task="50MB"))) == sorted(map(key_of, range(5)))
try:
    list(map_tasks(key_of, range(5), "auto", RaySettings(cpus_per_task=3)))
except WorkerError as error:
    print(error)
"""


@pytest.fixture
def cluster():
    """A head node with two CPUs in processes of its own; the environment that joins it.

    Its files lie in a folder of its own, short because of sockets. (`ray stop` would stop every Ray of this machine.)"""
    port, folder = free_port(), tempfile.mkdtemp(prefix="r", dir="/tmp")
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
    options = [f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--object-store-memory=100000000"]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *options]
    head = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, env=environment)
    import ray.util

    address = f"{ray.util.get_node_ip_address()}:{port}"
    try:
        for line in head.stdout:
            if b"--block" in line or b"Ray runtime started" in line:
                break
        yield environment | {"RAY_ADDRESS": address, "PYTHONPATH": str(ROOT)}
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        try:
            head.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_tasks_run_on_a_cluster_and_are_refused_where_none_fits(cluster):
    """In a process of its own, which reads the token that the head node has made."""
    done = subprocess.run([sys.executable, "-c", ON_THE_CLUSTER], capture_output=True, text=True, env=cluster, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "no task fits the cluster, which has 2 CPUs" in done.stdout
