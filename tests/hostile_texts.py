"""Text strategies for hypothesis that are rich in what breaks kernels: odd breaks, marks, scripts, repetition."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = [
    "\n", "\n\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u2028", "\u2029", "\u00a0", "\u3000", "\u1680", "\u2003", "\u205f",
    " ", "  ", "\t", "\x00", "\x07", "\x7f", "\x9f", "a", "b", "ab", "c", "the", "be", "to", "of", "and", "that", "have", "with", "The", "tothe", "hello", "internationalisation",
    ".", "..", "...", "....", "…", "!", "?!", "。", "！", "？", "．", "।", "؟", ",", "，", "、", "-", "--", "•", "*", "#", "##", "{", "}", "[1]", "(", ")", '"', "'", "”", "’", "»", "」", "“", "«",
    "1", "42", "٣", "Ⅷ", "½", "１", "_", "é", "e\u0301", "\u0301", "ß", "Ω", "ж", "слово", "مرحبا", "मनीष", "สวัสดี", "한국어", "漢", "漢字", "か\u3099", "カナ", "ｶﾅ", "〇",
    "😀", "👍🏽", "❤\ufe0f", "👩\u200d💻", "\u200b", "\u200d", "\u200f", "\ufeff", "\ufffd", "\U0001f1e9", "\U000e0041", "\U00020000", "\U0010ffff", "x" * 40, "é" * 31,
]  # fmt: skip

hostile_texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
repetitive_texts = st.lists(st.sampled_from(["a", "b", "ab", "ba", "a b", "。", "漢", "é", " ", " ", "\n", "-", "internationalisation "]), max_size=120).map("".join)
any_texts = st.text(max_size=60) | hostile_texts | repetitive_texts
raw_texts = st.lists(
    st.binary(max_size=6) | st.sampled_from(PIECES).map(str.encode) | st.sampled_from([b"\xe2\x80", b"\xf0\x9f", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80"]),
    max_size=20,
).map(b"".join)  # fmt: skip
