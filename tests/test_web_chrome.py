"""The web_chrome pack: every kind in every language, labels only where they are the whole line, precision on real pages."""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import cache

import pyarrow as pa
import pytest
from pyarrow import parquet

from rules.engine import apply
from rules.format.pack import load_pack, shipped_packs
from rules.rule import Pack, Rule

LANGUAGES = ("en", "de", "fr", "es", "ru", "ja", "zh", "pt", "it", "nl", "pl", "tr", "id")
KINDS = ("cookie-notice", "skip-link", "share-bar", "login-prompt", "newsletter-box", "pagination", "below-article", "site-links")
LABEL_KINDS = ("skip-link", "pagination", "site-links")  # rules that know only labels, no beginnings of banners


@cache
def web_chrome() -> Pack:
    return load_pack(shipped_packs()["web_chrome"])


def line_rules() -> list[Rule]:
    return [rule for rule in web_chrome().rules if rule.lines]


def changed(rule: Rule, lines: list[str]) -> list[bool]:
    """For each line, a document of its own: does the rule act on it?"""
    alone = dataclasses.replace(web_chrome(), rules=(rule,))
    rows = set(apply([alone], pa.array(lines, pa.large_string())).edits["row"].to_pylist())
    return [row in rows for row in range(len(lines))]


def test_every_kind_has_a_rule_in_every_language():
    ids = {rule.id for rule in web_chrome().rules}
    assert ids >= {f"{kind}-{language}" for kind in KINDS for language in LANGUAGES}


@pytest.mark.parametrize("rule", line_rules(), ids=lambda rule: rule.id)
def test_examples_of_every_rule_say_where_it_stops(rule):
    """A rule that drops lines shows a near miss, names a false positive in words, and says where it comes from."""
    assert rule.examples.keep and rule.false_positives and rule.source


@pytest.mark.parametrize("rule", [r for r in line_rules() if r.lines == "drop"], ids=lambda rule: rule.id)
def test_what_a_rule_drops_stays_inside_a_sentence(rule):
    examples = list(rule.examples.drop)
    inside = [f"Auf dem Schild stand « {line.strip('.')} », sagte er." for line in examples] + [f"She read the words {line} and went home." for line in examples]
    assert not any(changed(rule, inside))


@pytest.mark.parametrize("rule", [r for r in line_rules() if r.id.rsplit("-", 1)[0] in LABEL_KINDS], ids=lambda rule: rule.id)
def test_labels_may_wear_bullets_arrows_and_white_space(rule):
    labels = list(rule.examples.drop)
    for before, after in (("• ", ""), ("\u3000", "\u00a0"), ("→ ", ""), ("", " »"), ("| ", " |"), ("", " ›"), ("\ue001 ", "")):
        assert all(changed(rule, [before + label + after for label in labels])), (before, after)
    assert all(changed(rule, [f"{labels[0]} | {label}" for label in labels])), "labels side by side"


@pytest.mark.parametrize("rule", [r for r in line_rules() if r.id.rsplit("-", 1)[0] in KINDS and r.id[-2:] != "tr"], ids=lambda rule: rule.id)
def test_letter_case_does_not_matter(rule):
    lines = [line for line in rule.examples.drop if "ß" not in line]
    assert all(changed(rule, [line.upper() for line in lines])) and all(changed(rule, [line.lower() for line in lines]))


def test_turkish_capitals_with_and_without_dots():
    rules = {rule.id: rule for rule in web_chrome().rules}
    assert all(changed(rules["site-links-tr"], ["İLETİŞİM", "İletişim", "iletişim", "HAKKIMIZDA", "Hakkımızda", "GİZLİLİK POLİTİKASI"]))
    assert all(changed(rules["login-prompt-tr"], ["GİRİŞ YAP", "Giriş yap"]))
    assert all(changed(rules["below-article-tr"], ["İLGİLİ HABERLER", "İlgili haberler", "DEVAMINI OKU"]))


def test_both_scripts_of_chinese():
    rules = {rule.id: rule for rule in web_chrome().rules}
    pairs = {"pagination-zh": "下一页 下一頁", "site-links-zh": "联系我们 聯絡我們", "below-article-zh": "相关文章 相關文章", "login-prompt-zh": "忘记密码？ 忘記密碼？"}
    for name, lines in pairs.items():
        assert all(changed(rules[name], lines.split())), name


def test_full_width_separators():
    rules = {rule.id: rule for rule in web_chrome().rules}
    assert all(changed(rules["login-prompt-ja"], ["ログイン｜会員登録", "・ログイン"]))


def test_no_sentence_of_running_text_is_taken(shared_data):
    """Lines of real pages: chrome is found where there is chrome, hardly anywhere in texts that are articles alone."""
    table = parquet.read_table(shared_data / "web" / "part-0000.parquet", columns=["url", "text"]).slice(0, 400)
    with_chrome = [url.endswith("#full") for url in table["url"].to_pylist()]
    edits = apply([web_chrome()], table["text"].combine_chunks()).edits
    found = Counter(with_chrome[row] for row in edits["row"].to_pylist())
    lines = Counter()
    for full, text in zip(with_chrome, table["text"].to_pylist()):
        lines[full] += text.count("\n") + 1
    assert found[True] / lines[True] > 0.05
    assert found[False] / lines[False] < 0.005
