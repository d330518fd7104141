"""An app as its definition tells it: what it runs on by default, and the slots that a request can fill. PURE.

Definitions come from the service or from a file; nulls in them mean what absence means. Notes are an object, or (from
older services) JSON in a string; they hold the choices that a portal offers for a slot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct

from weft.errors import WeftError

NOT_SET = "!tapis_not_set"
"""The value of a variable that a definition declares without giving it one."""
LOG_FILE = "tapisjob.out"
"""Where Tapis puts what an app prints, unless the app says otherwise."""


class Mode(str, Enum):
    """What a request may do with a slot: the words of Tapis."""

    REQUIRED = "REQUIRED"
    FIXED = "FIXED"
    INCLUDE_BY_DEFAULT = "INCLUDE_BY_DEFAULT"
    INCLUDE_ON_DEMAND = "INCLUDE_ON_DEMAND"
    OPTIONAL = "OPTIONAL"


class Kind(str, Enum):
    """Where a slot stands in a request."""

    ARG = "appArgs"
    CONTAINER = "containerArgs"
    SCHEDULER = "schedulerOptions"
    ENV = "envVariables"
    INPUT = "fileInputs"
    ARRAY = "fileInputArrays"


class Slot(Struct, frozen=True, kw_only=True):
    """One thing that a request can give to an app: an argument, a variable, an input."""

    kind: Kind
    name: str
    """For a variable, its key."""
    mode: Mode
    value: str | None = None
    """What the app itself gives; for an input its source. None where it gives nothing."""
    target: str = ""
    """Of an input: where it goes, below the input directory of the job; ``*`` is the source's own name."""
    choices: tuple[str, ...] = ()
    """The values that the notes offer; none means any."""
    description: str = ""

    @property
    def address(self) -> str:
        """How a study names the slot: its name, with ``env:`` before the key of a variable."""
        return f"env:{self.name}" if self.kind is Kind.ENV else self.name


class App(Struct, frozen=True, kw_only=True):
    """One version of an app."""

    id: str
    version: str
    description: str = ""
    owner: str = ""
    enabled: bool = True
    """Both the app and this version of it."""
    runtime: str = "DOCKER"
    image: str = ""
    job_type: str | None = None
    max_jobs: int | None = None
    """Live jobs of everybody on the execution system, whatever their app; None is no limit."""
    max_jobs_per_user: int | None = None
    strict_inputs: bool = False
    """Are inputs refused that the definition does not name?"""
    system: str = ""
    dynamic_system: bool = False
    exec_dir: str = ""
    input_dir: str = ""
    output_dir: str = ""
    queue: str | None = None
    archive_system: str = ""
    archive_dir: str = ""
    archives_failures: bool = True
    is_mpi: bool = False
    mpi_command: str = ""
    log: str = LOG_FILE
    slots: tuple[Slot, ...] = ()
    """In the order of the definition, which is the order of the command line."""
    nodes: int = 1
    cores_per_node: int = 1
    memory_mb: int = 100
    minutes: int = 10
    tags: tuple[str, ...] = ()
    label: str = ""
    interactive: bool = False
    family: Mapping[str, Any] = {}
    """What the definition's notes say of it for weft (``notes.weft.family``), as `weft app new` writes them."""

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any], place: str = "") -> App:
        """Read a definition; ``place`` says in errors where it comes from.

        Raises:
            WeftError: a key is missing or has the wrong type.
        """
        return _app(_read(definition, _Definition, place or _place(definition)))

    def of(self, *kinds: Kind) -> tuple[Slot, ...]:
        """The slots of some kinds."""
        return tuple(slot for slot in self.slots if slot.kind in kinds)

    def slot(self, address: str) -> Slot | None:
        """The argument of this name, or the variable of this key when ``env:`` stands before it."""
        return next(
            (slot for slot in self.slots if slot.address == address and slot.kind in _ARGUMENTS), None
        )

    def input(self, name: str) -> Slot | None:
        """The input of this name."""
        return next((slot for slot in self.of(Kind.INPUT) if slot.name == name), None)


