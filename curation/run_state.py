"""A run in progress: its units of work, which of them are done, and how the others are handed to workers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from curation.duplicates import write_keys
from curation.executor import Watch, Workers, in_workers, map_tasks, on_ray, start_workers
from curation.job import LoadedJob
from curation.manifest import Entry, Manifest
from curation.progress import Progress, StageBar, Work
from curation.shards import file_sha256

# It passes common rules but for its last line, which has no mark at its end: what works on edits is warmed up too.
TEXT_LIKE_MANY = """\
The river rises in the hills to the north of the town, and it is joined there by two smaller streams.
People have lived on its banks for a long time, because the land is good and the water has never failed.
In spring the meadows are under water for some weeks, and the birds that come back from the south stay with them.
A mill stood at the old bridge until a fire took it; the wheel is still there, and children play on it in the summer.
Those who want to see the valley should walk up to the chapel in the evening, when the light is low and warm.
Read more about the river
"""


@dataclass
class RunState:
    """State of one run in progress."""

    job: LoadedJob
    workers: Workers
    progress: Progress
    manifest: Manifest
    should_stop: Callable[[], bool]
    live: dict[str, Entry] = field(default_factory=dict)  # every unit that belongs to this run
    done_before: int = 0
    prepared: bool = False  # have the workers loaded what they need?

    def start_early(self, shards: int) -> None:
        """Start workers before anything is planned, where nothing was ever done here, so that all of it is to do."""
        if on_ray(shards, self.workers, self.job.settings.ray) and not any(self.manifest.folder.glob("*")):
            start_workers(self.workers, self.job.settings.ray)

    def known(self, unit: str, key: str) -> Entry | None:
        entry = self.manifest.done(unit, key)
        if entry is not None and entry.input.get("limits", now := repr(self.job.settings.limits)) != now:
            entry = None  # records were quarantined for limits that have changed
        if entry is not None:
            self.done_before += 1
            self.live[unit] = entry
        return entry

    def add(self, entry: Entry) -> Entry:
        self.live[entry.unit] = entry
        return entry

    def mapped(self, function: Callable[[Any], Entry], tasks: list[Any], bar: StageBar, meanwhile: Callable[[], None] | None = None) -> Iterator[Entry]:
        """Entries of the tasks as they are finished, until a stop is asked for. `bar` is told what is handed out; `meanwhile`
        is done here once forked workers have something to do."""
        watch = Watch(lambda task: bar.begin(task.unit), bar.tick, lambda task: bar.sizes.get(task.unit, 0), self.should_stop, meanwhile=meanwhile, keep=True)
        if not self.prepared and len(tasks) > 1 and in_workers(len(tasks), self.workers, self.job.settings.ray):
            warm_kernels(self.job)
            watch, self.prepared = replace(watch, prepare=functools.partial(warm_up, self.job), ready=bar.ready), True
        yield from map_tasks(function, tasks, self.workers, self.job.settings.ray, watch)
        if self.should_stop():
            raise KeyboardInterrupt

    def finished(self, title: str, function: Callable[[Any], Entry], tasks: list[Any]) -> list[Entry]:
        """The entries of all tasks, in their order; those that are not done are done now. A task has `unit` and `key`."""
        entries = {task.unit: self.known(task.unit, task.key) for task in tasks}
        waiting = [task for task in tasks if entries[task.unit] is None]
        work = [Work(task.unit, task.unit) for task in waiting]
        with self.progress.stage(title, work, len(tasks) - len(waiting)) as bar:
            for entry in self.mapped(function, waiting, bar):
                entries[entry.unit] = self.add(entry)
                bar.advance(entry)
        return [entries[task.unit] for task in tasks]


def file_entry(output: Path, path: str, rows: int = 0) -> dict[str, Any]:
    """What the manifest says of a file of the run directory."""
    file = output / path
    return {"rows": rows, "bytes": file.stat().st_size, "sha256": file_sha256(file)}


def warm_up(job: LoadedJob) -> None:
    """Compile and load all that working on a record needs, so that its first use takes no time from a record."""
    warm_kernels(job)
    if job.settings.language is not None:
        from curation.stages.language import load_model

        load_model(job.settings.language.model)
    if job.settings.extract.html == "trafilatura":
        import trafilatura  # noqa: F401 - half a second


def warm_kernels(job: LoadedJob) -> None:
    """Compile (or load from the cache) every kernel once, before many workers would each do it."""
    import pyarrow as pa

    from curation.document import DOCUMENT
    from curation.id_hashes import id_hashes
    from curation.outcome import balance
    from curation.stages.clean import clean

    texts = ["A few words.\nAnd a second line of words, to warm up.", TEXT_LIKE_MANY]
    documents = pa.table([["a", "b"], texts, [None] * 2, ["warm"] * 2, [None] * 2, [None] * 2], schema=DOCUMENT)
    id_hashes(documents["id"])
    if job.settings.language is not None:
        from curation.stages.language import filter_language

        filter_language(documents, job.settings.language)
    if job.packs:
        import pyarrow.acero  # noqa: F401 - edits of several packs are sorted with it

        balance(documents, clean(documents, job.packs))
    for stage in ("exact", "near"):
        if stage in job.stages:
            write_keys(documents, job.settings, [stage])
    if job.settings.lines is not None:
        from curation.stages.lines import count_units, line_judge

        count_units(documents, line_judge(job.settings.lines))
    if job.settings.substrings is not None:
        from curation.evaluation_items import ngram_hashes
        from curation.word_places import word_places

        ngram_hashes(documents["text"], 5)
        word_places(documents["text"])
