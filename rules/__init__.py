"""What a rule is, what it measures, what it decides. `from rules import load_pack, apply` is the Python API."""

from __future__ import annotations

from typing import Any

__all__ = ["Result", "apply", "load_pack"]


def __getattr__(name: str) -> Any:
    """Imported on use: `import rules.places` stays light."""
    if name == "load_pack":
        from rules.format.pack import load_pack

        return load_pack
    if name in ("apply", "Result"):
        from rules import tables

        return getattr(tables, name)
    raise AttributeError(f"module 'rules' has no attribute {name!r}")
