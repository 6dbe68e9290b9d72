"""Counts over the characters of a text that NeMo Curator's filters need: sets of characters, and web addresses.

As in character_counts.py a histogram of bytes answers for ASCII. A second scan stops at characters outside ASCII and at
colons, around which an address is looked for: `http://` or `https://` and a run of the ASCII characters that may be in
one, a percent sign only before two hexadecimal digits. Addresses do not overlap. About 2 ns a byte.
"""

from __future__ import annotations

import numpy as np

from rules.families.nemo_characters import ALPHABETIC, BRACKET, nemo_classes
from rules.text.decode import HIGH_BITS, bytes_before, character_at, eight_at, equal_bytes, every_byte
from rules.text.histogram import fill_histogram, occurrences
from rules.text.kernels import inlined, int64, kernel, unowned

NEMO_CHARACTER_COUNTS = {
    "nemo_plain_chars": "ASCII letters and digits, line feeds and ? ! , .",
    "nemo_digit_chars": "ASCII digits",
    "nemo_white_chars": "spaces, tabs, line feeds, carriage returns and backspaces",
    "nemo_bracket_chars": "brackets: round, square, curly, and ⟨ ⟩",
    "nemo_alpha_chars": "characters with Unicode's property Alphabetic",
    "nemo_url_chars": "characters of web addresses",
    "nemo_porn_urls": "web addresses that contain porn, in lower case",
    "nemo_xml_headers": "1 if the first 100 characters hold <?xml version=, else 0",
}
(
    PLAIN_CHARS, DIGIT_CHARS, WHITE_CHARS, BRACKET_CHARS, ALPHA_CHARS, URL_CHARS, PORN_URLS, XML_HEADERS,
) = range(len(NEMO_CHARACTER_COUNTS))  # fmt: skip

COLON, SLASH, PERCENT, LETTER_S = ord(":"), ord("/"), ord("%"), ord("s")
EVERY_COLON = every_byte(COLON)
HTTP, PORN, XML_HEADER = (np.frombuffer(text, np.uint8) for text in (b"http", b"porn", b"<?xml version="))
HEADER_CHARS = 100


def _byte_table(characters: bytes) -> np.ndarray:
    """bool [256]: which bytes are among `characters`."""
    table = np.zeros(256, np.bool_)
    table[list(characters)] = True
    return table


_ALPHANUMERIC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
URL_BYTES = _byte_table(_ALPHANUMERIC + b"$-_@.&+/:=?#~!*(),")
HEX_BYTES = _byte_table(b"0123456789ABCDEFabcdef")


def count_nemo_characters(offsets: np.ndarray, data: np.ndarray, classes: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [docs, NEMO_CHARACTER_COUNTS])."""
    count_documents(offsets, data, nemo_classes(), out)


@kernel
def count_documents(offsets: np.ndarray, data: np.ndarray, nemo: np.ndarray, out: np.ndarray) -> None:
    """`count_nemo_characters`, with the table of characters."""
    histogram = np.empty((4, 256), np.int64)
    for d in range(offsets.size - 1):
        count_document(data, offsets[d], offsets[d + 1], nemo, histogram, out[d])


@kernel
def count_document(data: np.ndarray, begin: int, end: int, nemo: np.ndarray, histogram: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (int64 [NEMO_CHARACTER_COUNTS]) for the text data[begin:end]."""
    data, nemo, histogram, out = unowned(data), unowned(nemo), unowned(histogram), unowned(out)
    out[:] = 0
    fill_histogram(data, begin, end, histogram)
    count_ascii(histogram, out)
    scan_characters(data, begin, end, nemo, out)
    out[XML_HEADERS] = int64(contains(data, begin, characters_end(data, begin, end, HEADER_CHARS), XML_HEADER))


