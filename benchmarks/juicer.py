"""data-juicer's filters beside the pack with their thresholds: the same verdicts, and how much faster.

    python -m benchmarks.juicer [PARQUET FILES OR FOLDERS] [--documents 2000] [--peer .venv-juicer]

Both sides measure alphanumeric characters, line lengths, repeated characters and words, special characters, length and
words, and judge every document by all of them. data-juicer runs in an environment of its own (`make bench` makes it), its
operators alone, on texts that are Python strings already, without its datasets and executors. Times are processor times.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.documents import ROOT, megabytes, options, slice_of, texts_of
from benchmarks.figures import RUNS, median, rates, record, timed
from rules.engine import apply
from rules.format.pack import load_pack, shipped_packs

PACK = "datajuicer_default"


def main() -> None:
    parser = options(__doc__, peer_documents=2000)
    parser.set_defaults(peer=ROOT / ".venv-juicer")
    arguments = parser.parse_args()
    python = arguments.peer / "bin" / "python"
    if not python.exists():
        sys.exit(f"no {python}: `make bench` makes it, `sh scripts/juicer.sh python {arguments.peer}` as well")
    pa.set_cpu_count(1)
    texts, pack = slice_of(texts_of(arguments.paths), arguments.documents), load_pack(shipped_packs()[PACK])
    size = megabytes(texts)
    ours = rates(size, timed(lambda: apply([pack], texts)))
    answer = answer_of(python, texts)
    theirs = rates(size, answer["seconds"])
    kept = ~apply([pack], texts).dropped
    different = int((kept != np.array(answer["kept"])).sum())
    on = f"{len(texts):,} documents, {size:.1f} MB; {different} verdicts differ"
    print(f"{PACK} {median(ours):.1f} MB/s, data-juicer {answer['version']} {median(theirs):.2f} MB/s: {median(ours) / median(theirs):.0f} times; {on}")
    record("juicer", "data-juicer's eight filters of text, all signals and hits", ours, "MB/s", peer=f"data-juicer {answer['version']}, its operators", theirs=theirs, on=on)


def answer_of(python: Path, texts: pa.Array) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        parquet.write_table(pa.table({"text": texts}), path)
        command = [python, ROOT / "benchmarks" / "juicer_speed.py", path, "--runs", str(min(RUNS, 2))]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
