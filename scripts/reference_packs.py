"""Write rules/packs/reference/: packs fitted to passages of Wikipedia and to prose of free software's manuals.

    python scripts/reference_packs.py FOLDER_OF_PARQUET_FILES

The files have the columns id, text, source and lang; only the sources named here are taken. The packs are an example of
what `gristmill fit-thresholds` makes: manuals are not the web, so fit packs of your own before a large run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from curation.fit_cli import write_packs  # noqa: E402
from curation.fitted_packs import FitSettings, fit_packs  # noqa: E402
from curation.reference_texts import source_hashes  # noqa: E402

PASSAGES = ("xquad", "arcd", "drcd", "cmrc2018", "jaquad", "iapp-wiki-qa")
MANUALS = ("gnome-user-docs", "libreoffice-help", "debian-handbook", "installation-guide", "debian-reference", "debian-faq", "debian-history", "udhr")
SETTINGS = FitSettings(keep=0.95)
NOTE = f"""Sources: {", ".join((*PASSAGES, *MANUALS))}.
An example: passages of Wikipedia and prose of manuals are not the web. Fit a pack of your own before a large run."""


def reference(folder: Path) -> pa.Table:
    """The documents of reference-like sources."""
    table = pa.concat_tables([pq.read_table(path, columns=["id", "text", "source", "lang"]) for path in sorted(folder.glob("*.parquet"))])
    return table.filter(pc.is_in(table["source"], value_set=pa.array([*PASSAGES, *MANUALS])))


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        pq.write_table(reference(folder), Path(work) / "reference.parquet")
        fits, few = fit_packs([work], SETTINGS)
    out = ROOT / "rules/packs/reference"
    for path, fit in zip(write_packs(fits, SETTINGS, source_hashes([str(folder)]), out, NOTE), fits):
        print(f"{path.name}: kept {fit.kept:.3f} of {fit.documents}, not fitted on {fit.held_out_kept:.3f}{' FLAGGED' if fit.flagged else ''}")
    print("too few:", few)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
