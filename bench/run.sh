#!/usr/bin/env bash
# Measures `tipstaff scan` beside grep, wc and SSHGuard's parser on logs made here, all in one run on one machine:
# what counts are the ratios, and a machine that is busy or slow is so for all of them. See bench/results.md.
#
#   bench/run.sh [--lines N] [--repeat N] [--seed N] [--tipstaff PATH] [--out FILE.json]
#
# CPU times come from bash's `time` (milliseconds, user and system), peak memory from GNU time. The tools take turns, so
# that a change of the clock's speed meets all. Samples go to bench/results/DATE.json unless --out names another file.
set -euo pipefail
export LC_ALL=C TZ=UTC

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
lines=1000000 repeat=7 seed=1 tipstaff=$root/build/tipstaff out=$root/bench/results/$(date +%F).json

die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

while (($#)); do
  (($# >= 2)) || die "$1 needs a value, or is no option: --lines --repeat --seed --tipstaff --out"
  case $1 in
    --lines) lines=$2 ;;
    --repeat) repeat=$2 ;;
    --seed) seed=$2 ;;
    --tipstaff) tipstaff=$2 ;;
    --out) out=$2 ;;
    *) die "there is no option $1; there are --lines --repeat --seed --tipstaff --out" ;;
  esac
  shift 2
done
[[ -x $tipstaff ]] || die "$tipstaff is missing: ./dev build makes it"
[[ -x /usr/bin/time ]] || die "GNU time is missing: apt-get install time"
sshguard=
for path in /usr/libexec/sshguard/sshg-parser /usr/lib/sshguard/sshg-parser; do
  [[ ! -x $path ]] || sshguard=$path
done
[[ -n $sshguard ]] || echo "bench: SSHGuard is not installed: its rows are left out (apt-get install sshguard)" >&2

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
samples=$folder/samples

# sample TOOL LOG INPUT COMMAND...: one line of samples: tool, log, user, system and wall seconds. Output goes to a pipe
# whose reader throws it away: grep notices /dev/null and stops at its first hit.
sample() {
  local tool=$1 log=$2 input=$3 times
  shift 3
  TIMEFORMAT='%3U %3S %3R'
  times=$({ { time "$@" <"$input" 2>/dev/null >&3; } 2>&1; } 3> >(exec cat >/dev/null)) || die "$* failed"
  printf 'time %s %s %s\n' "$tool" "$log" "$times" >>"$samples"
}

# memory TOOL LOG COMMAND...: peak resident memory in KiB
memory() {
  local tool=$1 log=$2
  shift 2
  /usr/bin/time -q -o "$folder/memory" -f '%M' "$@" >/dev/null
  printf 'memory %s %s %s\n' "$tool" "$log" "$(<"$folder/memory")" >>"$samples"
}

echo "Making logs of $lines lines in $folder" >&2
python3 "$root/bench/make_logs.py" --lines "$lines" --attack 0.05 --seed "$seed" >"$folder/5%"
python3 "$root/bench/make_logs.py" --lines "$lines" --attack 0.5 --seed "$((seed + 1))" >"$folder/50%"
python3 "$root/bench/make_logs.py" --lines "$lines" --attack 0.05 --seed "$((seed + 2))" >"$folder/second"
head -n 1 "$folder/5%" >"$folder/tiny"
cat "$folder"/* >/dev/null  # into the page cache

for ((i = 1; i <= repeat; ++i)); do
  echo "Round $i of $repeat" >&2
  for log in 5% 50%; do
    file=$folder/$log
    sample tipstaff "$log" /dev/null "$tipstaff" scan --format none "$file"
    sample grep "$log" /dev/null grep -c sshd "$file"
    sample wc "$log" /dev/null wc -l "$file"
    sample json "$log" /dev/null "$tipstaff" scan --format json "$file"
    [[ -z $sshguard ]] || sample sshguard "$log" "$file" "$sshguard"
  done
  sample one second /dev/null "$tipstaff" scan --format none --jobs 1 "$folder/5%" "$folder/second"
  sample two second /dev/null "$tipstaff" scan --format none "$folder/5%" "$folder/second"
  for ((j = 0; j < 5; ++j)); do
    sample start tiny /dev/null "$tipstaff" scan --format json "$folder/tiny"
  done
done
for log in 5% 50%; do
  memory tipstaff "$log" "$tipstaff" scan --format none "$folder/$log"
  memory json "$log" "$tipstaff" scan --format json "$folder/$log"
done

mkdir -p "$(dirname "$out")"
python3 "$root/bench/report.py" --lines "$lines" --seed "$seed" --bytes "5%=$(stat -c %s "$folder/5%")" \
  "50%=$(stat -c %s "$folder/50%")" --samples "$samples" --out "$out"
echo "Samples: $out" >&2

python3 "$root/bench/guard.py" --tipstaff "$tipstaff" --out "$(dirname "$out")/guard-$(basename "$out")"
if ((EUID == 0)); then  # network namespaces
  python3 "$root/bench/enforce.py" --build "$root/build" --out "$(dirname "$out")/enforce-$(basename "$out")"
fi

for program in "$root"/build/bench/*_bench; do
  [[ ! -x $program ]] || "$program"
done
