"""The files that a job gets: what the app says, what the request says, and what comes of the two.

Inputs are told apart by name. The request's come first and take from the app's of the same name what they leave out;
the app's that are complete and not mentioned follow; OPTIONAL ones that stay without a source are dropped. A target of
``*``, or none, is the source's own name. Arrays of inputs go the same way and then become one input per source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from weft.service.answers import Problem
from weft.service.apps.model import App, FileInput, FileInputArray
from weft.service.jobs.model import Env, Input, InputArrayGiven, InputGiven, as_text
from weft.service.jobs.request import limits
from weft.service.jobs.request.parameters import both, notes_text
from weft.service.places import clean

LOCAL = "tapislocal://"
LOCAL_HOST = "exec.tapis"
"""``tapislocal://exec.tapis/path`` is used where it is on the execution system, and not copied."""
_NAME_MAX = 80


class Sharing(Struct, frozen=True):
    """Who shared the app, if it is only there by sharing, and what of it the job uses; empty otherwise."""

    source: str = ""
    destination: str = ""

    @classmethod
    def of(cls, app: App, shared: Collection[str]) -> Sharing:
        """What an app shares, given which of its places the job uses."""
        grantor = app.shared_app_ctx or ""
        return cls(grantor, grantor if "SAC_EXEC_SYSTEM_INPUT_DIR" in shared else "")


class _Wanted(Struct, frozen=True):
    """An input, or an array of inputs, as the request or the app words it; what is not said is empty or None."""

    name: str
    sources: tuple[str, ...]
    target: str
    description: str | None
    env_key: str
    notes: str | None
    auto_mount: bool | None = None
    mode: str = ""
    of_app: bool = False
    """Are the sources those that the app names?"""


def merged_inputs(given: Sequence[InputGiven], app: App, sharing: Sharing, *, http: bool) -> list[Input]:
    """The inputs that are no arrays.

    Raises:
        Problem: 400: an unknown or unnamed input where the app is strict, a name twice, a fixed one changed, no source.
    """
    defined = [_app_input(each) for each in app.job_attributes.file_inputs]
    wanted = _merged([_given_input(each) for each in given], defined, app)
    inputs = []
    for each in wanted:
        source = _source(each.sources[0], each.name, http=http)
        target = _last_name(source) if each.target in ("", "*") else each.target
        if not target:
            if each.mode == "OPTIONAL":
                continue
            raise Problem(
                400,
                f"JOBS_NO_TARGET_PATH fileInputs {_shown(each)}: {source[:200]} has no name, so targetPath is needed",
            )
        auto_mount = True if each.auto_mount is None else each.auto_mount
        inputs.append(_input(each, source, target, sharing, each.name or None, auto_mount))
    return inputs


def merged_arrays(
    given: Sequence[InputArrayGiven], app: App, sharing: Sharing, *, http: bool
) -> tuple[list[Input], list[Env]]:
    """The inputs that the arrays become, and the variables that name the arrays' folders.

    Raises:
        Problem: 400, as ``merged_inputs``.
    """
    defined = [_app_array(each) for each in app.job_attributes.file_input_arrays]
    wanted = _merged([_given_array(each) for each in given], defined, app)
    inputs: list[Input] = []
    variables: list[Env] = []
    for number, each in enumerate(wanted, 1):
        folder = "/" if each.target in ("", "*") else each.target
        if each.env_key:
            variables.append(_variable(each.env_key, folder, each.name))
        for place, given_source in enumerate(each.sources, 1):
            source = _source(given_source, each.name, http=http)
            if source.startswith(LOCAL):
                raise Problem(
                    400,
                    f"JOBS_TAPISLOCAL_NOT_ALLOWED fileInputArrays {_shown(each)}: {source[:200]} cannot be in an array",
                )
            target = str(PurePosixPath(folder, _last_name(source)))
            suffix = f"_{number}.{place}"
            name = each.name[: _NAME_MAX - len(suffix)] + suffix if place == 1 else suffix
            inputs.append(_input(each, source, target, sharing, name, False))
    return inputs, variables