_ARGUMENTS = (Kind.ARG, Kind.ENV, Kind.CONTAINER, Kind.SCHEDULER)


# The definition as it is written


class _Wire(Struct, kw_only=True, rename="camel"):
    """As Tapis writes it; null is what absence is."""


class _ArgSpec(_Wire):
    name: str | None = None
    description: str | None = None
    input_mode: Mode | None = None
    arg: str | None = None
    notes: dict[str, Any] | str | None = None


class _Variable(_Wire):
    key: str
    value: str | None = None
    description: str | None = None
    input_mode: Mode | None = None
    notes: dict[str, Any] | str | None = None


class _Input(_Wire):
    name: str | None = None
    description: str | None = None
    input_mode: Mode | None = None
    source_url: str | None = None
    target_path: str | None = None


class _Array(_Wire):
    name: str | None = None
    description: str | None = None
    input_mode: Mode | None = None
    source_urls: list[str] | None = None
    target_dir: str | None = None


class _Log(_Wire):
    stdout_filename: str | None = None


class _ParameterSet(_Wire):
    app_args: list[_ArgSpec] | None = None
    container_args: list[_ArgSpec] | None = None
    scheduler_options: list[_ArgSpec] | None = None
    env_variables: list[_Variable] | None = None
    log_config: _Log | None = None


class _Attributes(_Wire):
    exec_system_id: str | None = None
    dynamic_exec_system: bool | None = None
    exec_system_exec_dir: str | None = None
    exec_system_input_dir: str | None = None
    exec_system_output_dir: str | None = None
    exec_system_logical_queue: str | None = None
    archive_system_id: str | None = None
    archive_system_dir: str | None = None
    archive_on_app_error: bool | None = None
    is_mpi: bool | None = None
    mpi_cmd: str | None = None
    parameter_set: _ParameterSet | None = None
    file_inputs: list[_Input] | None = None
    file_input_arrays: list[_Array] | None = None
    node_count: int | None = None
    cores_per_node: int | None = None
    memory_mb: int | None = msgspec.field(default=None, name="memoryMB")
    max_minutes: int | None = None


class _Definition(_Wire):
    id: str
    version: str
    description: str | None = None
    owner: str | None = None
    enabled: bool | None = None
    version_enabled: bool | None = None
    runtime: str | None = None
    container_image: str | None = None
    job_type: str | None = None
    max_jobs: int | None = None
    max_jobs_per_user: int | None = None
    strict_file_inputs: bool | None = None
    job_attributes: _Attributes | None = None
    tags: list[str] | None = None
    notes: dict[str, Any] | str | None = None


def _read(data: object, kind: type[_Definition], place: str) -> _Definition:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as problem:
        what, _, key = str(problem).partition(" - at `$.")
        where = f"{place}: {key.rstrip('`')}" if key else place
        raise WeftError(
            f"not the definition of an app: {what[:1].lower() + what[1:]}",
            where=where,
            hint="Tapis gives definitions with apps.getApp; `weft app new` writes one to start from",
        ) from None


def _place(definition: object) -> str:
    """The app's own name for errors, as far as there is one."""
    name = definition.get("id") if isinstance(definition, Mapping) else None
    return f"app {name}" if isinstance(name, str) else "app"


