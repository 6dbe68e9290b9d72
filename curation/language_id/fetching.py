"""Models from elsewhere: fetched once into the cache, gone on with where a connection broke, and checked.

A download is written to a file `.part` beside its place, with the server's name for the version (ETag or date), so a later
run goes on with it unless the file has changed there. It gets its name when it is as long as the server said, and has the
SHA-256 that is known of it: the one after `#sha256=` in the URL, the published one, or the one that Hugging Face's hub
names for a large file. One process fetches, others wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, BinaryIO

from rules.text.kept_arrays import cache_folder

TRIES, WAIT = 5, 0.5  # of a connection that breaks; seconds before the second, more before the others
PIECE = 1 << 20
TIMEOUT = 60.0
HUB_DIGEST = "X-Linked-ETag"  # the SHA-256 of a large file, told before the hub leads to where it lies
DIGEST = re.compile(r"#sha256=([0-9a-fA-F]{64})$")


class Torn(OSError):
    """A connection that ended before the file did."""


class Altered(ValueError):
    """What came is not the file that was meant."""


def models_folder() -> Path:
    """Where fetched models lie."""
    return (cache_folder() or Path(tempfile.gettempdir()) / "gristmill") / "models"


def fetched(url: str, known: str | None = None) -> Path:
    """The file of `url` (http, https, or what fsspec opens) in the cache, fetched if it is not there.

    `known`: its SHA-256; `#sha256=...` at the end of the URL says it, too. Raises FileNotFoundError with advice."""
    plain, _, fragment = url.partition("#")
    found = DIGEST.search(url)
    if fragment and not found:
        raise FileNotFoundError(f"{url!r}: after # stands sha256= and 64 hexadecimal digits")
    wanted = found[1].lower() if found else known
    folder = models_folder()
    path = folder / f"{sha256(plain.encode()).hexdigest()[:16]}-{plain.rsplit('/', 1)[-1] or 'model'}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(path):
            if not path.is_file():
                _fetch(plain, path, wanted)
        if wanted and _digest(path) != wanted:
            raise Altered(f"{path} has the SHA-256 {_digest(path)}, and not {wanted}; delete it to fetch it again")
    except (OSError, ValueError, ImportError) as error:
        raise FileNotFoundError(f"cannot fetch the language model {plain}: {error}; or fetch it yourself and give its path as model") from error
    return path


@contextlib.contextmanager
def _only_one(path: Path):
    """Waits until no other process fetches the same file."""
    with open(path.with_name(f".{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(url: str, path: Path, wanted: str | None) -> None:
    part, notes = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json")
    if url.startswith(("http://", "https://")):
        told = _download(url, part, notes)
    else:
        told = _copied(url, part)
    digest, expected = _digest(part), wanted or told
    if expected and digest != expected:
        part.unlink()
        notes.unlink(missing_ok=True)
        raise Altered(f"what came has the SHA-256 {digest}, and not {expected}; nothing of it is kept")
    os.replace(part, path)
    notes.unlink(missing_ok=True)


def _copied(url: str, part: Path) -> None:
    import fsspec

    try:
        with fsspec.open(url, "rb") as source, open(part, "wb") as to:
            shutil.copyfileobj(source, to, PIECE)
            _settle(to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


# ---- over HTTP


def _download(url: str, part: Path, notes: Path) -> str | None:
    """Write the file to `part`, going on where it ends; the SHA-256 that the server told, if any."""
    for tried in range(1, TRIES + 1):
        try:
            return _once(url, part, notes)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise
            failed: Exception = error
        except (OSError, urllib.error.URLError) as error:
            failed = error
        if tried < TRIES:
            time.sleep(WAIT * tried)
    kept = part.stat().st_size if part.exists() else 0
    raise Torn(f"{failed} ({TRIES} tries; {kept:,} bytes are kept, and the next run goes on from there)") from failed


def _once(url: str, part: Path, notes: Path) -> str | None:
    """One connection: all that is missing, or Torn."""
    begin, version = _unfinished(part, notes)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "gristmill"})
    if begin:
        request.add_header("Range", f"bytes={begin}-")
        request.add_header("If-Range", version)
    seen = _Redirects()
    try:
        response = urllib.request.build_opener(seen).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left, or another file is there now: all anew
            part.unlink(missing_ok=True)
            raise Torn("the server has no bytes where the last download ended") from error
        raise
    with response:
        goes_on = response.status == 206 and _begins(response) == begin
        if response.status == 206 and not goes_on:
            part.unlink(missing_ok=True)
            raise Torn("the server sent another part than was asked for")
        begin = begin if goes_on else 0
        length = response.headers.get("Content-Length")
        _write_notes(notes, response)
        with open(part, "ab" if goes_on else "wb") as to:
            shutil.copyfileobj(response, to, PIECE)
            _settle(to)
    size = part.stat().st_size
    if length is not None and size != begin + int(length):
        raise Torn(f"the connection ended after {size:,} of {begin + int(length):,} bytes")
    return seen.digest or _hub_digest(response.headers)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows them, and remembers the digest that one of them told."""

    digest: str | None = None

    def redirect_request(self, request: Any, file: Any, code: int, message: str, headers: Any, url: str) -> Any:
        self.digest = self.digest or _hub_digest(headers)
        return super().redirect_request(request, file, code, message, headers, url)


def _hub_digest(headers: Any) -> str | None:
    told = (headers.get(HUB_DIGEST) or "").strip('"').lower()
    return told if re.fullmatch("[0-9a-f]{64}", told) else None


def _begins(response: Any) -> int | None:
    """The first byte of a part, as its Content-Range says."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
    return int(found[1]) if found else None


def _write_notes(notes: Path, response: Any) -> None:
    """The server's name for this version of the file; a weak one does not hold for bytes."""
    tag = response.headers.get("ETag") or ""
    version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified") or ""
    notes.write_text(json.dumps({"version": version}), encoding="utf-8")


def _unfinished(part: Path, notes: Path) -> tuple[int, str]:
    """How many bytes are there already, and of which version; none where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        version = json.loads(notes.read_text(encoding="utf-8"))["version"]
        if version:
            return part.stat().st_size, version
    return 0, ""