@inlined
def count_ascii(histogram: np.ndarray, out: np.ndarray) -> None:
    """The counts of a document as far as ASCII goes."""
    letters = occurrences(histogram, 65, 90) + occurrences(histogram, 97, 122)
    digits, line_feeds = occurrences(histogram, 48, 57), occurrences(histogram, 10, 10)
    marks = occurrences(histogram, 33, 33) + occurrences(histogram, 63, 63)
    marks += occurrences(histogram, 44, 44) + occurrences(histogram, 46, 46)
    out[PLAIN_CHARS] = letters + digits + line_feeds + marks
    out[DIGIT_CHARS] = digits
    out[WHITE_CHARS] = occurrences(histogram, 8, 10) + occurrences(histogram, 13, 13) + occurrences(histogram, 32, 32)
    out[BRACKET_CHARS] = occurrences(histogram, 40, 41) + occurrences(histogram, 91, 91) + occurrences(histogram, 93, 93)
    out[BRACKET_CHARS] += occurrences(histogram, 123, 123) + occurrences(histogram, 125, 125)
    out[ALPHA_CHARS] = letters


@inlined
def scan_characters(data: np.ndarray, i: int, end: int, nemo: np.ndarray, out: np.ndarray) -> None:
    """Add what takes a look at single characters: addresses, letters and brackets outside ASCII."""
    alphabetic, brackets, free = 0, 0, i
    while i < end:
        eight = eight_at(data, i, end)
        marks = (eight & HIGH_BITS) | equal_bytes(eight, EVERY_COLON)
        i += bytes_before(marks) if marks else 8
        while marks and i < end and data[np.uint64(i)] >= 0x80:
            code, size = character_at(data, i, end)
            flags = int64(nemo[np.uint64(code)])
            alphabetic += flags & ALPHABETIC
            brackets += flags & BRACKET
            i += size
        if marks and i < end and data[np.uint64(i)] == COLON:
            i = free = count_address(data, free, i, end, out)
    out[ALPHA_CHARS] += alphabetic
    out[BRACKET_CHARS] += brackets // BRACKET


@inlined
def count_address(data: np.ndarray, free: int, colon: int, end: int, out: np.ndarray) -> int:
    """Count the address around the colon at data[colon], if there is one from `free` on: where to look further."""
    start, stop = address_start(data, free, colon), colon + 1
    if start >= 0 and colon + 2 < end and data[np.uint64(colon + 1)] == SLASH and data[np.uint64(colon + 2)] == SLASH:
        stop = address_end(data, colon + 3, end)
        if stop > colon + 3:
            out[URL_CHARS] += stop - start
            out[PORN_URLS] += int64(contains(data, start, stop, PORN))
        else:
            stop = colon + 1
    return stop


@inlined
def address_start(data: np.ndarray, free: int, colon: int) -> int:
    """Where the http or https before data[colon] starts, not before `free`; -1 if there is none."""
    i = colon
    if i > free and data[np.uint64(i - 1)] == LETTER_S:
        i -= 1
    return i - 4 if i - 4 >= free and starts_with(data, i - 4, HTTP) else -1


@inlined
def address_end(data: np.ndarray, i: int, end: int) -> int:
    """Where the run of characters of an address ends that starts at data[i]."""
    while i < end:
        byte = np.uint64(data[np.uint64(i)])
        if URL_BYTES[byte]:
            i += 1
        elif byte == PERCENT and i + 2 < end and HEX_BYTES[data[np.uint64(i + 1)]] and HEX_BYTES[data[np.uint64(i + 2)]]:
            i += 3
        else:
            end = i
    return i


@inlined
def starts_with(data: np.ndarray, i: int, needle: np.ndarray) -> bool:
    """Are the bytes from data[i] on those of `needle`? All of them must be within the data."""
    for k in range(needle.size):
        if data[np.uint64(i + k)] != needle[k]:
            return False
    return True


@inlined
def contains(data: np.ndarray, i: int, end: int, needle: np.ndarray) -> bool:
    """Does data[i:end] contain `needle`?"""
    for start in range(i, end - needle.size + 1):
        if starts_with(data, start, needle):
            return True
    return False


@inlined
def characters_end(data: np.ndarray, i: int, end: int, most: int) -> int:
    """Where the first `most` characters of data[i:end] end."""
    while i < end and most > 0:
        i += character_at(data, i, end)[1]
        most -= 1
    return i
