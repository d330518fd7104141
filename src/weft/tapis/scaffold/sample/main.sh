#!/bin/bash
# The deflection of a cantilever with a load at its end; the load, in kN, is the argument.
set -eu

load=${1:-1.0}
awk -v kilonewtons="$load" 'BEGIN {
    if (kilonewtons + 0 != kilonewtons) exit 1 # no number
    printf "{\"load\": %s, \"deflection\": %.9f}\n", kilonewtons, kilonewtons * 2.0^3 / (3 * 4000.0)
}' > "${RESULTS:-.}/result.json"
cat "${RESULTS:-.}/result.json"
