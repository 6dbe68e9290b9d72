"""The pii pack: what identifies a person is replaced in any sentence, beside any neighbour; what only looks so stays."""

from __future__ import annotations

import ipaddress
import random
from functools import cache

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import apply
from rules.format.pack import load_pack, shipped_packs
from rules.rule import Pack

PHONES = {
    "de": ["+49 30 1234567", "+49 (0)30 1234 5678", "030/12345678", "030 12345678", "0171-1234567", "(089) 123 45 67", "089 / 123 45 67", "0049 30 1234567"],
    "us": ["(212) 555-0123", "212-555-0123", "646.555.0199", "+1 212 555 0123", "+1-212-555-0123", "1-800-555-0199", "+12125550123"],
    "gb": ["020 7946 0958", "(020) 7946 0958", "+44 20 7946 0958", "0161 496 0000", "07700 900123", "01632 960 001"],
    "fr": ["01 23 45 67 89", "01.23.45.67.89", "+33 1 23 45 67 89", "+33.1.23.45.67.89", "06-12-34-56-78"],
    "es": ["91 234 56 78", "612 34 56 78", "+34 912 345 678"],
    "it": ["06 69821234", "333 1234567", "+39 06 6982 1234"],
    "nl": ["020-1234567", "06-12345678", "+31 20 123 4567"],
    "pl": ["(22) 123 45 67", "+48 22 123 45 67", "+48 601 123 456"],
    "ru": ["8 (495) 123-45-67", "+7 (495) 123-45-67", "8-800-555-35-35", "+7 495 123 45 67"],
    "jp": ["03-1234-5678", "090-1234-5678", "0120-123-456", "+81 3-1234-5678"],
    "cn": ["138 1234 5678", "138-1234-5678", "010-12345678", "+86 10 1234 5678"],
    "kr": ["02-123-4567", "010-1234-5678", "+82 2-123-4567"],
    "br": ["(11) 91234-5678", "(11) 1234-5678", "+55 11 91234-5678"],
    "tr": ["(0212) 123 45 67", "0212 123 45 67", "0 (212) 123 45 67", "0532 123 4567", "+90 212 123 45 67"],
    "in": ["+91 98765 43210", "+91-98765-43210"],
    "au": ["(02) 9374 4000", "0412 345 678", "+61 2 9374 4000"],
    "ua": ["+380 44 123 4567", "(044) 123-45-67"],
    "labelled": ["Tel.: 12345678", "Phone: 5551234", "Telefon: 0301234567", "тел.: 1234567", "電話：0312345678", "Fax: 123 45 67"],
}  # fmt: skip

NEAR_MISSES = [
    "12.03.2024", "2024-03-12", "03/12/2024", "01-02-2003", "01 02 2003", "2024-03-12 10:15:30", "2024-03-12T10:15:30+02:00", "10:15-11:45", "1914-1918", "+0200",
    "1,234,567.89", "1.234.567,89", "1 234 567", "812 345 678", "€ 1.250.000", "$ 100-200-300", "0.12345678", "0,123 456", "-12 345 678", "99.999.999",
    "ISBN 0-306-40615-2", "ISBN 978-0-306-40615-7", "978 0 306 40615 7", "ISSN 0028-0836", "1.2.3.4", "v10.20.30.40", "3.11.4-rc1", "1.3.6.1.4.1.311.21", "2.6.32-754.el6", "91.0.4472.124",
    "127.0.0.1", "10.0.0.1", "192.168.178.1", "172.31.255.255", "169.254.1.1", "224.0.0.251", "203.0.113.7", "0.0.0.0", "255.255.255.0", "100.64.0.1",
    "::1", "fe80::1ff:fe23:4567:890a", "2001:db8::8a2e:370:7334", "fd00::1", "ff02::1", "00:1a:2b:3c:4d:5e", "12:30:45", "a::b",
    "icon@2x.png", "lodash@4.17.21", "@ann", "a@b", "foo@", "DE89 3704 0044", "550e8400-e29b-41d4-a716-446655440000", "1234 5678 9012 3456", "4111111111111111", "SSN 123-45-6789",
    "d41d8cd98f00b204e9800998ecf8427e", "0x7fff5fbff8a0", "48.856614, 2.352222", "+48.856614", "E = 1.602176634", "3:0 2:1 1:1", "12.4.2.2", "01 02 03 04 05 06 07", "[[ 1045 1005 2310 2042 3403 2005", "50 00 00 00 79 00 00 00", "10-20-30-40", "B0-1234-567", "Part 100-200-3000",
]  # fmt: skip

