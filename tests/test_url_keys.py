"""URLs that name one page are one key."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.url_keys import normalised_urls


def key(url: str | None) -> str | None:
    return normalised_urls(pa.array([url], pa.string()))[0].as_py()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user@WWW.Example.org:443/a/?utm_source=x&id=7#top", "example.org/a?id=7"),
        ("http://example.org", "example.org"), ("example.org/", "example.org"), ("http://example.org./#", "example.org"),
        ("EXAMPLE.org/A?a=1&utm_medium=z&utm_source=q&b=2&fbclid=3", "example.org/A?a=1&b=2"),
        ("http://x.y:8080/a//?", "x.y:8080/a"), ("http://x.y/?q=http://z/", "x.y?q=http://z/"), ("https://пример.рф/Путь", "пример.рф/Путь"),
        ("", None), (" \n", None), (None, None), ("#x", None),
    ],
)  # fmt: skip
def test_keys(url, expected):
    assert key(url) == expected


@given(st.text(st.sampled_from("aB/?&=.#:@ é"), max_size=12), st.text(st.sampled_from("ab/?&="), max_size=8))
def test_a_key_is_its_own_key_and_ways_to_come_do_not_count(host, rest):
    url = f"http://h{host.strip(' /?&=.#:@')}x.org/{rest}"
    assert key(url.replace("http://", "https://www.")) == key(url) == key(url + "#part")