def variables_of(inputs: Iterable[Input]) -> list[Env]:
    """The variables that inputs ask for by their ``envKey``: where each is below the input directory."""
    return [_variable(each.env_key, each.target_path, each.name or "") for each in inputs if each.env_key]


def _variable(key: str, value: str, name: str) -> Env:
    description = f"EnvKey from input file: {name or 'unnamed'}"
    return Env(key=key, value=value, description=description, include=True, notes="{}")


def _input(
    wanted: _Wanted, source: str, target: str, sharing: Sharing, name: str | None, auto_mount: bool
) -> Input:
    place = f"fileInputs {_shown(wanted)}"
    try:
        clean(limits.no_control(target, place))
    except Problem as problem:
        raise Problem(400, f"TAPIS_PROHIBITED_DIR_PATTERN {place}: {problem.message}") from problem
    return Input(
        name=name,
        notes=wanted.notes or "{}",
        env_key=wanted.env_key or None,
        optional=wanted.mode == "OPTIONAL",
        source_url=source,
        target_path=target,
        description=wanted.description,
        auto_mount_local=auto_mount,
        src_shared_app_ctx=sharing.source if wanted.of_app and source.startswith("tapis://") else "",
        dest_shared_app_ctx=sharing.destination,
    )


# Request and app


def _merged(given: Sequence[_Wanted], defined: Sequence[_Wanted], app: App) -> list[_Wanted]:
    by_name = {each.name: each for each in defined}
    seen: set[str] = set()
    merged: list[_Wanted] = []
    for each in given:
        of_app = by_name.get(each.name) if each.name else None
        if app.strict_file_inputs and of_app is None:
            raise _not_defined(each, app)
        if each.name and each.name in seen:
            raise Problem(400, f"JOBS_DUPLICATE_FILE_INPUT {_shown(each)} is there twice")
        seen.add(each.name)
        one = each if of_app is None else _over(each, of_app)
        if one.sources or one.mode != "OPTIONAL":
            merged.append(one)
    for each in defined:
        complete = each.sources and each.target
        if each.name not in seen and (complete or each.mode != "OPTIONAL"):
            merged.append(each)
    for each in merged:
        if not each.sources:
            raise Problem(400, f"JOBS_NO_SOURCE_URL app {app.id}: the input {_shown(each)} has no sourceUrl")
        if each.env_key:
            _check_key(each)
    return merged


def _over(given: _Wanted, defined: _Wanted) -> _Wanted:
    """What the request says over what the app says."""
    if defined.mode == "FIXED":
        _check_fixed(given, defined)
    return _Wanted(
        name=given.name,
        sources=given.sources or defined.sources,
        target=given.target or defined.target,
        description=defined.description
        if given.description == defined.description
        else both(defined.description, given.description),
        env_key=given.env_key or defined.env_key,
        notes=given.notes or defined.notes,
        auto_mount=defined.auto_mount if given.auto_mount is None else given.auto_mount,
        mode=defined.mode,
        of_app=given.sources in ((), defined.sources),
    )


def _check_fixed(given: _Wanted, defined: _Wanted) -> None:
    pairs = (
        ("sourceUrl", given.sources or None, defined.sources),
        ("targetPath", given.target or None, defined.target),
        ("autoMountLocal", given.auto_mount, defined.auto_mount),
        ("description", given.description, defined.description),
        ("notes", given.notes, defined.notes),
        ("envKey", given.env_key or None, defined.env_key),
    )
    for name, asked, fixed in pairs:
        if asked is not None and asked != fixed:
            raise Problem(400, f"JOBS_FIXED_INPUT_ERROR {_shown(given)}: {name} is fixed by the app")


def _not_defined(given: _Wanted, app: App) -> Problem:
    if not given.name:
        return Problem(
            400,
            f"JOBS_UNNAMED_FILE_INPUT app {app.id} takes no input without a name: {str(given.sources)[:200]}",
        )
    return Problem(400, f"JOBS_NO_FILE_INPUT_DEFINITION app {app.id} has no input {_shown(given)}")


def _check_key(wanted: _Wanted) -> None:
    try:
        limits.env_key(wanted.env_key, "envKey")
    except Problem as problem:
        raise Problem(400, f"JOBS_INVALID_INPUT_ENVKEY {_shown(wanted)}: {problem.message}") from problem


def _source(url: str, name: str, *, http: bool) -> str:
    """A source that can be staged, in its full form."""
    place = f"the input {(name or 'unnamed')[:80]!r}"
    limits.no_control(url, f"sourceUrl of {place}")
    scheme, host, path = _parts(url)
    try:
        clean(path)
    except Problem as problem:
        raise Problem(
            400, f"TAPIS_PROHIBITED_DIR_PATTERN sourceUrl of {place}: {problem.message}"
        ) from problem
    if scheme == "tapislocal":
        if host not in ("", LOCAL_HOST) or not path:
            raise _no_source(url, place)
        return f"{LOCAL}{LOCAL_HOST}{path}"
    if scheme in ("http", "https") and host:
        if not http:
            raise Problem(
                400,
                f"FILES_HTTP_NOT_ALLOWED sourceUrl of {place}: http and https sources are switched off in this service",
            )
        return url
    if scheme != "tapis" or not host:
        raise _no_source(url, place)
    return url


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host or system, and path; in a path on a system every character counts, ``?`` and ``#`` too."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if scheme in ("http", "https"):
        path = path.partition("?")[0].partition("#")[0]
    return scheme, host, slash + path


def _last_name(url: str) -> str:
    return PurePosixPath(_parts(url)[2]).name


def _no_source(url: str, place: str) -> Problem:
    return Problem(
        400,
        f"TAPIS_INVALID_PARAMETER sourceUrl of {place} must be tapis://system/path, tapislocal://exec.tapis/path "
        f"or http(s), not {url[:80]!a}",
    )


def _shown(wanted: _Wanted) -> str:
    return repr((wanted.name or "unnamed")[:_NAME_MAX])


# The four wordings


def _text(value: str | None) -> str:
    return value if value and not value.isspace() else ""


def _given_input(given: InputGiven) -> _Wanted:
    source = _text(given.source_url or None)
    return _Wanted(
        name=_text(given.name or None),
        sources=(source,) if source else (),
        target=_text(given.target_path or None),
        description=given.description or None,
        env_key=_text(given.env_key or None),
        notes=notes_text(given.notes),
        auto_mount=given.auto_mount_local if isinstance(given.auto_mount_local, bool) else None,
    )


def _given_array(given: InputArrayGiven) -> _Wanted:
    return _Wanted(
        name=_text(given.name or None),
        sources=tuple(given.source_urls or ()),
        target=_text(given.target_dir or None),
        description=given.description or None,
        env_key=_text(given.env_key or None),
        notes=notes_text(given.notes),
    )


def _app_input(defined: FileInput) -> _Wanted:
    source = _text(defined.source_url)
    return _Wanted(
        name=defined.name,
        sources=(source,) if source else (),
        target=_text(defined.target_path),
        description=defined.description,
        env_key=defined.env_key or "",
        notes=as_text(defined.notes),
        auto_mount=defined.auto_mount_local,
        mode=defined.input_mode,
        of_app=True,
    )


def _app_array(defined: FileInputArray) -> _Wanted:
    return _Wanted(
        name=defined.name,
        sources=tuple(defined.source_urls),
        target=_text(defined.target_dir),
        description=defined.description,
        env_key=defined.env_key or "",
        notes=as_text(defined.notes),
        mode=defined.input_mode,
        of_app=True,
    )
