"""Which model judges: the vendored lid.176, one by name, by path, or by URL; and what its labels mean.

A model from elsewhere is copied once, into the folder that GRISTMILL_CACHE names (else gristmill of XDG_CACHE_HOME or
~/.cache); it gets its name when it is complete. Models whose vectors and tree the kernels can read (model_file.py) run
there, all others through fastText.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from rules.kept_arrays import cache_folder
from rules.languages import normalise

VENDORED = {"lid.176": Path(__file__).parents[1] / "models" / "lid.176.ftz"}
PUBLISHED = {
    "lid.176.bin": "https://dl.fbaipublicfiles.com/fasttext/supervised-models/lid.176.bin",
    "glotlid": "https://huggingface.co/cis-lmu/glotlid/resolve/main/model.bin",
    "openlid": "https://huggingface.co/laurievb/OpenLID/resolve/main/model.bin",
}
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
        return _fetched(PUBLISHED.get(name, name))
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


def _fetched(url: str) -> Path:
    """The file of a URL in the cache, fetched if it is not there."""
    folder = (cache_folder() or Path(tempfile.gettempdir()) / "gristmill") / "models"
    path = folder / f"{sha256(url.encode()).hexdigest()[:16]}-{url.rsplit('/', 1)[-1] or 'model'}"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=folder, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as to, _opened(url) as source:
            shutil.copyfileobj(source, to, 1 << 20)
            to.flush()
            os.fsync(to.fileno())
        os.replace(part, path)
    except (OSError, ValueError, ImportError, urllib.error.URLError) as error:
        message = f"cannot fetch the language model {url}: {error}; fetch it yourself and give its path as model"
        raise FileNotFoundError(message) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
    return path


def _opened(url: str):
    if url.startswith(("http://", "https://")):
        return urllib.request.urlopen(url, timeout=60)
    import fsspec

    return fsspec.open(url, "rb").open()


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

    if read_header(model_path(name)).readable:
        load_model(name)  # all of it is read; what fastText runs may be gigabytes, and the worker reads it


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
