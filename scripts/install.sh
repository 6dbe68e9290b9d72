#!/bin/sh
# Make a virtual environment in $1 and install gristmill with its tested versions into it.
set -eu
venv=$1

find_python() {
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3 /usr/bin/python3.11 /usr/bin/python3.12; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo "gristmill needs Python 3.11 or 3.12; install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 2
}

if [ ! -x "$venv/bin/pip" ]; then
    python=$(find_python)
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        # Debian ships Python without ensurepip; the package below brings it.
        rm -rf "$venv"
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq python3-venv
            "$python" -m venv "$venv"
        else
            echo "this Python has no venv; run: sudo apt-get install python3-venv" >&2
            exit 2
        fi
    fi
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
