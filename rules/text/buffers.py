"""Arrow string columns as the numpy arrays that kernels read: int64 offsets and uint8 bytes.

Zero copy for one contiguous large_string array; a chunked or small-offset column costs one copy.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def large_strings(column: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """`column` (any string type) as one contiguous large_string array; null becomes the empty text."""
    if isinstance(column, pa.ChunkedArray):
        chunks = column.chunks or [pa.array([], column.type)]
        column = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    if column.type != pa.large_string():
        column = column.cast(pa.large_string())
    return pc.fill_null(column, "") if column.null_count else column


def string_buffers(column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (int64 [n + 1]) and bytes (uint8) of a string column; text i is bytes[offsets[i]:offsets[i + 1]]."""
    array = large_strings(column)
    if len(array) == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None and data_buffer.size else np.zeros(0, np.uint8)
    return offsets, data


def match_rows(texts: pa.LargeStringArray, pattern: str) -> np.ndarray:
    """Which texts a pattern of RE2 matches somewhere: bool [texts]. Raises pa.ArrowInvalid for one that it does not take."""
    matched: np.ndarray = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return matched


def strings_from(offsets: np.ndarray, data: np.ndarray) -> pa.LargeStringArray:
    """A large_string array over `offsets` (int64 [n + 1]) and `data` (uint8, valid UTF-8), without a copy."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets, np.int64)), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
