"""Charsets and text of web pages: what browsers would show, and nothing that stops a run."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.batches import ReadSettings, Unreadable
from curation.extract import (
    MAX_ATTRIBUTES,
    MAX_NESTING,
    decode,
    html_text,
    looks_like_html,
    refuse_hostile,
    starts_like_html,
)

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Проверка кодировки страницы. "
JAPANESE = "日本語のページです。文字コードを調べるための文章をここに書きます。"
CHINESE = "这是一个用来测试网页编码的中文页面，里面有很多常见的汉字和标点符号。"
KOREAN = "한국어 페이지입니다. 문자 인코딩을 확인하기 위한 문장을 여기에 적습니다. "
POLISH = "Zażółć gęślą jaźń. Pchnąć w tę łódź jeża lub ośm skrzyń fig. "
FRENCH = "Les élèves ont été à la fête où l’on mangeait des crêpes – ça coûte 5 €. "
GREEK = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Δοκιμή κωδικοποίησης σελίδας. "


def page(text: str, head: str = "") -> str:
    return f"<!doctype html><html><head>{head}<title>t</title></head><body><p>{text}</p></body></html>"


# --- charset ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("utf-8", JAPANESE), ("windows-1251", RUSSIAN), ("koi8-r", RUSSIAN), ("shift_jis", JAPANESE),
        ("euc-jp", JAPANESE), ("iso-2022-jp", JAPANESE), ("gb2312", CHINESE), ("gb18030", CHINESE), ("big5", "測試網頁編碼"),
        ("euc-kr", KOREAN), ("windows-1250", POLISH), ("iso-8859-2", POLISH), ("iso-8859-7", GREEK), ("windows-1252", FRENCH),
    ],
)  # fmt: skip
@pytest.mark.parametrize("said_by", ["http", "meta", "http-equiv", "both"])
def test_a_charset_that_is_said_is_used(codec, text, said_by):
    meta = {"meta": f'<meta charset="{codec}">', "both": "<meta charset=utf-8>"}.get(said_by, "")
    if said_by == "http-equiv":
        meta = f"<META http-equiv=Content-Type content='text/html; charset={codec}'>"
    html = page(text, meta)
    decoded = decode(html.encode(codec), codec.upper() if said_by in ("http", "both") else None, is_html=True)
    assert (decoded.text, decoded.replaced) == (html, False)


@pytest.mark.parametrize(
    ("codec", "text"),
    [("windows-1251", RUSSIAN), ("shift_jis", JAPANESE), ("euc-jp", JAPANESE), ("gb18030", CHINESE), ("euc-kr", KOREAN * 3),
     ("iso-8859-7", GREEK), ("windows-1252", FRENCH)],
)  # fmt: skip
def test_a_charset_that_nobody_says_is_detected(codec, text):
    assert decode((text * 3).encode(codec)).text == text * 3


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_wins(codec):
    decoded = decode(page(RUSSIAN).encode(codec), "windows-1251", is_html=True)
    assert (decoded.text, decoded.replaced) == (page(RUSSIAN), False)


def test_utf8_wins_over_a_wrong_label():
    for wrong in ("iso-8859-1", "windows-1251", "gb2312", "utf-16", "no such charset", "utf8"):
        assert decode(page(RUSSIAN).encode(), wrong, is_html=True).text == page(RUSSIAN)
        assert decode(page(RUSSIAN, f"<meta charset={wrong}>").encode(), is_html=True).charset == "utf-8"


def test_utf16_without_a_mark_is_read_where_http_says_so():
    assert decode(page("plain").encode("utf-16-le"), "utf-16le", is_html=True).text == page("plain")


@pytest.mark.parametrize(
    "label", ["base64", "rot13", "zip", "unicode_escape", "idna", "undefined", "utf-7", "\0", "x" * 999]
)
def test_codecs_that_are_no_charset_are_never_used(label):
    assert decode(page("a+AGI-c =3D cm90").encode(), label, is_html=True).text == page("a+AGI-c =3D cm90")


def test_a_few_broken_bytes_do_not_change_the_charset():
    data = page(RUSSIAN * 20).encode()
    broken = data[:500].rstrip(b"\xd0\xd1") + b"\xff\xfe" + data[500:]
    decoded = decode(broken, "utf-8", is_html=True)
    assert (decoded.charset, decoded.replaced) == ("utf-8", True)
    assert decoded.text.count("\ufffd") <= 4
    assert RUSSIAN in decoded.text


@given(
    st.binary(max_size=300),
    st.one_of(st.none(), st.sampled_from(["utf-8", "gbk", "iso-2022-jp", "utf-16", "big5"])),
    st.booleans(),
)
def test_any_bytes_become_text_that_can_be_written(data, declared, is_html):
    decoded = decode(data, declared, is_html)
    decoded.text.encode("utf-8")
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff") and data[:3] != b"\xef\xbb\xbf":
        assert decoded.text == data.decode(decoded.charset, "replace" if decoded.replaced else "strict")


@given(st.text(max_size=200))
def test_utf8_comes_back_as_it_was(text):
    data = ("." + text).encode("utf-8", "replace")
    assert decode(data).text == data.decode()


# --- is it HTML -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "starts", "looks"),
    [
        (b"<!DOCTYPE html><p>", True, True), (b"\xef\xbb\xbf\n <!-- hi --><HTML lang=en>", True, True),
        (b'<?xml version="1.0"?>\n<!doctype html>', True, True), (b"<?xml version='1.0'?><rss>", False, False),
        (b"<meta charset=utf-8><p>", False, True), (b"plain text about <html>", False, True), (b"plain text", False, False),
        (b"", False, False), (b"<htmlx>", False, False),
    ],
)  # fmt: skip
def test_html_is_told_by_its_first_bytes(data, starts, looks):
    assert (starts_like_html(data), looks_like_html(data)) == (starts, looks)


# --- text -------------------------------------------------------------------------------------------------

WEB_PAGE = """<!doctype html><html><head><title>Site</title><script>var x = "<p>no";</script></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>
<main><div><article><h1>The heading</h1><p>A first paragraph of the article, which has enough words to be one.</p>
<ul><li>one item</li><li>another item</li></ul><pre>if x:
    keep_indent()</pre><p>Last <b>bold</b> words.<img src=x alt="an image"></p></article></div></main>
