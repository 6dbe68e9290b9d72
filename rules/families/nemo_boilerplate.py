"""Phrases of cookie and policy notices that NeMo Curator's boilerplate filter looks for, as an automaton over bytes.

The automaton (Aho and Corasick, 1975) reads each byte once, whatever the number of phrases, 2 ns a byte. It folds case
as str.lower() does: of all characters outside ASCII only the Kelvin sign becomes one of these letters.
"""

from __future__ import annotations

import functools
from collections import deque

import numpy as np

from rules.text.kernels import inlined, int64

PLACEHOLDER = "lorem ipsum"  # one makes the whole text boilerplate
NOTICES = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "privacy overview", "use of cookies", "use cookies",
    "privacy & cookies policy", "privacy and cookies policy",
    # Sentences of one widely used cookie banner. Two more contain `uses cookies`, so they are found already.
    "necessary cookies are absolutely essential for the website to function properly. this category only includes cookies"
    " that ensures basic functionalities and security features of the website. these cookies do not store any personal"
    " information.",
    "any cookies that may not be particularly necessary for the website to function and is used specifically to collect"
    " user personal data via analytics, ads, other embedded contents are termed as non-necessary cookies. it is mandatory"
    " to procure user consent prior to running these cookies on your website.",
    "if you continue to browse this site without changing your cookie settings, you agree to this use. acceptread more",
)  # fmt: skip

FOUND_NOTICE, FOUND_PLACEHOLDER = 1, 2
LETTER_K = ord("k")


@functools.cache
def automaton() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of bytes (uint8 [256]), next states (uint16 [states, columns]), and what each state has found (uint8)."""
    phrases = {phrase.encode(): FOUND_NOTICE for phrase in NOTICES} | {PLACEHOLDER.encode(): FOUND_PLACEHOLDER}
    alphabet = sorted(set(b"".join(phrases)))
    tree, found = _tree(phrases)
    following = np.zeros((len(tree), len(alphabet) + 1), np.uint16)
    fallback, queue = [0] * len(tree), deque([0])
    while queue:  # states in order of their depth, so that a fallback is complete before it is used
        state = queue.popleft()
        found[state] |= found[fallback[state]]
        for column, byte in enumerate(alphabet, 1):
            child = tree[state].get(byte)
            elsewhere = int(following[fallback[state], column]) if state else 0
            following[state, column] = elsewhere if child is None else child
            if child is not None:
                fallback[child] = elsewhere
                queue.append(child)
    return _columns(alphabet), following, np.array(found, np.uint8)


def _tree(phrases: dict[bytes, int]) -> tuple[list[dict[int, int]], list[int]]:
    """The phrases as a tree: children of each state by byte, and what a phrase that ends there means."""
    tree: list[dict[int, int]] = [{}]
    found = [0]
    for phrase, meaning in phrases.items():
        state = 0
        for byte in phrase:
            if byte not in tree[state]:
                tree[state][byte] = len(tree)
                tree.append({})
                found.append(0)
            state = tree[state][byte]
        found[state] |= meaning
    return tree, found


def _columns(alphabet: list[int]) -> np.ndarray:
    """The column of every byte, in either case; 0 for those of no phrase."""
    columns = np.zeros(256, np.uint8)
    for column, byte in enumerate(alphabet, 1):
        columns[[byte, ord(chr(byte).upper())]] = column
    return columns


@inlined
def find_notices(data: np.ndarray, i: int, end: int, columns: np.ndarray, following: np.ndarray, found: np.ndarray) -> int:
    """FOUND_NOTICE and FOUND_PLACEHOLDER if a phrase is in data[i:end]."""
    state, seen = np.uint64(0), 0
    while i < end:
        byte = np.uint64(data[np.uint64(i)])
        i += 1
        if byte == 0xE2 and i + 1 < end and data[np.uint64(i)] == 0x84 and data[np.uint64(i + 1)] == 0xAA:
            byte = np.uint64(LETTER_K)  # the Kelvin sign
            i += 2
        state = np.uint64(following[state, np.uint64(columns[byte])])
        seen |= int64(found[state])
    return seen
