"""The packs decide as datatrove's own filters: live, on texts made up here, on hostile ones, and on real ones."""

from __future__ import annotations

import random
from importlib.util import find_spec
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hostile_texts import PIECES, any_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import exceptions, ours, peer
from oracle.checks import CHECKS, DEFAULTS, Configuration
from oracle.compare import PEER_WORDS, configurations
from oracle.exceptions import exception_for, same_text

from rules.splitters.words import Splitter

C4_PIECES = ["JavaScript", "lorem ipsum", "Lorem Ipsum", "privacy policy", "uses cookies", "[edit]", "[12]", "[]", "[٣]", "[citation needed]", "{", "A few words more."]
SENTENCES = [
    "The house of the keeper stood by the sea.", "And that is what they have to be!", "Read more...", "Home", "- Home and away", "# Title", "1 2 3 4 5",
    "He went with her to the market and bought a loaf of bread…", "Это предложение, в котором есть слова.", "这是一个句子。", "Is it built?[3]", "We use cookies.",
    "Please enable JavaScript to see this.", "Lorem ipsum dolor sit amet.", "function f() { return 1; } is code.", "internationalisation " * 3 + "counterrevolutionaries.",
    "x" * 40, "a b c d e f.", "... ... #tag #tag", "Terms of Use apply to this site.", "",
]  # fmt: skip
BREAKS = ["\n", "\n\n", "\n\n", "\n\n", " ", " ", "\r\n", "\n \n", "\u2028"]


needs_spacy = pytest.mark.skipif("spacy" not in get_args(Splitter) or not find_spec("spacy"), reason="needs words of spaCy")


def made_up_texts(count: int) -> list[str]:
    """Documents of few and many sentences, some said again and again, with every kind of break between them."""
    rng = random.Random(7)
    texts = []
    for _ in range(count):
        known = rng.sample(SENTENCES, rng.randint(1, len(SENTENCES)))
        texts.append("".join(rng.choice(known) + rng.choice(BREAKS) for _ in range(rng.randint(0, 40))))
    return texts


def differences(texts: list[str], wanted: list[Configuration], theirs: peer.Verdicts | None = None, words: str = "space") -> list[tuple]:
    """(configuration, text, peer, ours) where no named exception explains them."""
    theirs = theirs or peer.verdicts(texts, wanted, PEER_WORDS[words])
    found = ours.verdicts(pa.array(texts, pa.large_string()), wanted, words)
    wrong = []
    for c in wanted:
        pairs = zip(texts, theirs[c.name], found[c.name])
        wrong += [(c.name, text, a, b) for text, a, b in pairs if a != b and not exception_for(c, words, text, a, b)]
        edited = zip(texts, theirs.get(f"{c.name} text", []), found.get(f"{c.name} text", []))
        wrong += [(c.name, text, a, b) for text, a, b in edited if None not in (a, b) and not same_text(a, b)]
    return wrong


def test_every_check_decides_as_the_peer_on_made_up_texts():
    texts = made_up_texts(200)
    wanted = configurations(pa.array(texts, pa.large_string()), "space")
    theirs = peer.verdicts(texts, wanted, "space")
    assert differences(texts, wanted, theirs) == []
    reasons = {reason for found in theirs.values() for reason in found}
    assert {check.reason for checks in CHECKS.values() for check in checks if check.reason} <= reasons


EXACT = [
    *DEFAULTS,
    Configuration("c4: any number of sentences", "c4", {"min_num_sentences": -1}),
    Configuration("c4: as FineWeb", "c4", {"filter_no_terminal_punct": False, "min_num_sentences": 1}),
    Configuration("gopher_quality: any number of words", "gopher_quality", {"min_doc_words": None}),
]


@settings(max_examples=25, deadline=None)
@given(st.lists(any_texts | st.lists(st.sampled_from(PIECES + C4_PIECES * 3), max_size=30).map(" ".join), max_size=8))
def test_hostile_texts(texts):
    assert differences(texts, EXACT) == []


def test_real_texts(shared_data):
    table = parquet.read_table(shared_data / "sample" / "part-0000.parquet", columns=["text"])
    assert differences(table["text"].to_pylist()[::8], EXACT) == []


@needs_spacy
def test_made_up_texts_with_words_of_spacy():
    texts = made_up_texts(100)
    assert differences(texts, EXACT, words="spacy") == []


# ---- the named exceptions of docs/parity.md: each is shown by a text, so that none outlives its cause


@pytest.mark.parametrize(
    ("name", "configuration", "text", "theirs", "found"),
    [
        (exceptions.CRASH, Configuration("q", "gopher_quality", {"min_doc_words": None}), " ", "raises ZeroDivisionError", "gopher_enough_stop_words"),
        (
            exceptions.FIRST_KILLER, Configuration("c", "c4", {}),
            "A line with { here.\nNow comes lorem ipsum here.", "curly_bracket", "lorem_ipsum",
        ),
        (
            exceptions.BLANK_LINE, Configuration("c", "c4", {"filter_no_terminal_punct": False, "min_num_sentences": 2}),
            "One line of text.\n[1] [2] [3]", None, "too_few_sentences",
        ),
        (exceptions.LONG_S, Configuration("c", "c4", {"min_num_sentences": 1}), "A line of javaſcript.", None, "too_few_sentences"),
    ],
)  # fmt: skip
def test_named_exceptions(name, configuration, text, theirs, found):
    assert peer.verdicts([text], [configuration], "space")[configuration.name] == [theirs]
    assert ours.verdicts(pa.array([text], pa.large_string()), [configuration], "space")[configuration.name] == [found]
    assert exception_for(configuration, "space", text, theirs, found) == name


@needs_spacy
def test_named_exception_of_spacy():
    few = Configuration("q", "gopher_quality", {"min_doc_words": 4, "min_stop_words": None})
    texts = ["One two three IS_ALPHA", "Four five six IS_ALPHA"]
    assert peer.verdicts(texts, [few], "shipped")["q"] == [None, "gopher_short_doc"]
    assert ours.verdicts(pa.array(texts, pa.large_string()), [few], "spacy")["q"] == [None, None]
    assert exception_for(few, "spacy", texts[1], "gopher_short_doc", None) == exceptions.IS_ALPHA
