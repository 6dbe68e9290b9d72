"""What a run would do, without doing it: fused stages, shards, memory, disk, and what is done already.

The steps are those of run.py itself, walked with a run that may not write: at the first unit that has to be done, what
comes after it depends on results that are not there, so all of it is to do. Price: the listing of the input, the footers
of Parquet files, and one look at the manifest for each finished unit. Memory and disk are estimates.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from curation.batches import BATCH_BYTES
from curation.executor import Workers, worker_count
from curation.id_hashes import TITLE as COMPARED
from curation.input_content import known_content
from curation.inputs import Shard, list_inputs, plan_shards
from curation.job import LoadedJob
from curation.manifest import Entry, Manifest
from curation.memory import expected_documents
from curation.partitions import DIVIDED, divide
from curation.pass_plan import plan_passes
from curation.progress import Progress, StageBar, Work
from curation.rehydration_unit import UNIT as REHYDRATION
from curation.run import curate, decidable, shard_task
from curation.run_directory import changes_since, check_place, describe
from curation.run_state import RunState
from curation.shard_numbers import read_numbers, with_numbers
from curation.sizes import shown_size

DECIDED, REHYDRATED = "decide about duplicates", "count sizes of clusters"  # stages that show no progress, or several
WORKER_BYTES = 550 << 20  # a worker with its libraries, its compiled kernels and no documents
BATCH_COPIES = 12  # of a batch's text while rules measure it, and while it is compressed
TEXT_SHARE = {"warc": 0.2, "arc": 0.2, "wet": 0.9, "jsonl": 0.9, "text": 1.0, "arrow": 0.9, "parquet": 0.9}  # of decompressed bytes
COMPRESSION = 3.0  # of text, about: what .gz, .zst and Parquet files hold
WRITTEN_SHARE = 0.35  # of text, in Parquet with zstd
KEY_BYTES = {"exact": 24, "near": 2 * 14 * 8 * 4, "substrings": 0, "lines": 0}  # a document; near: signature and bands
WINDOW_SHARE = {"substrings": 3.0, "lines": 0.1}  # of text: hashes of word windows, and of lines
TOKEN_SHARE = 2 * 0.5  # of text: 2 bytes a token of four, once tokenised and once packed


def _some(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


@dataclass
class Step:
    """One stage of a run: units that are done, to do, and (-1: how many is not known yet)."""

    title: str
    done: int = 0
    to_do: int = -1
    decided_again: int = 0  # of those to do: only what rules decide has changed, and nothing is measured again

    @property
    def is_open(self) -> bool:
        return self.to_do != 0

    def line(self) -> str:
        if self.to_do < 0:
            return f"{self.title}: to do"
        again = f" ({self.decided_again:,} only decided again)" if self.decided_again else ""
        return f"{self.title}: {_some(self.done, 'unit')} done, {self.to_do:,} to do{again}"


@dataclass
class RunPlan:
    """What `gristmill run --dry-run` tells."""

    files: int
    input_bytes: int
    shards: int
    largest: str
    largest_bytes: int
    documents: int
    documents_are_estimated: bool
    steps: list[Step]
    notes: list[str]
    workers: int
    worker_memory_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    output: str
    done: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {"schema_version": 1, **vars(self), "steps": [vars(step) for step in self.steps]}

    def lines(self) -> list[str]:
        about = "about " if self.documents_are_estimated else ""
        return [
            f"input: {_some(self.files, 'file')}, {shown_size(self.input_bytes)}, {about}{_some(self.documents, 'record')}, in {_some(self.shards, 'shard')}; the largest is {self.largest}, {shown_size(self.largest_bytes)}",
            *(f"{number}. {step.line()}" for number, step in enumerate(self.steps, 1)),
            *self.notes,
            f"memory of workers: {max(self.workers, 1)} x about {shown_size(self.worker_memory_bytes)}, at the most",
            f"disk: about {shown_size(self.disk_bytes)} in {self.output} when all is done; {shown_size(self.disk_free_bytes)} are free" + self._warning(),
            "everything is done; a run would only check the books and write the report" if not any(s.is_open for s in self.steps) else "nothing was written; leave out --dry-run to run",
        ]

    def _warning(self) -> str:
        return ": TOO LITTLE, the run would stop when the disk is full" if self.disk_free_bytes < self.disk_bytes else ""


class _ToDo(Exception):
    """The first stage that has something to do was reached."""


@dataclass
class _Walk(Progress):
    """Notes each stage that the run comes to, and stops it at the first one that is not done."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, title: str, waiting: Sequence[Work], done_before: int = 0) -> Iterator[StageBar]:
        self.steps.append(Step(title, done_before, len(waiting)))
        if waiting:
            raise _ToDo
        yield StageBar(title, waiting, done_before)

    def note(self, text: str) -> None:
        self.notes.append(text)


class _ReadOnlyManifest(Manifest):
    """A dry run that came to write something would be a bug."""

    def record(self, entry: Entry) -> Entry:
        raise AssertionError(f"a dry run wrote {entry.unit}")

    def restamped(self, entry: Entry, content: dict[str, Any] | None) -> Entry:
        return entry


