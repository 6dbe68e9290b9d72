"""Masks say of every byte what its plain definition says, wherever a block lies and wherever its text ends."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hostile_texts import any_texts, raw_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.text import masks
from rules.text.kernels import kernel, kernel_bytes
from rules.text.masks import (
    between_mask,
    bits_below,
    bits_up_to,
    block_at,
    equal_bytes_mask,
    equal_mask,
    first_bits,
    lowest_one,
    ones_in,
    push_ones,
    wide_white_masks,
    without_lowest,
)

KINDS = {
    "white_mask": lambda byte: byte < 128 and chr(byte).isspace(),
    "letter_mask": lambda byte: byte < 128 and chr(byte).isalpha(),
    "digit_mask": lambda byte: byte < 128 and chr(byte).isdigit(),
    "high_mask": lambda byte: byte >= 128,
    "continuation_mask": lambda byte: byte & 0xC0 == 0x80,
    "may_be_wide_white": {0xC2, 0xE1, 0xE2, 0xE3}.__contains__,
}


def kind_kernel(mask):
    @kernel
    def masks_of(data, i, end, out):
        for k in range(out.size):
            out[k] = mask(block_at(data, i + 64 * k, end))

    return masks_of


KERNELS = {name: kind_kernel(getattr(masks, name)) for name in KINDS}


@kernel
def equal_masks(data, i, end, byte, out):
    for k in range(out.size):
        out[k] = equal_mask(block_at(data, i + 64 * k, end), byte)


@kernel
def between_masks(data, i, end, low, high, out):
    for k in range(out.size):
        out[k] = between_mask(block_at(data, i + 64 * k, end), low, high)


@kernel
def wide_white(data, i, end, out):
    for k in range(out.shape[1]):
        out[0, k], out[1, k] = wide_white_masks(data, i + 64 * k, end, block_at(data, i + 64 * k, end))


def bits(out: np.ndarray) -> list[bool]:
    return np.unpackbits(out.view(np.uint8), bitorder="little").astype(bool).tolist()


def blocks(size: int) -> np.ndarray:
    """Room for the masks of `size` bytes and of the zeros in one block more."""
    return np.zeros(size // 64 + 2, np.uint64)


def readable(raw: bytes) -> np.ndarray:
    """The bytes as kernels get them: read-only, at the end of their memory."""
    return kernel_bytes(np.array([0, len(raw)]), np.frombuffer(raw, np.uint8))[1]


def expected(piece: bytes, size: int, is_kind) -> list[bool]:
    """Of the bytes and of the zeros after them."""
    return [bool(is_kind(byte)) for byte in piece] + [bool(is_kind(0))] * (size - len(piece))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_every_byte(name):
    data, out = readable(bytes(range(256))), np.zeros(4, np.uint64)
    KERNELS[name](data, 0, 256, out)
    assert bits(out) == [bool(KINDS[name](byte)) for byte in range(256)]


def test_every_length_at_every_place():
    """Of a text that ends with its memory, and of one that does not; what is beyond its end reads as zero."""
    raw = np.random.default_rng(3).integers(1, 256, 263, np.uint8).tobytes()
    data = readable(raw)
    for size in range(201):
        for begin in {*range(0, 64, 7), 63, len(raw) - size}:
            out = blocks(size)
            equal_masks(data, begin, begin + size, 0, out)
            assert bits(out) == [False] * size + [True] * (64 * len(out) - size)
            KERNELS["letter_mask"](data, begin, begin + size, out)
            assert bits(out) == expected(raw[begin : begin + size], 64 * len(out), KINDS["letter_mask"])


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=200), begin=st.integers(0, 200), size=st.integers(0, 200), low=st.integers(0, 255), high=st.integers(0, 255))
def test_comparisons(raw, begin, size, low, high):
    begin, low, high = min(begin, len(raw)), min(low, high), max(low, high)
    piece, data, out = raw[begin : begin + size], readable(raw), blocks(size)
    end = begin + len(piece)
    between_masks(data, begin, end, low, high, out)
    assert bits(out) == expected(piece, 64 * len(out), lambda byte: low <= byte <= high)
    equal_masks(data, begin, end, low, out)
    assert bits(out) == expected(piece, 64 * len(out), lambda byte: byte == low)


@kernel
def equal_neighbours(data, end, out, places):
    pushed = 0
    for k in range(out.size):
        out[k] = equal_bytes_mask(block_at(data, 64 * k, end), block_at(data, 64 * k + 1, end))
        pushed += push_ones(places, pushed, out[k] & bits_up_to(64 * k, end), 64 * k)
    return pushed


@settings(max_examples=100, deadline=None)
@given(raw=st.text("ab\0", max_size=200).map(str.encode))
def test_equal_neighbours_and_their_places(raw):
    """A byte beside its neighbour, the last one beside zero; the places of all bits, written one after the other."""
    out, places = blocks(len(raw)), np.zeros(len(raw) + 8, np.int64)
    pushed = equal_neighbours(readable(raw), len(raw), out, places)
    padded = raw + bytes(64 * len(out) + 1 - len(raw))
    assert bits(out) == [one == other for one, other in zip(padded, padded[1:])]
    assert places[:pushed].tolist() == [i for i in range(len(raw)) if padded[i] == padded[i + 1]]


@settings(max_examples=100, deadline=None)
@given(raw=raw_texts | any_texts.map(str.encode), end=st.integers(0, 200))
def test_white_space_outside_ascii(raw, end):
    piece = raw[:end]
    out = np.zeros((2, len(piece) // 64 + 1), np.uint64)
    wide_white(readable(raw), 0, len(piece), out)
    for size in (2, 3):
        starts = [0x80 <= piece[i] and piece[i : i + size].decode(errors="ignore").isspace() and len(piece[i : i + size].decode(errors="ignore")) == 1 for i in range(len(piece))]
        starts = [start and len(piece[i : i + size].decode(errors="ignore").encode()) == size for i, start in enumerate(starts)]
        assert bits(out[size - 2])[: len(piece)] == starts


def test_every_character_that_is_white():
    whites = [chr(code) for code in range(0x80, 0x110000) if chr(code).isspace()]
    raw = "".join(white + "x" for white in whites).encode()
    out = np.zeros((2, len(raw) // 64 + 1), np.uint64)
    wide_white(readable(raw), 0, len(raw), out)
    assert [sum(bits(row)) for row in out] == [sum(len(white.encode()) == size for white in whites) for size in (2, 3)]


@kernel
def bit_facts(mask, count):
    return ones_in(mask), lowest_one(mask), without_lowest(mask), first_bits(count), bits_below(count - 1)


@settings(max_examples=100, deadline=None)
@given(mask=st.integers(1, 2**64 - 1), count=st.integers(1, 64))
def test_bits(mask, count):
    digits = f"{mask:b}"
    low = len(digits) - 1 - digits.rindex("1")
    wanted = (mask.bit_count(), low, mask - (1 << low), (1 << count) - 1, (1 << count - 1) - 1)
    assert tuple(map(int, bit_facts(np.uint64(mask), count))) == wanted


def test_every_mask_has_a_test():
    named = {name for name, _ in inspect.getmembers(masks) if name.endswith("_mask")}
    assert named - {"equal_mask", "between_mask", "at_least_mask", "at_most_mask", "equal_bytes_mask"} <= KINDS.keys()
