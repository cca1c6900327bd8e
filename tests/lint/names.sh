#!/usr/bin/env bash
# No two headers define a class or struct of one name: all stand in one namespace, and where two programs' parts meet in
# the test program, or two stages in one program, the linker would take either for both. Usage: names.sh ROOT
set -euo pipefail
cd "$1"

# "file:name" of each definition at the beginning of a line, also where its brace stands on the next; no declarations
definitions() {
  find src tests fuzz -name '*.h' 2>/dev/null | sort |
    xargs -r grep -HoE '^(class|struct)( alignas\([^)]*\))? [A-Za-z_]+( final)?( *(\{|:[^:]).*|$)' |
    sed -E 's/^([^:]+):(class|struct)( alignas\([^)]*\))? ([A-Za-z_]+).*/\1:\4/'
}

bad=0
while read -r name; do
  echo "names: $name is defined in more than one header:" $(definitions | sed -n "s/:$name\$//p")
  bad=1
done < <(definitions | cut -d: -f2 | sort | uniq -d)
exit "$bad"
