"""Bytes of web pages and text files to text: which charset, which part of the page.

Charset, in this order: byte order mark; what the HTTP header says; what the page says; UTF-8 wherever the bytes are
valid UTF-8 (a wrong label is common, valid UTF-8 by chance is not); a detector (Mozilla's, in resiliparse). Labels mean
what browsers take them to mean (WHATWG: latin-1 is windows-1252). Never an exception: bytes that no charset explains
become U+FFFD, and the caller is told.

Text: resiliparse with its main-content heuristics by default (1,000 pages a second per core), trafilatura by choice (60).
The heuristics take a list that lies less than three elements below the body for a menu.
Their tree walks grow with the square of some things a hostile page can repeat, so deeper nesting or longer attribute
lists than any browser shows are refused before parsing.

https://encoding.spec.whatwg.org, https://resiliparse.chatnoir.eu, https://trafilatura.readthedocs.io
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

from curation.batches import ReadSettings, Unreadable

MAX_NESTING = 2_000  # Chrome stops at 512; 0.1 s at this depth, and four times that at twice the depth
MAX_ATTRIBUTES = 10_000  # of one tag; 0.2 s, growing with the square
_META_BYTES = 4096

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark starts the same
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What browsers mean by the label is a superset of what the Python codec of that name reads.
_SUPERSETS = {"gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs", "iso8859-11": "cp874"}
_NOT_ASCII = ("utf-16-le", "utf-16-be", "iso2022_jp")  # ASCII bytes may mean something else

_META = re.compile(rb"<meta\s[^>]{0,512}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.I)
_XML = re.compile(rb"<\?xml\s[^>]{0,256}?encoding\s*=\s*[\"']\s*([A-Za-z0-9_.:-]{1,40})", re.I)
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<!--.{0,512}?-->|<\?xml[^>]{0,256}>)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_HTML_INSIDE = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|script)\b", re.I)

# Elements that make tree walks slow when nested, and those that a page leaves open by mistake.
_NESTING_TAG = re.compile(r"<(/?)(?:article|div|font|strike|strong|small|nobr|code|big|em|tt|b|i|u|s)(?=[\s/>])", re.I)
# A start tag and its attributes as browsers cut them. Possessive, so that no page makes it slow.
_NAME_AND_VALUE = r"""=?+[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"?|'[^']*+'?|[^\s>]++))?+"""
_ATTRIBUTE = re.compile(_NAME_AND_VALUE)
_START_TAG = re.compile(rf"<[A-Za-z][^\s/>]*+((?:[\s/]++|{_NAME_AND_VALUE}|=)*+)")


@dataclass(frozen=True)
class Decoded:
    """`text`, the Python codec that read it, and whether bytes had to be replaced by U+FFFD."""

    text: str
    charset: str
    replaced: bool


def decode(data: bytes, declared: str | None = None, is_html: bool = False) -> Decoded:
    """`data` as text. `declared` is the charset of the HTTP header, if any. Never raises."""
    for mark, charset in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], charset)
    candidates = list(_candidates(data, declared, is_html))
    for charset in candidates:
        text = _strict(data, charset)
        if text is not None:
            return Decoded(text, charset, False)
    detected = _known(detect_encoding(data, html5_compatible=False) or "")
    if detected and detected not in candidates:
        text = _strict(data, detected)
        if text is not None and not _is_mostly_utf8(data):
            return Decoded(text, detected, False)
        candidates.append(detected)
    if _is_mostly_utf8(data):
        return _decoded(data, "utf-8")
    return min((_decoded(data, charset) for charset in candidates), key=lambda found: found.text.count("\ufffd"))


def _candidates(data: bytes, declared: str | None, is_html: bool) -> Iterator[str]:
    said = _known(declared or "")
    meta = _meta_charset(data) if is_html else None
    if said in _NOT_ASCII and (b"\0" in data or b"\x1b" in data):
        yield said
    elif meta == "iso2022_jp" and b"\x1b" in data:
        yield meta
    yield "utf-8"
    for charset in (said, meta):
        if charset not in (None, "utf-8"):
            yield charset