<footer>Copyright and imprint</footer></body></html>"""


def test_the_main_content_is_kept_with_its_lines():
    text = html_text(WEB_PAGE, ReadSettings())
    assert text.startswith("The heading\n\nA first paragraph")
    assert "  • one item\n  • another item" in text
    assert "if x:\n    keep_indent()" in text
    assert "Last bold words." in text
    for left_out in ("Home", "Copyright", "an image", "var x"):
        assert left_out not in text


def test_the_whole_page_is_kept_on_request():
    text = html_text(WEB_PAGE, ReadSettings(main_content=False))
    for kept in ("Home", "The heading", "Copyright"):
        assert kept in text
    assert "var x" not in text


def test_trafilatura_is_used_and_imported_only_by_choice():
    assert "A first paragraph" in html_text(WEB_PAGE, ReadSettings(html="trafilatura"))
    assert "About us" in html_text(WEB_PAGE, ReadSettings(html="trafilatura", main_content=False))
    code = (
        "import sys; from curation.extract import html_text; from curation.readers import ReadSettings;"
        "html_text('<p>x</p>', ReadSettings()); print(sorted({'lxml', 'trafilatura'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
@pytest.mark.parametrize(
    "html", ["", "\0", "<", "<html>", "<body></body>", "<!--", "<p>\0a", "plain", "<table><tr><td>", "\ufffd"]
)
def test_odd_pages_give_some_text(extractor, html):
    assert isinstance(html_text(html, ReadSettings(html=extractor)), str)


@given(st.text(alphabet=st.sampled_from(list("<>/=\"' \n\0abdivpul&;#x!-[]")), max_size=300))
def test_any_markup_is_survived(html):
    html_text(html, ReadSettings()).encode("utf-8")


# --- hostile pages ----------------------------------------------------------------------------------------


def refused(html: str) -> str | None:
    try:
        refuse_hostile(html)
    except Unreadable as problem:
        return problem.cause
    return None


@pytest.mark.parametrize("tag", ["div", "article", "font color=red", "b", "I"])
def test_deep_nesting_is_refused(tag):
    name = tag.split()[0]
    assert refused(f"<{tag}>x" * (MAX_NESTING + 1)) == "html-too-deep"
    assert refused(f"<{tag}>x" * MAX_NESTING) is None
    assert refused(f"<{tag}>x</{name}>" * 100_000) is None
    assert refused(f"<p><{tag}>x</{name}><li>" * 20_000) is None


@pytest.mark.parametrize("attribute", [' a{}="1"', " a{}", " a{}='>'", '/a{}="1"', ' a{}=""b="<"'])
def test_many_attributes_are_refused(attribute):
    few, many = (
        "".join(attribute.format(n) for n in range(count)) for count in (MAX_ATTRIBUTES // 2, MAX_ATTRIBUTES + 1)
    )
    assert refused(f"<p><div{many}>x") == "html-too-many-attributes"
    assert refused(f"<p><div{few}>x") is None
    assert refused(f"<div{few}>" * 5) is None


def test_long_attributes_and_texts_are_not_refused():
    words = "word " * 50_000
    assert (
        refused(f'<p data-x="{words}" data-y=\'{words}\'>{words}<img src="data:image/png;base64,{"QUJD" * 50_000}">')
        is None
    )


@pytest.mark.parametrize("start", ['<a "', "<a '", '<a x="', "<a =", "<a ", "<", "<div a='", "</", "<!--<a"])
def test_the_guard_itself_is_linear(start):
    refuse_hostile(start * 200_000) if refused(
        start * 200_000
    ) is None else None  # a quadratic guard would take minutes


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
@pytest.mark.parametrize(
    "expression",
    [
        "'<div>' * 100_000 + 'x'", "'<p>' + '<span>' * 100_000 + 'x'", "'<table><tr><td>' * 3_000 + 'x'",
        "'<ul><li>' * 100_000", "'<blockquote>' * 5_000 + 'x' + '</blockquote>' * 5_000", "'<svg>' + '<g>' * 50_000",
    ],
)  # fmt: skip
def test_deep_pages_do_not_crash_the_process(extractor, expression):
    code = (
        "from curation.extract import *\n"
        f"try: print(len(html_text({expression}, ReadSettings(html={extractor!r}))))\n"
        "except Unreadable as problem: print(problem.cause)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-300:]


def test_a_page_of_twenty_megabytes_is_read():
    html = "<html><body><main>" + "<p>A sentence with &amp; and <b>bold</b> words in it.</p>\n" * 350_000
    assert len(html) > 20_000_000
    text = html_text(html, ReadSettings())
    assert text.count("A sentence with & and bold words in it.") == 350_000
