"""Models that the kernels cannot read (long vectors, word n-grams, softmax), such as GlotLID and OpenLID: fastText itself.

fastText is given what the kernels would see: a text's first MiB on one line, without words `</s>`. It refuses line ends,
takes a NUL for white space, and a word `</s>` for the end of the text, unseen. Python makes one string and one label a
document; the work is the model's own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.language_id.identifier import judged_end
from rules.models.fasttext_file import check_file
from rules.text.buffers import strings_from
from rules.text.kernels import kernel

BATCH_TEXTS = 1024
WHITE = r"[ \t\n\v\f\r\x00]"
END_WORDS = rf"(^|{WHITE})(?:</s>(?:{WHITE}+|$))+"
LINE_END = pa.scalar("\n", pa.large_string())


class FastTextIdentifier:
    """A model as fastText runs it, with the answers of identifier.Identifier. Raises ModelFileError."""

    def __init__(self, path: Path):
        import fasttext  # only a process that needs it loads it

        check_file(path)
        self._model = fasttext.load_model(str(path))
        self.labels = list(self._model.get_labels())
        self._numbers = {label: number for number, label in enumerate(self.labels)}

    def best(self, offsets: np.ndarray, data: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """As Identifier.best."""
        return self.best_of_spans(offsets[:-1], offsets[1:], data, k)

    def best_of_spans(self, begins: np.ndarray, ends: np.ndarray, data: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """As Identifier.best_of_spans."""
        places, scores = np.full((len(begins), k), -1, np.int32), np.zeros((len(begins), k), np.float32)
        for start in range(0, len(begins), BATCH_TEXTS):
            rows = slice(start, start + BATCH_TEXTS)
            lines = one_line_each(strings_from(*copied_spans(begins[rows], ends[rows], data)))
            found, probabilities = self._model.f.multilinePredict(lines.to_pylist(), k, 0.0, "replace")
            has_words = pc.match_substring_regex(lines, r"[^ \n\t\v\f\r\x00]").to_numpy(zero_copy_only=False)
            for row in np.flatnonzero(has_words):
                count = len(found[row])
                places[start + row, :count] = [self._numbers[label] for label in found[row]]
                scores[start + row, :count] = probabilities[row]
        return places, scores


@kernel
def copied_spans(begins, ends, data):
    """What is judged of each data[begins[k]:ends[k]], as offsets (int64) and bytes one after the other."""
    offsets = np.zeros(begins.size + 1, np.int64)
    for k in range(begins.size):
        offsets[k + 1] = offsets[k] + judged_end(data, begins[k], ends[k]) - begins[k]
    copied = np.empty(offsets[-1], np.uint8)
    for k in range(begins.size):
        copied[offsets[k] : offsets[k + 1]] = data[begins[k] : begins[k] + offsets[k + 1] - offsets[k]]
    return offsets, copied


def one_line_each(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts as fastText takes them: words `</s>`, NUL and line ends become spaces, and one line end is last."""
    whole = pc.replace_substring_regex(texts, pattern=END_WORDS, replacement=r"\1")
    spaced = pc.replace_substring_regex(whole, pattern=r"[\n\x00]", replacement=" ")
    return pc.binary_join_element_wise(spaced, LINE_END, pa.scalar("", pa.large_string()))