# Country and length as the registry of the standard lists them (a selection that covers every length but 32 and 33).
IBAN_LENGTHS = {"NO": 15, "BE": 16, "DK": 18, "SI": 19, "AT": 20, "CH": 21, "DE": 22, "GB": 22, "IL": 23, "ES": 24, "PT": 25, "TR": 26, "FR": 27, "IT": 27, "PL": 28, "BR": 29, "KW": 30, "MT": 31}


@cache
def pii() -> Pack:
    return load_pack(shipped_packs()["pii"])


def clean(texts: list[str]) -> list[str]:
    return apply([pii()], pa.array(texts, pa.large_string())).texts.to_pylist()


batched = settings(max_examples=20, deadline=None)  # an example is many cases: compiling the patterns costs more than using them


def many(cases: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(cases, min_size=1, max_size=30)


# A sentence around what is found: before and after it. Neither side may turn it into something else.
sentences = st.sampled_from([("", ""), ("Write to ", " today."), ("(", ")"), ("Адрес: ", ", спасибо"), ("連絡先は「", "」です。"), ("See ", "."), ("\t", "\t"), ("« ", " »"), ("é ", " ü"), ("x=", ";")])
separators = st.sampled_from([" ", ",", ", ", ";", " or ", "\t", " / ", "、"])


@pytest.mark.parametrize("country", PHONES)
def test_phone_numbers_are_replaced(country):
    for number in PHONES[country]:
        label = number.split(":")[0].split("：")[0] if country == "labelled" else ""
        found = clean([number, f"Call {number} today.", f"({number})", f"{number}, {number}", f"x;{number};y"])
        assert all("<phone>" in text for text in found), (number, found)
        assert not any(c.isdigit() for text in found for c in text), (number, found)
        assert found[1].startswith(f"Call {label}") and found[1].endswith("today."), (number, found)


def test_there_are_enough_formats():
    assert len(PHONES) >= 16 and sum(map(len, PHONES.values())) >= 60 and len(NEAR_MISSES) >= 60


def test_near_misses_stay():
    texts = [form.format(text) for text in NEAR_MISSES for form in ("{0}", "It was {0} then.", "({0})", "{0}, {0}", "Es war {0}.")]
    assert clean(texts) == texts


octets = st.integers(0, 255)
addresses = st.tuples(octets, octets, octets, octets) | st.tuples(
    st.sampled_from([0, 10, 100, 127, 169, 172, 192, 198, 203, 223, 224, 240, 255]), st.sampled_from([0, 2, 15, 16, 18, 31, 32, 51, 63, 64, 127, 128, 168, 254, 255]), octets, octets,
)  # fmt: skip


def is_public(numbers: tuple[int, int, int, int]) -> bool:
    """Global in Python's eyes, without what the pack leaves alone by intent: multicast, and four numbers below 100.

    192.0.0.0/24, where versions of Python differ, stays too."""
    address = ipaddress.IPv4Address(".".join(map(str, numbers)))
    return address.is_global and not address.is_multicast and any(n > 99 for n in numbers) and numbers[:3] != (192, 0, 0)


def dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


@batched
@given(many(st.tuples(st.lists(addresses, min_size=1, max_size=4), sentences, separators.filter(lambda s: s != " / "))))
def test_public_ipv4_addresses_are_replaced_and_others_stay(cases):
    texts = [before + joint.join(map(dotted, found)) + after for found, (before, after), joint in cases]
    expected = [before + joint.join("<ip>" if is_public(n) else dotted(n) for n in found) + after for found, (before, after), joint in cases]
    assert clean(texts) == expected


@batched
@given(st.tuples(octets, octets, octets))
def test_every_first_octet(rest):
    every = [(first, *rest) for first in range(256)]
    texts = [dotted(numbers) for numbers in every]
    assert clean(texts) == ["<ip>" if is_public(numbers) else text for numbers, text in zip(every, texts)]


@batched
@given(many(st.tuples(st.sampled_from([0x2001, 0x2003, 0x2400, 0x2600, 0x2606, 0x2A00, 0x2A02, 0x2C0F]), st.lists(st.integers(0, 0xFFFF) | st.just(0), min_size=7, max_size=7), sentences, st.booleans())))
def test_public_ipv6_addresses_are_replaced(cases):
    texts, expected = [], []
    for first, rest, (before, after), exploded in cases:
        if first == 0x2001 and rest[0] < 0x200 or rest[0] == 0xDB8:
            rest[0] = 0x470
        rest[6] = max(rest[6], 1)  # 2400:: alone is too short to be sure
        address = ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in (first, *rest)))
        assert address.is_global
        text = address.exploded if exploded else address.compressed
        texts += [before + text + after, f"{text} {text},{text.upper()}"]
        expected += [f"{before}<ip>{after}", "<ip> <ip>,<ip>"]
    assert clean(texts) == expected


