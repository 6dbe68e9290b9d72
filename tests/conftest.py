"""Shared fixtures: where real data lies, and a small corpus written by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def pytest_configure() -> None:
    """What is kept between processes is kept beside what pytest keeps."""
    os.environ.setdefault("GRISTMILL_CACHE", str(ROOT / ".pytest_cache" / "gristmill"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data that is too large to ship."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the development data in {folder}, which is not shipped")
    return folder
