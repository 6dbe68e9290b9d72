#!/bin/sh
# Make a virtual environment in $2, of the Python $1, with lm-evaluation-harness beside everything that $1 has installed,
# so that both sides compute with the same torch and transformers.
set -eu
[ -x "$2/bin/python" ] || "$1" -m venv "$2"
"$1" -c 'import site, sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))' > "$("$2/bin/python" -c 'import site; print(site.getsitepackages()[0])')/beside.pth"
"$2/bin/pip" install --quiet --disable-pip-version-check 'lm_eval>=0.4.9,<0.5' accelerate peft
