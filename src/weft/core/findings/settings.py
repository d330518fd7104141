"""Settings as remedies give them: lines of a study file, verbatim. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping

from weft.model import Study

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables that say how many threads a program may have; the runner sets them to a case's cores."""
_ELSEWHERE = re.compile(r"\b(ibrun|srun)\b")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def table(name: str, *lines: str) -> str:
    """Lines of one table."""
    return "\n".join([f"[{name}]", *lines])


def inline(values: Mapping[str, str]) -> str:
    """An inline table of strings."""
    return "{ " + ", ".join(f"{_key(name)} = {quoted(value)}" for name, value in values.items()) + " }"


def listed(values: tuple[str, ...]) -> str:
    """A list of strings."""
    return "[" + ", ".join(map(quoted, values)) + "]"


def quoted(text: str) -> str:
    """A TOML string."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in plain) + '"'


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) else quoted(name)


def env_with(study: Study | None, **variables: str) -> str:
    """``[model] env`` with these variables besides those that the study has."""
    return table("model", f"env = {inline({**(study.model.env if study else {}), **variables})}")


def threads_of(study: Study | None) -> int:
    """Threads that the study's own environment gives a case; 0 where it says nothing, or says it by a parameter."""
    said = [study.model.env.get(name, "") for name in THREADS] if study is not None else []
    return max([int(text) for text in said if text.isdecimal()], default=0)


def launches_elsewhere(study: Study | None) -> bool:
    """Do cases start processes that are no descendants of theirs, so that nobody counts their CPU time?"""
    return study is not None and _ELSEWHERE.search(study.model.command) is not None


_OF_TAPIS = {
    "system": "execSystemId",
    "queue": "execSystemLogicalQueue",
    "minutes": "maxMinutes",
    "nodes": "nodeCount",
    "cores": "coresPerNode",
}
_OF_SLURM = {"queue": "--partition", "minutes": "--time", "nodes": "--nodes", "cores": "--cpus-per-task"}


def in_request(backend: str, asked: Mapping[str, str]) -> str:
    """Settings of [tapis] in a job's request, or at the top of its batch script, as far as it has them."""
    if backend == "slurm":
        return "\n".join(
            f"#SBATCH {_OF_SLURM[name]}={_in_slurm(name, value)}"
            for name, value in asked.items()
            if name in _OF_SLURM
        )
    return ",\n".join(f'"{_OF_TAPIS[name]}": {value}' for name, value in asked.items() if name in _OF_TAPIS)


def in_parameters(kind: str, values: str) -> str:
    """What a request has below ``parameterSet``: arguments, variables, the archive filter."""
    return f'"parameterSet": {{"{kind}": {values}}}'


def variable(name: str, value: str) -> str:
    """A variable of the job's environment, in its request."""
    return in_parameters("envVariables", f'[{{"key": "{name}", "value": "{value}"}}]')


def _in_slurm(name: str, value: str) -> str:
    if name != "minutes":
        return value.strip('"')
    minutes = round(float(value))
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"
