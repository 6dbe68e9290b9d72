"""Where the row groups of a Parquet file lie, from its footer alone: two numbers each.

Read here and not by Arrow, which looks at all that a footer says of a column before it tells any of it, and ends the process
where that contradicts itself (a histogram of another length than the column's levels make): a footer may lie.

Source: apache/parquet-format, parquet.thrift; and Thrift's compact protocol, thrift-compact-protocol.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

TAIL = 8  # bytes: how long the footer is, and PAR1
MOST_DEPTH = 32  # of what lies in what; the format itself needs 6
_ROW_GROUPS, _COLUMNS, _COLUMN_META_DATA = 4, 1, 3  # numbers of fields
_COMPRESSED_SIZE, _DATA_PAGE, _DICTIONARY_PAGE = 7, 9, 11
_BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT, _UUID = 3, (4, 5, 6), 7, 8, (9, 10), 11, 12, 13
_BOOLEANS = (1, 2)  # a field's value is its type, an element's is a byte

Range = tuple[int, int]  # first byte, and the first one after it


class FooterError(ValueError):
    """A footer that ends too early, or is no footer."""


def row_group_ranges(file: BinaryIO) -> tuple[list[Range], int]:
    """First and last byte of each row group, as the footer says, and where the footer begins. Raises FooterError."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - TAIL))
    footer = length - TAIL - int.from_bytes(file.read(4), "little")
    if footer < 0:
        raise FooterError(f"a file of {length:,} bytes with a footer that begins {-footer:,} bytes before it")
    file.seek(footer)
    return list(_ranges_of(file.read(length - TAIL - footer))), footer


@lru_cache(maxsize=4)  # a file of many shards asks for each of them
def _ranges_of(footer: bytes) -> tuple[Range, ...]:
    compact = _Compact(footer)
    return tuple(_row_group(compact) for _ in compact.each(_ROW_GROUPS, *_LISTS) for _ in compact.structs())


def _row_group(compact: _Compact) -> Range:
    chunks = [_chunk(compact) for _ in compact.each(_COLUMNS, *_LISTS) for _ in compact.structs() for _ in compact.each(_COLUMN_META_DATA, _STRUCT)]
    start = max(0, min((start for start, _ in chunks), default=0))
    return start, max([start, *(start + size for start, size in chunks)])


def _chunk(compact: _Compact) -> tuple[int, int]:
    """First byte and bytes of a column of a row group."""
    found = {_COMPRESSED_SIZE: 0, _DATA_PAGE: 0, _DICTIONARY_PAGE: 0}
    for field, kind in compact.fields():
        if field in found and kind in _INTEGERS:
            found[field] = compact.integer()
        else:
            compact.skip(kind)
    return min(filter(None, (found[_DICTIONARY_PAGE], found[_DATA_PAGE])), default=0), found[_COMPRESSED_SIZE]


class _Compact:
    """A place in bytes of Thrift's compact protocol. What reads past the end raises FooterError."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of the struct that begins here; whoever asks reads or skips its value."""
        number = 0
        while (head := self._byte()) & 15:
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15

    def each(self, wanted: int, *kinds: int) -> Iterator[None]:
        """Once for each field `wanted` of the struct that begins here, whose value is then read; the others are passed over."""
        for number, kind in self.fields():
            if number == wanted and kind in kinds:
                yield
            else:
                self.skip(kind)

    def structs(self) -> Iterator[None]:
        """Once for each struct of the list that begins here."""
        kind, count = self._list()
        if kind != _STRUCT and count:
            raise FooterError(f"a list of type {kind} where structs belong")
        for _ in range(count):
            yield

    def integer(self) -> int:
        """A zigzag number."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a field's value of this type."""
        if depth > MOST_DEPTH:
            raise FooterError(f"more than {MOST_DEPTH} structs and lists within each other")
        if kind in _INTEGERS:
            self._varint()
        elif kind == _BINARY:
            self._pass(self._varint())
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in _LISTS:
            inner, count = self._list()
            self._skip_elements((inner,), count, depth + 1)
        elif kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            self._skip_elements((kinds >> 4, kinds & 15), count, depth + 1)
        elif kind not in _BOOLEANS:
            self._pass(_bytes_of(kind))

    def _skip_elements(self, kinds: tuple[int, ...], count: int, depth: int) -> None:
        for _ in range(count):
            for kind in kinds:
                self._pass(1) if kind in _BOOLEANS else self.skip(kind, depth)

    def _list(self) -> tuple[int, int]:
        """Type and number of the elements."""
        head = self._byte()
        return head & 15, head >> 4 if head >> 4 != 15 else self._varint()

    def _byte(self) -> int:
        self._pass(1)
        return self.data[self.at - 1]

    def _pass(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise FooterError("a footer that ends too early")

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise FooterError("a number of more than 64 bits")


def _bytes_of(kind: int) -> int:
    try:
        return {_BYTE: 1, _DOUBLE: 8, _UUID: 16}[kind]
    except KeyError:
        raise FooterError(f"a value of unknown type {kind}") from None
