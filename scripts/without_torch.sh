#!/bin/sh
# Make a virtual environment in $1, of Python 3.12 ($PYTHON if it is not on the path), and install gristmill with everything
# that it and its tests need into it, but for PyTorch.
set -eu
venv=$1
python=${PYTHON:-python3.12}
if [ ! -x "$venv/bin/pip" ]; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' >/dev/null 2>&1; then
        echo "$python is no Python 3.12; install it, or name it: make test-py312 PYTHON=/path/to/python3.12" >&2
        exit 2
    fi
    "$python" -m venv "$venv"
fi
"$venv/bin/python" -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
print("\n".join(line for line in wanted if not line.startswith("torch")))' > "$venv/requirements.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt --requirement "$venv/requirements.txt"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --editable .
