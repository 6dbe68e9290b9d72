"""The headers of WARC and ARC records: how they start, where they end, and what they say.

ISO 28500 (WARC 1.0, 1.1); http://www.archive.org/web/researcher/ArcFileFormat.php (ARC 1 and 2). Price: about 10
microseconds a header.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What WARC and ARC do differently."""

    name: str
    start: re.Pattern[bytes]  # matches where a header starts
    before_start: bytes  # pattern of what stands before a header that follows a record
    start_bytes: int  # as many bytes as `start` may need
    header_end: re.Pattern[bytes]
    parse: Callable[[bytes], tuple[dict[str, str], int | None]]  # header -> fields, length of the block


def parse_warc_header(header: bytes) -> tuple[dict[str, str], int | None]:
    """The named fields of a WARC header, and its Content-Length (None where missing or no number)."""
    fields: dict[str, str] = {}
    name = ""
    for line in header.decode("utf-8", "replace").split("\n")[1:]:
        if line[:1] in (" ", "\t") and name:
            fields[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower() if colon else ""
        if name and name not in fields:
            fields[name] = value.strip()
    return fields, _length(fields.get("content-length", ""))


# URL IP-address Archive-date Content-type ... Archive-length; strict enough to be told from HTTP headers and prose.
_ADDRESS = rb"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{0,40}:[0-9A-Fa-f.]{0,15}|-"
_ARC_LINE = rb"([A-Za-z][A-Za-z0-9+.-]*:[^\n]{0,8192}?) (" + _ADDRESS + rb") (\d{8,18}|null|-) ([^\n]*)\n"


def parse_arc_header(header: bytes) -> tuple[dict[str, str], int | None]:
    """The URL line of an ARC record as WARC fields, and its length (None where it is no number)."""
    url, address, date, rest = (
        part.decode("utf-8", "replace").strip() for part in re.match(_ARC_LINE, header).groups()
    )
    words = rest.split() or [""]
    fields = {
        "warc-type": "filedesc" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "warc-ip-address": address,
        "warc-date": _iso_date(date),
        "content-type": "application/http; msgtype=response",
        "arc-content-type": words[0] if len(words) > 1 else "",
    }
    return fields, _length(words[-1])


def _iso_date(digits: str) -> str:
    if not digits.isdigit() or len(digits) < 8:
        return ""
    digits = digits[:14].ljust(14, "0")
    return "{}-{}-{}T{}:{}:{}Z".format(digits[:4], *(digits[i : i + 2] for i in range(4, 14, 2)))


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


WARC = Dialect(
    "warc",
    re.compile(rb"WARC/\d{1,3}\.\d{1,3}[ \t\r]*\n[A-Za-z][A-Za-z-]*[ \t]*:"),
    before_start=rb"(?:(?<=\n\r\n)|(?<=\n\n))",
    start_bytes=256,
    header_end=re.compile(rb"\r*\n\r*\n"),
    parse=parse_warc_header,
)
ARC = Dialect(
    "arc",
    re.compile(_ARC_LINE),
    before_start=rb"(?<=\n)",
    start_bytes=9 << 10,
    header_end=re.compile(rb"\n"),
    parse=parse_arc_header,
)
