"""Rehydration as a unit of work of a run: the removal rates of its documents by cluster size, counted once and found counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from curation.manifest import Entry, key_of
from curation.pack_settings import PackSettings
from curation.rehydration import copies_table, count_sizes, explained, explained_table
from curation.run_state import RunState

UNIT = "rehydration"


def rehydrated(run: RunState, settings: PackSettings) -> tuple[PackSettings, dict[str, Any]]:
    """`settings` with copies by cluster size, and what the manifest says of them; nothing where documents have no copies."""
    if not settings.rehydrate:
        return settings, {}
    if settings.rehydrate != "removal_rates":
        name = settings.rehydrate if isinstance(settings.rehydrate, str) else "table"
        return settings, {UNIT: explained_table(settings.copies_by_size, name)}
    said = _counted(run, settings).counts
    return replace(settings, rehydrate=copies_table(said)), {UNIT: said}


def _counted(run: RunState, settings: PackSettings) -> Entry:
    files = {path: out["sha256"] for entry in run.live.values() for path, out in entry.outputs.items() if path.startswith(("clean/", "removed/"))}
    key = key_of(UNIT, sorted(files.items()), run.job.stages, settings.max_copies, settings.rate_documents)
    entry = run.known(UNIT, key)
    if entry is None:
        counts = count_sizes([run.job.output / path for path in sorted(files)], run.job.stages)
        entry = run.add(run.manifest.record(Entry(UNIT, key, {}, explained(counts, settings.max_copies, settings.rate_documents))))
    return entry
