#!/usr/bin/env bash
# The layers of src/: a stage may include base/, ledger/ and lookup/, itself, and the stages before it; never a later
# one. programs/ may include anything, nobody includes programs/. Usage: layers.sh ROOT
set -euo pipefail
cd "$1"

stages=(base sources detect lookup decide enforce ledger alert attribute incident mail report control desk web)
declare -A rank
for i in "${!stages[@]}"; do rank[${stages[i]}]=$i; done

bad=0
complain() { echo "layers: $*"; bad=1; }

for folder in src/*/; do
  stage=$(basename "$folder")
  [[ $stage == programs ]] && continue
  [[ -n ${rank[$stage]-} ]] || { complain "src/$stage is no stage: see tests/lint/layers.sh"; continue; }
  while IFS=: read -r file line text; do
    included=${text#*\"}
    included=${included%%/*}
    case $included in
      base | ledger | lookup) [[ $stage == base && $included != base ]] || continue ;;
      tests) [[ $file != *_test.cc ]] || continue ;;
    esac
    if [[ -z ${rank[$included]-} ]]; then
      complain "$file:$line: includes $included/, which is no stage"
    elif ((rank[$included] > rank[$stage])); then
      complain "$file:$line: $stage/ includes $included/, a later stage"
    fi
  done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+/' "$folder" --include='*.cc' --include='*.h')
done
exit "$bad"
