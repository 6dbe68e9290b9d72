"""Sizes as people write them, such as 8GB or 500MiB, and as they read them."""

from __future__ import annotations

import re

from rules.places import SettingError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}


def parse_size(text: str | int, key: str = "memory", least: int = 1, instead: str = "") -> int:
    """Bytes of "8 GB", "500MiB", 1000: the setting `key`, which may also be what `instead` says ("auto or "). Raises SettingError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([kmgt]?i?)b?", str(text).strip().lower())
    if not found or found[2] not in UNITS or not float(found[1]):
        raise SettingError(key, f"{key} is {instead}a size such as 8GB, got {text!r}")
    size = int(float(found[1]) * UNITS[found[2]])
    if size < least:
        raise SettingError(key, f"{key} must be at least {shown_size(least)}, got {shown_size(size)}: write the unit, such as 4GB")
    return size


def shown_size(size: int) -> str:
    """A size to read, which `parse_size` reads too."""
    unit = next((unit for unit in ("GB", "MB", "kB") if size >= UNITS[unit[0].lower()]), "B")
    return f"{size / UNITS[unit[:-1].lower()]:.3g} {unit}"
