"""Which language a document is in, by fastText's identifier (Joulin et al. 2016, "Bag of Tricks", lid.176).

The model averages vectors of words and character n-grams and walks a small tree of labels; its score is a softmax-like
probability. What fastText gets wrong about plain text is handled here: it refuses line ends, a text of nothing is
"English" to it, a literal `</s>` ends the text unseen, and scores can pass 1. A text is judged by its first million
characters, since the model keeps a number for every n-gram of what it is given.

Labels become the codes of language_codes.py. About 2,100 documents of 4 kB a second a core (8 MB/s); the work is the
model's own, and Python makes one string and one label a document.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.outcome import Outcome, counted, removed_table, single_hits
from rules.buffers import large_strings
from rules.languages import normalise
from rules.places import SettingError

VENDORED = {"lid.176": Path(__file__).parents[1] / "models" / "lid.176.ftz"}
LABELS = {"lid.176": {"als": "gsw"}}  # trained on als.wikipedia.org, Alemannic, where ISO 639's als is Albanian
BATCH_DOCUMENTS = 1024
JUDGED_CHARACTERS = 1 << 20
LINE_END = pa.scalar("\n", pa.large_string())
OTHER, LOW_SCORE = "language/other", "language/min_score"  # why a document was removed
END_OF_TEXT = "</s>"  # the token that fastText takes for the end of a text


@dataclass(frozen=True)
class LanguageSettings:
    """`keep`: languages to keep, by any code or name (none: all); `min_score`: and the least score, 0 to 1.

    `model`: "lid.176", or the path of another fastText model whose labels are language codes, such as GlotLID.
    """

    keep: tuple[str, ...] = ()
    min_score: float = 0.0
    model: str = "lid.176"

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_score <= 1.0:
            raise SettingError("min_score", f"min_score must be 0 to 1, got {self.min_score}")
        if isinstance(self.keep, str):
            raise SettingError("keep", f"keep is a list of languages, such as [{self.keep}]")
        try:
            _ = self.kept_codes
        except ValueError as error:
            raise SettingError("keep", str(error)) from None

    @property
    def kept_codes(self) -> list[str]:
        """`keep` as normalised codes."""
        return [normalise(language) for language in self.keep]


def identify(texts: pa.Array | pa.ChunkedArray, settings: LanguageSettings) -> tuple[pa.StringArray, np.ndarray]:
    """The likeliest language of each text as a code (string [docs]) and its score (float32 [docs], 0 to 1).

    A text of white space or nothing, or a null, has a null label and the score 0.
    """
    lines, model = one_line_each(texts), load_model(settings.model)
    labels, scores = [], np.zeros(len(lines), np.float32)
    for start in range(0, len(lines), BATCH_DOCUMENTS):
        batch = lines.slice(start, BATCH_DOCUMENTS).to_pylist()
        best, probabilities = model.f.multilinePredict(batch, 1, 0.0, "replace")
        labels += [label[0] if label else None for label in best]
        scores[start : start + len(batch)] = [p[0] if len(p) else 0.0 for p in probabilities]
    blank = pc.equal(pc.utf8_trim_whitespace(lines), pa.scalar("", pa.large_string()))
    scores[blank.to_numpy(zero_copy_only=False)] = 0.0
    found = pa.array(labels, pa.string()).dictionary_encode()
    codes = pa.array([label_code(label, settings.model) for label in found.dictionary.to_pylist()], pa.string())
    return pc.if_else(blank, None, codes.take(found.indices)), np.minimum(scores, np.float32(1.0))


def keeps(labels: pa.StringArray, scores: np.ndarray, settings: LanguageSettings) -> np.ndarray:
    """Which documents the settings keep (bool [docs]): a listed language, if any are listed, and score enough."""
    return listed(labels, settings) & (scores >= np.float32(settings.min_score))


def listed(labels: pa.StringArray, settings: LanguageSettings) -> np.ndarray:
    """Which labels are among the languages to keep (bool [docs]); all of them where none are named."""
    if not settings.keep:
        return np.ones(len(labels), bool)
    return pc.is_in(labels, value_set=pa.array(settings.kept_codes, pa.string())).to_numpy(zero_copy_only=False)


def filter_language(documents: pa.Table, settings: LanguageSettings) -> Outcome:
    """Write the language and score of every document, and remove those that the settings do not keep.

    What `lang` and `lang_score` held before is kept as `input_lang` and `input_lang_score`. Removed documents have the
    reason language/other, or language/min_score where the language is right and the score is not enough.
    """
    labels, scores = identify(documents["text"], settings)
    kept = keeps(labels, scores, settings)
    documents = with_language(documents, labels, scores)
    gone = documents.filter(pa.array(~kept))
    is_listed = listed(labels, settings)[~kept]
    hits = pa.concat_arrays(
        [
            single_hits([OTHER] * len(gone), "lang_score", scores[~kept]),
            single_hits([LOW_SCORE] * len(gone), "lang_score", scores[~kept], "<", settings.min_score),
        ]
    ).take(pa.array(np.arange(len(gone)) + is_listed * len(gone)))
    reasons = pa.array(np.where(is_listed, LOW_SCORE, OTHER).tolist(), pa.string())
    removed = removed_table(gone, "language", reasons, hits)
    return Outcome(documents.filter(pa.array(kept)), removed, counts={"languages_in": counted(labels)})


def with_language(documents: pa.Table, labels: pa.StringArray, scores: np.ndarray) -> pa.Table:
    """`documents` with these languages and scores; the columns they replace follow as input_..., unless taken."""
    for name, column in (("lang", labels), ("lang_score", pa.array(scores, pa.float32()))):
        place = documents.column_names.index(name)
        if f"input_{name}" not in documents.column_names:
            documents = documents.append_column(f"input_{name}", documents[name])
        documents = documents.set_column(place, documents.schema.field(place), pa.chunked_array([column]))
    return documents


def one_line_each(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Texts as fastText takes them: NUL and line ends become spaces, and one line end is last."""
    judged = pc.utf8_slice_codeunits(large_strings(texts), 0, JUDGED_CHARACTERS)
    spaced = pc.replace_substring_regex(judged, pattern=f"[\\n\\x00]|{END_OF_TEXT}", replacement=" ")
    return pc.binary_join_element_wise(spaced, LINE_END, pa.scalar("", pa.large_string()))


@functools.lru_cache(maxsize=2)
def load_model(name: str) -> Any:
    """The fastText model of that name or path, read once per process; FileNotFoundError where there is none."""
    import fasttext  # only a process that identifies languages needs it

    path = VENDORED.get(name, Path(name))
    if not path.is_file():
        raise FileNotFoundError(f"no language model {name!r}: use lid.176, or the path of a fastText model file")
    return fasttext.load_model(str(path))


@functools.cache
def label_code(label: str, model: str) -> str:
    """The language code of a model's label; the label itself where it names no language of ISO 639."""
    name = label.removeprefix("__label__")
    try:
        return LABELS.get(model, {}).get(name) or normalise(name)
    except ValueError:
        return name
