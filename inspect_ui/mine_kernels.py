"""Kernels that find what repeats: spans of text are hashed, equal hashes are one group, and groups are counted.

A span is data[start:end] of an Arrow string column's bytes; spans come in the order of documents. Hashes are 64 bits
(rules/text/hash_sets.py): a million spans share one by chance in 3 of 100 million cases. Hashing takes about 1 ns a byte, grouping
20 to 80 ns a span, the price of a cache miss.
"""

from __future__ import annotations

import numpy as np

from rules.text.characters import CJK, CLOSING, TERMINAL, WHITE
from rules.text.decode import character_at, character_before
from rules.text.hash_sets import EMPTY, SEED, absorb, bytes_hash, find_slot, first_slot, slot_bits
from rules.text.kernels import inlined, kernel, unowned

NO_KEY = np.uint64(0)
NUMBER, NAME, SPACE = np.uint64(1), np.uint64(2), np.uint64(3)  # what a template has in the place of characters
BLANK, OTHER, PROSE = 0, 1, 2  # kinds of lines
IDEOGRAPHS = 8  # characters at the edge of a line that has no spaces


# ---- spans


@kernel
def trim_spans(data, starts, ends, classes):
    """Spans without the white space at both ends (int64 [2, n])."""
    out = np.empty((2, starts.size), np.int64)
    for k in range(starts.size):
        out[0, k], out[1, k] = trimmed(data, starts[k], ends[k], classes)
    return out


@kernel
def trimmed(data, start, end, classes):
    data, classes = unowned(data), unowned(classes)
    while start < end:
        code, size = character_at(data, start, end)
        if not classes[code] & WHITE:
            break
        start += size
    while start < end:
        code, size = character_before(data, start, end)
        if not classes[code] & WHITE:
            break
        end -= size
    return start, end


@kernel
def first_words_of(data, starts, ends, classes, words):
    """The first `words` words of trimmed spans that have more (int64 [2, n]); others are empty.

    A span that begins with eight characters without a space, the first an ideograph, gives those, if it has more."""
    out = np.empty((2, starts.size), np.int64)
    for k in range(starts.size):
        out[0, k], out[1, k] = starts[k], head_end(data, starts[k], ends[k], classes, words)
    return out


@kernel
def head_end(data, start, end, classes, words):
    """Where the first words end; `start` if there are no more."""
    data, classes = unowned(data), unowned(classes)
    i, seen, characters, in_word, eighth = start, 0, 0, False, start
    while i < end:
        code, size = character_at(data, i, end)
        if classes[code] & WHITE:
            if in_word and seen == words:
                return i
            in_word = False
        elif not in_word:
            in_word, seen = True, seen + 1
        i, characters = i + size, characters + 1
        if characters == IDEOGRAPHS and seen == 1:
            eighth = i
    if start < end and eighth < end and characters > IDEOGRAPHS and classes[character_at(data, start, end)[0]] & CJK:
        return eighth
    return start


@kernel
def last_words_of(data, starts, ends, classes, words):
    """The last `words` words of trimmed spans that have more, as `first_words_of` the first ones."""
    out = np.empty((2, starts.size), np.int64)
    for k in range(starts.size):
        out[0, k], out[1, k] = tail_start(data, starts[k], ends[k], classes, words), ends[k]
    return out


@kernel
def tail_start(data, start, end, classes, words):
    """Where the last words start; `end` if there are no more."""
    data, classes = unowned(data), unowned(classes)
    i, seen, characters, in_word, eighth = end, 0, 0, False, end
    while i > start:
        code, size = character_before(data, start, i)
        if classes[code] & WHITE:
            if in_word and seen == words:
                return i
            in_word = False
        elif not in_word:
            in_word, seen = True, seen + 1
        i, characters = i - size, characters + 1
        if characters == IDEOGRAPHS and seen == 1:
            eighth = i
    if start < end and eighth > start and characters > IDEOGRAPHS and classes[character_before(data, start, end)[0]] & CJK:
        return eighth
    return end