local_parts = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_éüжя", min_size=1, max_size=12)
labels = st.from_regex(r"[a-zé][a-z0-9éß]{0,8}", fullmatch=True) | st.sampled_from(["163", "mail-server", "web", "почта"])
emails = st.builds(
    lambda parts, joint, names, last: f"{joint.join(parts)}@{'.'.join(names)}.{last}",
    st.lists(local_parts, min_size=1, max_size=3), st.sampled_from([".", "+", "-", "_"]), st.lists(labels, min_size=1, max_size=3), st.sampled_from(["com", "de", "org", "co.uk", "museum", "рф", "xn--p1ai"]),
)  # fmt: skip


@batched
@given(many(st.tuples(st.lists(emails, min_size=1, max_size=4), sentences, separators)))
def test_emails_are_replaced_whole(cases):
    texts = [before + joint.join(found) + after for found, (before, after), joint in cases]
    assert clean(texts) == [before + joint.join(["<email>"] * len(found)) + after for found, (before, after), joint in cases]


def iban(country: str, length: int, seed: int) -> str:
    """Country, two check digits that are right, and digits: a valid number of that length."""
    digits = "".join(random.Random(seed).choices("0123456789", k=length - 4))
    rest = int("".join(str(int(c, 36)) for c in digits + country + "00")) % 97
    return f"{country}{98 - rest:02}{digits}"


def grouped(number: str) -> str:
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


@batched
@given(many(st.tuples(st.sampled_from(sorted(IBAN_LENGTHS)), st.integers(0, 10**6), sentences, st.booleans(), separators)))
def test_ibans_are_replaced_with_and_without_spaces(cases):
    texts, expected = [], []
    for country, seed, (before, after), spaces, joint in cases:
        number = iban(country, IBAN_LENGTHS[country], seed)
        number = grouped(number) if spaces else number
        texts.append(before + number + joint + number + after)
        expected.append(f"{before}<iban>{joint}<iban>{after}")
    assert clean(texts) == expected


def test_an_iban_of_another_length_stays():
    numbers = [iban(country, length, 1) for country, length in IBAN_LENGTHS.items()]
    texts = [number[:-1] for number in numbers] + [number + "1" for number in numbers]
    assert clean(texts) == texts


@batched
@given(st.lists(st.sampled_from(["ann@example.org", "93.184.216.34", "+49 30 1234567", "DE89370400440532013000", "2a00:1450::200e", "text", "<email>", "\n", "é", "1.2.3.4"]), max_size=8))
def test_a_second_run_changes_nothing(parts):
    once = clean([" ".join(parts)])
    assert clean(once) == once


@batched
@given(st.lists(st.sampled_from(["ann@example.org", "see 93.184.216.34", "call +49 30 1234567", "plain", ""]), min_size=1, max_size=6), st.randoms())
def test_a_document_is_cleaned_the_same_in_any_company(documents, shuffler):
    order = list(range(len(documents)))
    shuffler.shuffle(order)
    together = clean([documents[i] for i in order])
    assert [together[order.index(i)] for i in range(len(documents))] == clean(documents)
    assert together[:1] == clean([documents[order[0]]])
