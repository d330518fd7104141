"""Remedies for whom they are: of jobs that weft did not launch, and of cases on this machine. PURE."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from weft.core.findings.base import Remedy
from weft.core.findings.settings import in_request, table

_OF_A_STUDY = tuple(
    f"weft {word}"
    for word in ("run", "retry", "results", "explain", "check", "plan", "status", "store refresh")
)


def fitting(remedies: Iterable[Remedy], *, weft: bool, backend: str, app: str) -> tuple[Remedy, ...]:
    """Those of the remedies that can be done for such jobs, each once, as far as they can.

    Jobs that weft did not launch have no study: of its file they know what is in a request, too, and of its commands
    nothing. Cases on this machine have no queue.
    """
    remedies = list(remedies)
    if not weft:
        kept = [left for each in remedies if (left := _of_no_study(each, backend)) is not None]
        kept = kept or [a_study_of(backend, app)]
    elif backend == "local":
        kept = [left for each in remedies if (left := _of_this_machine(each)) is not None]
        kept = kept or [structs.replace(each, setting="") for each in remedies]
    else:
        kept = remedies
    return tuple(dict.fromkeys(kept))


def a_study_of(backend: str, app: str) -> Remedy:
    """How jobs that weft did not launch become cases of a study."""
    say = "Run the cases as a study of weft: many share a job, files go as one ZIP, shared inputs stay on the system."
    if backend != "tapis" or not app:
        return Remedy(say=say, command="weft init")
    return Remedy(
        say=f"{say} `weft app show {app}` prints its table [tapis].",
        setting=table("run", 'on = "tapis"') + "\n\n" + table("tapis", f'app = "{app}"'),
        command="weft init",
    )


def _of_no_study(remedy: Remedy, backend: str) -> Remedy | None:
    """The same without a study's commands; tables of its file as lines of a request. None if nothing is left."""
    setting, command = remedy.setting, remedy.command
    if command.startswith(_OF_A_STUDY):
        command = ""
    if setting.startswith("[") and command != "weft init":
        head, *lines = setting.split("\n")
        of_a_job = head in ("[tapis]", f"[{backend}]")
        asked = dict(line.split(" = ", 1) for line in lines if " = " in line) if of_a_job else {}
        setting = in_request(backend, asked)
    elif setting.startswith('"') and backend != "tapis":
        setting = ""
    if not (setting or command) and (remedy.setting or remedy.command):
        return None
    return structs.replace(remedy, setting=setting, command=command)


def _of_this_machine(remedy: Remedy) -> Remedy | None:
    """Of the table [tapis], what there is in the table [local], too. None if nothing is left."""
    head, *lines = remedy.setting.split("\n")
    if not head.startswith("[tapis"):
        return remedy
    here = [line for line in lines if line.startswith(("slots = ", "cores = ", "memory = "))]
    setting = table("local", *here) if here and head == "[tapis]" else ""
    return structs.replace(remedy, setting=setting) if setting or remedy.command else None
