"""URL tests: hosts and those below them, paths, words, patterns; equal to Python's own reading of URLs."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.measures.word_lists import WordList
from rules.rule import UrlTest
from rules.urls import hosts, url_matches


def words(*entries: str) -> WordList:
    return WordList(entries, case="exact")


def holds(test: UrlTest, *urls: str | None) -> list[int]:
    return url_matches(test, pa.array(urls, pa.string())).tolist()


def test_a_host_and_those_below_it():
    test = UrlTest(host=words("example.com", "bad.co.uk"))
    yes = ["http://example.com", "https://EXAMPLE.com:8080/x", "http://a.b.example.com./x", "//user:pw@example.com/", "example.com/page", "ftp://bad.co.uk"]
    no = ["http://notexample.com", "http://example.com.evil.org", "http://co.uk/bad", "http://x.org/example.com", "", None]
    assert holds(test, *yes) == [1] * len(yes)
    assert holds(test, *no) == [0] * len(no)


def test_a_path_and_those_below_it():
    test = UrlTest(path=words("/tag", "/a/b"))
    assert holds(test, "http://x.org/tag", "http://x.org/tag/x?y", "http://x.org/tag/?p=1", "http://x.org/a/b/c", "x.org/tag") == [1] * 5
    assert holds(test, "http://x.org/tags", "http://x.org/a", "http://x.org/?q=/tag", "http://x.org/Tag", "http://tag") == [0] * 5


def test_words_and_how_many():
    test = UrlTest(words=words("free", "casino", "müll"), at_least=2)
    assert holds(test, "http://free-casino.net/free", "http://x.org/FREE/Müll?casino") == [2, 3]
    assert holds(test, "http://freecasino.net/", "http://free.net/free/free") == [0, 0]


def test_all_parts_must_hold():
    test = UrlTest(host=words("x.org"), match=r"\.php\b")
    assert holds(test, "http://x.org/a.php?b", "http://x.org/a", "http://y.org/a.php") == [1, 0, 0]


PARTS = st.text(st.sampled_from("abAB12-"), min_size=1, max_size=4)
HOSTS = st.lists(PARTS, min_size=1, max_size=4).map(".".join)


@settings(max_examples=300, deadline=None)
@given(HOSTS, st.lists(PARTS, max_size=4), st.sampled_from(["", "?q=a/b", "#f"]), HOSTS.map(str.lower), st.lists(PARTS, min_size=1, max_size=2))
def test_equal_to_urllib(host, path, end, domain, below):
    url = f"http://{host}/{'/'.join(path)}{end}"
    parts = urlsplit(url)
    assert hosts(pa.array([url], pa.large_string()))[0].as_py() == parts.hostname
    wanted = parts.hostname == domain or parts.hostname.endswith("." + domain)
    assert holds(UrlTest(host=words(domain)), url) == [int(wanted)]
    prefix = "/" + "/".join(below)
    assert holds(UrlTest(path=words(prefix)), url) == [int((parts.path + "/").startswith(prefix + "/"))]
    listed = {w for w in re.split(r"[^a-z0-9]+", url.lower()) if w in below}
    assert holds(UrlTest(words=words(*below)), url) == [len(listed)]


def test_a_million_hosts_are_looked_up():
    test = UrlTest(host=words(*(f"host{i}.org" for i in range(1_000_000))))
    assert holds(test, "http://a.host999999.org/", "http://host1000000.org/") == [1, 0]


@pytest.mark.parametrize("url", ["http://[::1]:80/x", "mailto:a@b.org", "javascript:void(0)", "http://\x00/\x1b[31m", "////", "a" * 10_000])
def test_odd_urls_do_no_harm(url):
    assert holds(UrlTest(host=words("no.org"), path=words("/no"), words=words("no")), url) == [0]
