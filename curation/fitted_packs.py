"""A pack for each language of reference texts: measure, fit thresholds and stop words, cross-validate, write.

What a pack was made of stands in its head: files with their hashes, documents, the method, and what packs that were fitted
in the same way to the other folds keep of each fold: texts that were never fitted on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.reference_texts import language_codes
from curation.sampling import FOLD_SALT, TextSample, id_hashes
from curation.stages.language import LanguageSettings, identify
from curation.text_sources import read_documents
from curation.threshold_fitting import (
    Bound,
    FitError,
    Fitted,
    Method,
    adapted,
    bounds_of,
    fitted,
    language_score_threshold,
    relaxed,
)
from rules.engine import apply
from rules.format.pack import load_pack
from rules.languages import normalise
from rules.measures.signals import SIGNALS, measure
from rules.measures.word_lists import WordList, list_signal, parse_call
from rules.models.profiles import WordTally
from rules.rule import Pack
from rules.thresholds import condition_holds

LIKE = "fineweb2/base"
FITTED_BY_FINEWEB2 = (  # the signals whose thresholds FineWeb-2 has for each language; repeated lines' characters; the least words
    "dup_line_frac", "fineweb_dup_line_char_frac", *(f"top_{n}_gram_char_frac" for n in (2, 3, 4)), *(f"dup_{n}_gram_char_frac" for n in range(5, 11)),
    "line_end_punct_frac", "newline_word_ratio", "mean_word_chars", "alpha_word_frac", "non_symbol_words",
)  # fmt: skip
STOP = "stop"
STOP_SHARE, FEWEST_STOPS, MOST_STOPS = 0.008, 8, 40  # of all words; how many there are at least and at most
UNDIVIDED = {"th", "lo", "km", "my", "bo", "dz", "shn"}  # words of these have no white space between them
WRITTEN_BY = "# Written by gristmill fit-thresholds"  # how a pack of ours begins
FLAGGED = 0.85  # a pack that keeps less of its reference is pointed out


@dataclass(frozen=True)
class FitSettings:
    """How thresholds are fitted (threshold_fitting.py says what the methods are)."""

    method: Method = "tail"
    tail: float = 0.1
    deviations: float = 2.0
    keep: float = 0.9  # of the texts that are fitted on, by all rules together
    folds: int = 5  # of the cross-validation; 0: none
    like: str = LIKE
    signals: tuple[str, ...] = ()  # none: those of FineWeb-2 with its pack, else all that the pack compares
    bytes_each: int = 50_000_000
    min_texts: int = 30  # texts of a language


@dataclass
class LanguageFit:
    """What was found for one language."""

    code: str
    bounds: list[Fitted]
    stop_words: list[str]
    min_language_score: float | None
    documents: int
    kept: float  # of the texts, all of which were fitted on
    folds: int
    held_out_kept: float | None  # of the texts, by packs that were fitted without them
    pack: Pack = field(repr=False, default=None)  # type: ignore[assignment]

    @property
    def flagged(self) -> bool:
        """Does the pack drop much of texts that are good?"""
        return min(self.kept, 1.0 if self.held_out_kept is None else self.held_out_kept) < FLAGGED


def fit_packs(reference: Sequence[str], settings: FitSettings, languages: Sequence[str] = (), english: Sequence[str] = ()) -> tuple[list[LanguageFit], dict[str, int]]:
    """A pack for each language of the reference, and the languages with too few texts (with how many).

    Raises FitError where nothing can be fitted, InputError where there is nothing to read."""
    like = load_pack(settings.like)
    signals = settings.signals or (FITTED_BY_FINEWEB2 if settings.like == LIKE else ())
    bounds = [bound for bound in bounds_of(like, signals) if bound.comparison.threshold != 100_000]
    columns = english_columns(english, [b.signal for b in bounds if b.signal in SIGNALS], settings) if english else None
    samples = by_language(read_documents(reference), settings.bytes_each, languages)
    fits, few = [], {}
    for code, sample in samples.items():
        texts = pa.concat_arrays([pa.array([], pa.large_string()), *sample.batches()])
        if len(texts) < settings.min_texts:
            few[code] = len(texts)
        else:
            fits.append(_fit(code, texts, like, bounds, columns, settings))
    if not fits:
        there = ", ".join(f"{code} ({count})" for code, count in few.items())
        raise FitError(f"no language has {settings.min_texts} texts; there are {there or 'none'}: give more files, or a lower --min-texts")
    return fits, few


def by_language(batches: Iterator[pa.Table], bytes_each: int, languages: Sequence[str] = ()) -> dict[str, TextSample]:
    """A sample of the texts of each language, of `languages` alone if there are any."""
    wanted, samples = {normalise(name) for name in languages}, {}
    for documents in batches:
        codes = language_codes(_named(documents))
        for code in sorted(filter(None, codes.unique().to_pylist())):
            if not wanted or code in wanted:
                some = documents.filter(pc.equal(codes, code))
                samples.setdefault(code, TextSample(bytes_each)).add(some["id"], some["text"])
    return dict(sorted(samples.items()))


def _named(documents: pa.Table) -> pa.ChunkedArray:
    """The language of each document; where nobody said, what the vendored identifier says."""
    unknown = pc.is_null(documents["lang"])
    if not pc.any(unknown).as_py():
        return documents["lang"]
    labels, _ = identify(documents["text"].filter(unknown), LanguageSettings())
    return pc.replace_with_mask(documents["lang"].cast(pa.string()).combine_chunks(), unknown.combine_chunks(), labels)


def english_columns(files: Sequence[str], signals: Sequence[str], settings: FitSettings) -> dict[str, np.ndarray]:
    """The signals of English texts."""
    sample = by_language(read_documents(files), settings.bytes_each, ["en"]).get("en")
    texts = pa.concat_arrays([pa.array([], pa.large_string()), *(sample.batches() if sample else ())])
    if len(texts) < settings.min_texts:
        raise FitError(f"--english: {len(texts)} English texts; at least {settings.min_texts} are needed")
    return measure(texts, list(dict.fromkeys(signals)))


def _fit(code: str, texts: pa.LargeStringArray, like: Pack, bounds: Sequence[Bound], english: dict[str, np.ndarray] | None, settings: FitSettings) -> LanguageFit:
    reference = _Reference(code, texts, like, bounds, english, settings)
    every = np.ones(len(texts), bool)
    found, stops, pack = reference.fit(every)
    labels, scores = identify(texts, LanguageSettings())
    scores = scores[pc.fill_null(pc.equal(labels, code), False).to_numpy(zero_copy_only=False)]
    score = round(language_score_threshold(scores), 3) if len(scores) else None
    return LanguageFit(code, found, stops, score, len(texts), reference.kept(pack, every), settings.folds, cross_validated(reference), pack)


def cross_validated(reference: _Reference) -> float | None:
    """The share of the texts that is kept by packs fitted without them, a fold at a time. Equal texts are in one fold."""
    folds = reference.settings.folds
    number = id_hashes(reference.texts, FOLD_SALT) % np.uint64(max(folds, 1))
    kept = 0.0
    for fold in range(folds):
        inside = number == fold
        if inside.any() and not inside.all():
            kept += int(inside.sum()) * reference.kept(reference.fit(~inside)[2], inside)
    return kept / len(number) if folds else None


@dataclass
class _Reference:
    """The texts of a language, measured once, and how packs are fitted to some of them."""

    code: str
    texts: pa.LargeStringArray
    like: Pack
    bounds: Sequence[Bound]
    english: dict[str, np.ndarray] | None
    settings: FitSettings

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        return measure(self.texts, list(dict.fromkeys(b.signal for b in self.bounds if b.signal in SIGNALS)), self.like.words)

    @cached_property
    def gone(self) -> np.ndarray:
        """Which texts (bool) rules drop that are not fitted."""
        fitted_rules = {bound.rule for bound in self._bounds(True)}
        others = dataclasses.replace(self.like, languages=(), rules=tuple(rule for rule in self.like.rules if rule.id not in fitted_rules))
        return apply([others], self.texts).dropped if others.rules else np.zeros(len(self.texts), bool)

    def fit(self, some: np.ndarray) -> tuple[list[Fitted], list[str], Pack]:
        """Bounds, stop words and the pack for the texts chosen by `some` (bool)."""
        ours = self.texts.filter(pa.array(some))
        stops = stop_words(ours) if STOP in self.like.lists else []
        lists = {STOP: WordList(tuple(stops), "any", self.code in UNDIVIDED)} if stops else {}
        pack = dataclasses.replace(self.like, languages=(), lists=self.like.lists | lists)
        bounds = self._bounds(bool(lists))
        columns = {name: values[some] for name, values in self.columns.items()}
        for call in {bound.signal for bound in bounds if bound.signal not in SIGNALS}:
            kind, name = parse_call(call) or ("", "")
            columns[call] = list_signal(kind, ours, pack.lists[name], pack.words)
        found = relaxed([_of_bound(bound, columns, self.english, self.settings) for bound in bounds], columns, self.gone[some], self.settings.keep)
        return found, stops, adapted(pack, found)

    def kept(self, pack: Pack, some: np.ndarray) -> float:
        """The share of the texts chosen by `some` that `pack` keeps."""
        return 1 - float(apply([pack], self.texts.filter(pa.array(some))).dropped.mean())

    def _bounds(self, with_lists: bool) -> list[Bound]:
        """The bounds, and those of the word lists of the pack that is adapted."""
        of_lists = (bound for bound in bounds_of(self.like) if with_lists and parse_call(bound.signal) and bound not in self.bounds)
        return [*self.bounds, *of_lists]


def _of_bound(bound: Bound, columns: dict[str, np.ndarray], english: dict[str, np.ndarray] | None, settings: FitSettings) -> Fitted:
    """A list signal (stop words) keeps its threshold, unless the reference itself falls below: it is counted in words of the
    language already."""
    values = columns[bound.signal]
    if bound.signal not in SIGNALS:
        threshold = min(bound.comparison.threshold, float(np.floor(np.quantile(values, 0.02))))
        note = "" if threshold == bound.comparison.threshold else "the reference has fewer"
        dropped = float((values < threshold).mean())
        return Fitted(bound, threshold, dropped, note) if threshold > 0 else Fitted(bound, None, 0.0, "the reference has none")
    return fitted(bound, values, english and english[bound.signal], settings.method, settings.tail, settings.deviations)


def stop_words(texts: pa.Array | pa.ChunkedArray) -> list[str]:
    """The most frequent words of letters, in lower case: those that make up 0.8 % of all words, but 8 to 40 of them.

    Of Latin words and others only those that are more, by letters: English names in Thai texts are no Thai stop words."""
    tally = WordTally()
    tally.add(texts)
    counts = tally.counts()
    words = counts.filter(pc.match_substring_regex(counts["word"], r"^[\p{L}\p{M}]+$")).sort_by([("count", "descending"), ("word", "ascending")])
    latin = pc.match_substring_regex(words["word"], r"\p{Latin}")
    letters = pc.multiply(pc.utf8_length(words["word"]), words["count"])
    mostly_latin = 2 * (pc.sum(letters.filter(latin)).as_py() or 0) >= (pc.sum(letters).as_py() or 0)
    words = words.filter(latin if mostly_latin else pc.invert(latin))
    enough = int(pc.sum(pc.greater_equal(words["count"], STOP_SHARE * tally.all_words)).as_py() or 0)
    return words["word"].slice(0, min(max(enough, FEWEST_STOPS), MOST_STOPS)).to_pylist()


# ---- writing


def pack_text(fit: LanguageFit, name: str, settings: FitSettings, sources: Sequence[dict[str, Any]], note: str = "") -> str:
    """The YAML of a language's pack."""
    checked = "" if fit.held_out_kept is None else f" Packs fitted to the other folds keep {fit.held_out_kept:.1%} (cross-validation, {fit.folds} folds)."
    score = "" if fit.min_language_score is None else f" Language identification should give a score from {fit.min_language_score:g} (lid.176, median - standard deviation)."
    head = [
        f"{WRITTEN_BY}: method {settings.method}{_detail(settings)}, then moved outwards to keep {settings.keep:.0%} together.",
        f"# It keeps {fit.kept:.1%} of the {fit.documents:,} reference texts that it was fitted on.{checked}",
        "# Made of:", *(f"#   {source['name']} sha256 {source['sha256']}" for source in sources), *(f"# {line}" for line in note.splitlines()),
        f"pack: {name}",
        f"about: The rules of {settings.like} with thresholds and stop words fitted to reference texts in this language.{score}",
        "source: gristmill fit-thresholds, after https://arxiv.org/abs/2506.20920",
        f"extends: [{settings.like}]",
        f"languages: [{quoted(fit.code)}]",
    ]  # fmt: skip
    if fit.stop_words:
        anywhere = ", anywhere: true" if fit.code in UNDIVIDED else ""
        head += ["lists:", f"  {STOP}: {{case: any{anywhere}, words: [{', '.join(map(quoted_word, fit.stop_words))}]}}"]
    rules = []
    for rule in dict.fromkeys(one.bound.rule for one in fit.bounds):
        rules += ["", *_rule_lines(rule, [one for one in fit.bounds if one.bound.rule == rule], fit.pack)]
    return "\n".join([*head, "", "rules:", *rules[1:], ""])


