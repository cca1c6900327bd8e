#!/usr/bin/env bash
# Each folder of src/ that holds sources has a NOTES.md of at most 60 lines. Usage: notes.sh ROOT
set -euo pipefail
cd "$1"

bad=0
for folder in src/*/; do
  [[ -n $(find "$folder" -name '*.cc' -o -name '*.h' | head -n 1) ]] || continue
  if [[ ! -s ${folder}NOTES.md ]]; then
    echo "notes: ${folder}NOTES.md is missing: purpose, inputs, outputs, invariants, known limits"
    bad=1
  elif (($(wc -l <"${folder}NOTES.md") > 60)); then
    echo "notes: ${folder}NOTES.md is longer than 60 lines"
    bad=1
  fi
done
exit "$bad"
