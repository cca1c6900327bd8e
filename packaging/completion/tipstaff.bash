# Bash completion for tipstaff: its commands, their options, and files where a file is wanted.
# Install as /usr/share/bash-completion/completions/tipstaff; needs nothing else.

_tipstaff_detectors() {
  tipstaff detectors list 2>/dev/null | awk '/^[a-z]/ { print $1 }'
}

_tipstaff_rules() {
  tipstaff check 2>/dev/null | sed -n 's/^\([^ ].*\)  (.*:[0-9]*)$/\1/p'
}

_tipstaff_blocked() {
  tipstaff blocks 2>/dev/null | awk 'NR <= 1000 { print $2 }'
}

_tipstaff() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" below="" word words=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != -* ]] || continue
    if [[ -z $command ]]; then command=$word; else below=$word && break; fi
  done
  COMPREPLY=()

  case $previous in
    --format)
      case $command in
        report) words="table csv json" ;;
        blocks | banned) words="plain json" ;;
        *) words="text json none" ;;
      esac
      ;;
    --for) words="30m 2h 1d 7d" ;;
    --why) return ;;
    --socket)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    --service) words=$(_tipstaff_detectors) ;;
    --timezone)
      words="UTC $(awk '!/^#/ { print $3 }' /usr/share/zoneinfo/zone.tab 2>/dev/null |
        grep /)"
      ;;
    --jobs) words=$(seq "$(nproc)") ;;
    --year) words=$(date +%Y) ;;
    --line | --account | --since | --until | --limit) return ;;
    --ledger)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
      ;;
    set)
      if [[ $command == set && $current != -* ]]; then
        local IFS=$'\n'
        mapfile -t COMPREPLY < <(compgen -W "$(_tipstaff_rules)" -- "$current" | sed 's/ /\\ /g')
        return
      fi
      ;;
    --rules | --detectors | --config | --database)
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
    "") words="scan guard status report lookup ledger check explain detectors
      blocks block unblock exempt exemptions trial confirm reload enforcer alerts desk set ban unban banned --help --version" ;;
    scan) words="--service --format --json --rules --year --timezone --jobs --detectors --quiet --help" ;;
    report) words="--account --since --until --format --json --raw --ledger --timezone --limit --help" ;;
    ledger)
      if [[ -z $below ]]; then
        words="verify info forget about backup restore hold release head --help"
      else
        words="--folder --json --head --account --before --reason --yes --help"
      fi
      ;;
    check) words="--rules --detectors --keys --json --help" ;;
    block | ban) words="--for --service --why --config --json --help" ;;
    unblock | unban) words="--all --why --config --json $(_tipstaff_blocked) --help" ;;
    blocks | banned) words="--rule --format --config --json --help" ;;
    exempt) words="--for --why --config --json --help" ;;
    exemptions | confirm | reload) words="--config --json --help" ;;
    trial) words="5m 15m 1h --config --json --help" ;;
    set) if [[ -n $below ]]; then words="banip unbanip --why --config --json --help"; else words="--help"; fi ;;
    enforcer) if [[ -z $below ]]; then words="status clear --help"; else words="--socket --json --yes --help"; fi ;;
    explain) words="--account --config --line --service --rules --detectors --year --timezone --json --help" ;;
    alerts)
      if [[ -z $below ]]; then words="list show retry --help"; else words="--config --ledger --json --most --all --help"; fi
      ;;
    desk) if [[ -z $below ]]; then words="test-mail --help"; else words="--config --help"; fi ;;
    guard) words="--config --detectors --help" ;;
    lookup) words="--database --config --json --help" ;;
    status)
      if [[ $current != -* ]]; then
        # names of rules hold blanks: each is one word, quoted
        local IFS=$'\n'
        mapfile -t COMPREPLY < <(compgen -W "$(_tipstaff_rules)" -- "$current" | sed 's/ /\\ /g')
        return
      fi
      words="--config --json --help"
      ;;
    detectors) if [[ -z $below ]]; then words="list show test --help"; else words="--detectors --json --help"; fi ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ $command == scan ]] && [[ $current != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

complete -o filenames -F _tipstaff tipstaff
