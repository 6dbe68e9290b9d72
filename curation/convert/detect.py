"""Which tool a configuration is of, and its conversion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curation.convert.data_juicer import convert_data_juicer
from curation.convert.datatrove import convert_datatrove
from curation.convert.dolma import convert_dolma
from curation.convert.result import Converted
from curation.convert.steps import read_yaml

CONVERTERS: dict[str, Callable[..., Converted]] = {"datatrove": convert_datatrove, "data-juicer": convert_data_juicer, "dolma": convert_dolma}


def convert_file(path: Path, tool: str | None = None, words: str | None = None) -> Converted:
    """Convert a configuration. `tool`: whose it is, if known; `words`: how packs divide words. Raises ConvertError."""
    converter = CONVERTERS[tool or tool_of(path)]
    return converter(path, words) if words else converter(path)


def tool_of(path: Path) -> str:
    """The tool by the file's keys: `streams:` is dolma's, `process:` data-juicer's, everything else datatrove's."""
    if path.suffix == ".py":
        return "datatrove"
    data = read_yaml(path)
    keys = set(data) if isinstance(data, dict) else set()
    return "dolma" if "streams" in keys else "data-juicer" if "process" in keys else "datatrove"
