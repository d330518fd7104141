"""What a job asks of Tapis: from an app, a system and what is wanted to the body of a submission. PURE.

The app's definition decides. What it fixes is never sent, what it requires must be there, what has choices is one of
them (``filling``). Only what must be said is said, and nothing is null, since Tapis takes null for a wrong type. All
complaints come at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import basename, normpath
from typing import Any

from msgspec import Struct

from weft.core.nearest import did_you_mean
from weft.tapis.apps import App, Kind, Mode, Slot
from weft.tapis.families import Family
from weft.tapis.filling import CONTROL, Complaints, Given, asks_for, filled
from weft.tapis.sites import site_of
from weft.tapis.systems import Queue, System

NAME_MAX = 64
TAG_MAX = 128
DESCRIPTION_MAX = 2048
WORKING_DIR = "${JobWorkingDir}"
OWN = "${JobUUID}"
"""What must be in the directory of a job, so that no two jobs share it."""
ALLOCATION = "TACC Allocation"
RESERVATION = "TACC Reservation"
"""By which names portals give these to any job."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What weft and the study want of one job; None, or empty, leaves it to the app."""

    name: str
    input: str
    """Address of the folder of the job, ``tapis://system/path``."""
    script: str
    """Name of the runner in it."""
    archive_system: str
    archive_dir: str
    includes: tuple[str, ...] = ()
    """Patterns of what to archive, from the folder of the job; the app's log comes along."""
    job_type: str | None = None
    queue: str | None = None
    nodes: int | None = None
    cores_per_node: int | None = None
    memory_mb: int | None = None
    """Of each node."""
    minutes: int | None = None
    allocation: str | None = None
    reservation: str | None = None
    args: Mapping[str, Given] = {}
    """By the name of the argument."""
    env: Mapping[str, Given] = {}
    """By key; also variables that the app does not name."""
    inputs: Mapping[str, str] = {}
    """Sources of further inputs of the app, by name."""
    tags: tuple[str, ...] = ()
    description: str = ""


class Size(Struct, frozen=True, kw_only=True):
    """How much of a machine one job asks for."""

    nodes: int
    cores: int
    """Of each node."""
    memory_mb: int
    """Of each node."""
    minutes: int


def build(app: App, system: System, family: Family, wanted: Wanted) -> dict[str, Any]:
    """Return the body of ``jobs.submitJob``.

    Raises:
        StudyFileError: every reason why Tapis would refuse the job, or do something else than was meant.
    """
    return _Building(app, system, family, wanted).request()


def folder_of(app: App, family: Family, address: str) -> str:
    """Where the folder of a job lies below the job's directory, as the app's input says; empty if it is the same."""
    slot = app.input(family.input)
    target = slot.target if slot else "*"
    path = normpath(basename(address.rstrip("/")) if target == "*" else target).strip("/")
    return "" if path == "." else path


def job_type_of(app: App, system: System, wanted: str | None = None) -> str:
    """FORK or BATCH, as Tapis decides: what is wanted, else what the app says, else what the system can do."""
    return wanted or app.job_type or ("BATCH" if system.can_run_batch else "FORK")


def queue_of(app: App, system: System, wanted: str | None = None) -> Queue | None:
    """The queue of a batch job: the one that is wanted, else the app's where the system has it, else the default."""
    for name in (wanted,) if wanted else (app.queue, system.default_queue):
        queue = system.queue(name) if name else None
        if queue:
            return queue
    return None


def needs_allocation(system: System, family: Family, job_type: str) -> bool:
    """Must a job name who pays for it?"""
    if job_type != "BATCH" or system.no_allocation:
        return False
    if family.needs_allocation is not None:
        return family.needs_allocation
    site = site_of(system)
    return bool(site and site.needs_allocation)


def usual_size(app: App, family: Family, queue: Queue | None) -> Size:
    """What a job asks for where nothing else is wanted: what the app says, as far as the queue gives it.

    A runner in Python uses one node, so that more would stand idle, whatever the app says.
    """
    nodes = app.nodes if family.runner == "tcl" else 1
    usual = {"nodes": nodes, "cores": app.cores_per_node, "memory_mb": app.memory_mb, "minutes": app.minutes}
    return Size(**{key: _cut(number, *bounds(queue, key)) for key, number in usual.items()})


def bounds(queue: Queue | None, key: str) -> tuple[int, int | None]:
    """Least and most that a queue gives a job: ``nodes``, ``cores`` or ``memory_mb`` of each, ``minutes``."""
    if queue is None:
        return 1, None
    return {
        "nodes": (queue.min_nodes, queue.max_nodes),
        "cores": (queue.min_cores, queue.max_cores),
        "memory_mb": (queue.min_memory_mb, queue.max_memory_mb),
        "minutes": (queue.min_minutes, queue.max_minutes),
    }[key]


