"""A few windows of a long text in place of all of it: what is judged where speed matters more than the last document.

Windows are spread evenly from the first byte to the last, begin and end where characters do, and are judged as one text,
each cut from the next by a space. A text of at most so many bytes as all windows together is judged whole.
"""

from __future__ import annotations

import numpy as np

from rules.text.kernels import inlined, kernel


@kernel
def windowed(offsets, data, windows, window_bytes):
    """Each text's windows as a text, int64 offsets [docs + 1] and uint8 bytes."""
    out_offsets = np.zeros(offsets.size, np.int64)
    total = 0
    for d in range(offsets.size - 1):
        size = offsets[d + 1] - offsets[d]
        total += size if size <= windows * window_bytes else windows * (window_bytes + 4)  # 3 of a character, 1 between
    out, filled = np.empty(total, np.uint8), 0
    for d in range(offsets.size - 1):
        begin, end = offsets[d], offsets[d + 1]
        if end - begin <= windows * window_bytes:
            filled = copy_span(data, begin, end, out, filled)
        else:
            for k in range(windows):
                place = begin + (end - begin - window_bytes) * k // max(windows - 1, 1)
                first, last = character_begin(data, place, end), character_begin(data, place + window_bytes, end)
                filled = copy_span(data, first, last, out, filled)
                if k < windows - 1:
                    out[filled] = 32
                    filled += 1
        out_offsets[d + 1] = filled
    return out_offsets, out[:filled]


@inlined
def copy_span(data, begin, end, out, filled):
    for i in range(begin, end):
        out[filled] = data[i]
        filled += 1
    return filled


@inlined
def character_begin(data, i, end):
    """The first place from i on where a character begins, or `end`."""
    while i < end and data[i] & np.uint8(0xC0) == np.uint8(0x80):
        i += 1
    return i
