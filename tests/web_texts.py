"""Texts for property tests: rich in what breaks kernels, and in repetition."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = [
    "the", "of", "with", "river", "Stone", "a", "ab", "c", "bc", "don't", "e-mail", "x" * 40, "été", "naïve", "e\u0301", "\u0301", "z\u200d\u200bz",
    "漢字", "かな", "ไทย", "한국어", "हिन्दी", "🙂", "👩\u200d🚀", "#", "##", "...", "....", "…", "•", "-", "--", "{", ".", "?", "!", "。", "»", '"', "12", "3.14",
    "\x00", "\x1c", "\x85", "\u2028", "\u2029", "\xa0", "\u3000", "\v", "\f", "\r", "\r\n", "\n", "\n\n", "\n\n\n", "\t", " ", "  ", "\ufeff", "\U0010ffff",
    "\n- ", "\n• ", "...\n", "\u2026 \n", "over the river and into the wood we went",
]  # fmt: skip

pieces = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda parts: " ".join(parts)) | st.lists(
    st.sampled_from(PIECES), max_size=40
).map("".join)
few_words = st.lists(st.sampled_from(["a", "b", "ab", "ba", "the", "\n", ".", "c d", "漢"]), max_size=80).map(" ".join)
web_texts = pieces | few_words | st.text(max_size=60)
