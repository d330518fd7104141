#!/bin/bash
# Runs an OpenSees model in Python, in the Input Directory. Arguments: program, script, "True" for MPI, what the script gets.
app=openseespy
here=$(cd -- "$(dirname -- "$0")" && pwd)
. "$here/tapisjob_shared.sh"

[ "${1:-}" = python3 ] || [ "${1:-}" = python ] ||
    refuse "\"Main Program\" is \"${1:-}\"; there is only python3, with OpenSees as a module"
enter_inputs
find_script 'Main Script' "${2:-}"
case ${3:-False} in
    True | true | TRUE | 1) launcher=(ibrun) ;;
    False | false | FALSE | 0) launcher=() ;;
    *) refuse "\"UseMPI\" is \"$3\": it must be True or False" ;;
esac
shift "$(($# < 3 ? $# : 3))"
find_python

# The wheel brings the libraries that it needs along, but does not tell the dynamic linker where they are.
libraries=$("$python" "$here/opensees_here.py") || refuse "$python cannot import openseespy.opensees (above is why):" \
    "install openseespy for it, or name another interpreter in WEFT_PYTHON"
if [ -n "$libraries" ]; then
    export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
export PYTHONPATH="$here/modules${PYTHONPATH:+:$PYTHONPATH}" # `import opensees` works as on the clusters
export PYTHONUNBUFFERED=1
finish_with "${launcher[@]}" "$python" "$script" "$@"
