# What the apps of this service share. An app sets `app` to its name and sources this file.
#
# However the app ends, its exit code is in tapisjob.exitcode in the job's output directory: of a FORK job, Tapis
# takes a missing file for success.

# The directory $2 of the job: Tapis names it from the system's root, $1 says what to take where that leads nowhere.
job_directory() {
    local inside=${2:-} path
    path=${_tapisSysRootDir:-}/${inside}
    if [ -n "$inside" ] && [ -d "$path" ]; then
        printf '%s\n' "$path"
    else
        printf '%s\n' "$1"
    fi
}

started=$PWD
output=$(job_directory "$started" "${_tapisExecSystemOutputDir:-}")
inputs=$(job_directory "$started" "${_tapisExecSystemInputDir:-}")

say() { printf '%s: %s\n' "${app:?}" "$*" >&2; }

# Say what is wrong with the request, and end.
refuse() {
    say "$@"
    exit 2
}

record() {
    printf '%s\n' "$1" > "$output/tapisjob.exitcode" || say "cannot write $output/tapisjob.exitcode"
}
trap 'record $?' EXIT

# Run a command and end as it ends. Signals that ask to stop are passed on to it, so that it can put things in order.
finish_with() {
    local child='' code='' status interrupted=yes
    trap 'interrupted=yes; kill -TERM "$child" 2> /dev/null' HUP INT TERM USR1 USR2
    "$@" <&0 &
    child=$!
    while [ -n "$interrupted" ]; do # a signal ends the wait, not the command
        interrupted=
        wait "$child"
        status=$?
        [ -n "$code" ] && [ "$status" -eq 127 ] || code=$status # 127: bash has told how it ended, and forgotten
    done
    [ "$code" -eq 0 ] || say "$1 ended with exit code $code"
    exit "$code"
}

# Go into the Input Directory.
enter_inputs() {
    [ -n "${inputDirectory:-}" ] || refuse 'there is no input directory: give "Input Directory" a sourceUrl'
    [ -d "$inputs/$inputDirectory" ] || refuse "there is no directory $inputDirectory in $inputs:" \
        'what is the sourceUrl of "Input Directory"?'
    cd -- "$inputs/$inputDirectory" || refuse "cannot enter $inputs/$inputDirectory"
}

# shellcheck disable=SC2034 # the apps use it
# Set `script` to the script $2 of the Input Directory, which the slot $1 names.
find_script() {
    [ -n "${2:-}" ] || refuse "there is no script: give \"$1\" the name of one in the Input Directory"
    if [ ! -f "$2" ]; then
        say "there is no script $2 (\"$1\") in the Input Directory, which holds:"
        (shopt -s nullglob && printf '    %s\n' *) | head -n 20 >&2
        exit 2
    fi
    script=$2
    case $script in -*) script=./$script ;; esac
}

# Set `python` to the interpreter: the one that the service names, else the machine's. What a script starts as `python3`
# is then the same.
find_python() {
    python=${WEFT_PYTHON:-python3}
    if ! command -v -- "$python" > /dev/null; then
        say "there is no $python on this machine; python3 is taken instead"
        python=python3
    fi
    command -v -- "$python" > /dev/null || refuse 'there is no python3 on this machine'
    case $python in */*) export PATH="$(dirname -- "$python"):$PATH" ;; esac
}