def _app(told: _Definition) -> App:
    job = told.job_attributes or _Attributes()
    notes = _notes(told.notes)
    log = job.parameter_set.log_config if job.parameter_set else None
    return App(
        id=told.id,
        version=told.version,
        description=told.description or "",
        owner=told.owner or "",
        enabled=told.enabled is not False and told.version_enabled is not False,
        runtime=told.runtime or "DOCKER",
        image=told.container_image or "",
        job_type=told.job_type,
        max_jobs=limit(told.max_jobs),
        max_jobs_per_user=limit(told.max_jobs_per_user),
        strict_inputs=bool(told.strict_file_inputs),
        system=job.exec_system_id or "",
        dynamic_system=bool(job.dynamic_exec_system),
        exec_dir=job.exec_system_exec_dir or "",
        input_dir=job.exec_system_input_dir or "",
        output_dir=job.exec_system_output_dir or "",
        queue=job.exec_system_logical_queue or None,
        archive_system=job.archive_system_id or "",
        archive_dir=job.archive_system_dir or "",
        archives_failures=job.archive_on_app_error is not False,
        is_mpi=bool(job.is_mpi),
        mpi_command=job.mpi_cmd or "",
        log=(log.stdout_filename if log else None) or LOG_FILE,
        slots=tuple(_slots(job)),
        nodes=job.node_count or 1,
        cores_per_node=job.cores_per_node or 1,
        memory_mb=job.memory_mb or 100,
        minutes=job.max_minutes or 10,
        tags=tuple(told.tags or ()),
        label=str(notes.get("label") or ""),
        interactive=notes.get("isInteractive") is True,
        family=_within(_within(notes, "weft"), "family"),
    )


def limit(number: int | None) -> int | None:
    """A limit as Tapis writes it: zero, negative numbers and the largest of 32 bits mean that there is none."""
    return None if number is None or number <= 0 or number >= 2**31 - 1 else number


def _slots(job: _Attributes) -> Iterator[Slot]:
    given = job.parameter_set or _ParameterSet()
    for kind, args in (
        (Kind.ARG, given.app_args),
        (Kind.CONTAINER, given.container_args),
        (Kind.SCHEDULER, given.scheduler_options),
    ):
        for arg in args or ():
            yield Slot(
                kind=kind,
                name=arg.name or "",
                mode=arg.input_mode or Mode.INCLUDE_ON_DEMAND,
                value=arg.arg if arg.arg and arg.arg.strip() else None,
                choices=_choices(arg.notes),
                description=arg.description or "",
            )
    for variable in given.env_variables or ():
        yield Slot(
            kind=Kind.ENV,
            name=variable.key,
            mode=variable.input_mode or Mode.INCLUDE_BY_DEFAULT,
            value=None if variable.value in (None, "", NOT_SET) else variable.value,
            choices=_choices(variable.notes),
            description=variable.description or "",
        )
    yield from _inputs(job)


def _inputs(job: _Attributes) -> Iterator[Slot]:
    for each in job.file_inputs or ():
        yield Slot(
            kind=Kind.INPUT,
            name=each.name or "",
            mode=each.input_mode or Mode.OPTIONAL,
            value=each.source_url or None,
            target=each.target_path or "*",
            description=each.description or "",
        )
    for array in job.file_input_arrays or ():
        yield Slot(
            kind=Kind.ARRAY,
            name=array.name or "",
            mode=array.input_mode or Mode.OPTIONAL,
            value=", ".join(array.source_urls or ()) or None,
            target=array.target_dir or "/",
            description=array.description or "",
        )


def _notes(notes: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
    """Notes as an object; a text that is no JSON object is a remark for people, and says nothing here."""
    if isinstance(notes, str):
        try:
            notes = json.loads(notes)
        except ValueError:
            return {}
    return notes if isinstance(notes, Mapping) else {}


def _within(notes: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = notes.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _choices(notes: Mapping[str, Any] | str | None) -> tuple[str, ...]:
    """The values of ``enum_values``: a list of plain values or of objects with the value as their one key."""
    listed = _notes(notes).get("enum_values") or ()
    if isinstance(listed, Mapping):
        return tuple(str(value) for value in listed)
    if not isinstance(listed, list | tuple):
        return ()
    return tuple(str(value) for each in listed for value in (each if isinstance(each, Mapping) else (each,)))