# ---- keys


@kernel
def span_keys(data, starts, ends):
    """A hash of each span (uint64 [n]); NO_KEY of empty ones."""
    keys = np.zeros(starts.size, np.uint64)
    for k in range(starts.size):
        if starts[k] < ends[k]:
            keys[k] = some_key(bytes_hash(data, starts[k], ends[k]))
    return keys


@inlined
def some_key(key):
    return SEED if key == NO_KEY else key


@kernel
def template_keys(data, starts, ends, names, bits):
    """A hash of each span with its numbers and names (a set, as `name_set` makes it) left out; NO_KEY where there are none."""
    keys = np.zeros(starts.size, np.uint64)
    for k in range(starts.size):
        keys[k] = template_key(data, starts[k], ends[k], names, bits)
    return keys


@kernel
def template_key(data, i, end, names, bits):
    data, names = unowned(data), unowned(names)
    state, classes = SEED, 0
    while i < end:
        byte, j = data[np.uint64(i)], i + 1
        if is_digit(byte):
            while j < end and is_digit(data[np.uint64(j)]):
                j += 1
            state, classes = absorb(state, NUMBER), classes + 1
        elif is_letter(byte):
            while j < end and is_letter(data[np.uint64(j)]):
                j += 1
            word = bytes_hash(data, i, j)
            named = has_key(names, bits, word)
            state, classes = absorb(state, NAME if named else word), classes + named
        elif byte <= 32:
            while j < end and data[np.uint64(j)] <= 32:
                j += 1
            state = absorb(state, SPACE)
        else:
            state = absorb(state, np.uint64(byte) + np.uint64(256))
        i = j
    return some_key(state) if classes else NO_KEY


@inlined
def is_digit(byte):
    return 48 <= byte <= 57


@inlined
def is_letter(byte):
    return byte >= 128 or 65 <= byte & 0xDF <= 90


@inlined
def has_key(keys, bits, key):
    last = np.uint64((1 << bits) - 1)
    slot = first_slot(key, bits)
    while keys[slot] != EMPTY:
        if keys[slot] == key:
            return True
        slot = (slot + np.uint64(1)) & last
    return False


@kernel
def name_set(offsets, data):
    """The set of names data[offsets[k]:offsets[k + 1]], and log2 of its size."""
    bits = slot_bits(offsets.size)
    keys = np.zeros(1 << bits, np.uint64)
    for k in range(offsets.size - 1):
        find_slot(keys, bits, bytes_hash(data, offsets[k], offsets[k + 1]))
    return keys, bits


@kernel
def count_ngrams(data, starts, ends, classes, kinds, words):
    """How many runs of `words` words there are in all spans; characters of `kinds` (flags) are what words are made of."""
    found = 0
    for k in range(starts.size):
        i, end, seen = starts[k], ends[k], 0
        while i < end:
            start, i = next_word(data, i, end, classes, kinds)
            seen += start < i
        found += max(seen - words + 1, 0)
    return found


@kernel
def next_word(data, i, end, classes, kinds):
    """Start and end of the first word at or after i; both `end` if there is none."""
    data, classes = unowned(data), unowned(classes)
    start = end
    while i < end:
        code, size = character_at(data, i, end)
        if classes[code] & kinds == 0:
            if start < end:
                return start, i
        elif start == end:
            start = i
        i += size
    return start, end


@kernel
def ngram_keys(data, starts, ends, classes, kinds, words, number):
    """Hash (uint64), span (int64 [2]) and line (int32) of each of the `number` runs of `words` words."""
    keys, spans, lines = np.empty(number, np.uint64), np.empty((2, number), np.int64), np.empty(number, np.int32)
    hashes, places = np.empty(words, np.uint64), np.empty(words, np.int64)
    found = 0
    for k in range(starts.size):
        i, end, seen = starts[k], ends[k], 0
        while i < end:
            start, i = next_word(data, i, end, classes, kinds)
            if start == i:
                break
            hashes[seen % words], places[seen % words] = bytes_hash(data, start, i), start
            seen += 1
            if seen >= words:
                keys[found] = joined_key(hashes, seen, words)
                spans[0, found], spans[1, found], lines[found] = places[seen % words], i, k
                found += 1
    return keys, spans, lines


