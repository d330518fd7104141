"""What a family of apps can do for a study: how weft starts its runner there, and what its wrapper does with the end.

The facts are data, ``families.toml``, which also explains the keys; ``[tapis.family]`` in a study overrides them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from weft.core.nearest import did_you_mean
from weft.errors import UsageError, WeftError
from weft.tapis.apps import App, Kind, Mode, Slot

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

SETTING = "tapis.family"
TCL_CANNOT = (
    "limit the time of a case: a case that hangs holds up its process until the job's time is over",
    "limit the memory of a case",
    "keep what a case prints apart from what the others print",
    "run the lines of model.setup",
    "run model.finish",
)
"""What no app can that takes nothing but a Tcl script, since the cases then share one process of OpenSees."""


class Family(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What weft knows of a family of apps; ``families.toml`` says what each key means."""

    id: str = ""
    apps: tuple[str, ...] = ()
    words: str = ""
    """An app that is only known by its slots must speak of this, too."""
    runner: Literal["python", "shell", "tcl"] = "python"
    script: str = ""
    command: str = ""
    arguments: str = ""
    program: str = ""
    program_value: str = ""
    mpi: str = ""
    mpi_value: str = ""
    input: str = "Input Directory"
    keeps_folders: bool = False
    ranks: bool = False
    can: tuple[str, ...] = ()
    needs_allocation: bool | None = None
    trust_exit_code: bool = False
    why_finished: str = "what its wrapper makes of a failure is not known"
    archives_to_owner: bool = False
    cannot: tuple[str, ...] = ()
    refuse: str = ""
    known: bool = True
    """Was the app found by its id, or only by its slots?"""

    @property
    def runner_file(self) -> str:
        """The file that the app is made to start."""
        return "runner.tcl" if self.runner == "tcl" else "runner.py"

    @property
    def given(self) -> dict[str, str]:
        """What weft puts into the slots for program and MPI, by the slots' addresses."""
        pairs = ((self.program, self.program_value), (self.mpi, self.mpi_value))
        return {slot: value for slot, value in pairs if slot}

    def starting(self, script: str) -> str:
        """What goes into the script slot so that the app starts a script of ours."""
        usual = "python3 {script}" if self.runner == "shell" else "{script}"
        return (self.command or usual).replace("{script}", script)

    @property
    def limitations(self) -> tuple[str, ...]:
        """All that a study cannot have there, one sentence each: "it cannot ..."."""
        return (*self.cannot, *(TCL_CANNOT if self.runner == "tcl" else ()))


def family_of(app: App, override: Mapping[str, Any] | None = None) -> Family:
    """The family of an app, with what its own notes, and above them a study, say otherwise.

    Raises:
        UsageError: a key of the override is unknown, or has no such value.
        WeftError: no study can run there, since the app has no slot for a script or is for something else.
    """
    family = _overridden(_known(app) or _guessed(app), {**app.family, **(override or {})})
    if family is None or app.interactive:
        raise _no_script(app, "it opens a session for a person to work in" if app.interactive else "")
    if family.refuse:
        raise _no_script(app, family.refuse)
    slot = app.slot(family.script)
    if slot is None:
        raise _no_script(app, f"it has no slot `{family.script}`")
    if app.input(family.input) is None:
        raise _no_script(app, f"it has no input `{family.input}` for the files of a job")
    return family


def families() -> tuple[Family, ...]:
    """All families, in the order in which slots are compared."""
    return _families()


@cache
def _families() -> tuple[Family, ...]:
    data = tomllib.loads(Path(__file__).with_name("families.toml").read_text(encoding="utf-8"))
    return tuple(msgspec.convert(data["family"], list[Family]))


def _known(app: App) -> Family | None:
    """The family that names the app, unless this version of the app has other slots."""
    for family in _families():
        if any(fnmatchcase(app.id, pattern) for pattern in family.apps):
            return family if family.refuse or _fits(app, family) else None
    return None


def _guessed(app: App) -> Family | None:
    """The first family whose slots the app has; its wrapper may be quite another."""
    for family in _families():
        if not family.refuse and _fits(app, family) and _speaks_of(app, family.words):
            return structs.replace(
                family,
                known=False,
                can=(),
                trust_exit_code=False,
                why_finished=Family().why_finished,
                archives_to_owner=False,
                keeps_folders=False,
                needs_allocation=None,
            )
    return None


def _fits(app: App, family: Family) -> bool:
    return bool(family.script and app.slot(family.script)) and (
        not family.program or _takes(app.slot(family.program), family.program_value)
    )


def _takes(slot: Slot | None, value: str) -> bool:
    if slot is None:
        return False
    if slot.mode is Mode.FIXED:
        return slot.value == value
    return value in slot.choices if slot.choices else True


def _speaks_of(app: App, words: str) -> bool:
    told = " ".join((app.id, app.label, app.description, *(slot.description for slot in app.slots)))
    return words.lower() in told.lower()


def _overridden(family: Family | None, override: Mapping[str, Any]) -> Family | None:
    """The family with what the study says; a study may also tell all of an app that nothing is known of."""
    if not override:
        return family
    names = [
        name for name in Family.__struct_fields__ if name not in ("id", "apps", "words", "refuse", "known")
    ]
    for key in override:
        if key not in names:
            raise UsageError("there is no such key", where=f"{SETTING}.{key}", hint=did_you_mean(key, names))
    if family is None and "script" not in override:
        return None
    start = msgspec.to_builtins(family) if family and not family.refuse else {"known": False}
    try:
        return msgspec.convert({**start, **override}, Family)
    except msgspec.ValidationError as problem:
        what, _, key = str(problem).partition(" - at `$.")
        where = f"{SETTING}.{key.rstrip('`')}" if key else SETTING
        raise UsageError(what[:1].lower() + what[1:], where=where, hint=_FORM) from None


_FORM = (
    'as in: runner = "python", script = "Main Script", program = "Main Program", program_value = "python3"'
)


def _no_script(app: App, why: str) -> WeftError:
    because = why or "it has no slot for a script"
    return WeftError(
        f"no study can run in it: {because}",
        where=f"app {app.id} {app.version}",
        hint=f"{_slots(app)}. Choose an app that runs a script (`weft app list`), make one (`weft app new`), or say "
        f'in [{SETTING}] which slot a script goes to: script = "..."',
    )


def _slots(app: App) -> str:
    names = [f"`{slot.address}`" for slot in app.of(Kind.ARG, Kind.ENV) if slot.mode is not Mode.FIXED]
    inputs = [f"`{slot.name}`" for slot in app.of(Kind.INPUT, Kind.ARRAY) if slot.name]
    told = f"its slots are {', '.join(names)}" if names else "it has no slots"
    return told + (f", its inputs {', '.join(inputs)}" if inputs else "")
