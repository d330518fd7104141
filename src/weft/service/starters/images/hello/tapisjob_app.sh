#!/bin/bash
# Says what it was given, tells where it runs, and writes greeting.txt.
app=hello
. "$(dirname -- "$0")/tapisjob_shared.sh"

greeting="${*:-hello}, ${_tapisJobOwner:-$(id -un)}!"
printf '%s\n' "$greeting"
printf 'This is job %s (%s) on %s.\n' "${_tapisJobName:-?}" "${_tapisJobUUID:-?}" "$(hostname)"
printf 'It runs in %s, as %s.\n' "$PWD" "$(id -un)"
printf '\nIts environment:\n'
env | grep -a '^_tapis' | sort

if ! printf '%s\n' "$greeting" > "$output/greeting.txt"; then
    say "cannot write $output/greeting.txt"
    exit 1
fi