@inlined
def joined_key(hashes, seen, words):
    """The hash of the last `words` words, oldest first."""
    state = SEED
    for j in range(words):
        state = absorb(state, hashes[(seen + j) % words])
    return some_key(state)


# ---- what lines are


@kernel
def line_kinds(data, starts, ends, classes, words):
    """Of each span: BLANK, OTHER, or PROSE: so many words, and the end of a sentence at its end (int8 [n])."""
    kinds = np.empty(starts.size, np.int8)
    for k in range(starts.size):
        start, end = trimmed(data, starts[k], ends[k], classes)
        kinds[k] = OTHER if start < end else BLANK
        if start < end and ends_sentence(data, start, end, classes) and has_words(data, start, end, classes, words):
            kinds[k] = PROSE
    return kinds


@kernel
def ends_sentence(data, start, end, classes):
    """Does the span end with a sentence's last mark, or a closing mark after one?"""
    data, classes = unowned(data), unowned(classes)
    code, size = character_before(data, start, end)
    if classes[code] & CLOSING and start < end - size:
        code, size = character_before(data, start, end - size)
    return classes[code] & TERMINAL != 0


@kernel
def has_words(data, i, end, classes, words):
    """Has the span so many words, between white space or ideographs?"""
    seen, in_word = 0, False
    while i < end and seen < words:
        code, size = character_at(data, i, end)
        if classes[code] & CJK:
            seen, in_word = seen + 1, False
        elif classes[code] & WHITE:
            in_word = False
        elif not in_word:
            seen, in_word = seen + 1, True
        i += size
    return seen >= words


# ---- groups


@kernel
def group_keys(keys, bits):
    """The group of each key (int32 [n], in order of appearance; -1 of NO_KEY), and how many there are."""
    groups = np.empty(keys.size, np.int32)
    table, numbers = np.zeros(1 << bits, np.uint64), np.empty(1 << bits, np.int32)
    found = 0
    for k in range(keys.size):
        if keys[k] == NO_KEY:
            groups[k] = -1
            continue
        slot, there = find_slot(table, bits, keys[k])
        if not there:
            numbers[slot] = found
            found += 1
        groups[k] = numbers[slot]
    return groups, found


@kernel
def count_groups(groups, documents, number):
    """Of each group: spans, documents, and its first span (int64 [3, number]). `documents` ([n]) never go back."""
    counts = np.zeros((3, number), np.int64)
    last = np.full(number, -1, np.int64)
    for k in range(groups.size):
        g = groups[k]
        if g >= 0:
            if last[g] < 0:
                counts[2, g] = k
            counts[0, g] += 1
            counts[1, g] += last[g] != documents[k]
            last[g] = documents[k]
    return counts


@kernel
def count_pairs(groups, chosen, values, number, bits):
    """Different `values` (uint64 [n]) of each chosen group: chosen[g] is its number (of `number`), or -1."""
    counts = np.zeros(number, np.int64)
    table = np.zeros(1 << bits, np.uint64)
    for k in range(groups.size):
        if groups[k] >= 0 and chosen[groups[k]] >= 0:
            place = chosen[groups[k]]
            _, there = find_slot(table, bits, absorb(absorb(SEED, np.uint64(place)), values[k]))
            counts[place] += not there
    return counts


@kernel
def count_marked(groups, chosen, marked, number):
    """Spans of each chosen group, and those that are `marked` (bool [n]): int64 [2, number]."""
    counts = np.zeros((2, number), np.int64)
    for k in range(groups.size):
        if groups[k] >= 0 and chosen[groups[k]] >= 0:
            counts[0, chosen[groups[k]]] += 1
            counts[1, chosen[groups[k]]] += marked[k]
    return counts
