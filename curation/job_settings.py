"""The settings of a job file: their names, types, defaults, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from curation.limits import Limits
from curation.pack_settings import PackSettings
from curation.ray_start import RaySettings
from curation.readers import ReadSettings
from curation.stages.decontaminate import DecontaminateSettings
from curation.stages.exact import ExactSettings
from curation.stages.language import LanguageSettings
from curation.stages.lines import LinesSettings
from curation.stages.near import NearSettings
from curation.stages.substrings import SubstringsSettings

STAGES = ("language", "decontaminate", "rules", "exact", "near", "substrings", "lines")
BARRIERS = ("exact", "near", "substrings", "lines")  # stages that must see every document before they can decide about one


@dataclass(frozen=True)
class ExtractChoice:
    """How HTML becomes text."""

    html: Literal["resiliparse", "trafilatura"] = "resiliparse"
    main_content: bool = True  # leave out menus, banners and footers


@dataclass(frozen=True)
class PackUse:
    """A pack with some of its rules set to another action, without touching the pack."""

    use: str
    set: dict[str, Literal["drop", "tag", "off"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """The whole of one run."""

    input: str | list[str]  # paths, globs, folders or fsspec URLs
    output: str  # the run directory
    read: ReadSettings = ReadSettings()
    extract: ExtractChoice = ExtractChoice()
    language: LanguageSettings | None = None  # absent: languages are what the input says
    decontaminate: DecontaminateSettings | None = None  # absent: evaluation data in documents stays
    packs: tuple[str | PackUse, ...] = ()  # shipped packs by name, your own by path
    exact: ExactSettings | None = None  # absent: exact duplicates stay
    near: NearSettings | None = None  # absent: near duplicates stay
    substrings: SubstringsSettings | None = None  # absent: stretches of text that stand elsewhere stay
    lines: LinesSettings | None = None  # absent: lines repeated across documents stay
    partition: Literal["none", "language", "source"] = "none"  # write clean documents also by language or source, a folder for each
    pack: PackSettings | None = None  # absent: no tokenizer and no packed/
    order: tuple[str, ...] = STAGES
    against: str | list[str] = ""  # run directories of earlier runs: what they kept stays, what is like it goes
    workspace: Path | None = None  # with output in object storage: the local folder to work in; absent: in gristmill's cache
    memory: str | int = "auto"  # for deciding about duplicates, such as 8GB; auto: half of what is free
    workers: Literal["auto", "inline"] | int = "auto"
    ray: RaySettings = RaySettings()  # where workers are; unused with workers: inline
    limits: Limits = Limits()  # of one record: what takes more is quarantined


def is_on(job: Job, stage: str) -> bool:
    return bool(job.packs) if stage == "rules" else getattr(job, stage) is not None


def enabled(job: Job) -> tuple[str, ...]:
    """The stages that are on, in order."""
    return tuple(stage for stage in job.order if is_on(job, stage))


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
