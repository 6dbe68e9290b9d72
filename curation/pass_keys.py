"""What the result of a pass over a shard depends on, as keys: equal keys mean that nothing has to be done again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from curation.evaluation_items import evaluation_files, files_identity
from curation.inputs import InputFile, Shard
from curation.job import LoadedJob
from curation.manifest import key_of
from curation.pass_plan import Pass
from curation.stages.language import model_identity


def pass_key(job: LoadedJob, step: Pass, source: tuple) -> str:
    packs = job.pack_hashes if "rules" in step.stages else None
    return key_of(step.name, *source, pass_settings(job, step), packs)


def basis(job: LoadedJob, step: Pass, source: tuple) -> dict[str, Any]:
    """What the results of the rules depend on, where they are the last stage of a pass: then they can be decided again."""
    if not step.stages or step.stages[-1] != "rules":
        return {}
    settings = pass_settings(job, step)
    return {"source": key_of(step.name, *source, settings), "documents": key_of(step.name, source[0], settings), **job.measured}


def input_identity(shard: Shard) -> list[Any]:
    """Which part of which file; what it holds is told by curation/input_content.py."""
    file: InputFile = shard.file
    return [file.name, file.size_bytes, file.format, shard.row_groups, shard.first_record]


def pass_settings(job: LoadedJob, step: Pass) -> dict[str, Any]:
    """The settings that decide what this pass writes, and no others."""
    settings: dict[str, Any] = {"stages": step.stages, "barrier": step.barrier, "last": step.last}
    if step.number == 0:
        settings["read"] = repr(job.read_settings)
    if "language" in step.stages:
        settings["language"] = [repr(job.settings.language), model_identity(job.settings.language.model)]
    if "decontaminate" in step.stages:
        chosen = job.settings.decontaminate
        names = tuple(evaluation_files(chosen.files))
        settings["decontaminate"] = [[Path(name).name for name in names], files_identity(names), repr(dataclasses.replace(chosen, files="."))]
    if "exact" in step.barrier:
        settings["exact"] = [job.settings.exact.columns, job.settings.exact.normalise, job.settings.exact.ranking, job.settings.exact.within]
    if "near" in step.barrier:
        settings["near"] = [repr(job.settings.near.minhash), job.settings.near.ranking, job.settings.near.within]
    if "substrings" in step.barrier:
        settings["substrings"] = job.settings.substrings.min_words
    if "lines" in step.barrier:
        lines = job.settings.lines
        settings["lines"] = [lines.allowed_lines(), repr(dataclasses.replace(lines, max_repeats=1, per=1, allow_file=None))]
    return settings
