"""Signals of texts in many scripts, each value counted by hand: combining marks, right to left, no spaces, all mixed."""

from __future__ import annotations

import json
import math
import re

import pyarrow as pa
import pytest
import script_values
from click.testing import CliRunner
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

import curation  # noqa: F401 (it counts tokens)
from gristmill import gristmill
from rules.engine import apply
from rules.format.pack import load_pack
from rules.line_rules.line_signals import LINE_SIGNALS
from rules.measures.signals import CORE_SIGNALS, LINE_LENGTH_SIGNALS, SIGNALS, measure
from rules.models.profiles import SHIPPED, Profile, read_profile, write_parquet
from rules.splitters.words import split_words

TOOLS = script_values.DOLMA | script_values.DATAMAP | script_values.NEMO | script_values.DATAJUICER
NATS = ("word_divergence_en", "unigram_kl", "unigram_logprob")

ZERO = (
    *(f"dup_{n}_gram_char_frac" for n in range(5, 11)), "digit_char_frac", "uppercase_char_frac", "curly_brackets", "hash_word_ratio",
    "ellipsis_word_ratio", "bullet_line_frac", "ellipsis_line_frac", "stop_words", "dup_paragraph_frac", "dup_paragraph_char_frac",
    "dup_line_frac", "dup_line_char_frac", "fineweb_dup_line_char_frac", "third_longest_line_chars",
)  # fmt: skip
SAME = {"paragraphs": 1, "lines": 2, "sentences": 2, "short_line_frac": 1, "fineweb_v1_short_line_frac": 1} | dict.fromkeys(ZERO, 0)


def values(chars: int, size: int, words: int, white: int, plain: tuple[int, int], letters: int, top: tuple[int, int, int], ends: tuple[float, float], longest: tuple[int, int], **others) -> dict:
    """`plain`: words that are no symbols, and their characters; `letters`: words with one; `top`: characters of the top
    2-, 3- and 4-gram, all occurrences; `ends`: line_end_punct_frac, and FineWeb v1's; `longest`: characters of a word, of a line."""
    feeds = others.get("lines", 2) - 1
    return SAME | {
        "bytes": size, "chars": chars, "words": words, "whitespace_char_frac": white / chars, "newline_word_ratio": feeds / words,
        "non_symbol_words": plain[0], "mean_word_chars": plain[1] / plain[0], "alpha_word_frac": letters / words,
        "top_2_gram_char_frac": top[0] / chars, "top_3_gram_char_frac": top[1] / chars, "top_4_gram_char_frac": top[2] / chars,
        "line_end_punct_frac": ends[0], "fineweb_v1_line_end_punct_frac": ends[1], "longest_word_chars": longest[0], "longest_line_chars": longest[1],
    } | others  # fmt: skip


