"""Files that a pack's signals measure with: profiles of words, classifiers, language models of KenLM.

A pack names each file once, under `profiles`, `classifiers` or `language_models`, and its signals by that name:
`unigram_kl(web)`, `classifier.encyclopedia`, `perplexity(wiki)`. A file is known by the hash of its bytes, which is part of
the pack's own, so another file under the same name is measured anew. Each process reads a file once, when it first
measures with it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from rules.format.problems import KEY, KeyPath
from rules.models.profiles import PROFILE_SIGNALS

if TYPE_CHECKING:
    from rules.format.reading import RuleReader


class FileSignal(NamedTuple):
    """A signal that needs a file: the key of packs that names it, and what it means."""

    section: str
    meaning: str
    unit: str


FILE_SIGNALS = {
    **{name: FileSignal("profiles", meaning, unit) for name, (meaning, unit) in PROFILE_SIGNALS.items()},
    "classifier": FileSignal("classifiers", "the probability that the classifier gives its label", "probability"),
    "perplexity": FileSignal("language_models", "perplexity of the lines under the n-gram model, the end of each line a word", "words"),
}
SECTIONS = tuple(dict.fromkeys(signal.section for signal in FILE_SIGNALS.values()))
CLASSIFIER_MANIFEST = "classifier.json"  # of the folder that `gristmill classifier train` writes


@dataclass(frozen=True)
class PackFile:
    """One file of a pack. `words` is how texts become words for it: `unicode` ones in lower case, or between white space."""

    section: str
    name: str
    path: Path
    file_sha256: str
    words: str = "unicode"
    label: str = ""  # whose probability a classifier's score is

    @property
    def sha256(self) -> str:
        """Hash of everything that can change a value."""
        return hashlib.sha256(json.dumps([self.section, self.file_sha256, self.words, self.label]).encode()).hexdigest()


def spelled(kind: str, name: str) -> str:
    """A signal of a file as rules write it."""
    return f"classifier.{name}" if kind == "classifier" else f"{kind}({name})"


def file_key(kind: str, name: str) -> str:
    """The key of `Pack.files` for a signal."""
    return f"{FILE_SIGNALS[kind].section}.{name}"


def measure_file(file: PackFile, texts: pa.Array | pa.ChunkedArray) -> dict[str, np.ndarray]:
    """Every signal of the file, by kind: float64 [docs], NaN in a text without words."""
    if file.section == "profiles":
        from rules.models.profiles import measure_profile

        return measure_profile(texts, _profile_table(file))
    if file.section == "classifiers":
        from rules.models.classifiers import classify

        return {"classifier": classify(texts, file)}
    from rules.models.language_models import perplexity

    return {"perplexity": perplexity(texts, file)}


@functools.lru_cache(maxsize=16)
def _profile_table(file: PackFile) -> Any:
    from rules.models.profiles import read_profile

    check_unchanged(file)
    return read_profile(file.path).table()


def check_unchanged(file: PackFile) -> None:
    """Raise ValueError if the file is not the one that the pack was read with."""
    if file_sha256(file.path) != file.file_sha256:
        raise ValueError(f"{file.path} has changed since the pack was read; start again")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, taken once while neither its size nor its time changes."""
    status = os.stat(path)
    return _sha256(str(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256(path: str, size: int, modified: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- reading a pack


def read_files(data: dict[str, Any], reader: RuleReader) -> dict[str, PackFile]:
    """The files that a pack names, by section.name; every mistake is a problem at its place."""
    found = {}
    for section in SECTIONS:
        entries = data.get(section)
        for name, value in entries.items() if isinstance(entries, dict) else ():
            at: KeyPath = (section, name)
            if not str(name).replace("_", "").isalnum() or str(name).lower() != str(name):
                reader.fail((*at, KEY), "R101", "the name of a file is lower-case words joined by _")
            settings = value if isinstance(value, dict) else {"file": value}
            if not isinstance(settings.get("file"), str):
                continue  # the pack's own shape check says so
            at = (*at, "file") if isinstance(value, dict) else at
            try:
                found[f"{section}.{name}"] = open_file(section, str(name), reader.folder / settings["file"], settings)
            except (OSError, ValueError) as error:
                reason = f"cannot read {settings['file']!r}: {error.strerror}" if isinstance(error, OSError) else str(error)
                reader.fail(at, "R103", reason)
    return found


def open_file(section: str, name: str, path: Path, settings: dict[str, Any]) -> PackFile:
    """One file, looked at as far as costs little. Raises OSError and ValueError."""
    path = path.resolve()
    if section == "classifiers":
        if not path.exists():
            raise ValueError(f"no file or folder {str(path)!r}")
        return _open_classifier(name, path, settings)
    if section == "language_models" and importlib.util.find_spec("kenlm") is None:
        raise ValueError("language_models need kenlm, which is not installed: pip install 'gristmill[kenlm]'")
    file = PackFile(section, name, path, file_sha256(path), str(settings.get("words", "unicode")))
    if section == "profiles":
        _profile_table(file)
    return file


def _open_classifier(name: str, path: Path, settings: dict[str, Any]) -> PackFile:
    """A folder of `gristmill classifier train`, or a model of fastText whose words are what is between white space."""
    if not path.is_dir():
        label = str(settings.get("label") or "")
        if not label:
            raise ValueError(f"which label of {path.name} is the score of? Say {name}: {{file: ..., label: ...}}")
        label = label if label.startswith("__label__") else f"__label__{label}"
        return _checked(PackFile("classifiers", name, path, file_sha256(path), str(settings.get("words", "space")), label))
    try:
        manifest = json.loads((path / CLASSIFIER_MANIFEST).read_text(encoding="utf-8"))
        model, sha256, label, words = path / manifest["model"], manifest["model_sha256"], manifest["label"], manifest["words"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path / CLASSIFIER_MANIFEST} is no manifest of a classifier: {error}") from error
    if file_sha256(model) != sha256:
        raise ValueError(f"{model} is not the model that {CLASSIFIER_MANIFEST} is about: train it again")
    return _checked(PackFile("classifiers", name, model, sha256, words, label))


def _checked(file: PackFile) -> PackFile:
    """The file of a classifier; ValueError where it is no model, or has no such label."""
    from rules.models.classifiers import open_classifier

    open_classifier(file)
    return file
