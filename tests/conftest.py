"""Shared fixtures: where real data lies. And what needs PyTorch skips where it is not installed (`make test-py312`)."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
WITHOUT_TORCH = importlib.util.find_spec("torch") is None
settings.register_profile("any_machine", deadline=None)  # an example is not wrong because the machine was busy with something else
settings.load_profile("any_machine")


def pytest_configure() -> None:
    """What is kept between processes is kept beside what pytest keeps."""
    os.environ.setdefault("GRISTMILL_CACHE", str(ROOT / ".pytest_cache" / "gristmill"))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if WITHOUT_TORCH and report.failed and "No module named 'torch'" in str(report.longrepr):
        skip(report, collector.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    error = call.excinfo and call.excinfo.value
    if WITHOUT_TORCH and isinstance(error, ModuleNotFoundError) and error.name == "torch":
        skip(report, item.path)
    return report


def skip(report, path: Path) -> None:
    """Change a failure to a skip: only a missing PyTorch is told this way, and where it is there, nothing is."""
    report.outcome, report.longrepr = "skipped", (str(path), 0, "Skipped: PyTorch is not installed")


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data that is too large to ship."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the development data in {folder}, which is not shipped")
    return folder
