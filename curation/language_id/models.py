"""Which model judges: the vendored lid.176, one by name, by path, or by URL; and what its labels mean.

A model from elsewhere is fetched once (fetching.py), into the folder that GRISTMILL_CACHE names (else gristmill of
XDG_CACHE_HOME or ~/.cache). Models whose vectors and tree the kernels can read (model_file.py) run
there, all others through fastText.
"""

from __future__ import annotations

import contextlib
import functools
import re
from pathlib import Path
from typing import Protocol

import numpy as np

from curation.language_id.fetching import fetched
from rules.languages import normalise

VENDORED = {"lid.176": Path(__file__).parents[1] / "models" / "lid.176.ftz"}
PUBLISHED = {
    "lid.176.bin": "https://dl.fbaipublicfiles.com/fasttext/supervised-models/lid.176.bin",
    "glotlid": "https://huggingface.co/cis-lmu/glotlid/resolve/main/model.bin",
    "openlid": "https://huggingface.co/laurievb/OpenLID/resolve/main/model.bin",
}
DIGESTS = {"lid.176.bin": "7e69ec5451bc261cc7844e49e4792a85d7f09c06789ec800fc4a44aec362764e"}  # SHA-256; the hub names those of the others
LABELS = {"als": "gsw"}  # lid.176 was trained on als.wikipedia.org, Alemannic, where ISO 639's als is Albanian
LABEL_PREFIX = "__label__"
SCRIPT = re.compile(r"[a-z]{2,3}[-_]([A-Z][a-z]{3})")


class Judge(Protocol):
    """A model that tells the labels of texts."""

    labels: list[str]

    def best(self, offsets: np.ndarray, data: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]: ...

    def best_of_spans(self, begins: np.ndarray, ends: np.ndarray, data: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]: ...


def is_url(name: str) -> bool:
    return "://" in name


def is_named(name: str) -> bool:
    """Whether `name` is no path of a file: a model that ships or is published, or a URL."""
    return name in VENDORED or name in PUBLISHED or is_url(name)


def model_path(name: str) -> Path:
    """The file of a model, fetched first if it is elsewhere. FileNotFoundError where there is none."""
    if name in VENDORED:
        return VENDORED[name]
    if name in PUBLISHED or is_url(name):
        return fetched(PUBLISHED.get(name, name), DIGESTS.get(name))
    if not Path(name).is_file():
        names = ", ".join([*VENDORED, *PUBLISHED])
        raise FileNotFoundError(f"no language model {name!r}: use one of {names}, the path of a fastText model, or its URL")
    return Path(name)


def model_identity(name: str) -> str:
    """What tells one model of a name from another: its name, and of a file its size and time."""
    if is_named(name):
        return name
    with contextlib.suppress(OSError):
        found = Path(name).stat()
        return f"{name} {found.st_size} {found.st_mtime_ns}"
    return name


@functools.lru_cache(maxsize=2)
def load_model(name: str) -> Judge:
    """The model of that name, path or URL, read once per process.

    FileNotFoundError where there is none, ModelFileError where the file is no model."""
    from curation.language_id.model_file import read_header

    path = model_path(name)
    if read_header(path).readable:
        from curation.language_id.identifier import Identifier

        return Identifier(path)
    from curation.language_id.through_fasttext import FastTextIdentifier

    return FastTextIdentifier(path)


def check_model(name: str) -> None:
    """Fetch a model that is elsewhere, and see that it is one, before documents are given to it. Raises as `load_model`."""
    from curation.language_id.model_file import read_header
    from rules.models.fasttext_file import check_file

    path = model_path(name)
    if read_header(path).readable:
        load_model(name)
    else:
        check_file(path)  # what fastText runs may be gigabytes, and the worker reads it


@functools.cache
def label_code(label: str, model: str) -> str:
    """The language code of a model's label; the label itself where it names no language of ISO 639."""
    name = label.removeprefix(LABEL_PREFIX)
    if name in LABELS and Path(model).name.startswith("lid.176"):
        return LABELS[name]
    try:
        return normalise(name)
    except ValueError:
        return name


def label_script(label: str) -> str | None:
    """The script (ISO 15924) that a label such as `__label__rus_Cyrl` names, if it names one."""
    found = SCRIPT.match(label.removeprefix(LABEL_PREFIX))
    return found[1] if found else None