def _meta_charset(data: bytes) -> str | None:
    """The charset that the page itself names. A page that can be read as ASCII is not UTF-16."""
    head = data[:_META_BYTES]
    label = _META.search(head) or _XML.match(head.lstrip())
    charset = _known(label[1].decode("ascii")) if label else None
    return "utf-8" if charset in ("utf-16-le", "utf-16-be") else charset


def _known(label: str) -> str | None:
    """The Python codec for a charset label; None for labels no browser knows (and for codecs that are no charset)."""
    label = label.strip(" \t\"';,").lower()[:40]
    name = map_encoding_to_html5(label, fallback_utf8=False)
    if name is None:
        return label if label in _SUPERSETS.values() else None
    return _SUPERSETS.get(name, name)


def _strict(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except UnicodeError:
        return None


def _decoded(data: bytes, charset: str) -> Decoded:
    text = _strict(data, charset)
    return Decoded(data.decode(charset, "replace"), charset, True) if text is None else Decoded(text, charset, False)


def _is_mostly_utf8(data: bytes) -> bool:
    """A UTF-8 page with a few broken characters, rather than a page in another charset."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return broken * 10 <= beyond_ascii - broken


def starts_like_html(data: bytes) -> bool:
    """Whether `data` opens with a doctype or an html, head or body element."""
    return _HTML_START.match(data[:_META_BYTES]) is not None


def looks_like_html(data: bytes) -> bool:
    """Whether `data`, of which nobody says what it is, is a web page."""
    return starts_like_html(data) or _HTML_INSIDE.search(data[:1024]) is not None


# --- HTML to text -----------------------------------------------------------------------------------------


def html_text(html: str, settings: ReadSettings) -> str:
    """The text of a page: main content where `settings` ask for it. Raises Unreadable."""
    if len(html) > settings.max_page_bytes:
        raise Unreadable("html-too-large", f"the page has {len(html):,} characters; read.max_page_bytes is {settings.max_page_bytes:,}")
    refuse_hostile(html)
    extractor = _with_trafilatura if settings.html == "trafilatura" else _with_resiliparse
    try:
        return extractor(html, settings.main_content)
    except Exception as error:
        raise Unreadable("html", f"{type(error).__name__}: {error}") from error
    except BaseException as error:  # a panic inside resiliparse is no Exception
        if type(error).__name__ == "PanicException":
            raise Unreadable("html", f"resiliparse: {error}") from None
        raise


def _with_resiliparse(html: str, main_content: bool) -> str:
    return extract_plain_text(
        html, preserve_formatting=True, main_content=main_content, list_bullets=True, alt_texts=False, links=False
    )  # fmt: skip


def _with_trafilatura(html: str, main_content: bool) -> str:
    import trafilatura  # half a second, and lxml: only for those who choose it

    if not main_content:
        return trafilatura.html2txt(html) or ""
    return trafilatura.extract(html, include_comments=False, include_tables=True, deduplicate=False) or ""


def refuse_hostile(html: str) -> None:
    """Raise Unreadable where parsing would take minutes. Price: 0.1 ms for a page of 20 kB."""
    if html.count("<") > MAX_NESTING and _nesting(html) > MAX_NESTING:
        raise Unreadable("html-too-deep", f"elements are nested more than {MAX_NESTING:,} deep")
    if len(html) > 2 * MAX_ATTRIBUTES and _attributes(html) > MAX_ATTRIBUTES:
        raise Unreadable("html-too-many-attributes", f"a tag has more than {MAX_ATTRIBUTES:,} attributes")


def _attributes(html: str) -> int:
    """The largest number of attributes of one tag; tags that are too short to have many count as 0."""
    long = (attributes for attributes in _START_TAG.findall(html) if len(attributes) > 2 * MAX_ATTRIBUTES)
    return max((len(_ATTRIBUTE.findall(attributes)) for attributes in long), default=0)


def _nesting(html: str) -> int:
    depth = deepest = 0
    for tag in _NESTING_TAG.finditer(html):
        depth = depth + 1 if not tag[1] else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest
