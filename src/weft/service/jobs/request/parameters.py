"""The parameter set of a job: what the app says, what the request says, and what comes of the two.

==================  =============================  =================================================
app's input mode    in the request                 in the job
==================  =============================  =================================================
REQUIRED            yes, or the app has a value    the request's value, else the app's
FIXED               not at all, or the same        the app's value
INCLUDE_BY_DEFAULT  as one likes                   unless the request says ``include: false``
INCLUDE_ON_DEMAND   as one likes                   if the request names it, but for ``include: false``
==================  =============================  =================================================

The app's arguments come first and in its order, then those that only the request has. Environment variables of the
request go before the app's, and these before the system's. Macros are replaced softly, everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType, structs

from weft.service.answers import Problem
from weft.service.apps.model import ArchiveFilter, ArgSpec, LogConfig
from weft.service.jobs.execution.filters import BadFilter, as_regex
from weft.service.jobs.model import Arg, ArgGiven, Env, EnvGiven, FilterGiven, LogGiven, as_text
from weft.service.jobs.request import limits
from weft.service.jobs.request.macros import Macros
from weft.service.systems.attributes import NOT_SET, EnvVariable

LOG_FILE = "tapisjob.out"
"""Where standard output and standard error go unless somebody says otherwise."""


def notes_text(notes: Mapping[str, Any] | UnsetType | None) -> str | None:
    """Notes as jobs keep them, JSON text; None where there are none."""
    return as_text(notes) if isinstance(notes, Mapping) else None


def both(first: str | None, second: str | None) -> str | None:
    """Two descriptions as one."""
    return f"{first}\n\n{second}" if first and second else first or second or None


# Arguments


def merged_args(given: Sequence[ArgGiven], defined: Sequence[ArgSpec], kind: str) -> list[Arg]:
    """The arguments of one kind (``appArgs``, ``containerArgs``, ``schedulerOptions``), macros still in them.

    Raises:
        Problem: 400: a name twice, a fixed argument changed, or one without a value.
    """
    named = _by_name(given, kind)
    args = [arg for spec in defined for arg in _of_app(spec, named.pop(spec.name, None), kind)]
    for each in given:
        if each.name is UNSET or each.name in named:
            args.append(_alone(each, kind))
    return args


def _by_name(given: Sequence[ArgGiven], kind: str) -> dict[str, ArgGiven]:
    named: dict[str, ArgGiven] = {}
    for each in given:
        if each.name is not UNSET and named.setdefault(each.name, each) is not each:
            raise Problem(400, f"JOBS_DUPLICATE_NAMED_ARG parameterSet.{kind}: {each.name!r} is there twice")
    return named


def _of_app(spec: ArgSpec, given: ArgGiven | None, kind: str) -> Iterable[Arg]:
    """What comes of an argument that the app defines: one argument, or none."""
    mode = spec.input_mode
    wanted = given is not None and given.include is not False
    if (mode == "INCLUDE_ON_DEMAND" and not wanted) or (
        mode == "INCLUDE_BY_DEFAULT" and given and not wanted
    ):
        return
    if given is None:
        value, description, notes, include = spec.arg, spec.description, as_text(spec.notes), None
    else:
        if mode == "FIXED":
            _check_fixed(spec, given, kind)
        value = given.arg if given.arg.strip() else spec.arg
        description = both(spec.description, given.description or None)
        notes = notes_text(given.notes) or as_text(spec.notes)
        include = None if given.include is UNSET else given.include
    if value is None or not value.strip():
        if mode == "INCLUDE_BY_DEFAULT":
            return
        raise _missing(spec.name, kind)
    _check_value(value, spec.name, kind)
    yield Arg(arg=value, name=spec.name, notes=notes, include=include, description=description)


def _alone(given: ArgGiven, kind: str) -> Arg:
    """An argument that only the request has."""
    name = given.name or None
    if not given.arg.strip():
        raise _missing(name or "unnamed", kind)
    _check_value(given.arg, name or "unnamed", kind)
    return Arg(
        arg=given.arg,
        name=name,
        notes=notes_text(given.notes),
        include=None if given.include is UNSET else given.include,
        description=given.description or None,
    )


def _check_fixed(spec: ArgSpec, given: ArgGiven, kind: str) -> None:
    same_notes = not given.notes or given.notes == spec.notes
    if given.arg != spec.arg or not same_notes:
        raise Problem(
            400,
            f"JOBS_FIXED_ARG_ERROR parameterSet.{kind}: {spec.name!r} is fixed by the app and cannot be changed",
        )


def _check_value(value: str, name: str, kind: str) -> None:
    """An app's argument is put on a command line as it is; of an option, the name is looked at."""
    if kind == "appArgs":
        limits.safe(value, f"parameterSet.{kind} {name!r}")
    else:
        limits.safe(limits.option(value)[0], f"parameterSet.{kind} {name!r}")


def _missing(name: str, kind: str) -> Problem:
    return Problem(400, f"JOBS_MISSING_ARG parameterSet.{kind}: {name!r} has no value")


def with_profile(options: list[Arg], profile: str | None) -> list[Arg]:
    """The scheduler's options with the profile of the system, unless they name one."""
    if not profile or any(option.arg.startswith(f"{limits.PROFILE} ") for option in options):
        return options
    synthetic = Arg(
        arg=f"{limits.PROFILE} {profile}",
        name="synthetic_tapis_profile",
        include=True,
        description="The tapis-profile value set in execution system.",
    )
    return [*options, synthetic]


def settled(args: Sequence[Arg], macros: Macros, kind: str) -> list[Arg]:
    """The arguments with their macros replaced."""
    done = []
    for each in args:
        value = limits.no_control(macros.soft(each.arg), f"parameterSet.{kind} {each.name or 'unnamed'!r}")
        done.append(each if value == each.arg else structs.replace(each, arg=value))
    return done


# Environment variables


def merged_env(
    given: Sequence[EnvGiven], app: Sequence[EnvVariable], system: Sequence[EnvVariable]
) -> list[Env]:
    """The variables of request, app and system: the same name in the former goes before it in the latter.

    Raises:
        Problem: 400: a name twice, reserved or impossible; a fixed variable changed; one without a value.
    """
    asked: dict[str, EnvGiven] = {}
    for each in given:
        limits.env_key(each.key, "parameterSet.envVariables")
        if asked.setdefault(each.key, each) is not each:
            raise duplicate_env("the request", each.key)
    defined = _app_over_system(app, system)
    merged = [env for each in given for env in _env_asked(each, defined.pop(each.key, None))]
    merged += [_env_defined(variable) for variable in defined.values() if _included(variable)]
    for env in merged:
        if env.value == NOT_SET:
            raise Problem(400, f"JOBS_MISSING_ENV_VALUE parameterSet.envVariables: {env.key} has no value")
    return merged


def _app_over_system(app: Sequence[EnvVariable], system: Sequence[EnvVariable]) -> dict[str, EnvVariable]:
    """The variables of app and system; a fixed one of the system cannot be another in the app."""
    defined: dict[str, EnvVariable] = {}
    for variable in app:
        limits.env_key(variable.key, "the app's envVariables")
        if defined.setdefault(variable.key, variable) is not variable:
            raise duplicate_env("the app", variable.key)
    for variable in system:
        limits.env_key(variable.key, "the system's jobEnvVariables")
        mine = defined.get(variable.key)
        if mine is None:
            defined[variable.key] = variable
        elif variable.input_mode == "FIXED" and mine.value != variable.value:
            raise _fixed_env(variable.key, "the app", "the system")
        else:
            strict = variable.input_mode in ("FIXED", "REQUIRED") and mine.input_mode.startswith("INCLUDE")
            value = variable.value if mine.value == NOT_SET else mine.value
            defined[variable.key] = structs.replace(
                mine,
                value=value,
                input_mode=variable.input_mode if strict else mine.input_mode,
                description=both(mine.description, variable.description),
                notes=mine.notes or variable.notes,
            )
    return defined


def _env_asked(given: EnvGiven, variable: EnvVariable | None) -> Iterable[Env]:
    """What comes of a variable that the request names: one variable, or none."""
    place = f"parameterSet.envVariables {given.key}"
    value = given.value or ""
    description = given.description or None
    notes = notes_text(given.notes)
    if variable is not None:
        mode = variable.input_mode
        if given.include is False and mode.startswith("INCLUDE"):
            return
        if mode == "FIXED" and given.value is not UNSET and value != variable.value:
            raise _fixed_env(given.key, "the request", "the app or the system")
        if given.value is UNSET or value == NOT_SET:
            value = variable.value
        description = both(description, variable.description)
        notes = notes or as_text(variable.notes)
    elif given.include is False:
        return
    yield Env(
        key=given.key,
        notes=notes or "{}",
        value=limits.no_control(value, place),
        include=True,
        description=description,
    )


def _included(variable: EnvVariable) -> bool:
    """Is a variable of app or system there when the request does not name it?"""
    if variable.input_mode == "INCLUDE_BY_DEFAULT":
        return variable.value != NOT_SET
    return variable.input_mode != "INCLUDE_ON_DEMAND"


def _env_defined(variable: EnvVariable) -> Env:
    return Env(
        key=variable.key,
        notes=as_text(variable.notes),
        value=limits.no_control(variable.value, f"the variable {variable.key}"),
        description=variable.description,
    )


def in_order(variables: Sequence[Env]) -> list[Env]:
    """The variables as jobs keep them: by name, upper and lower case being the same."""
    return sorted(variables, key=lambda env: env.key.lower())


def duplicate_env(where: str, key: str) -> Problem:
    return Problem(400, f"JOBS_DUPLICATE_ENV_VAR {where}: the variable {key[:80]} is there twice")


def _fixed_env(key: str, who: str, whose: str) -> Problem:
    return Problem(400, f"JOBS_FIXED_ENV_VAR_ERROR {who} cannot change {key}, which {whose} fixes")


# Archive filter and logs


def merged_filter(given: FilterGiven | UnsetType, defined: ArchiveFilter, macros: Macros) -> ArchiveFilter:
    """What to archive: the patterns of both, the request's first.

    Raises:
        Problem: 400: a pattern that means nothing.
    """
    asked = given or FilterGiven()
    launch_files = asked.include_launch_files
    filter_ = ArchiveFilter(
        includes=[macros.soft(each) for each in (*(asked.includes or ()), *defined.includes)],
        excludes=[macros.soft(each) for each in (*(asked.excludes or ()), *defined.excludes)],
        include_launch_files=defined.include_launch_files if launch_files is UNSET else launch_files,
    )
    for pattern in (*filter_.includes, *filter_.excludes):
        try:
            as_regex(pattern)
        except BadFilter as error:
            raise Problem(400, f"JOBS_INVALID_GLOB_FILTER parameterSet.archiveFilter: {error}") from error
    return filter_


def merged_log(given: LogGiven | UnsetType, defined: LogConfig | None) -> LogConfig:
    """Where standard output and standard error go; the request's two names go before the app's."""
    chosen = given or defined
    if chosen is None:
        return LogConfig(stdout_filename=LOG_FILE, stderr_filename=LOG_FILE)
    return LogConfig(stdout_filename=chosen.stdout_filename, stderr_filename=chosen.stderr_filename)
