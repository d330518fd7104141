#!/bin/bash
# @name@: @about@
#
# Its arguments are the script and what the script gets. What is to be archived belongs into the directory $RESULTS;
# what the script writes beside itself, among the inputs, is not archived.
set -u

# Tapis names a job's directories from the root directory of the system on. In a trial by hand, everything is here.
output=$PWD
inputs=$PWD
if [ -n "${_tapisExecSystemOutputDir:-}" ]; then
    output=${_tapisSysRootDir%/}/${_tapisExecSystemOutputDir#/}
    inputs=${_tapisSysRootDir%/}/${_tapisExecSystemInputDir#/}
fi

# However this ends, its exit code is told: of a FORK job, Tapis takes a missing file for success.
trap 'printf "%s\n" "$?" > "$output/tapisjob.exitcode"' EXIT

refuse() {
    printf '%s: %s\n' '@name@' "$*" >&2
    exit 2
}

[ -n "${inputDirectory:-}" ] || refuse 'give "Input Directory" the address of a directory'
cd -- "$inputs/$inputDirectory" || refuse "there is no Input Directory $inputs/$inputDirectory"
[ $# -gt 0 ] || refuse 'give "Main Script" the name of a script'
[ -f "$1" ] || refuse "there is no script $1 in the Input Directory"
case $1 in
    /*) script=$1 ;;
    *) script=./$1 ;;
esac
shift

# What the script needs of a cluster goes here, as in:
# module load @module@

export RESULTS=$output
@run@
code=$?

[ "$code" -eq 0 ] || printf '%s: %s ended with exit code %s\n' '@name@' "$script" "$code" >&2
exit "$code"
