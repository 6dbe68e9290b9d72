"""The signals of data-juicer's filters equal their plain definitions, and values that its filters give."""

from __future__ import annotations

import math
from collections import Counter

import datajuicer_definitions
import definitions
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hostile_texts import any_texts, raw_texts
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_counts import raw_array

from rules.families.datajuicer_characters import special_characters
from rules.families.datajuicer_signals import DATAJUICER_SIGNALS
from rules.measures.signals import measure
from rules.text.kernels import kernel
from rules.text.lower_case import PAST_CASED, ROOM, lower_cases, lower_word
from rules.text.repeated_keys import count_keys, key_scratch, occurrences_of, repeated_keys

NAMES = [signal.name for signal in DATAJUICER_SIGNALS]
PIECES = ["a", "A", "é", "É", "K", "\u212a", "İ", "Σ", "ς", "Г", "г", "ⓜ", "Ⓜ", "ab-", "(ab", "...", "😀", "❤\ufe0f", " ", "\n", "\t", "\r", "\u00a0", "一", "π", "5", "the cat sat on the mat and then it "]  # fmt: skip
dj_texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
repeated_words = st.lists(st.sampled_from(["a ", "A, ", "b ", "é\n", "a b "]), max_size=120).map("".join)
few_characters = st.text(alphabet="ab漢", max_size=300) | st.tuples(st.text(max_size=12), st.integers(1, 40)).map(lambda pair: pair[0] * pair[1])


def one(text: str) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(pa.array([text]), NAMES).items()}


def assert_defined(texts: list[str]) -> None:
    found = measure(pa.array(texts, pa.large_string()), NAMES)
    for row, text in enumerate(texts):
        wanted = datajuicer_definitions.signals(text)
        assert wanted.keys() == found.keys()
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True), text


@settings(max_examples=800, deadline=None)
@given(st.lists(any_texts | dj_texts | repeated_words | few_characters, min_size=1, max_size=4))
@example(["", " ", "x" * 9, "x" * 10, "x" * 11, "abcdefghij" * 30 + "klmnopqrst" * 30])
def test_equal_the_definitions(texts):
    assert_defined(texts)


@settings(max_examples=300, deadline=None)
@given(st.lists(raw_texts, min_size=1, max_size=4))
def test_malformed_bytes_read_as_replacement_characters(raws):
    found = measure(raw_array(raws), NAMES)
    for row, raw in enumerate(raws):
        wanted = datajuicer_definitions.signals(definitions.read(raw))
        assert {name: float(values[row]) for name, values in found.items()} == pytest.approx(wanted, rel=1e-15, nan_ok=True)


def test_known_values():
    """Worked out by hand from the filters' definitions."""
    assert one("ab1 é½!")["datajuicer_alnum_char_frac"] == 5 / 7
    assert one("a1, é😀")["datajuicer_special_char_frac"] == 4 / 6
    assert one("一丁")["datajuicer_special_char_frac"] == 1 / 2  # the sign for one is on the list
    assert one("ab\ncd\r\n")["datajuicer_mean_line_chars"] == 7 / 2
    assert one("ab\nécd\u2028\n")["datajuicer_longest_line_chars"] == 3
    assert one("a -- b\u00a0c 5 d!")["datajuicer_words"] == 3  # no-break spaces divide nothing; 5 is special
    assert one("abcdefghijabcdefghij")["datajuicer_char_10_gram_frac"] == 2 / 11  # one run of ten repeats, 10 differ
    assert one("x" * 20)["datajuicer_char_10_gram_frac"] == 1
    assert one("a b c d e f g h i j. A, (b) c d e f g h i J")["datajuicer_word_10_gram_frac"] == 2 / 11
    assert math.isnan(one("short")["datajuicer_char_10_gram_frac"]) and math.isnan(one("short")["datajuicer_word_10_gram_frac"])


def test_a_lower_case_character_is_pythons():
    lower = lower_cases()
    for code in range(0x110000):
        wanted = chr(code).lower().replace("ς", "σ")
        assert wanted == (chr(lower[code]) if code < PAST_CASED else chr(code)) + ("\u0307" if code == 0x130 else "")


@kernel
def lowered(data, lower):
    buffer = np.zeros(3 * data.size + ROOM, np.uint8)
    return buffer[: lower_word(data, 0, data.size, lower, buffer)]


@settings(max_examples=400, deadline=None)
@given(any_texts | dj_texts)
def test_words_in_lower_case(text):
    raw = text.encode() + b"pad the end"
    wanted = text.lower().replace("ς", "σ") + "pad the end"
    assert bytes(lowered(np.frombuffer(raw, np.uint8), lower_cases())).decode() == "".join(c.lower() for c in wanted).replace("ς", "σ")


@kernel
def frequencies(keys):
    bits, table, numbers, once = count_keys(keys, keys.size, key_scratch(keys.size))
    return repeated_keys(bits, numbers), once, [occurrences_of(key, bits, table, numbers) for key in keys]


def assert_counted(keys: list[int]) -> None:
    (repeated, total, most, different), once, each = frequencies(np.array(keys, np.uint64))
    wanted = Counter(keys)
    assert each == [wanted[key] for key in keys]
    assert repeated == sum(number > 1 for number in wanted.values()) and most == max(wanted.values())
    assert total == sum(number for number in wanted.values() if number > 1)
    assert different + once == len(wanted) and once <= sum(number == 1 for number in wanted.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 12) | st.integers(0, 2**64 - 1), min_size=1, max_size=300))
def test_repeated_keys(keys):
    assert_counted(keys)


def test_more_keys_than_a_table_holds_at_first():
    keys = np.random.default_rng(0).integers(0, 2**64, 150_000, np.uint64, endpoint=False).tolist()
    assert_counted(keys + keys + keys[:1000] + list(range(100)))


def test_special_characters():
    special = special_characters()
    assert [c for c in "a. 5é—\u200b😀☺\ufe0f\u200d" if special[ord(c)]] == [".", " ", "5", "—", "\u200b", "😀", "☺"]
    assert special.sum() == 1641


@pytest.mark.parametrize("text", ["x" * 3_000_000, "word " * 500_000, "\n" * 1_000_000, "漢" * 500_000, "ab" * 10 + "é" * 300_000], ids=lambda text: text[:5])
def test_long_runs_of_one_thing(text):
    found, wanted = one(text), datajuicer_definitions.signals(text)
    assert found == pytest.approx(wanted, rel=1e-15, nan_ok=True)


def test_equal_the_definitions_on_real_pages(shared_data):
    for name in ("web", "sample"):
        for file in sorted((shared_data / name).glob("*.parquet"))[:2]:
            texts = parquet.read_table(file, columns=["text"])["text"].to_pylist()
            assert_defined([text[:8000] for text in texts[:: max(1, len(texts) // 30)]])
