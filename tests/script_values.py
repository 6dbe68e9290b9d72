"""Values of the signals of tools for the texts of test_signals_of_scripts.py, each worked out by hand from its definition.

A row is a signal (`gristmill signals` says what it is), a column a text; in the order of COLUMNS. A fraction is written as
what was counted. What the counts rest on, with words as `unicode` splits them:

              characters  bytes  words  their characters  their bytes  white  rows (characters; bytes)
    korean        28        60     11         20              52         8    10 10 6; 24 24 10
    thai          27        75      5         24              72         3    19 7; 55 19
    hindi         33        83     10         26              76         7    16 16; 42 40
    arabic        35        63     10         29              57         6    15 19; 28 34
    hebrew        26        47      7         22              43         4    16 9; 30 16
    chinese       15        43     14         14              42         1    10 4; 30 12
    mixed         32        48     12         27              43         5    13 18; 20 27

    words of korean: 나는 책을 읽는다 . 나는 책을 읽는다 . - 책 3권    thai: ฉันรักแมว ฉันรักแมว ๑๒ ตัว …
    hindi: मैं घर जाता हूँ । क्या आप आते हैं ?    arabic: هل تقرأ الكتاب ؟ نعم ، أقرأ ١٢ كتابا .
    hebrew: • שָׁלוֹם לכולם . מה שלומך ?    chinese: 我 愛 臺 灣 。 我 愛 臺 灣 。 你 好 嗎 ？
    mixed: Hello мир 世 界 ! # 1 שלום { مرحبا } ...
"""

from __future__ import annotations

import math

COLUMNS = ("korean", "thai", "hindi", "arabic", "hebrew", "traditional_chinese", "mixed")
NONE = math.nan  # there is nothing to divide by


def everywhere(value: float, *names: str) -> dict[str, tuple[float, ...]]:
    """Signals with one value in all texts."""
    return dict.fromkeys(names, (value,) * len(COLUMNS))


DOLMA = everywhere(0, "dolma_stop_words", "dolma_v1_javascripts", "dolma_v2_javascripts", "dolma_lorem_ipsums", "dolma_punct_lines") | {
    # characters of the words, in order: 11112222233 | 12399 | 1122333344 | 1112234456 | 1112557 | all 1 | 111111133455
    "dolma_median_word_chars": (2, 3, 3, 5 / 2, 2, 1, 1),
    "dolma_symbol_word_frac": (0, 1 / 5, 0, 0, 0, 0, 1 / 12),  # … and #; three full stops are no …
    "dolma_v1_bullet_line_frac": (1 / 3, 0, 0, 0, 0, 0, 0),  # - and *, so not the • of Hebrew
    "dolma_v2_bullet_line_frac": (1 / 3, 0, 0, 0, 0, 0, 0),
    "dolma_v1_ellipsis_line_frac": (0, 1 / 2, 0, 0, 0, 0, 0),  # …, not ...
    "dolma_v2_ellipsis_line_frac": (0, 1 / 2, 0, 0, 0, 0, 0),
    "dolma_v1_dup_line_frac": (2 / 3, 0, 0, 0, 0, 0, 0),  # both copies
    "dolma_v2_dup_line_frac": (2 / 3, 0, 0, 0, 0, 0, 0),
    "dolma_dup_line_char_frac": ((10 + 10) / (28 - 8), 0, 0, 0, 0, 0, 0),  # white space counts above, not below
    # the most frequent n-gram, of several the first: words without spaces, times its occurrences
    "dolma_top_2_gram_char_frac": (2 * 4 / 20, 18 / 24, 5 / 26, 6 / 29, 8 / 22, 2 * 2 / 14, 8 / 27),
    "dolma_top_3_gram_char_frac": (2 * 7 / 20, 20 / 24, 9 / 26, 12 / 29, 13 / 22, 2 * 3 / 14, 9 / 27),
    "dolma_top_4_gram_char_frac": (2 * 8 / 20, 23 / 24, 12 / 26, 13 / 29, 14 / 22, 2 * 4 / 14, 10 / 27),
    "dolma_dup_5_gram_char_frac": (0, 0, 0, 0, 0, 2 * 5 / (10 * 5), 0),  # 我愛臺灣。 twice, of ten 5-grams
    "dolma_dup_6_gram_char_frac": (0, NONE, 0, 0, 0, 0, 0),  # Thai has five words
    "dolma_dup_7_gram_char_frac": (0, NONE, 0, 0, 0, 0, 0),
    "dolma_dup_8_gram_char_frac": (0, NONE, 0, 0, NONE, 0, 0),  # Hebrew has seven
    "dolma_dup_9_gram_char_frac": (0, NONE, 0, 0, NONE, 0, 0),
    "dolma_dup_10_gram_char_frac": (0, NONE, 0, 0, NONE, 0, 0),
    "dolma_lines": (3, 2, 2, 2, 2, 2, 2),
    "dolma_no_end_punct_line_frac": (1 / 3, 2 / 2, 1 / 2, 1 / 2, 0, 2 / 2, 0),  # … । ؟ 。 ？ end no line
    "dolma_few_word_line_frac": (0, 1 / 2, 0, 0, 0, 0, 0),  # the first of Thai has two words, the third of Korean has three
    "dolma_stripped_chars": (28, 27, 33, 35, 26, 15, 32),  # no text begins or ends with white space
    # runs of word characters (marks and digits among them) and of others, and 1; Chinese: 我愛臺灣 。 我愛臺灣 。 你好嗎 ？;
    # mixed: Hello мир 世界 ! # 1 שלום { مرحبا }...
    "dolma_whitespace_tokens": (4 + 4 + 3 + 1, 2 + 3 + 1, 5 + 5 + 1, 4 + 6 + 1, 4 + 3 + 1, 4 + 2 + 1, 4 + 6 + 1),
}  # fmt: skip

