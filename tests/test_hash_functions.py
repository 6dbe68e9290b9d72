"""SHA-1 and xxHash64 kernels against hashlib and the xxhash package."""

import hashlib

import numpy as np
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.hash_functions import sha1_start, xxh64


@settings(deadline=None, max_examples=100)  # the first call may compile
@given(st.binary(max_size=200), st.integers(0, 9))
@example(b"", 0)
@example(bytes(range(55)), 1)
@example(bytes(range(56)), 1)
@example(bytes(range(64)), 3)
@example(b"\xff" * 119, 0)
@example(b"\x80" * 120, 0)
@example(b"abcdefgh" * 4, 0)
def test_hashes_are_those_of_the_libraries(data, before):
    array = np.frombuffer(b"x" * before + data + b"y" * 8, np.uint8)
    begin, end = np.uint64(before), np.uint64(before + len(data))
    first, second = sha1_start(array, begin, end, np.zeros(80, np.uint32), np.zeros(5, np.uint32))
    assert int(first).to_bytes(4, "little") + int(second).to_bytes(4, "little") == hashlib.sha1(data).digest()[:8]
    assert int(xxh64(array, begin, end)) == xxhash.xxh64_intdigest(data)
