"""What the execution system of an app makes impossible: its queue, and the limits of that queue. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.tapis.linting.finding import Finding, Level
from weft.tapis.linting.lines import lines_of
from weft.tapis.linting.view import Fault, View, entries

_LIMITED = {
    "nodeCount": ("NodeCount", 1),
    "coresPerNode": ("CoresPerNode", 1),
    "memoryMB": ("MemoryMB", 100),
    "maxMinutes": ("Minutes", 10),
}
"""The key of an app, its limits' name in a queue, and what Tapis takes where the app says nothing."""


def against_system(
    app: Mapping[str, Any], system: Mapping[str, Any], file: str, text: str = ""
) -> Iterator[Finding]:
    """Compare a definition with that of its execution system; ``text`` is what the definition was read from."""
    """What the execution system of an app makes impossible: its queue, and the limits of that queue."""
    lines = lines_of(text)
    for key, what, remedy in _beyond(View(app), system):
        why = f"the system {system.get('id')} refuses every job that asks for nothing else"
        yield Fault(("jobAttributes", key), Level.ERROR, "system", what, why, remedy).found(file, lines)


def _beyond(view: View, system: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not system.get("canExec", True):
        yield "execSystemId", f"no jobs run on {system.get('id')}", "name another execSystemId"
    if view.text("jobType") != "BATCH":
        return
    if not system.get("canRunBatch", True):
        yield (
            "execSystemId",
            f"{system.get('id')} has no queues",
            '"jobType": "FORK", or another execSystemId',
        )
        return
    queues = {str(each.get("name")): each for each in entries(system.get("batchLogicalQueues"))}
    name = view.text("execSystemLogicalQueue") or str(system.get("batchDefaultLogicalQueue") or "")
    if name not in queues:
        yield (
            "execSystemLogicalQueue",
            f"there is no queue {name!r}",
            f"there is: {', '.join(sorted(queues))}",
        )
        return
    for key, (limit, default) in _LIMITED.items():
        value = view.job.get(key, default)
        least, most = queues[name].get(f"min{limit}"), queues[name].get(f"max{limit}")
        if isinstance(value, int) and isinstance(most, int) and 0 < most < value:
            yield key, f"{key} is {value}; the queue {name} has at most {most}", f"at most {most}"
        if isinstance(value, int) and isinstance(least, int) and value < least:
            yield key, f"{key} is {value}; the queue {name} has at least {least}", f"at least {least}"