DATAMAP = everywhere(0, "datamap_stop_words", "datamap_distinct_stop_words", "datamap_dup_paragraph_frac", "datamap_dup_paragraph_byte_frac") | everywhere(1, "datamap_paragraphs") | {
    "datamap_mean_word_bytes": (52 / 11, 72 / 5, 76 / 10, 57 / 10, 43 / 7, 42 / 14, 43 / 12),
    "datamap_symbol_word_ratio": (0, 1 / 5, 0, 0, 0, 0, 2 / 12),  # …; # and ...
    "datamap_bullet_line_frac": (1 / 3, 0, 0, 0, 1 / 2, 0, 0),  # - and •
    "datamap_ellipsis_line_frac": (0, 1 / 2, 0, 0, 0, 0, 1 / 2),  # … and ...
    "datamap_non_alpha_word_frac": (3 / 11, 2 / 5, 2 / 10, 4 / 10, 3 / 7, 3 / 14, 6 / 12),  # . . -; ๑๒ …; । ?; ؟ ، ١٢ .; • . ?; 。 。 ？; ! # 1 { } ...
    "datamap_words": (8, 4, 8, 7, 4, 11, 7),  # with digits of any script, so ๑๒ and ١٢
    # letters and digits: vowel signs and points are neither. ฉนรกแมว twice ๑๒ ตว; मघरजतह कयआपआतह; שלום has four
    "datamap_alnum_chars": (7 + 7 + 3, 7 + 7 + 2 + 2, 6 + 7, 12 + 14, 4 + 5 + 2 + 5, 11, 5 + 3 + 2 + 1 + 4 + 5),
    "datamap_lines": (3, 2, 2, 2, 2, 2, 2),
    "datamap_sentences": (2, 1, 1, 1, 2, 1, 1 + 3),  # the characters . ! ?; Thai and Chinese have none, which is one
    "datamap_dup_line_frac": (2 / 3, 0, 0, 0, 0, 0, 0),
    "datamap_dup_line_byte_frac": (2 * 24 / (60 - 2), 0, 0, 0, 0, 0, 0),
    # of n-grams that occur twice the largest, bytes of the words in it, each once, of those with a letter or digit:
    # Korean 책을 읽는다 (15), 나는 책을 읽는다 (21) of 49; Chinese 我愛 (6), 我愛臺 (9), 我愛臺灣 (12) of 33
    "datamap_top_2_gram_byte_frac": (2 * 15 / 49, 0, 0, 0, 0, 2 * 6 / 33, 0),
    "datamap_top_3_gram_byte_frac": (2 * 21 / 49, 0, 0, 0, 0, 2 * 9 / 33, 0),
    "datamap_top_4_gram_byte_frac": (0, 0, 0, 0, 0, 2 * 12 / 33, 0),
    **everywhere(0, *(f"datamap_dup_{n}_gram_byte_frac" for n in range(5, 11))),  # 。 is no word, so 我愛臺灣我 and 我愛臺灣你
}  # fmt: skip

