#!/bin/sh
# Compile the kernels that most commands need, by using them once on twenty documents: compile_kernels.sh BIN. What is compiled is kept.
set -eu
bin=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "compiling kernels, half a minute or so" >&2
{
    "$bin/gristmill" init "$folder/mill"
    "$bin/gristmill" check "$folder/mill/packs" --sample "$folder/mill/documents.jsonl"
    "$bin/gristmill" inspect "$folder/mill/documents.jsonl" --print mine
    "$bin/gristmill" run "$folder/mill/job.yaml"
} >"$folder/printed" 2>&1 || { cat "$folder/printed" >&2; exit 1; }
