#!/bin/sh
# The package as a user gets it: sdist and wheel of this checkout, the wheel with all it needs in a new environment of $1 (a Python),
# and what README does, the demo with its training among it, from an empty folder. Then the same environment with the sdist instead.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
versions=$(pwd)/constraints.txt
unset PYTHONPATH PYTHONDONTWRITEBYTECODE

"$1" -m venv "$home/builder"
"$home/builder/bin/pip" install --quiet --disable-pip-version-check build
"$home/builder/bin/python" -m build --outdir "$home/dist" . >"$home/build.log" 2>&1 || { cat "$home/build.log" >&2; exit 1; }
"$1" -m venv "$home/env"
"$home/env/bin/pip" install --quiet --disable-pip-version-check --constraint "$versions" "$home"/dist/*.whl
"$home/env/bin/pip" check
mkdir "$home/empty"
cd "$home/empty"
export PATH="$home/env/bin:$PATH" XDG_CACHE_HOME="$home/cache"

# try WORDS COMMAND: gristmill's command has to end well and to print the words; tells how long it took.
try() {
    wanted=$1
    shift
    began=$(date +%s)
    gristmill "$@" >"$home/printed" 2>"$home/told" || { echo "gristmill $* ended with $?" >&2; cat "$home/printed" "$home/told" >&2; exit 1; }
    grep -qF "$wanted" "$home/printed" || { echo "gristmill $* did not print: $wanted" >&2; cat "$home/printed" >&2; exit 1; }
    echo "gristmill $*  ($(($(date +%s) - began)) s)"
}

try "gristmill " --version
try "next: gristmill check mill" init mill
try "0 problems" check mill
try "mine/cookie-banner" check mill/packs --sample mill/documents.jsonl
try "20 in = 10 kept + 10 removed + 0 quarantined" run mill/job.yaml
try "" run mill/job.yaml --dry-run
try "as the manifest says" verify mill/out
try "removed by gopher_quality/word-count" why mill/out doc-12
try "## Funnel" report mill/out
try "" inspect mill/out --print read
try "properties" schema job
try "next: gristmill run demo/job.yaml" init --demo demo
try "528 in = 388 kept + 140 removed + 0 quarantined" run demo/job.yaml
try "held-out loss" train demo/train.yaml
try "" generate demo/out/train --prompt The
for shell in bash zsh fish; do try "_GRISTMILL_COMPLETE=${shell}_complete" completion "$shell"; done

"$home/env/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$home"/dist/*.tar.gz
try "next: gristmill run again/job.yaml" init --demo again
try "20 in = 10 kept + 10 removed + 0 quarantined" run mill/job.yaml
echo "the wheel and the source distribution work: $(ls "$home/dist" | tr '\n' ' ')"