NEMO = everywhere(
    0, "nemo_url_char_frac", "nemo_porn_urls", "nemo_xml_headers", "nemo_common_words", "nemo_boilerplate_paragraph_frac", "nemo_c_comment_char_frac",
    "nemo_markup_comment_char_frac", "nemo_html_text_char_frac",  # fewer than 100 characters of text
) | everywhere(1, "nemo_unique_paragraph_frac", "nemo_unique_paragraph_char_frac") | {
    # all but ASCII letters and digits, line feeds, ? ! , .
    "nemo_non_plain_char_frac": ((28 - 5) / 28, (27 - 1) / 27, (33 - 2) / 33, (35 - 2) / 35, (26 - 3) / 26, (15 - 1) / 15, (32 - 11) / 32),
    "nemo_digit_char_frac": (1 / 28, 0, 0, 0, 0, 0, 1 / 32),  # of ASCII
    "nemo_whitespace_char_frac": (8 / 28, 3 / 27, 7 / 33, 6 / 35, 4 / 26, 1 / 15, 5 / 32),
    "nemo_bracket_char_frac": (0, 0, 0, 0, 0, 0, 2 / 32),
    # Alphabetic: vowel signs and points, too, but not the virama of क्या
    "nemo_alpha_char_frac": (16 / 28, (9 + 9 + 3) / 27, (12 + 11) / 33, (12 + 12) / 35, (7 + 5 + 2 + 5) / 26, 11 / 15, 19 / 32),
    "nemo_mean_word_chars": (20 / 11, 24 / 5, 26 / 10, 29 / 10, 22 / 7, 14 / 14, 27 / 12),
    "nemo_symbol_word_frac": (0, 1 / 5, 0, 0, 0, 0, 2 / 12),  # …; # and ...
    "nemo_alpha_word_frac": (8 / 11, 3 / 5, 8 / 10, 6 / 10, 4 / 7, 11 / 14, 6 / 12),
    "nemo_code_lines": (3, 2, 2, 2, 2, 2, 2),
    "nemo_bullet_line_frac": (0, 0, 0, 0, 1 / 2, 0, 0),  # •, no hyphen
    "nemo_open_line_frac": (1 / 3, 2 / 2, 1 / 2, 1 / 2, 0, 2 / 2, 0),  # as dolma's
    "nemo_ellipsis_line_frac": (0, 1 / 2, 0, 0, 0, 0, 1 / 2),
    "nemo_unique_line_frac": (2 / 3, 1, 1, 1, 1, 1, 1),
    "nemo_unique_line_char_frac": ((10 + 6) / 26, 1, 1, 1, 1, 1, 1),
    "nemo_mean_line_chars": (26 / 3, 26 / 2, 32 / 2, 34 / 2, 25 / 2, 14 / 2, 31 / 2),
    "nemo_python_comment_char_frac": (0, 0, 0, 0, 0, 0, 18 / 32),  # from # on
    "nemo_hash_comment_char_frac": (0, 0, 0, 0, 0, 0, 17 / 32),  # after #
    # the first of the most frequent n-grams, with single spaces, where the text has that: not where a line ends or a mark follows
    # without a space. 나는 책을 읽는다; ฉันรักแมว ฉันรักแมว; मैं घर जाता हूँ; هل تقرأ الكتاب; • שָׁלוֹם לכולם; Hello мир 世
    "nemo_top_2_gram_char_frac": (2 * 5 / 28, 19 / 27, 6 / 33, 7 / 35, 9 / 26, 0, 9 / 32),
    "nemo_top_3_gram_char_frac": (2 * 9 / 28, 0, 11 / 33, 14 / 35, 15 / 26, 0, 11 / 32),
    "nemo_top_4_gram_char_frac": (0, 0, 15 / 33, 0, 0, 0, 0),
    # seen before, with spaces: 나는_책을 and then _읽는다 _. ; 我_愛 and then _臺 _灣 _。; fewer than n words are 1
    "nemo_dup_2_gram_char_frac": ((5 + 4 + 2) / 28, 0, 0, 0, 0, (3 + 2 + 2 + 2) / 15, 0),
    "nemo_dup_5_gram_char_frac": (0, 0, 0, 0, 0, 9 / 15, 0),
    "nemo_dup_6_gram_char_frac": (0, 1, 0, 0, 0, 0, 0),
    "nemo_dup_7_gram_char_frac": (0, 1, 0, 0, 0, 0, 0),
    "nemo_dup_8_gram_char_frac": (0, 1, 0, 0, 1, 0, 0),
    "nemo_dup_9_gram_char_frac": (0, 1, 0, 0, 1, 0, 0),
    "nemo_dup_10_gram_char_frac": (0, 1, 0, 0, 1, 0, 0),
}  # fmt: skip

