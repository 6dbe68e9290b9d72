#!/bin/sh
# Make a virtual environment in $2, of the Python $1, with data-juicer, beside whose filters benchmarks/juicer.py is timed.
# It imports aiohttp and Ray, which it does not ask for (Ray it would install when it is called). None of it needs PyTorch.
set -eu
[ -x "$2/bin/pip" ] || "$1" -m venv "$2"
"$2/bin/pip" install --quiet --disable-pip-version-check 'py-data-juicer>=1.6,<2' aiohttp 'ray>=2.40' pyarrow