TEXTS = {
    "korean": (  # a Hangul syllable is a letter of three bytes; the second line repeats the first
        "나는 책을 읽는다.\n나는 책을 읽는다.\n- 책 3권", "나는 책을 읽는다 . 나는 책을 읽는다 . - 책 3권",
        values(28, 60, 11, 8, (8, 17), 8, (2 * 5, 2 * 9, 2 * 11), (2 / 3, 2 / 3), (3, 10), lines=3, sentences=3, digit_char_frac=1 / 28,
               bullet_line_frac=1 / 3, dup_line_frac=1 / 3, dup_line_char_frac=10 / 28, fineweb_dup_line_char_frac=10 / 26, third_longest_line_chars=6),
    ),
    "thai": (  # a run of letters is a word, its vowel signs are characters; ๑๒ are digits; … ends no sentence
        "ฉันรักแมว ฉันรักแมว\n๑๒ ตัว…", "ฉันรักแมว ฉันรักแมว ๑๒ ตัว …",
        values(27, 75, 5, 3, (4, 23), 3, (19, 22, 26), (0, 0), (9, 19), digit_char_frac=2 / 27, ellipsis_word_ratio=1 / 5, ellipsis_line_frac=1 / 2),
    ),
    "hindi": (  # vowel signs, nasal signs and the virama are characters of the word; the danda ends a sentence
        "मैं घर जाता हूँ।\nक्या आप आते हैं?", "मैं घर जाता हूँ । क्या आप आते हैं ?",
        values(33, 83, 10, 7, (8, 24), 8, (6, 11, 15), (1, 1 / 2), (4, 16)),
    ),
    "arabic": (  # the published set of symbols has the Arabic question mark and not the Arabic comma, which so is a word
        "هل تقرأ الكتاب؟\nنعم، أقرأ ١٢ كتابا.", "هل تقرأ الكتاب ؟ نعم ، أقرأ ١٢ كتابا .",
        values(35, 63, 10, 6, (8, 27), 6, (7, 14, 16), (1, 1 / 2), (6, 19), digit_char_frac=2 / 35),
    ),
    "hebrew": (  # three points on the first word; the bullet is no symbol of the published set
        "• שָׁלוֹם לכולם.\nמה שלומך?", "• שָׁלוֹם לכולם . מה שלומך ?",
        values(26, 47, 7, 4, (5, 20), 4, (9, 15, 17), (1, 1), (7, 16), bullet_line_frac=1 / 2),
    ),
    "traditional_chinese": (  # each ideograph is a word; 。 needs no white space after it; one 5-gram comes twice
        "我愛臺灣。我愛臺灣。\n你好嗎？", "我 愛 臺 灣 。 我 愛 臺 灣 。 你 好 嗎 ？",
        values(15, 43, 14, 1, (11, 11), 11, (2 * 3, 2 * 5, 2 * 7), (1, 0), (1, 10), sentences=3, dup_5_gram_char_frac=5 / 15),
    ),
    "mixed": (
        "Hello мир 世界!\n#1 שלום {مرحبا}...", "Hello мир 世 界 ! # 1 שלום { مرحبا } ...",
        values(32, 48, 12, 5, (7, 20), 6, (9, 11, 13), (1, 1), (5, 18), digit_char_frac=1 / 32, uppercase_char_frac=1 / 32, curly_brackets=1,
               hash_word_ratio=1 / 12, ellipsis_word_ratio=1 / 12, ellipsis_line_frac=1 / 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_every_signal_of_the_core_is_what_was_counted_by_hand(name):
    text, words, expected = TEXTS[name]
    assert split_words(text) == words.split(" ")
    names = [signal.name for signal in (*CORE_SIGNALS, *LINE_LENGTH_SIGNALS)]
    assert sorted(expected) == sorted(names)
    assert differing({name: float(column[0]) for name, column in measure(pa.array([text]), names).items()}, expected) == {}


@pytest.mark.parametrize("name", TEXTS)
def test_every_signal_of_tools_is_what_was_counted_by_hand(name):
    profile = read_profile(SHIPPED / "en.tsv")
    assert (profile.all_words, profile.different_words) == (script_values.ENGLISH_WORDS, script_values.ENGLISH_DIFFERENT)
    table = TOOLS | script_values.llama3(len(profile.words), sum(profile.counts))
    expected = {signal: row[script_values.COLUMNS.index(name)] for signal, row in table.items()}
    assert sorted(expected) == sorted(SIGNALS.keys() - TEXTS[name][2].keys()), "a signal has no value in the table"
    found = measure(pa.array([TEXTS[name][0]]), list(expected))
    assert differing({name: float(column[0]) for name, column in found.items()}, expected) == {}


@pytest.fixture(scope="module")
def of_the_pack(tmp_path_factory) -> dict[str, list[float]]:
    """The signals of a pack's list, profile and tokenizer, and of what its line rules did, for the texts in order."""
    folder = tmp_path_factory.mktemp("scripts")
    byte_pairs_that_know(script_values.KNOWN).save(str(folder / "tokenizer.json"))
    write_parquet(Profile(list(script_values.PROFILE), list(script_values.PROFILE.values()), 10, 4), folder / "profile.parquet", {})
    rule = "  - {{id: r{}, why: A test., action: tag, drop_when: {{{}: '> 1000'}}, examples: {{drop: [{{{}: 1001}}], keep: [{{{}: 1}}]}}}}"
    names = [f"{signal}({'own' if signal in script_values.OF_THE_LIST else 'web'})" for signal in (*script_values.OF_THE_LIST, *script_values.OF_THE_PROFILE)]
    rules_of = [rule.format(number, *[name] * 3) for number, name in enumerate([*names, *script_values.OF_TOKENS])]
    words = json.dumps(script_values.LISTED, ensure_ascii=False)
    (folder / "own.yaml").write_text(
        "\n".join(["pack: own", "about: A test.", "tokenizer: tokenizer.json", "profiles: {web: profile.parquet}", f"lists: {{own: {{words: {words}}}}}", "rules:", *rules_of])
    )
    edits = [rule.format(number, *[name] * 3) for number, name in enumerate(script_values.OF_EDITS)]
    short = "  - {id: short, why: A test., lines: drop, when: {line_chars: '< 10'}, examples: {drop: [short], keep: [a longer line]}}"
    (folder / "edits.yaml").write_text("\n".join(["pack: edits", "about: A test.", "rules:", short, *edits]))
    texts = pa.array([TEXTS[name][0] for name in script_values.COLUMNS], pa.large_string())
    signals = apply([load_pack(folder / "own.yaml"), load_pack(folder / "edits.yaml")], texts).signals.to_pydict()
    return {name.partition(".")[2].partition("(")[0]: column for name, column in signals.items()}


def test_signals_of_a_packs_files_are_what_was_counted_by_hand(of_the_pack):
    table = script_values.OF_THE_LIST | script_values.OF_THE_PROFILE | script_values.OF_TOKENS | script_values.OF_EDITS
    for place, name in enumerate(script_values.COLUMNS):
        found = {signal: of_the_pack[signal][place] for signal in table}
        assert differing(found, {signal: row[place] for signal, row in table.items()}) == {}, name
    listed = json.loads(CliRunner().invoke(gristmill, ["signals", "--json"]).output)
    names = {re.split(r"[(.]", one["name"])[0] for one in listed}
    elsewhere = {"classifier", "perplexity"}  # models' numbers: tests/test_classifier_scores.py and test_pack_files.py
    assert names - SIGNALS.keys() - elsewhere - LINE_SIGNALS.keys() == table.keys(), "a signal has no value in the table"  # lines': in `when`


def byte_pairs_that_know(characters: tuple[str, ...]) -> Tokenizer:
    """A byte-level tokenizer of all bytes, and merges that join the bytes of each of `characters`, from the left."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary, merges = {letter: number for number, letter in enumerate(alphabet)}, []
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for character in characters:
        [(letters, _)] = spelled.pre_tokenize_str(character)
        for size in range(2, len(letters) + 1):
            if letters[:size] not in vocabulary:
                vocabulary[letters[:size]] = len(vocabulary)
                merges.append((letters[: size - 1], letters[size - 1]))
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end_of_text|>"])
    return tokenizer


def differing(found: dict[str, float], expected: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Signals that are not what the table says: found, expected. Divergences are kept in millionths of a nat a text."""
    return {
        name: (value, expected[name])
        for name, value in found.items()
        if not (math.isclose(value, expected[name], abs_tol=1e-6 if name in NATS else 1e-12) or math.isnan(value) and math.isnan(expected[name]))
    }
