#!/usr/bin/env bash
# No source over 800 lines; those over 500 are listed, since each needs a reason. Usage: sizes.sh ROOT
set -euo pipefail
cd "$1"

bad=0
while read -r lines file; do
  if ((lines > 800)); then
    echo "sizes: $file has $lines lines; 800 is the limit: split it"
    bad=1
  elif ((lines > 500)); then
    echo "sizes: note: $file has $lines lines"
  fi
done < <(find . -regextype egrep -path ./.git -prune -o -path ./build -prune -o -type f \
  -regex '.*(\.(cc|h|sh|py|cmake)|/CMakeLists.txt|/dev)' -printf '%P\0' | sort -z | xargs -0 -r -I{} sh -c 'echo "$(wc -l <"$1") $1"' - {})
exit "$bad"
