# Bash completion for tipstaff: its commands, their options, and files where a file is wanted.
# Install as /usr/share/bash-completion/completions/tipstaff; needs nothing else.

_tipstaff_detectors() {
  tipstaff detectors list 2>/dev/null | awk '/^[a-z]/ { print $1 }'
}

_tipstaff() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" word words=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || { command=$word; break; }
  done
  COMPREPLY=()

  case $previous in
    --format) words="text json none" ;;
    --service) words=$(_tipstaff_detectors) ;;
    --timezone)
      words="UTC $(awk '!/^#/ { print $3 }' /usr/share/zoneinfo/zone.tab 2>/dev/null |
        grep /)"
      ;;
    --jobs) words=$(seq "$(nproc)") ;;
    --year) words=$(date +%Y) ;;
    --line) return ;;
    --rules | --detectors)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    show | test) [[ $command != detectors ]] || words=$(_tipstaff_detectors) ;;
  esac
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    return
  fi

  case $command in
    "") words="scan check explain detectors --help --version" ;;
    scan) words="--service --format --json --rules --year --timezone --jobs --detectors --quiet --help" ;;
    check) words="--rules --detectors --keys --json --help" ;;
    explain) words="--line --service --rules --detectors --year --timezone --json --help" ;;
    detectors) words="list test show --detectors --json --help" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ $command == scan ]] && [[ $current != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

complete -o filenames -F _tipstaff tipstaff
