"""A small corpus to inspect: banners that repeat, two languages, hostile documents, duplicates; a pack of rules for it."""

from __future__ import annotations

import json
from pathlib import Path

from inspect_ui.session import Session

HOSTILE = {
    "ansi": "\x1b[2J\x1b[31mred\x1b[0m alert \x07 and the rest of the line is long enough to be read by anybody who is here.",
    "osc8": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\ here to read more about the mill and the river that is beside it.",
    "markup": "[bold]markup[/bold] [link=http://evil.example]x[/link] [@click=app.quit]quit[/] {{ braces }} for the mill of the town.",
    "bidi": "\u202egnihtyreve sdaer siht\u202c and \u2066isolated\u2069 text, مرحبا بالعالم and שלום to the people of the town.",
    "joiners": "zero\u200bwidth\u200djoiner \ufeffmark and \U0001f469\u200d\U0001f4bb, \u2764\ufe0f, e\u0301\u0302\u0303 and 漢字かな交じり文 for the mill.",
    "long": "y" * 100_000 + " the end of the line",
    "controls": "\x00\x01\x02\x7f\x80\x9b31m\x85\u2028\u2029 \r\r the controls of the mill and of the river in the town.",
}
STORY = ["The river ran past the old mill.", "People of the town walked along it every evening of the year.", "Nobody had ever counted the {} stones of the bridge, and that was well."]
GERMAN = ["Der Fluss floss an der alten Mühle vorbei.", "Die Leute gingen jeden Abend an ihm entlang, das ganze Jahr.", "Niemand hatte je die {} Steine der Brücke gezählt."]
BANNERS = ["We use cookies to improve your visit.", "Accept all cookies", "Read more", "© 2024 The Mill. All rights reserved."]
PACK = """\
pack: town
about: Rules to look at.
words: space
rules:
  - id: cookie-banner
    why: Banners are no part of an article.
    lines: drop
    match: '(?i)^(we use|accept all) cookies'
    examples: {drop: ["We use cookies."], keep: ["Here we use cookies as place cards."]}
  - id: short-text
    why: Stubs say nothing.
    drop_when: {words: ["< 14", "> 5000"]}   # a comment that stays
    examples: {drop: [{words: 13}], keep: [{words: 14}]}
  - id: few-letters
    why: Tables of numbers are no text.
    drop_when: {alpha_word_frac: "< 0.5"}
    examples: {drop: ["1 2 3"], keep: ["one two"]}
  - id: says-mill
    why: Counts what is said of the mill.
    action: tag
    match: 'mill'
    examples: {drop: ["mill"], keep: ["x"]}
"""


def documents() -> list[dict]:
    """Some sixty documents."""
    rows = []
    for i in range(48):
        lines = GERMAN if i % 6 == 5 else STORY
        body = [line.format(100 + i) for line in lines for _ in range(1 + i % 4)]
        chrome = [BANNERS[0], *([BANNERS[1]] if i % 2 else [])] if i % 3 else []
        tail = [BANNERS[2], BANNERS[3].replace("2024", str(2000 + i % 25))] if i % 2 else []
        rows.append(_row(f"doc-{i:02d}", "\n".join([*chrome, *body, *tail]), f"https://site{i % 7}.example/{i}", "de" if lines is GERMAN else "en"))
    rows += [_row(f"stub-{i}", " ".join(["stub"] * (3 + 3 * i)), f"https://stubs.example/{i}", "en") for i in range(5)]
    rows += [_row(f"numbers-{i}", " ".join(str(n * 7919 % 1000) for n in range(40 + i)), f"https://numbers.example/{i}", "en") for i in range(3)]
    copied = rows[3]["text"]
    rows += [_row("copy-exact", copied, "https://copies.example/1", "en"), _row("copy-near", copied + "\nOne more line.", "https://copies.example/2", "en")]
    return rows + [_row(f"hostile-{name}", text, f"https://hostile.example/{name}", "en") for name, text in HOSTILE.items()]


def _row(name: str, text: str, url: str, lang: str) -> dict:
    return {"id": name, "text": text, "url": url, "lang": lang}


def write_corpus(folder: Path) -> Path:
    path = folder / "documents.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in documents()))
    (folder / "town.yaml").write_text(PACK)
    return path


def open_corpus(folder: Path) -> Session:
    return Session.open([str(write_corpus(folder))], [str(folder / "town.yaml")], seed=7, labels=[folder / "labels.jsonl"], by="ann")
