"""How many sentences a text has, as C4's rules need to know; most bytes are passed by eight at a time."""

from __future__ import annotations

from numba import njit

from rules.characters import CLOSING, TERMINAL, WHITE
from rules.decode import HIGH_BITS, LOW_BITS, character_at, equal_bytes, every_byte, load_eight
from rules.line_breaks import EIGHT_C2, EIGHT_NEWLINES, NOTHING

SENTENCE_COUNTS = {"sentences": "sentences: up to terminal punctuation before white space, or to the end of a line"}

EIGHT_RETURNS, EIGHT_STOPS, EIGHT_QUESTIONS, EIGHT_EXCLAMATIONS = every_byte(13), every_byte(46), every_byte(63), every_byte(33)
EIGHT_EA, FROM_D6, PAST_E3, FROM_EF = every_byte(0xEA), every_byte(128 - 0x56), every_byte(127 - 0x63), every_byte(128 - 0x6F)


@njit(nogil=True, cache=True)
def sentence_count(data, i, end, classes):
    """Each sentence runs to terminal punctuation, and closing marks after it, before white space; or to a line's end."""
    sentences, inside, marked = 0, False, False
    while i < end:
        if inside and not marked and end - i >= 8 and ends_no_sentence(load_eight(data, i)):
            i += 8
            continue
        code, size = character_at(data, i, end)
        i += size
        kind = classes[code]
        if kind & WHITE:
            if marked or code == 10 or code == 13 or code == 0x2028 or code == 0x2029 or code == 0x85:
                inside = False
            marked = False
        else:
            sentences += 0 if inside else 1
            inside = True
            marked = kind & TERMINAL != 0 or (marked and kind & CLOSING != 0)
    return sentences


@njit(nogil=True, cache=True, forceinline=True)
def ends_no_sentence(eight):
    """No byte of the eight belongs to a character that ends a sentence or a line.

    Such characters are . ? ! and the line ends of ASCII, and else begin with C2, D6 to E3, EA, or EF and above; so most
    of Latin, Cyrillic, Han and Hangul is passed by. A skip may end within a character, whose rest is then harmless."""
    marks = equal_bytes(eight, EIGHT_STOPS) | equal_bytes(eight, EIGHT_QUESTIONS) | equal_bytes(eight, EIGHT_EXCLAMATIONS)
    marks |= equal_bytes(eight, EIGHT_NEWLINES) | equal_bytes(eight, EIGHT_RETURNS)
    high = eight & HIGH_BITS
    if high != NOTHING:
        low = eight & LOW_BITS
        marks |= (low + FROM_D6) & ~(low + PAST_E3) & high
        marks |= (low + FROM_EF) & high
        marks |= equal_bytes(eight, EIGHT_C2) | equal_bytes(eight, EIGHT_EA)
    return marks & HIGH_BITS == NOTHING
