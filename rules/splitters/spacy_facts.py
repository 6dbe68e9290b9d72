"""What the memo keeps of a chunk besides its words: how it goes on with its neighbours, and the sentences it begins."""

from __future__ import annotations

import numpy as np

from rules.text.kernels import kernel

FLAGS, AFTER_OPEN, AFTER_END = range(3)  # facts: flags, and `sentence_step` for each state before the chunk
FACTS = 3
CHANGED, TAIL, HEAD = 1, 2, 4  # flags: see rules/splitters/spacy_tokenizers.py
OTHER, PUNCTUATION, END = range(3)  # what a token is to sentences


@kernel
def sentence_step(kinds: np.ndarray, ended: int) -> int:
    """Sentences that begin at tokens of these kinds << 1 | whether one has ended after them, if one had before them.

    A sentence begins at the first token after a sentence mark that is neither such a mark nor punctuation."""
    begun = 0
    for kind in kinds:
        if ended and kind == OTHER:
            begun += 1
            ended = 0
        elif kind == END:
            ended = 1
    return begun << 1 | ended
