"""Why results that lie in a run directory are done again: one line, told before the run begins."""

from __future__ import annotations

import json
from typing import Any

from curation.former_names import FORMER_IN_JOBS
from curation.manifest import OUTPUT_VERSION
from rules.places import Located, with_names_of_today

_SETTINGS_OF = {"rules": ("packs",), "extract": ("read", "extract")}  # sections of a job by the stage that they belong to


def told_changes(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What changed between two run.json of one run directory, and from which stage on results are done again; None where nothing did.

    Of files that were added or changed, nothing is said: they alone are done."""
    version = before.get("output_version", "none noted")
    if version != OUTPUT_VERSION:
        return f"what lies here was written by another version of gristmill (version of the files: {version}, now {OUTPUT_VERSION}): everything is done again"
    old, new = before.get("job", {}), json.loads(json.dumps(now["job"], default=str))
    today = with_names_of_today(Located("", old, {}), FORMER_IN_JOBS)[0].data
    renamed = [name for name in new if name != "input" and old.get(name) != today.get(name) == new[name]]
    changed = [name for name in new if name != "input" and today.get(name) != new[name]]
    names = [f"{name} ({', '.join(_packs(old, new))})" if name == "packs" else name for name in changed]
    told = [f"the job changed in {', '.join(names)}"] * bool(changed) + [f"settings of {', '.join(renamed)} got other names"] * bool(renamed)
    if not told:
        return None
    return f"since the last run here {' and '.join(told)}: {_from(changed + renamed, new['stages'])}; what does not depend on it is kept"


def _packs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The packs that came, went or changed."""
    before, after = old.get("packs", {}), new["packs"]
    return [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)] or ["their order"]


def _from(changed: list[str], stages: list[str]) -> str:
    """From which stage on results are done again, as far as the names of the changed settings tell."""
    if set(changed) & {"order", "stages"} or "extract" in changed or "read" in changed:
        return "passes whose stages, or whose input, are others now are done again"
    touched = [stage for stage in stages if set(_SETTINGS_OF.get(stage, (stage,))) & set(changed)]
    if touched:
        return f"what depends on {touched[0]} is done again"
    return "packed/ is done again" if "pack" in changed else "what depends on that is done again"
