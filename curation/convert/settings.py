"""The settings of one step of another tool, taken one by one, so that none is left out without a word."""

from __future__ import annotations

from typing import Any

from curation.convert.result import Converted
from curation.convert.steps import UNKNOWN, Step
from rules.languages import normalise


class Reader:
    """The settings of one step; what nobody asked for is told at the end."""

    def __init__(self, step: Step, converted: Converted) -> None:
        self.step, self.converted = step, converted
        self.left = {key: value for key, value in step.settings.items() if key not in ("exclusion_writer", "batch_size")}

    def take(self, key: str, default: Any) -> Any:
        """A setting, or its default; one that the script computes is told and left at the default."""
        value = self.left.pop(key, default)
        if value is not UNKNOWN and not isinstance(value, Step):
            return value
        self.converted.missing(self.step.where, f"{self.step.name}({key}=...)", f"it is computed when the script runs; here it is {default!r}")
        return default

    def number(self, key: str, default: float | None) -> float | None:
        """A number or None; anything else is told."""
        value = self.take(key, default)
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        self.converted.missing(self.step.where, f"{self.step.name}({key}={value!r})", f"no number; here it is {default!r}")
        return default

    def texts(self, key: str) -> list[str]:
        """A list of texts, or one of them; empty where there is none."""
        value = self.take(key, None)
        values = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple, set)) else []
        return [str(text) for text in values]

    def languages(self, key: str) -> list[str]:
        """Languages by their codes here; a name that nobody knows stays, for the check of the job to tell."""
        return [_code(name) for name in self.texts(key) if name]

    def done(self) -> None:
        """Tell of the settings that are left."""
        for key, value in self.left.items():
            self.converted.missing(self.step.where, f"{self.step.name}({key}={value!r})", "this setting has no equal here")


def _code(name: str) -> str:
    try:
        return normalise(name)
    except ValueError:
        return name
