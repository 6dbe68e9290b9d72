#!/bin/sh
# Make a virtual environment in $2, of the Python $1, with datatrove and all that its English quality filters and its
# language filter need, and rensa, beside which benchmarks/duplicates.py signs.
# xxhash 4 takes no str, which datatrove 0.10 gives it.
set -eu
[ -x "$2/bin/pip" ] || "$1" -m venv "$2"
"$2/bin/pip" install --quiet --disable-pip-version-check 'datatrove>=0.10,<0.11' 'xxhash<4' 'spacy>=3.8,<4' nltk regex pyarrow fasteners fasttext-numpy2-wheel tokenizers rensa
