"""Which language a document is in, by a fastText model (Joulin et al. 2016, "Bag of Tricks"), and which documents stay.

lid.176.ftz runs in kernels over Arrow's bytes (curation/language_id/), 130 to 150 MB/s a core;
models that these cannot read, such as GlotLID, go through fastText at its own speed. Labels become the codes of
rules/languages.py. The script of the text is compared with those of its language, lines are judged each for itself, and
only windows of long documents are read, where the settings say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.language_id.judging import Judged, Windows, judge, judge_lines, languages_of_lines, line_fractions
from curation.language_id.models import VENDORED, check_model, is_named, label_code, load_model, model_identity
from curation.outcome import Outcome, counted, removed_table, single_hits, without
from rules.languages import normalise
from rules.places import SettingError, check_settings
from rules.text.scripts import fraction_in, letters_of, main_scripts, script_counts, scripts_of

__all__ = ["VENDORED", "LanguageSettings", "check_model", "filter_language", "identify", "is_named", "keeps", "label_code", "load_model", "model_identity"]

# Why a document was removed, in the order in which the reasons are looked at.
OTHER, LOW_SCORE, OTHER_SCRIPT, MIXED_LINES = "language/other", "language/min_score", "language/script", "language/min_line_frac"
LEAST_SCRIPT_FRAC = 0.05  # of the letters of a text in scripts of its language: less is a mismatch


@dataclass(frozen=True)
class LanguageSettings:
    """`keep`: languages to keep, by any code or name (none: all); `min_score`: and the least score, 0 to 1.

    `min_scores`: least scores of single languages, such as {de: 0.6}; `min_score` is for all others.
    `model`: lid.176 (ships), lid.176.bin, glotlid or openlid (fetched once), or the path or URL of another fastText model
    whose labels are language codes.
    `top_k`: how many of the best labels are kept in the column lang_top, if more than one.
    `script`: tag writes the columns lang_script, lang_script_frac and script_mismatch; drop also removes what mismatches.
    `lines`: judge each line too, in the columns line_langs and lang_line_frac; `min_line_frac`: remove documents of which
    a smaller share of bytes stands in lines of the document's language.
    `windows`: judge so many windows of `window_bytes` of a document that is longer than they are together; 0: all of it.
    """

    keep: tuple[str, ...] = ()
    min_score: float = 0.0
    min_scores: dict[str, float] = field(default_factory=dict)
    model: str = "lid.176"
    top_k: int = 1
    script: Literal["off", "tag", "drop"] = "off"
    lines: bool = False
    min_line_frac: float = 0.0
    windows: int = 0
    window_bytes: int = 2048

    def __post_init__(self) -> None:
        check_settings(self._mistakes())

    def _mistakes(self) -> Iterator[SettingError]:
        for name in ("min_score", "min_line_frac"):
            yield from _fraction_mistakes(name, getattr(self, name))
        for language, score in self.min_scores.items():
            yield from _fraction_mistakes("min_scores", score)
            yield from _language_mistakes("min_scores", language)
        if isinstance(self.keep, str):
            yield SettingError("keep", f"keep is a list of languages, such as [{self.keep}]")
        else:
            for language in self.keep:
                yield from _language_mistakes("keep", language)
        for name, least in (("top_k", 1), ("windows", 0), ("window_bytes", 64)):
            if getattr(self, name) < least:
                yield SettingError(name, f"{name} must be {least} or more, got {getattr(self, name)}")
        if self.min_line_frac and not self.lines:
            yield SettingError("min_line_frac", "min_line_frac needs lines: true, which judges them")

    @property
    def kept_codes(self) -> list[str]:
        """`keep` as normalised codes."""
        return [normalise(language) for language in self.keep]

    @property
    def least_scores(self) -> dict[str, float]:
        """`min_scores` by normalised code."""
        return {normalise(language): score for language, score in self.min_scores.items()}


def _fraction_mistakes(name: str, value: float) -> Iterator[SettingError]:
    if not 0.0 <= value <= 1.0:
        yield SettingError(name, f"{name} must be 0 to 1, got {value}")


def _language_mistakes(name: str, language: str) -> Iterator[SettingError]:
    try:
        normalise(language)
    except ValueError as error:
        yield SettingError(name, str(error))


def identify(texts: pa.Array | pa.ChunkedArray, settings: LanguageSettings) -> tuple[pa.StringArray, np.ndarray]:
    """The likeliest language of each text as a code (string [docs]) and its score (float32 [docs], 0 to 1).

    A text of white space or nothing, or a null, has a null label and the score 0.
    """
    judged = _judged(texts, settings)
    return judged.languages, judged.scores


def _judged(texts: pa.Array | pa.ChunkedArray, settings: LanguageSettings) -> Judged:
    return judge(texts, settings.model, settings.top_k, Windows(settings.windows, settings.window_bytes))


def keeps(labels: pa.StringArray, scores: np.ndarray, settings: LanguageSettings) -> np.ndarray:
    """Which documents the settings keep (bool [docs]): a listed language, if any are listed, and score enough."""
    return listed(labels, settings) & (scores >= least_scores(labels, settings))


def listed(labels: pa.StringArray, settings: LanguageSettings) -> np.ndarray:
    """Which labels are among the languages to keep (bool [docs]); all of them where none are named."""
    if not settings.keep:
        return np.ones(len(labels), bool)
    return pc.is_in(labels, value_set=pa.array(settings.kept_codes, pa.string())).to_numpy(zero_copy_only=False)


def least_scores(labels: pa.StringArray, settings: LanguageSettings) -> np.ndarray:
    """The score that each document needs, by its language, float32 [docs]."""
    scores = settings.least_scores
    places = pc.fill_null(pc.index_in(labels, value_set=pa.array(list(scores), pa.string())), len(scores))
    return np.array([*scores.values(), settings.min_score], np.float32)[places.to_numpy(zero_copy_only=False)]


def filter_language(documents: pa.Table, settings: LanguageSettings) -> Outcome:
    """Write the language and score of every document, and remove those that the settings do not keep.

    What `lang` and `lang_score` held before is kept as `input_lang` and `input_lang_score`. A removed document has the
    first of the reasons language/other, language/min_score, language/script and language/min_line_frac that applies.
    """
    judged = _judged(documents["text"], settings)
    labels, scores = judged.languages, judged.scores
    counts = {"languages_in": counted(labels)}
    least = least_scores(labels, settings)
    tests = [
        (OTHER, ~listed(labels, settings), "lang_score", scores, None, None),
        (LOW_SCORE, scores < least, "lang_score", scores, "<", least),
    ]
    columns: dict[str, pa.Array] = {"lang_top": judged.top} if settings.top_k > 1 else {}
    if settings.script != "off":
        found, fractions, mismatch = check_scripts(documents["text"], judged)
        columns |= {"lang_script": found, "lang_script_frac": pa.array(fractions.astype(np.float32)), "script_mismatch": pa.array(mismatch)}
        counts["script_mismatch"] = counted(labels.filter(pa.array(mismatch)))
        if settings.script == "drop":
            tests.append((OTHER_SCRIPT, mismatch, "lang_script_frac", fractions, "<", np.full(len(mismatch), LEAST_SCRIPT_FRAC)))
    if settings.lines:
        lines = judge_lines(documents["text"], settings.model)
        fractions = line_fractions(lines, labels)
        columns |= {"line_langs": languages_of_lines(lines, len(documents)), "lang_line_frac": pa.array(fractions)}
        tests.append((MIXED_LINES, fractions < settings.min_line_frac, "lang_line_frac", fractions, "<", np.full(len(labels), settings.min_line_frac)))
    documents = with_columns(with_language(documents, labels, scores), columns)
    return _divided(documents, tests, counts)


def _divided(documents: pa.Table, tests: list[tuple], counts: dict) -> Outcome:
    """The documents that no test is true of, and the others with the first that is."""
    verdicts = np.stack([test[1] for test in tests])
    gone, first = verdicts.any(0), verdicts.argmax(0)
    rows = np.flatnonzero(gone)
    hits = [
        single_hits([reason] * len(rows), signal, values[rows], comparison, None if threshold is None else threshold[rows])
        for reason, _, signal, values, comparison, threshold in tests
    ]
    reasons = pa.array([test[0] for test in tests], pa.string()).take(pa.array(first[rows]))
    chosen = pa.concat_arrays(hits).take(pa.array(np.arange(len(rows)) + first[rows] * len(rows)))
    removed = removed_table(documents.filter(pa.array(gone)), "language", reasons, chosen)
    return Outcome(without(documents, pa.array(gone)), removed, counts=counts)


def check_scripts(texts: pa.Array | pa.ChunkedArray, judged: Judged) -> tuple[pa.StringArray, np.ndarray, np.ndarray]:
    """The script that most letters of each text are of (null: none), the share of letters in scripts of its language or
    label (float64, NaN: no letters, or nobody says which scripts), and whether that is a mismatch (bool)."""
    counts = script_counts(texts)
    fractions = np.full(len(counts), np.nan)
    pairs = pa.table({"lang": judged.languages, "script": judged.scripts, "row": np.arange(len(counts))})
    for group in pairs.group_by(["lang", "script"]).aggregate([("row", "list")]).to_pylist():
        scripts = letters_of(group["script"]) if group["script"] else scripts_of(group["lang"] or "")
        if scripts and group["lang"] is not None:
            fractions[group["row_list"]] = fraction_in(counts[group["row_list"]], scripts)
    return main_scripts(counts), fractions, fractions < LEAST_SCRIPT_FRAC


def with_columns(documents: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    """`documents` with more columns, in place of those of their names."""
    for name, column in columns.items():
        if name in documents.column_names:
            documents = documents.set_column(documents.column_names.index(name), name, pa.chunked_array([column]))
        else:
            documents = documents.append_column(name, pa.chunked_array([column]))
    return documents


def with_language(documents: pa.Table, labels: pa.StringArray, scores: np.ndarray) -> pa.Table:
    """`documents` with these languages and scores; the columns they replace follow as input_..., unless taken."""
    for name, column in (("lang", labels), ("lang_score", pa.array(scores, pa.float32()))):
        place = documents.column_names.index(name)
        if f"input_{name}" not in documents.column_names:
            documents = documents.append_column(f"input_{name}", documents[name])
        documents = documents.set_column(place, documents.schema.field(place), pa.chunked_array([column]))
    return documents
