#!/bin/bash
# Runs a Python script in the Input Directory.
app=python
. "$(dirname -- "$0")/tapisjob_shared.sh"

enter_inputs
find_script 'Input Script' "${1:-}"
shift
find_python
export PYTHONUNBUFFERED=1
finish_with "$python" "$script" "$@"