@dataclass
class _DryRun(RunState):
    """A run that may look and not touch."""

    def known(self, unit: str, key: str) -> Entry | None:
        entry = super().known(unit, key)
        if unit in (REHYDRATION, *(f"barrier{step.number}" for step in plan_passes(self.job.stages))):
            title = REHYDRATED if unit == REHYDRATION else DECIDED
            self.progress.steps.append(Step(title, int(entry is not None), int(entry is None)))
            if entry is None:
                raise _ToDo
        return entry


def plan_run(job: LoadedJob, workers: Workers | None = None) -> RunPlan:
    """Raises what a run would raise before its first unit: InputError, RunDirectoryError, DuplicatesError."""
    files = list_inputs(job.inputs, job.folder)
    check_place(job.output)
    manifest = _ReadOnlyManifest(job.output)
    shards = _counted(with_numbers(plan_shards(files), read_numbers(job.output)), manifest)
    walk = _Walk()
    if job.store is not None:
        walk.note(f"output: {job.store}; what is done is told from its workspace, {job.output}: a run asks the store itself")
    changes = changes_since(job.output, describe(job, files))
    walk.notes += [changes] if changes is not None else []
    run = _DryRun(job, "inline", walk, manifest, lambda: False)
    try:
        clean = curate(run, shards)
        divide(run, clean)
        if job.settings.pack:
            from curation.packing import pack

            pack(run, clean)
    except _ToDo:
        _count_decided_again(run, shards, walk.steps[-1])
        walk.steps += [Step(title) for title in _titles(job)[len(walk.steps) :]]
    documents, about = expected_documents(shards)
    largest = max(shards, key=lambda shard: shard.size_bytes)
    return RunPlan(
        len(files), sum(max(file.size_bytes, 0) for file in files), len(shards), largest.label, max(largest.size_bytes, 0), documents, about,
        walk.steps, walk.notes, worker_count(job.settings.workers if workers is None else workers), _worker_memory(shards),
        _disk(job, shards, documents), _free(job.output), str(job.output), run.done_before,
    )  # fmt: skip


def _counted(shards: Sequence[Shard], manifest: Manifest) -> list[Shard]:
    """The shards with the number of their records, where a run has read them since they were last changed."""
    found = []
    for shard in shards:
        entry = manifest.read(f"pass0/{shard.number:05d}") if shard.records is None else None
        content = known_content(entry, shard)
        same = entry is not None and content is not None and content["content"] == entry.input.get("content")
        found.append(replace(shard, records=entry.counts["read"]["in"]) if entry is not None and same else shard)
    return found


def _titles(job: LoadedJob) -> list[str]:
    """Every stage of a run, in order, as run.py names them."""
    titles = []
    for step in plan_passes(job.stages):
        titles += [step.title, *([DECIDED] if step.barrier else [])]
    titles += [COMPARED] + [DIVIDED] * (job.settings.partition != "none")
    if job.settings.pack is None:
        return titles
    return titles + [REHYDRATED] * (job.settings.pack.rehydrate == "removal_rates") + ["tokenizer", "tokenise", "pack"]


def _count_decided_again(run: RunState, shards: Sequence[Shard], step: Step) -> None:
    """How many shards of the first pass have results that only need to be decided again."""
    first = plan_passes(run.job.stages)[0]
    if step.title != first.title or not step.to_do:
        return
    tasks = (shard_task(run, first, shard, None, {}) for shard in shards)
    step.decided_again = sum(run.manifest.done(t.unit, t.key) is None and decidable(run, t) is not None for t in tasks if t is not None)


# --- estimates -----------------------------------------------------------------------------------------


def text_bytes_of(shards: Sequence[Shard]) -> list[float]:
    """About how many bytes of text each shard holds."""
    parts = Counter(shard.file.path for shard in shards)
    found = []
    for shard in shards:
        packed = shard.file.path.lower().endswith((".gz", ".zst", ".zstd", ".bz2")) or (shard.file.format == "parquet" and parts[shard.file.path] == 1)
        found.append(max(shard.size_bytes, 0) * (COMPRESSION if packed else 1.0) * TEXT_SHARE[shard.file.format])
    return found


def _worker_memory(shards: Sequence[Shard]) -> int:
    return WORKER_BYTES + int(BATCH_COPIES * min(BATCH_BYTES, max(text_bytes_of(shards), default=0.0)))


def _disk(job: LoadedJob, shards: Sequence[Shard], documents: int) -> int:
    """Every document once in clean/ or removed/, once more for each pass between, its keys, its tokens."""
    text = sum(text_bytes_of(shards))
    passes = plan_passes(job.stages)
    barriers = [stage for step in passes for stage in step.barrier]
    size = text * WRITTEN_SHARE * len(passes) + documents * sum(KEY_BYTES[stage] for stage in barriers)
    size += text * sum(WINDOW_SHARE.get(stage, 0.0) for stage in barriers)
    size += text * WRITTEN_SHARE if job.settings.partition != "none" else 0.0
    return int(size + (text * TOKEN_SHARE if job.settings.pack else 0.0))


def _free(output: Path) -> int:
    """Bytes free where `output` is, or will be."""
    while not output.exists() and output != output.parent:
        output = output.parent
    return shutil.disk_usage(os.fspath(output)).free
