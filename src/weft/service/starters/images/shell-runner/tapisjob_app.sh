#!/bin/bash
# Runs a script of the Input Directory, a program, or one string of shell, in the Input Directory where there is one.
app=shell-runner
. "$(dirname -- "$0")/tapisjob_shared.sh"

[ $# -gt 0 ] && [ -n "$1" ] || refuse 'there is no command: give "Shell command" a script or a command'
[ -z "${inputDirectory:-}" ] || enter_inputs

if [ -f "$1" ]; then
    find_script 'Shell command' "$1"
    shift
    case $script in /*) ;; *) script=./$script ;; esac # not one of the same name on the PATH
    if [ -x "$script" ]; then
        finish_with "$script" "$@"
    fi
    finish_with bash "$script" "$@"
fi
if command -v -- "$1" > /dev/null; then
    finish_with "$@"
fi
[ $# -eq 1 ] || refuse "there is neither a script nor a program $1: put quotes around a whole line of shell"
finish_with bash -c "$1"
