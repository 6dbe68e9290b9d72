"""Strategies for hypothesis: RE2 patterns together with texts that they are likely to match."""

from __future__ import annotations

import re

from hypothesis import strategies as st

WORDS = [
    "next", "Page", "log in", "cookies", "straße", "STRASSE", "sıfır", "İçerik", "Kiel", "ſeite", "Kelvin", "ångström", "Ångström", "ναός", "ΣΊΣΥΦΟΣ",
    "Подробнее", "россия", "ещё", "クッキー", "接受", "więcej", "ŁÓDŹ", "©", "a", "B", "x1", "?!", "...", "- ", "ǆ", "ᲀ", "ﬁ", "ẞ", "µm", "😀",
]  # fmt: skip
CLASSES = [
    ("[abc]", "abc"), ("[^a-z]", "A1é "), (r"\d", "07"), (r"\D", "a "), (r"\s", " \t"), (r"\S", "x©"), (r"\w", "_k"), (r"\W", "-é"), (".", "yж"),
    (r"\p{L}", "aж漢"), (r"\p{Lu}", "AЖ"), (r"\pN", "4½"), (r"\P{L}", "1-"), (r"\p{^Nd}", "z"), (r"[\s\p{Z}]", " \u00a0\u3000"), (r"[^\s\p{Z}]", "q"),
    ("[[:alpha:]]", "Qs"), ("[[:^digit:]-]", "-s"), (r"[]x]", "]x"), (r"[^]x]", "y"), (r"[\x{400}-\x{4ff}]", "ёЖ"), (r"[a\-z]", "-"), (r"[\d.,]", "3,"),
    (r"[\S]", "s"), (r"[^\W\d]", "k"), (r"[k-s]", "KſmK"), (r"[•*-]", "•*-"), (r"\x41", "A"), (r"\x{212a}", "K"), (r"\pZ", " "), (r"\.", "."),
]  # fmt: skip
SWAPS = str.maketrans({"s": "ſ", "k": "K", "å": "Å", "σ": "ς", "в": "ᲀ", "ß": "ẞ", "µ": "μ", "i": "İ", "I": "ı", "ǆ": "ǅ"})


@st.composite
def cased(draw: st.DrawFn, text: str) -> str:
    """The text with some letters in another case."""
    changes = draw(st.lists(st.sampled_from([str, str.upper, str.lower, lambda c: c.translate(SWAPS)]), min_size=1, max_size=4))
    return "".join(changes[i % len(changes)](c) for i, c in enumerate(text))


@st.composite
def words(draw: st.DrawFn) -> tuple[str, str]:
    word = draw(st.sampled_from(WORDS) | st.text("aAsSkKiIzжЖσς .-1", min_size=1, max_size=12))
    how = draw(st.sampled_from([re.escape, lambda w: f"\\Q{w}\\E", lambda w: "".join(f"\\x{{{ord(c):x}}}" for c in w)]))
    return how(word), draw(st.just(word) | cased(word))


@st.composite
def classes(draw: st.DrawFn) -> tuple[str, str]:
    pattern, members = draw(st.sampled_from(CLASSES))
    return pattern, draw(st.sampled_from(list(members)))


edges = st.sampled_from([("^", ""), ("$", ""), (r"\b", ""), (r"\B", ""), (r"\A", ""), (r"\z", ""), ("", "")])


def extended(parts: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    """Larger patterns made of smaller ones."""

    @st.composite
    def sequence(draw: st.DrawFn) -> tuple[str, str]:
        chosen = draw(st.lists(parts, min_size=1, max_size=4))
        return "".join(p for p, _ in chosen), "".join(t for _, t in chosen)

    @st.composite
    def either(draw: st.DrawFn) -> tuple[str, str]:
        chosen = draw(st.lists(parts, min_size=2, max_size=4))
        opening = draw(st.sampled_from(["(", "(?:", "(?i:", "(?-i:", "(?P<n>"]))
        return opening + "|".join(p for p, _ in chosen) + ")", draw(st.sampled_from([t for _, t in chosen]))

    @st.composite
    def repeated(draw: st.DrawFn) -> tuple[str, str]:
        pattern, text = draw(parts)
        count, times = draw(st.sampled_from([("*", 0), ("*", 2), ("+", 1), ("+", 3), ("?", 0), ("?", 1), ("{2}", 2), ("{1,3}", 2), ("{2,}", 3), ("{0,2}", 1), ("{5}", 5), ("{5,7}", 6)]))
        return f"(?:{pattern}){count}{draw(st.sampled_from(['', '?']))}", text * times

    return sequence() | either() | repeated()


@st.composite
def patterns_and_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A pattern, and a text that it may match as it is; not every pattern is one that RE2 accepts."""
    pattern, text = draw(st.recursive(words() | classes() | edges, extended, max_leaves=12))
    start, end = draw(st.sampled_from(["", "(?i)", "(?i)^", "^", "(?i)^[\\s\\p{Z}•*-]*", "^\\s*", "(?s)", "(?i)a|"])), draw(st.sampled_from(["", "$", "[\\s.]*$", "|zz", "([^\\p{L}]|$)"]))
    return start + pattern + end, text


fillings = st.sampled_from(["", "", " ", "•  ", "1. ", "© ", "word ", " end", ".", "…", "\u3000", "é", "\x00", "ſ", "\ufffd"])


@st.composite
def patterns_and_lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A pattern and lines around a text that it may match, with letters in other cases."""
    pattern, text = draw(patterns_and_texts())
    lines = [text, text.upper(), text.lower(), draw(cased(text)), draw(fillings) + text + draw(fillings), draw(fillings) + draw(cased(text)) + draw(fillings)]
    return pattern, [line.replace("\n", " ") for line in lines] + draw(st.lists(st.text(max_size=12), max_size=2))