DATAJUICER = {
    "datajuicer_alnum_char_frac": (17 / 28, 18 / 27, 13 / 33, 26 / 35, 16 / 26, 11 / 15, 20 / 32),  # as datamap_alnum_chars
    # marks, digits and white space of ASCII, and listed characters: of ๑๒ the first; … • 。 ？ ،; the vowel signs ा े and
    # the virama; the letter ه; not the danda, ؟ and Arabic digits
    "datajuicer_special_char_frac": ((8 + 4) / 28, (3 + 2) / 27, (7 + 1 + 5) / 33, (6 + 3) / 35, (4 + 3) / 26, (1 + 3) / 15, (5 + 8) / 32),
    "datajuicer_mean_line_chars": (28 / 3, 27 / 2, 33 / 2, 35 / 2, 26 / 2, 15 / 2, 32 / 2),  # line breaks included
    "datajuicer_longest_line_chars": (10, 19, 16, 19, 16, 10, 18),
    "datajuicer_words": (8, 4, 8, 7, 4, 2, 5),  # between white space, of more than special characters: not - • #1
    # of 19 runs the first two come again, after a line feed; in Thai a space stands where the line feed is
    "datajuicer_char_10_gram_frac": ((2 + 2) / 19, 0, 0, 0, 0, 0, 0),
    "datajuicer_word_10_gram_frac": (NONE,) * 7,  # no text has ten of its words
}  # fmt: skip


def divergence(*words: tuple[int, float]) -> float:
    """Kullback-Leibler divergence from a profile: of each different word, how often it occurs, and the profile's probability."""
    number = sum(times for times, _ in words)
    return sum(times / number * math.log(times / number / probability) for times, probability in words)


def divergences(known: dict[str, float], other: float) -> tuple[float, ...]:
    """Of all texts: how often each different word occurs. Marks and Latin words are in English texts, no others are."""
    return (
        divergence((2, known.get(".", other)), (1, known.get("-", other)), (1, known.get("책", other)), (2, other), (2, other), (2, other), (1, other)),  # 나는 책을 읽는다 3권
        divergence((1, known.get("…", other)), (2, other), (1, other), (1, other)),
        divergence((1, known.get("?", other)), *[(1, other)] * 9),
        divergence((1, known.get(".", other)), *[(1, other)] * 9),
        divergence((1, known.get("•", other)), (1, known.get(".", other)), (1, known.get("?", other)), (1, known.get("שלומך", other)), *[(1, other)] * 3),
        divergence(*[(2, other)] * 5, *[(1, other)] * 4),
        divergence(*[(1, known.get(word, other)) for word in ("hello", "!", "#", "1", "{", "}", "...")], *[(1, other)] * 5),
    )


# rules/word_profiles/en.tsv: 1,380,146 words, 32,541 different ones, of which it has 20,000 and their counts
ENGLISH = {".": 68297, "-": 27356, "?": 1201, "…": 108, "•": 1615, "hello": 119, "!": 781, "#": 3011, "1": 4880, "{": 5973, "}": 5857, "...": 1006}
ENGLISH_WORDS, ENGLISH_DIFFERENT = 1_380_146, 32_541


