"""Which kinds of containers can be run on this machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import lru_cache

from weft.service.apps.model import Runtime

_PROGRAMS = {
    "DOCKER": (("docker", "info", "--format", "{{.ServerVersion}}"),),
    "SINGULARITY": (("singularity", "--version"), ("apptainer", "--version")),
}
_REMEMBERED = 60.0
"""Seconds for which an answer is believed."""
_PATIENCE = 10.0


def runtime_available(runtime: Runtime) -> bool:
    """Is the program there, and does it answer? ZIP always is."""
    return runtime == "ZIP" or _answers(runtime, int(time.monotonic() // _REMEMBERED))


def singularity() -> str:
    """The name under which Singularity is here."""
    return next((name for name in ("singularity", "apptainer") if shutil.which(name)), "singularity")


@lru_cache(maxsize=8)
def _answers(runtime: str, _period: int) -> bool:
    return any(_ends_well(question) for question in _PROGRAMS.get(runtime, ()))


def _ends_well(question: tuple[str, ...]) -> bool:
    if shutil.which(question[0]) is None:
        return False
    try:
        return subprocess.run(question, capture_output=True, timeout=_PATIENCE, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def remove(name: str) -> None:
    """Stop and remove a Docker container, if it is there."""
    try:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return