def _cut(number: int, least: int, most: int | None) -> int:
    return max(least, number if most is None else min(number, most))


class _Building:
    """One request on its way, and what is wrong with it."""

    def __init__(self, app: App, system: System, family: Family, wanted: Wanted) -> None:
        self.app, self.system, self.family, self.wanted = app, system, family, wanted
        self.complaints = Complaints()
        self.job_type = job_type_of(app, system, wanted.job_type)

    def request(self) -> dict[str, Any]:
        body = {
            **self._identity(),
            **self._place(),
            **self._size(),
            **self._inputs(),
            "parameterSet": self._parameters(),
        }
        self.complaints.settle()
        return body

    def _identity(self) -> dict[str, Any]:
        wanted = self.wanted
        if not 1 <= len(wanted.name) <= NAME_MAX or CONTROL.search(wanted.name):
            self.complaints.add("", f"`{wanted.name}` is no name of a job: it has 1 to {NAME_MAX} characters")
        for tag in wanted.tags:
            if not 1 <= len(tag) <= TAG_MAX:
                self.complaints.add("tags", f"a tag has 1 to {TAG_MAX} characters, not {len(tag)}")
        body: dict[str, Any] = {"name": wanted.name, "appId": self.app.id, "appVersion": self.app.version}
        if wanted.description:
            body["description"] = wanted.description[:DESCRIPTION_MAX]
        if wanted.tags:
            body["tags"] = list(dict.fromkeys(wanted.tags))
        return body

    # Where it runs

    def _place(self) -> dict[str, Any]:
        """Type, system, and one directory for all of the job, so that what the runner writes is where it was put."""
        body: dict[str, Any] = {"jobType": self.job_type, "execSystemId": self.system.id}
        if self.app.dynamic_system:
            body["dynamicExecSystem"] = False
        directory = self.app.exec_dir or WORKING_DIR
        if OWN not in directory.replace(WORKING_DIR, self.system.working_dir):
            directory += f"/jobs/{OWN}"
        for which in ("Exec", "Input", "Output"):
            body[f"execSystem{which}Dir"] = directory
        return {
            **body,
            "archiveSystemId": self.wanted.archive_system,
            "archiveSystemDir": self.wanted.archive_dir,
            "archiveOnAppError": True,
        }

    def _queue(self) -> Queue | None:
        wanted, system = self.wanted.queue, self.system
        if self.job_type not in ("FORK", "BATCH"):
            self.complaints.add("type", f'"{self.job_type}" is no type of job', 'write "FORK" or "BATCH"')
        elif self.job_type == "FORK" and wanted:
            self.complaints.add("queue", "a FORK job has no queue", 'leave it out, or say type = "BATCH"')
        elif self.job_type == "BATCH" and not system.can_run_batch:
            self.complaints.add("type", f"system {system.id} runs no batch jobs", 'say type = "FORK"')
        elif self.job_type == "BATCH":
            queue = queue_of(self.app, system, wanted)
            if queue is None:
                what = f"system {system.id} has no queue `{wanted}`" if wanted else "no queue is named"
                hint = did_you_mean(wanted or "", [each.name for each in system.queues])
                self.complaints.add("queue", what, hint)
            return queue
        return None

    def _size(self) -> dict[str, Any]:
        app, wanted, queue = self.app, self.wanted, self._queue()
        usual = usual_size(app, self.family, queue)
        size = {
            "nodeCount": self._within(queue, "nodes", wanted.nodes, usual.nodes),
            "coresPerNode": self._within(queue, "cores", wanted.cores_per_node, usual.cores),
            "memoryMB": self._within(queue, "memory_mb", wanted.memory_mb, usual.memory_mb),
            "maxMinutes": self._within(queue, "minutes", wanted.minutes, usual.minutes),
        }
        tasks = size["nodeCount"] * size["coresPerNode"]
        if app.is_mpi and self.family.runner != "tcl" and tasks > 1:
            what = f"app {app.id} starts its script by MPI, {tasks} times, and so the runner"
            self.complaints.add("app", what, "choose an app that starts a script once")
        return {**({"execSystemLogicalQueue": queue.name} if queue else {}), **size}

    def _within(self, queue: Queue | None, key: str, wanted: int | None, usual: int) -> int:
        if wanted is None:
            return usual
        least, most = bounds(queue, key)
        if wanted != _cut(wanted, least, most):
            unit = " MB" if key == "memory_mb" else ""
            bound = f"at most {most:,}{unit}" if most and wanted > most else f"at least {least:,}{unit}"
            where = f"queue `{queue.name}` of {self.system.id} takes" if queue else "a job has"
            able = [each.name for each in self.system.queues if wanted == _cut(wanted, *bounds(each, key))]
            hint = f"these take it: {', '.join(able)}" if queue and able else f"ask for {bound}"
            self.complaints.add(key.removesuffix("_mb"), f"{wanted:,}{unit} asked for: {where} {bound}", hint)
        return wanted

    # Its files

    def _inputs(self) -> dict[str, Any]:
        sources = {**self.wanted.inputs, self.family.input: self.wanted.input}
        if self.family.input in self.wanted.inputs:
            what = "weft sets this itself, to the folder of the job"
            hint = "leave it out; what cases need stands in model.inputs and model.shared"
            self.complaints.add(f"inputs.{self.family.input}", what, hint)
        slots = self.app.of(Kind.INPUT, Kind.ARRAY)
        names = [slot.name for slot in slots if slot.name]
        for name in sources:
            if name not in names:
                what = f"app {self.app.id} has no input `{name}`"
                self.complaints.add(f"inputs.{name}", what, did_you_mean(name, names))
        body: dict[str, Any] = {}
        for slot in slots:
            for entry in self._input(slot, sources.get(slot.name) if slot.name else None):
                body.setdefault(slot.kind.value, []).append(entry)
        return body

    def _input(self, slot: Slot, source: str | None) -> Iterator[dict[str, Any]]:
        """What the request says about one input: one entry, or none."""
        key = f"inputs.{slot.name or 'unnamed'}"
        if source is None:
            if slot.mode is Mode.REQUIRED and slot.value is None:
                what = f"app {self.app.id} requires this input, and nothing is given"
                self.complaints.add(key, what, asks_for(slot))
        elif "://" not in source:
            self.complaints.add(key, f"`{source}` is no address", 'write "tapis://SYSTEM/path"')
        elif slot.mode is Mode.FIXED:
            if source != slot.value:
                self.complaints.add(key, f"the app fixes this input to {slot.value}", "choose another app")
        elif slot.kind is Kind.INPUT:
            yield {"name": slot.name, "sourceUrl": source}
        else:
            yield {"name": slot.name, "sourceUrls": [source]}

    # What it is given

    def _parameters(self) -> dict[str, Any]:
        wanted = self.wanted
        told: dict[str, Given] = dict(wanted.args)
        told |= {f"env:{key}": value for key, value in wanted.env.items()}
        sets: dict[str, Any] = filled(self.app, self._own(), told, self.complaints)
        options = [*sets.pop(Kind.SCHEDULER.value, ()), *self._further_options()]
        if options:
            sets[Kind.SCHEDULER.value] = options
        sets["archiveFilter"] = {"includes": self._includes(), "includeLaunchFiles": False}
        return sets

    def _own(self) -> dict[str, str | None]:
        """What weft puts into slots itself, by address; None where a slot is to stay empty."""
        family, script = self.family, self.wanted.script
        if "/" in script and not family.keeps_folders:
            what = f"app {self.app.id} takes a script by its name alone: `{script}` is `{basename(script)}` to it"
            self.complaints.add("args", what, "put the script into the input directory itself")
        own: dict[str, str | None] = {**family.given, family.script: family.starting(script)}
        if family.arguments:
            own[family.arguments] = None
        return own | {name: f"{option} {value}" for name, option, value in self._options()}

    def _options(self) -> list[tuple[str, str, str]]:
        """Who pays and what is reserved: the name that portals use, the option, the value."""
        pairs = (
            (ALLOCATION, "-A", self.wanted.allocation),
            (RESERVATION, "--reservation", self.wanted.reservation),
        )
        return [(name, option, value) for name, option, value in pairs if value]

    def _further_options(self) -> Iterator[dict[str, Any]]:
        """The same where the app does not define it, as a portal adds it to any job."""
        given = self.wanted.allocation or ALLOCATION in self.wanted.args
        if needs_allocation(self.system, self.family, self.job_type) and not given:
            what = f"jobs on {self.system.id} must name the allocation that pays for them"
            hint = 'as in: allocation = "ABC-12345"; the portal, or the site, lists your projects'
            self.complaints.add("allocation", what, hint)
        names = {slot.name for slot in self.app.of(Kind.SCHEDULER)}
        for name, option, value in self._options():
            if not re.fullmatch(r"[\w.+-]+", value):
                key = "allocation" if name == ALLOCATION else "reservation"
                self.complaints.add(key, f'"{value}" cannot be the name of one', "write the bare name")
            elif name not in names and self.job_type == "BATCH":
                yield {"name": name, "arg": f"{option} {value}"}

    def _includes(self) -> list[str]:
        folder = folder_of(self.app, self.family, self.wanted.input)
        below = [f"{folder}/{pattern}" if folder else pattern for pattern in self.wanted.includes]
        return [*below, self.app.log]
