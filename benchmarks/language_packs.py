"""What packs keep of reference-like texts, language by language, and which of FineWeb-2's rules drop the others.

    python -m benchmarks.language_packs FOLDER_OF_PARQUET_FILES

The texts are those of scripts/reference_packs.py. Columns: what the packs `reference/CODE` keep of the texts they were
fitted on; what packs fitted in the same way keep of texts they were not fitted on (cross-validation); what
`fineweb2/CODE` keeps, and the rules that drop most; what datatrove's own filters keep with the same thresholds and the
word splitter that datatrove has for the language (-: its library is not installed).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.fitted_packs import by_language, fit_packs
from curation.text_sources import read_documents
from rules.engine import apply
from rules.format.pack import load_pack, shipped_packs
from rules.rule import Pack
from scripts.reference_packs import SETTINGS, reference

RULES_SHOWN = 4


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        pq.write_table(reference(folder), Path(work) / "reference.parquet")
        fits, _ = fit_packs([work], SETTINGS)
        samples = by_language(read_documents([work]), SETTINGS.bytes_each, [fit.code for fit in fits])
    print("| language | texts | `reference/` keeps | not fitted on | `fineweb2/` keeps | datatrove's filters keep | `fineweb2/` drops for |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for fit in fits:
        texts = pa.concat_arrays(list(samples[fit.code].batches()))
        kept = 1 - apply([load_pack(f"reference/{fit.code}")], texts).dropped.mean()
        cells = [fit.code, f"{len(texts)}", f"{kept:.1%}", f"{fit.held_out_kept:.1%}", *fineweb2_cells(fit.code, texts)]
        print("| " + " | ".join(cells) + " |", flush=True)


def fineweb2_cells(code: str, texts: pa.LargeStringArray) -> list[str]:
    """What the pack keeps, what datatrove keeps, and the rules that drop most."""
    if f"fineweb2/{code}" not in shipped_packs():
        return ["-", "-", ""]
    pack = load_pack(f"fineweb2/{code}")
    applied = apply([pack], texts)
    hits = {name.partition("/")[2].partition("/")[2]: float(hit.mean()) for name, hit in applied.rule_hits.items()}
    most = sorted(hits.items(), key=lambda item: -item[1])[:RULES_SHOWN]
    theirs = datatrove_kept(pack, texts.to_pylist())
    return [f"{1 - applied.dropped.mean():.1%}", "-" if theirs is None else f"{theirs:.1%}", ", ".join(f"{name} {share:.0%}" for name, share in most if share >= 0.01)]


def datatrove_kept(pack: Pack, texts: list[str]) -> float | None:
    """The share that datatrove's filters keep, set up as FineWeb-2 did, with the thresholds of `pack`."""
    from datatrove.data import Document
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    config = pack.source.rsplit("/", 1)[-1].removesuffix(".yml")
    try:
        load_word_tokenizer(config).word_tokenize("A test.")
    except (ImportError, OSError, ValueError):
        return None
    filters = datatrove_filters(pack, config)
    kept = [all(one.filter(Document(text=text, id="")) is True for one in filters) for text in texts]
    return float(np.mean(kept))


def datatrove_filters(pack: Pack, config: str) -> list:
    """FineWeb-2's filters of repetition, of FineWeb, and of Gopher's quality."""
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    tops = [(n, at(pack, f"top-{n}-gram", 1.0)) for n in (2, 3, 4)]
    dups = [(n, at(pack, f"dup-{n}-grams", 1.0)) for n in range(5, 11)]
    repetition = GopherRepetitionFilter(
        dup_line_frac=at(pack, "dup-lines", 0), dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0, top_n_grams=tops, dup_n_grams=dups, language=config
    )
    fineweb = FineWebQualityFilter(
        line_punct_thr=at(pack, "line-end-punctuation", 0), short_line_thr=999, char_duplicates_ratio=0.1, new_line_ratio=at(pack, "list-like", 9.9), language=config
    )
    lengths = {comparison.operator: comparison.threshold for comparison in pack.rule("mean-word-length").drop_when[0].any_of}
    quality = GopherQualityFilter(
        min_avg_word_length=lengths.get("<"), max_avg_word_length=lengths.get(">"), max_non_alpha_words_ratio=at(pack, "alpha-words", 0), min_stop_words=2,
        stop_words=list(pack.lists["stop"].entries), language=config,
    )  # fmt: skip
    return [repetition, fineweb, quality]


def at(pack: Pack, rule_id: str, off: float) -> float:
    """A rule's only threshold, or what turns datatrove's test off."""
    rule = pack.rule(rule_id)
    return off if rule.action == "off" else rule.drop_when[0].any_of[0].threshold


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
