"""Small models of fastText, trained in a process of their own (see curation/fasttext_training.py for why)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from curation.fasttext_training import ZEROED

CODE = """
import json, sys, fasttext
lines, path, settings, quantise = json.loads(sys.argv[1])
model = fasttext.train_supervised(lines, verbose=0, thread=1, **settings)
if quantise:
    model.quantize(lines, **quantise)
model.save_model(path)
"""


def train(folder: Path, texts: dict[str, list[str]], quantise: dict | None = None, **settings) -> Path:
    """A model of `texts` (label: lines of words) in a file of `folder`."""
    lines, path = folder / "lines.txt", folder / "model.bin"
    pairs = [(label, text) for label, found in texts.items() for text in found]
    lines.write_text("".join(f"__label__{label} {text}\n" for label, text in pairs), encoding="utf-8")
    settings = {"dim": 8, "epoch": 20, "lr": 0.5, "minCount": 1, "bucket": 4096} | settings
    arguments = json.dumps([str(lines), str(path), settings, quantise])
    subprocess.run([sys.executable, "-c", CODE, arguments], check=True, env=os.environ | ZEROED)
    return path
