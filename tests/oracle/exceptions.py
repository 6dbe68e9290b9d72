"""Where a verdict or text may differ from the peer's, by name; docs/parity.md explains each with a text that shows it."""

from __future__ import annotations

import re

from oracle.checks import Configuration

CITATIONS = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
CRASH = "the peer's crash on a text without words"
BLANK_LINE = "a line that is blank without its citation marks, which the peer counts as a sentence"
IS_ALPHA = "the word IS_ALPHA, which the peer takes out of texts because an error of spaCy's stops it there"
LONG_S = "the letter ſ, which is an s here and none to the peer"
FIRST_KILLER = "lorem ipsum and curly bracket, whichever line comes first"


def exception_for(configuration: Configuration, words: str, text: str, peer: str | None, our: str | None) -> str | None:
    """The name of the exception that explains two different verdicts; None if none does."""
    if words == "spacy" and "IS_ALPHA" in text:
        return IS_ALPHA
    if peer == "raises ZeroDivisionError" and not text.strip():
        return CRASH
    if configuration.filter == "c4" and {peer, our} == {"lorem_ipsum", "curly_bracket"}:
        return FIRST_KILLER
    if configuration.filter == "c4" and (peer, our) == (None, "too_few_sentences") and _keeps_blank_lines(configuration, text):
        return BLANK_LINE
    if configuration.filter == "c4" and "ſ" in text:
        return LONG_S
    return None


def _keeps_blank_lines(configuration: Configuration, text: str) -> bool:
    off = configuration.settings.get("filter_no_terminal_punct", True) is False
    return off and any(not CITATIONS.sub("", line).strip() for line in text.splitlines())


def same_text(peer: str, our: str) -> bool:
    """Whether texts after C4's line rules differ at most in line breaks and in white space at both ends."""
    return peer == "\n".join(our.splitlines()).strip()
