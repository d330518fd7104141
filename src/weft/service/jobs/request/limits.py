"""What a job may not have: characters that are not safe, options that are not taken, more than its queue gives.

Every refusal is a 400 whose message begins with the key that the real service uses for it.
"""

from __future__ import annotations

import re

from msgspec import Struct

from weft.service.answers import Problem
from weft.service.places import clean
from weft.service.systems.model import LogicalQueue

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f&><|;`]")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OPTION = re.compile(r"\s*(--?[^=\s]*)\s*=?\s*(\S*)\s*")
"""An option and its value, as arguments for containers and schedulers are written."""

PROFILE = "--tapis-profile"
"""The scheduler option that names a profile of module loads."""

_TAKEN = """
    --array -a --account -A --acctg-freq --extra-node-info -B --batch --bb --bbf --begin -b
    --cluster-contstraint --clusters -M --comment --constraint -C --contiguous --core-spec -S --cores-per-socket
    --cpu-freq --cpus-per-gpu --cpus-per-task --deadline --delay-boot --dependency -d --distribution -m
    --error -e --exclude -X --exclusive --export --export-file --get-user-env --gid --gpus -G --gpu-bind
    --gpu-freq --gpus-per-node --gpus-per-socket --gpus-per-task --gres --gres-flags --hint --hold -H
    --ignore-pbs --input -i --job-name -J --kill-on-invalid-dep --licenses -L --mail-type --mail-user
    --mcs-label --mem-per-cpu --mem-per-gpu --mem-bind --mincpus --network --nice --nodefile -F --nodelist -W
    --no-kill -k --no-requeue --ntasks-per-core --ntasks-per-gpu --ntasks-per-node --ntasks-per-socket
    --overcommit -O --oversubscribe -s --output -o --open-mode --power --priority --profile --propagate --qos -q
    --reboot --requeue --reservation --signal --sockets-per-node --spread-job --switches --thread-spec
    --threads-per-core --time-min --tmp --use-min-nodes --verbose -v --wait-all-nodes --wckey --tapis-profile
"""
SCHEDULER_OPTIONS = frozenset(_TAKEN.split())
SUBSUMED = {
    "--mem": "memoryMB",
    "--nodes": "nodeCount",
    "-N": "nodeCount",
    "--ntasks": "nodeCount and coresPerNode",
    "-n": "nodeCount and coresPerNode",
    "--partition": "execSystemLogicalQueue",
    "-p": "execSystemLogicalQueue",
    "--time": "maxMinutes",
    "-t": "maxMinutes",
}
"""Options that attributes of the job stand for."""
_NOT_TAKEN = "--chdir --help --parsable --quiet --test-only --uid --usage --version --wait --wrap"
UNSUPPORTED = frozenset(_NOT_TAKEN.split())


def no_control(text: str, place: str) -> str:
    """The text, which holds no line breaks or other control characters."""
    if _CONTROL.search(text):
        raise Problem(400, f"JOBS_CONTROL_CHAR_DETECTED {place} holds a control character: {text[:80]!a}")
    return text


def safe(text: str, place: str) -> str:
    """The text, which holds nothing that a shell could take for more than text."""
    if _UNSAFE.search(text):
        raise Problem(
            400,
            f"JOBS_INVALID_INPUT_CHARACTERS {place} holds one of & > < | ; ` or a control character: {text[:80]!a}",
        )
    return text


def directory(path: str, place: str) -> str:
    """The path as jobs keep them: one slash at the beginning, none at the end, no ``..``."""
    try:
        return "/" + clean(no_control(path, place))
    except Problem as problem:
        raise Problem(400, f"TAPIS_PROHIBITED_DIR_PATTERN {place}: {problem.message}") from problem


def env_key(key: str, place: str) -> str:
    """The name of an environment variable that users may set."""
    if key.startswith("_tapis"):
        raise Problem(400, f"JOBS_RESERVED_ENV_VAR {place}: {key[:80]} begins with _tapis, which is reserved")
    if not _ENV_KEY.fullmatch(key):
        raise Problem(400, f"JOBS_INVALID_ENV_VAR_CHAR {place}: {key[:80]!a} is no name of a variable")
    return key


def option(arg: str) -> tuple[str, str]:
    """The name and the value of one option, as in ``--name=value`` or ``-n value``; the name is empty if it is none."""
    found = OPTION.fullmatch(arg)
    return (found[1], found[2]) if found else ("", "")


def scheduler_option(arg: str) -> None:
    """Refuse an option that the scheduler is not given by users."""
    name = option(arg)[0]
    shown = ascii((name or arg)[:80])
    if name in SUBSUMED:
        raise Problem(
            400,
            f"JOBS_SCHEDULER_SUBSUMED_ARG {shown} cannot be given: the job's {SUBSUMED[name]} stands for it",
        )
    if name in UNSUPPORTED:
        raise Problem(400, f"JOBS_SCHEDULER_UNSUPPORTED_ARG {shown} is not supported as a scheduler option")
    if name not in SCHEDULER_OPTIONS:
        raise Problem(400, f"JOBS_SCHEDULER_UNKNOWN_ARG {shown} is not one option of the scheduler")


class Size(Struct, frozen=True):
    """How much of a machine a job wants: nodes, cores per node, MB per node, minutes."""

    nodes: int
    cores: int
    memory: int
    minutes: int


def queue_limits(queue: LogicalQueue, system_id: str, uuid: str, size: Size) -> None:
    """Refuse a job that wants more than its queue gives, or less than it takes; a limit of 0 or less is none."""
    asked = (
        ("NODES", "nodes", size.nodes, queue.min_node_count, queue.max_node_count),
        ("CORES", "cores per node", size.cores, queue.min_cores_per_node, queue.max_cores_per_node),
        ("MEM", "MB of memory", size.memory, queue.min_memory_mb, queue.max_memory_mb),
        ("MINUTES", "minutes", size.minutes, queue.min_minutes, queue.max_minutes),
    )
    for key, what, wanted, least, most in asked:
        where = f"on system {system_id} using queue {queue.name}"
        if 0 < most < wanted:
            raise Problem(
                400,
                f"JOBS_Q_EXCEEDED_MAX_{key} Job {uuid} requested {wanted} {what} {where}. The queue maximum is {most}.",
            )
        if wanted < least:
            raise Problem(
                400,
                f"JOBS_Q_MIN_{key}_ERROR Job {uuid} requested {wanted} {what} {where}. The queue minimum is {least}.",
            )
