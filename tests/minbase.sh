#!/usr/bin/env bash
# Shows that the two commands of the README work on a bare Debian 12: makes a fresh minbase system in a temporary
# directory, puts the repository into it, and runs there `./dev run --demo` and `./dev test`. Needs root, debootstrap
# and a network; takes some minutes; so it is not part of `./dev test`.
#
#   tests/minbase.sh [--worktree] [--base FILE] [--keep]
#     --worktree   the files as they lie here; otherwise a clone of the last commit
#     --base FILE  a .tar of the bare system: used if it is there, made if it is not
#     --keep       leave the system behind and print where
#
# The system takes its packages from where this machine does: its apt sources, keys, proxy and access settings are
# copied, and its name resolution. A log that the machine running this has is not visible inside.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
worktree=no base="" keep=no
while (($#)); do
  case $1 in
    --worktree) worktree=yes ;;
    --base) base=${2:?--base takes a file}; shift ;;
    --keep) keep=yes ;;
    *) echo "minbase: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
((EUID == 0)) || { echo "minbase: run it as root: debootstrap and chroot need that" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "minbase: apt-get install debootstrap" >&2; exit 1; }

system=$(mktemp -d "${TMPDIR:-/tmp}/tipstaff-minbase.XXXXXX")
cleanup() {
  local folder
  for folder in dev/pts dev proc; do ! mountpoint -q "$system/$folder" || umount "$system/$folder"; done
  if [[ $keep == yes ]]; then echo "minbase: left behind in $system"; else rm -rf --one-file-system "$system"; fi
}
trap cleanup EXIT

if [[ -n $base && -s $base ]]; then
  tar -C "$system" -xpf "$base"
else
  mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
  [[ -n $mirror ]] || { echo "minbase: this machine's apt sources have no bookworm main" >&2; exit 1; }
  # debootstrap asks no apt, so the proxy has to be told to it.
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
  http_proxy=${http_proxy:-$proxy} debootstrap --variant=minbase bookworm "$system" "$mirror"
  [[ -z $base ]] || tar -C "$system" -cpf "$base" .
fi

rm -rf "$system/etc/apt"
cp -a /etc/apt "$system/etc/apt"
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
  [[ ! -f $file ]] || install -D -m 644 "$file" "$system$file"
done
if [[ -d /usr/share/keyrings ]]; then cp -an /usr/share/keyrings/. "$system/usr/share/keyrings/"; fi
mount -t proc proc "$system/proc"
mount --bind /dev "$system/dev"
mount --bind /dev/pts "$system/dev/pts"

mkdir -p "$system/root/tipstaff"
if [[ $worktree == yes ]]; then
  git -C "$root" ls-files -z --cached --others --exclude-standard |
    tar -C "$root" --null --ignore-failed-read -T - -c | tar -C "$system/root/tipstaff" -x
else
  git clone -q "$root" "$system/root/tipstaff"
fi

inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb ${http_proxy:+http_proxy="$http_proxy"} \
    chroot "$system" /root/tipstaff/dev "$@"
}
status=0
inside run --demo || { echo "minbase: ./dev run --demo failed" >&2; status=1; }
inside test || { echo "minbase: ./dev test failed" >&2; status=1; }
exit "$status"