def _detail(settings: FitSettings) -> str:
    return {"tail": f" of {settings.tail:.0%}", "mean-std": f" ({settings.deviations:g} where there is no English)"}.get(settings.method, "")


def _rule_lines(rule_id: str, found: Sequence[Fitted], pack: Pack) -> list[str]:
    notes = [f"    # {one.bound.comparison}: {one.note}" for one in found if one.note]
    rule = next(rule for rule in pack.rules if rule.id == rule_id)
    if rule.action == "off":
        return [f"  - id: {rule_id}", *notes, "    action: off"]
    condition = rule.drop_when[0]
    comparisons = ", ".join(f'"{comparison}"' for comparison in condition.any_of)
    around = [value for comparison in condition.any_of for value in (comparison.threshold - 0.001, comparison.threshold, comparison.threshold + 0.001)]
    dropped = condition_holds(condition, np.array(around))
    values = [", ".join(f"{{{condition.signal}: {value:.9g}}}" for value in np.array(around)[some]) for some in (dropped, ~dropped)]
    return [
        f"  - id: {rule_id}", *notes,
        f"    drop_when: {{{condition.signal}: [{comparisons}]}}",
        f"    examples: {{drop: [{values[0]}], keep: [{values[1]}]}}",
    ]  # fmt: skip


def quoted(code: str) -> str:
    return f'"{code}"' if code in ("no", "on", "off", "yes") else code


def quoted_word(word: str) -> str:
    """A word as a YAML text: letters and marks alone need no escape but these quotes."""
    return f'"{word}"'
