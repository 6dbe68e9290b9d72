"""Packing as the last units of work of a run: the tokenizer, the tokens of each clean shard, packed/."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.manifest import Entry, Manifest, key_of
from curation.outcome import add_counts
from curation.pass_plan import WORK
from curation.progress import Work
from curation.rehydration_unit import rehydrated
from curation.run_state import RunState, file_entry
from curation.shards import file_sha256
from curation.stages.pack import check_carried, fit_tokenizer, tokenise_shard, write_packed


@dataclass(frozen=True)
class TokenTask:
    """Tokenise one clean shard."""

    output: Path
    clean_file: str
    tokenizer_file: str
    settings: Any
    unit: str
    key: str

    @property
    def path(self) -> str:
        return f"{WORK}/{self.unit}.arrow"


def run_tokens(task: TokenTask) -> Entry:
    counts = tokenise_shard(task.output / task.clean_file, task.output / task.tokenizer_file, task.settings, task.output / task.path)
    return Manifest(task.output).record(Entry(task.unit, task.key, {task.path: file_entry(task.output, task.path)}, {"tokens": counts}))


def pack(run: RunState, clean: list[Entry]) -> None:
    """Tokenizer, tokens, packed/."""
    settings = run.job.settings.pack
    assert settings is not None
    clean_files = {path: out["sha256"] for entry in clean for path, out in entry.outputs.items() if path.startswith("clean/")}
    check_carried([run.job.output / path for path in clean_files], settings)
    settings, said = rehydrated(run, settings)
    tokenizer = _tokenizer(run, settings, clean_files)
    tokenizer_sha = tokenizer.outputs[f"{WORK}/tokenizer.json"]["sha256"]
    tasks = [_token_task(run, settings, path, sha, tokenizer_sha) for path, sha in clean_files.items()]
    entries: dict[str, Entry] = {}
    waiting = [task for task in tasks if not _token_done(run, task, entries)]
    with run.progress.stage("tokenise", [Work(task.unit, task.clean_file) for task in waiting], len(entries)) as bar:
        for entry in run.mapped(run_tokens, waiting, bar):
            entries[entry.unit] = run.add(entry)
            bar.advance(entry)
    _packed(run, settings, said, [entries[task.unit] for task in tasks])


def _tokenizer(run: RunState, settings: Any, clean_files: dict[str, str]) -> Entry:
    path = f"{WORK}/tokenizer.json"
    given = file_sha256(settings.tokenizer) if settings.tokenizer else None
    key = key_of("tokenizer", given, settings.vocab_size, settings.train_bytes, settings.train_weights, None if given else clean_files)
    entry = run.known("tokenizer", key)
    with run.progress.stage("tokenizer", _to_do("tokenizer", entry), int(entry is not None)) as bar:
        if entry is None:
            fit_tokenizer([run.job.output / f for f in clean_files], settings, run.job.output / path)
            entry = run.add(run.manifest.record(Entry("tokenizer", key, {path: file_entry(run.job.output, path)})))
            bar.advance(entry)
    return entry


def _to_do(unit: str, entry: Entry | None) -> list[Work]:
    """What a stage of one unit has to do: nothing where it is done."""
    return [] if entry else [Work(unit, unit)]


def _token_task(run: RunState, settings: Any, path: str, sha: str, tokenizer_sha: str) -> TokenTask:
    unit = "tokens/" + Path(path).stem
    key = key_of("tokens", sha, tokenizer_sha, settings.sequence_length, settings.held_out, settings.encoder, settings.carried)
    return TokenTask(run.job.output, path, f"{WORK}/tokenizer.json", settings, unit, key)


def _token_done(run: RunState, task: TokenTask, entries: dict[str, Entry]) -> bool:
    entry = run.known(task.unit, task.key)
    if entry is not None:
        entries[task.unit] = entry
    return entry is not None


def _packed(run: RunState, settings: Any, said: dict[str, Any], tokens: list[Entry]) -> None:
    output = run.job.output
    key = key_of("packed", [entry.fingerprint for entry in tokens], repr(settings), said, run.job.sha256)
    entry = run.known("packed", key)
    with run.progress.stage("pack", _to_do("packed", entry), int(entry is not None)) as bar:
        if entry is None:
            files = [output / path for e in tokens for path in e.outputs]
            statistics = write_packed(files, output / f"{WORK}/tokenizer.json", settings, run.job.sha256, output / "packed", said)
            paths = sorted(str(p.relative_to(output)) for p in (output / "packed").iterdir() if not p.name.startswith("."))
            counts: dict[str, Any] = {}
            for e in tokens:
                add_counts(counts, e.counts)
            outputs = {path: file_entry(output, path) for path in paths}
            entry = run.add(run.manifest.record(Entry("packed", key, outputs, {"statistics": json.loads(json.dumps(statistics)), **counts})))
            bar.advance(entry)
