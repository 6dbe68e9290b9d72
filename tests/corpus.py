"""A small corpus made in code: articles, copies, near copies, menus, stubs and broken lines, in several files."""

from __future__ import annotations

import json
import random
from pathlib import Path

WORDS = (
    "the sea and of a to in river stone house people that with have was for bread water light field winter summer town market "
    "letter morning evening fisherman garden bridge tower clock paper road forest story answer question window table garden"
).split()


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(6, 14))).capitalize() + "."


def article(rng: random.Random, sentences: int = 12) -> str:
    return "\n".join(" ".join(sentence(rng) for _ in range(3)) for _ in range(sentences // 3))


def documents(seed: int = 7, count: int = 120) -> list[dict]:
    """`count` documents: about half are clean articles, the rest should each be removed or edited for one reason."""
    rng = random.Random(seed)
    found: list[dict] = []
    for i in range(count):
        text = article(rng)
        kind = i % 10
        if kind == 5 and found:
            text = rng.choice(found)["text"]
        elif kind == 6 and found:
            text = rng.choice(found)["text"].replace("river", "stream", 1)
        elif kind == 7:
            text = "Home\nNews\nContact"
        elif kind == 8:
            text = "We use cookies to improve your visit.\n" + text
        elif kind == 9:
            text = " ".join(str(rng.randint(0, 999)) for _ in range(80))
        found.append({"id": f"d{i:04d}", "text": text, "url": f"https://host{i % 3}.example/{i}", "source": f"host{i % 3}", "rank": i})
    return found


def write_corpus(folder: Path, files: int = 4, **options: int) -> Path:
    """The corpus as JSONL files in `folder`, with one broken line in the second file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = documents(**options)
    per_file = -(-len(rows) // files)
    for number in range(files):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows[number * per_file : (number + 1) * per_file]]
        if number == 1:
            lines.insert(3, '{"id": "broken", "text": "no end')
        (folder / f"part-{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_parts(folder: Path, rows: list[dict], files: int = 3) -> None:
    """`rows` dealt out to JSONL files in a new `folder`."""
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[number::files]))


JOB = """\
input: {input}
output: {output}
packs: [web_chrome, gopher_repetition, gopher_quality]
exact: {{}}
near: {{bands: 14, rows: 8}}
pack: {{vocab_size: 400, sequence_length: 64, held_out: 0.2}}
workers: inline
{more}
"""


def write_job(path: Path, corpus: Path, output: str = "out", more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JOB.format(input=corpus, output=output, more=more), encoding="utf-8")
    return path
