"""Write rules/packs/fineweb2/: one pack a language, with the thresholds and stop words that FineWeb-2 published.

    python scripts/fineweb2_packs.py PATH_OF_A_CHECKOUT_OF_huggingface/fineweb-2

Languages whose words no white space divides (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan, Dzongkha) are left
out: FineWeb-2's numbers for them hold for words of a dictionary splitter. Of a language in two scripts the one with more
documents is taken.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from rules.languages import normalise  # noqa: E402

LANGUAGES = 80
UNDIVIDED = {"zh", "ja", "th", "lo", "km", "my", "bo", "dz", "yue", "wuu", "shn"}
MORPHEMES = {"ko"}  # its words are morphemes there: particles and endings, which here are parts of words
OFF = "    action: off\n"


def main(source: Path) -> None:
    folder = ROOT / "rules/packs/fineweb2"
    for code, config in chosen(source).items():
        settings = yaml.safe_load((source / "configs" / f"{config}.yml").read_text(encoding="utf-8"))
        (folder / f"{code}.yaml").write_text(pack(code, config, settings), encoding="utf-8")
        print(code, config)


def chosen(source: Path) -> dict[str, str]:
    """Language code -> name of the configuration, the languages with most documents."""
    with open(source / "fineweb2-language-distribution.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and not row["subset"].endswith("_removed")]
    rows.sort(key=lambda row: -int(row["documents"]))
    found: dict[str, str] = {}
    for row in rows:
        try:
            code = normalise(row["subset"])
        except ValueError:
            continue
        if code not in UNDIVIDED and code not in found and (source / "configs" / f"{row['subset']}.yml").is_file():
            found[code] = row["subset"]
        if len(found) == LANGUAGES:
            break
    return dict(sorted(found.items()))


def pack(code: str, config: str, settings: dict) -> str:
    """One pack file."""
    anywhere = ", anywhere: true" if code in MORPHEMES else ""
    words = ", ".join(f'"{word}"' for word in settings["stopwords"])
    rules = [
        numbers("dup-lines", "dup_line_frac", ">", settings["dup_line_frac"]),
        *(numbers(f"top-{n}-gram", f"top_{n}_gram_char_frac", ">", x) for n, x in settings["top_n_grams"]),
        *(numbers(f"dup-{n}-grams", f"dup_{n}_gram_char_frac", ">", x) for n, x in settings["dup_n_grams"]),
        numbers("line-end-punctuation", "line_end_punct_frac", "<", settings["line_punct_thr"]),
        numbers("list-like", "newline_word_ratio", ">", settings["new_line_ratio"]),
        mean_word_chars(settings["min_avg_word_length"], settings["max_avg_word_length"]),
        numbers("alpha-words", "alpha_word_frac", "<", settings["max_non_alpha_words_ratio"]),
    ]
    return (
        f"pack: fineweb2/{code}\nabout: FineWeb-2's filters for {config}; language identification kept a score from {settings['language_score']:g}.\n"
        f"source: https://github.com/huggingface/fineweb-2/blob/main/configs/{config}.yml\nextends: [base.yaml]\nlanguages: [{quoted(code)}]\n"
        f"lists:\n  stop: {{case: exact{anywhere}, words: [{words}]}}\n\nrules:\n" + "\n".join(rules)
    )


def quoted(code: str) -> str:
    return f'"{code}"' if code in ("no", "on", "off", "yes") else code


def numbers(name: str, signal: str, operator: str, threshold: float) -> str:
    """A rule with another threshold, and examples just on either side of it; a threshold of 0 turns the rule off."""
    head = f"  - id: {name}\n"
    if not threshold:
        return head + OFF
    step = 0.001 if operator == ">" else -0.001
    return (
        f'{head}    drop_when: {{{signal}: "{operator} {threshold:g}"}}\n'
        f"    examples: {{drop: [{{{signal}: {threshold + step:.6g}}}], keep: [{{{signal}: {threshold:g}}}]}}\n"
    )


def mean_word_chars(least: float, most: float) -> str:
    low = f'"< {least:g}", ' if least else ""
    low_example = f", {{mean_word_chars: {least - 0.01:g}}}" if least else ""
    return (
        f'  - id: mean-word-length\n    drop_when: {{mean_word_chars: [{low}"> {most:g}"]}}\n'
        f"    examples: {{drop: [{{mean_word_chars: {most + 0.01:g}}}{low_example}], keep: [{{mean_word_chars: {most:g}}}]}}\n"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
