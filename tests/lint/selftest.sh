#!/usr/bin/env bash
# Shows that the checks beside it catch what they are for, and nothing else, on small trees of their own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
bad=0

# expect CHECK good|bad WHY
expect() {
  local got=good
  "$here/$1.sh" "$tree" >"$tree/output" 2>&1 || got=bad
  [[ $got == "$2" ]] || { echo "selftest: $1: $3"; cat "$tree/output"; bad=1; }
}

mkdir -p "$tree"/src/{base,detect,decide,programs}
echo '#include "base/text.h"' >"$tree/src/detect/good.cc"
echo '#include "ledger/query.h"' >"$tree/src/decide/good.cc"
echo '#include "decide/rules.h"' >"$tree/src/programs/tipstaff.cc"
expect layers good "earlier stages and shared folders are allowed"
expect notes bad "a folder without notes"
for folder in "$tree"/src/*/; do echo 'Notes.' >"${folder}NOTES.md"; done
expect notes good "every folder has notes"
echo '#  include "decide/rules.h"' >"$tree/src/detect/late.cc"
expect layers bad "detect includes a later stage"
echo '#include "ledger/query.h"' >"$tree/src/detect/late.cc"
mkdir "$tree/src/plugins"
expect layers bad "an unknown folder"
rmdir "$tree/src/plugins"
echo '#include "lookup/facts.h"' >"$tree/src/base/late.cc"
expect layers bad "base knows no stage"
seq 800 >"$tree/src/base/long.cc"
expect sizes good "800 lines are allowed"
seq 801 >"$tree/src/base/long.cc"
expect sizes bad "801 lines"
echo 'struct Peer {' >"$tree/src/base/peer.h"
printf 'struct Peer;\nstruct Peer::State {\nstruct std::hash<Peer> {\nclass Peers final : public Peer {\n' >"$tree/src/decide/uses.h"
expect names good "declarations, nested types and specializations"
echo 'class Peer final : public Base {' >"$tree/src/detect/peer.h"
expect names bad "one name in two headers"
exit "$bad"