def llama3(listed: int, of_words: int) -> dict[str, tuple[float, ...]]:
    """Values, given how many words the English profile lists and the sum of their counts."""
    other = (ENGLISH_WORDS - of_words + 1) / (ENGLISH_DIFFERENT - listed + 1) / (ENGLISH_WORDS + 1)
    english = {word: count / (ENGLISH_WORDS + 1) for word, count in ENGLISH.items()}
    return everywhere(0, "dup_ngram_coverage_10_frac", "html_tag_word_ratio", "html_entity_word_ratio", "markdown_mark_word_ratio") | {  # #1 is no heading
        "dup_ngram_coverage_5_frac": (0, 0, 0, 0, 0, 10 / 14, 0),
        "word_divergence_en": divergences(english, other),
    }


# the pack's list, in any case, and what its entries are in the texts
LISTED = ("책", "책을 읽는다", "ตัว", "आप", "أقرأ", "שלומך", "愛", "HELLO мир")
OF_THE_LIST = {
    "listed_words": (3, 1, 1, 1, 1, 2, 1),  # 책 as a word alone, and twice 책을 읽는다; تقرأ is another word
    "listed_word_frac": (5 / 11, 1 / 5, 1 / 10, 1 / 10, 1 / 7, 2 / 14, 2 / 12),
    "listed_distinct_words": (2, 1, 1, 1, 1, 1, 1),
    # characters of the entries, the space among them: all of a line of Korean but 나 and the full stop; ั ว in ฉันรักแมว; the letter
    # आ in आते; in mixed ש ל ו and ر
    "listed_char_frac": ((8 + 8 + 3) / 28, (3 + 3 + 3 + 2) / 27, (2 + 1 + 6) / 33, (3 + 4 + 5) / 35, (3 + 3 + 1 + 5 + 3) / 26, 2 / 15, (5 + 3 + 3 + 1 + 4) / 32),
}  # fmt: skip

# a profile of three words: 책 3 times, a full stop 4 times, שלומך once; of 10 words, 4 different ones
PROFILE = {"책": 3, ".": 4, "שלומך": 1}
OTHER = (10 - 8 + 1) / (4 - 3 + 1) / 11
OF_THE_PROFILE = {
    "unigram_kl": divergences({word: count / 11 for word, count in PROFILE.items()}, OTHER),
    "unigram_logprob": tuple(
        sum(times * math.log(probability) for times, probability in words) / sum(times for times, _ in words)
        for words in (
            [(2, 4 / 11), (1, 3 / 11), (8, OTHER)], [(5, OTHER)], [(10, OTHER)], [(1, 4 / 11), (9, OTHER)], [(1, 4 / 11), (1, 1 / 11), (5, OTHER)], [(14, OTHER)], [(12, OTHER)],
        )
    ),
    "outlier_token_frac": (8 / 11, 1, 1, 9 / 10, 5 / 7, 1, 1),
}  # fmt: skip

# a tokenizer of bytes that knows one character of each text; each time it occurs, its bytes are one token. Its first two bytes
# are one, too, where they begin another character: E0 B8 begins U+0E00 to U+0E3F, E0 A4 U+0900 to U+093F.
KNOWN = ("책", "ฉ", "आ", "ا", "ל", "愛")
TOKENS = (  # bytes, less what is joined
    60 - 3 * 2,
    75 - 2 * 2 - (7 + 7 + 3),  # ฉ; the others but แ ๑ ๒ …
    83 - 2 * 2 - (2 + 2 + 4 + 2 + 3 + 1 + 1 + 2),  # आ twice; मं घर जाता हँ कया प त हं
    63 - 4,  # الكتاب كتابا have four
    47 - 4,  # ל לל ל
    43 - 2 * 2,
    48 - 1 - 1,  # ל, ا
)
OF_TOKENS = {
    "token_count": TOKENS,
    "token_fertility": tuple(tokens / words for tokens, words in zip(TOKENS, (11, 5, 10, 10, 7, 14, 12))),
    "chars_per_token": tuple(chars / tokens for tokens, chars in zip(TOKENS, (28, 27, 33, 35, 26, 15, 32))),
}  # fmt: skip

# a line rule of the pack that drops lines of fewer than 10 characters: the last of Korean, Thai, Hebrew and Chinese
OF_EDITS = {
    "removed_line_frac": (1 / 3, 1 / 2, 0, 0, 1 / 2, 1 / 2, 0),
    "removed_char_frac": (7 / 28, 8 / 27, 0, 0, 10 / 26, 5 / 15, 0),  # with the line feed before
}
