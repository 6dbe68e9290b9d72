"""Write the corpora of the demo: English pages of the demo data, and the same with 30 % planted junk.

    clean.parquet   the English pages
    junk.parquet    junk that makes up 30 % of the bytes of both files together, a third each of
                    - pages with their words shuffled
                    - boilerplate that is repeated from page to page
                    - pages in another language

Run by `make ablate-demo`, after the demo's own job has cleaned the pages.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

JUNK_FRAC = 0.30
BOILERPLATE = (
    "Home | About us | Contact | Sign in | Register | Basket (0)",
    "We use cookies to improve your experience. By using this site you accept our cookie policy.",
    "Subscribe to our newsletter and never miss a deal! Enter your e-mail address below.",
    "Share this page on your favourite network. Follow us for more news, offers and updates.",
    "All rights reserved. Terms of use. Privacy policy. Imprint. Sitemap. Accessibility.",
    "You may also like these articles. Customers who viewed this item also viewed the following.",
)


def main(run: Path, folder: Path) -> None:
    documents = pa.concat_tables([pq.read_table(path, columns=["id", "text", "source", "lang"]) for path in sorted((run / "clean").glob("*.parquet"))])
    rows = documents.to_pylist()
    english = [row for row in rows if row["lang"] == "en"]
    junk_bytes = round(sum(len(row["text"].encode()) for row in english) * JUNK_FRAC / (1 - JUNK_FRAC))
    draw = random.Random(1)
    kinds = {"shuffled": _shuffled(english, draw), "boilerplate": _boilerplate(draw), "other-language": _others(rows, draw)}
    junk = [row for kind, texts in kinds.items() for row in _until(kind, texts, junk_bytes // len(kinds))]
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in (("clean", english), ("junk", junk)):
        pq.write_table(pa.Table.from_pylist(chosen, documents.schema), folder / f"{name}.parquet")
        print(f"{folder / name}.parquet: {len(chosen)} documents, {sum(len(row['text'].encode()) for row in chosen) / 1e6:.2f} MB", file=sys.stderr)


def _until(kind, texts, size: int):
    """Documents of `texts` until they have `size` bytes; the last is cut."""
    number = 0
    while size > 0:
        text = next(texts)
        text = text.encode()[:size].decode(errors="ignore")
        yield {"id": f"{kind}-{number}", "text": text, "source": f"planted {kind}", "lang": "en" if kind != "other-language" else "xx"}
        size -= max(len(text.encode()), 1)
        number += 1


def _shuffled(english, draw: random.Random):
    while True:
        words = draw.choice(english)["text"].split()
        draw.shuffle(words)
        yield " ".join(words)


def _boilerplate(draw: random.Random):
    while True:
        yield "\n".join(draw.choice(BOILERPLATE) for _ in range(draw.randint(20, 60)))


def _others(rows, draw: random.Random):
    """Pages in languages that are not the corpus's, each once, as far as they go."""
    texts = [row["text"] for row in rows if row["lang"] in ("de", "fr", "es", "pt", "it", "pl")]
    draw.shuffle(texts)
    while True:
        yield from texts


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
