"""Pages that are made from the code are current, and the Python in the docs runs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[1]


def pages() -> dict:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts/write_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES


@pytest.mark.parametrize("path", ["docs/commands.md", "docs/signals.md", "docs/packs.md", "docs/inspect-keys.md", "docs/jobs.md"])
def test_generated_pages_are_current(path):
    assert (ROOT / path).read_text(encoding="utf-8") == pages()[path](), "run: python scripts/write_docs.py"


def test_the_python_api_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python-api.md").read_text(), re.DOTALL)
    names: dict = {"table": pa.table({"text": ["Accept all cookies\nA short text."], "url": ["https://example.org"]})}
    for block in blocks:
        exec(block, names)
    assert len(names["result"].removed) == 1 and names["values"]["words"].tolist() == [6.0] and names["clusters"].tolist() == [0]
    names["table"] = pa.concat_tables([names["table"]] * 3)
    exec(blocks[-1], names)
    assert names["clusters"].tolist() == [0, 0, 0]


def test_the_signal_of_the_page_about_signals_is_one():
    import numpy as np

    from rules.measures import signals
    from rules.measures.signal import Signal, ratio

    block = re.search(r"```python\n(Signal\(.*?\))\n```", (ROOT / "docs/add-a-signal.md").read_text(), re.DOTALL)[1]
    signal = eval(block, {"Signal": Signal, "ratio": ratio, "OWN": signals.OWN})
    assert signal.value({"hashes": np.array([1]), "chars": np.array([4])}) == 0.25
