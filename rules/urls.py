"""URL rules: which URLs a test is about. Lists may hold millions of entries: they are looked up, never searched.

A URL without a scheme (`example.com/a`) is read as if it had one. Host and words are compared in lower case, paths as
they are; international domain names as the URL spells them. Cost: a few passes of RE2 over the URLs.
"""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.measures.word_lists import WordList
from rules.rule import UrlTest
from rules.text.buffers import large_strings

_HOST = r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://)?(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)"
_PATH = r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://)?[^/?#]*(?P<path>/[^?#]*)?"
_NOT_WORDS = r"[^\p{L}\p{M}\p{N}]+"


def url_matches(test: UrlTest, urls: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """int64 [docs]: how many words of the list each URL has, or 1 where a test without words holds; 0: it does not hold.

    A document without a URL meets no test."""
    urls = large_strings(urls)
    count = np.ones(len(urls), np.int64)
    if test.words is not None:
        count = _listed_words(urls, test.words)
    holds = (count >= test.at_least) & pc.greater(pc.binary_length(urls), 0).to_numpy(zero_copy_only=False)
    if test.host is not None:
        holds &= _below(hosts(urls), test.host, r"^[^.]*\.?")
    if test.path is not None:
        paths = pc.struct_field(pc.extract_regex(urls, _PATH), "path")
        holds &= _below(pc.utf8_rtrim(pc.fill_null(paths, "/"), "/"), test.path, r"/[^/]*$")
    if test.match is not None:
        holds &= pc.match_substring_regex(urls, test.match).to_numpy(zero_copy_only=False)
    return np.where(holds, count, 0)


def hosts(urls: pa.LargeStringArray) -> pa.Array:
    """The host of each URL in lower case, without a port and a final dot."""
    found = pc.struct_field(pc.extract_regex(urls, _HOST), "host")
    return pc.utf8_rtrim(pc.utf8_lower(pc.fill_null(found, "")), ".")


def _below(names: pa.Array, words: WordList, last_step: str) -> np.ndarray:
    """Which names are an entry of the list, or come to be one when parts are taken off, one after the other."""
    wanted, found = _entries(words), np.zeros(len(names), bool)
    left = np.arange(len(names))
    while len(left):
        hit = pc.is_in(names, wanted).to_numpy(zero_copy_only=False)
        found[left[hit]] = True
        stays = ~hit & pc.greater(pc.binary_length(names), 0).to_numpy(zero_copy_only=False)
        names = pc.replace_substring_regex(names.filter(pa.array(stays)), last_step, "")
        left = left[stays]
    return found


@functools.lru_cache(maxsize=256)
def _entries(words: WordList) -> pa.Array:
    return pa.array(words.entries, pa.large_string())


def _listed_words(urls: pa.LargeStringArray, words: WordList) -> np.ndarray:
    """int64 [docs]: different words of each URL that are in the list."""
    parts = pc.split_pattern_regex(pc.utf8_lower(urls), _NOT_WORDS)
    flat, parents = pc.list_flatten(parts), pc.list_parent_indices(parts)
    places = pc.index_in(flat, _entries(words))
    pairs = pa.table({"url": parents, "entry": places}).filter(pc.is_valid(places)).group_by(["url", "entry"]).aggregate([])
    return np.bincount(pairs["url"].to_numpy(), minlength=len(urls)).astype(np.int64)
