"""A server on this machine that speaks as much of the Hugging Face Hub's protocol as reading and writing a dataset takes.

    GET  /api/datasets/ORG/NAME[/revision/REV]           that it is there
    GET  /api/datasets/ORG/NAME/tree/REV/FOLDER          what a folder holds, in depth with ?recursive
    POST /api/datasets/ORG/NAME/paths-info/REV           sizes of some paths
    GET  /datasets/ORG/NAME/resolve/REV/PATH             a file, or a range of it
    POST /api/datasets/ORG/NAME/preupload/REV            how files are to be sent: in the commit
    POST /api/datasets/ORG/NAME/commit/REV               lines of JSON: files, deleted files and folders

Files are kept in memory by their path; every commit has a number for its name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WHEN = "2024-01-02T03:04:05.000Z"


class Hub(ThreadingHTTPServer):
    """One dataset, `org/name`, and its files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.asked: list[str] = []  # requests, in their order
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def revision(self) -> str:
        return hashlib.sha1(str(self.commits).encode()).hexdigest()

    def described(self, path: str) -> dict[str, Any] | None:
        """What the hub says of a path; None where there is nothing."""
        if path in self.files:
            data = self.files[path]
            return {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if any(name.startswith(f"{path}/") for name in self.files):
            return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}
        return None

    def below(self, folder: str, deep: bool) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        found: set[str] = set()
        for name in self.files:
            parts = name.removeprefix(prefix).split("/")
            if name.startswith(prefix):
                found |= {prefix + "/".join(parts[:depth]) for depth in (range(1, len(parts) + 1) if deep else [1])}
        return [self.described(name) for name in sorted(found)]

    def commit(self, lines: bytes) -> None:
        for line in lines.splitlines():
            said = json.loads(line)
            key, value = said["key"], said["value"]
            if key == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif key == "deletedFile":
                del self.files[value["path"]]
            elif key == "deletedFolder":
                for name in [name for name in self.files if name.startswith(value["path"].rstrip("/") + "/")]:
                    del self.files[name]
        self.commits += 1


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_GET

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        where, _, query = self.path.partition("?")
        path = urllib.parse.unquote(where)
        with self.server.lock:
            self.server.asked.append(f"{self.command} {path}")
            for pattern, answer in ROUTES:
                if found := re.fullmatch(pattern, path):
                    return answer(self, body, urllib.parse.parse_qs(query), *found.groups())
        self._send(404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})

    def _send(self, code: int, data: Any, headers: dict[str, str] | None = None) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), "X-Repo-Commit": self.server.revision, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _repository(self, *_: Any) -> None:
        self._send(200, {"_id": "1", "id": "org/name", "sha": self.server.revision, "lastModified": WHEN, "private": False, "tags": [], "siblings": []})

    def _tree(self, _: bytes, query: dict[str, list[str]], folder: str | None) -> None:
        folder = (folder or "").strip("/")
        if folder and self.server.described(folder) is None:
            return self._missing()
        self._send(200, self.server.below(folder, query.get("recursive", ["false"])[0].lower() == "true"))

    def _missing(self) -> None:
        self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})

    def _paths(self, body: bytes, *_: Any) -> None:
        asked = json.loads(body)["paths"] if body[:1] == b"{" else urllib.parse.parse_qs(body.decode())["paths"]
        self._send(200, [said for path in ([asked] if isinstance(asked, str) else asked) if (said := self.server.described(path))])

    def _file(self, _: bytes, __: Any, path: str) -> None:
        data = self.server.files.get(path)
        if data is None:
            return self._missing()
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            if first >= len(data):
                return self._send(416, b"", headers)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return self._send(206, data[first : last + 1], headers)
        self._send(200, data, headers)

    def _preupload(self, body: bytes, *_: Any) -> None:
        files = json.loads(body)["files"]
        self._send(200, {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]})

    def _commit(self, body: bytes, *_: Any) -> None:
        self.server.commit(body)
        self._send(200, {"success": True, "commitOid": self.server.revision, "commitUrl": f"{self.server.url}/datasets/org/name/commit/{self.server.revision}"})


_API = r"/api/datasets/org/name"
ROUTES = [
    (rf"{_API}(?:/revision/[^/]+)?", Handler._repository),
    (rf"{_API}/tree/[^/]+(/.*)?", Handler._tree),
    (rf"{_API}/paths-info/[^/]+", Handler._paths),
    (r"/datasets/org/name/resolve/[^/]+/(.+)", Handler._file),
    (rf"{_API}/preupload/[^/]+", Handler._preupload),
    (rf"{_API}/commit/[^/]+", Handler._commit),
]
