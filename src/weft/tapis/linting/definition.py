"""The faults of a definition, ``app.json``. PURE: text in, findings out.

``shape`` knows the keys and their limits, ``archiving`` what becomes of results; the other rules between keys are here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from weft.tapis.linting import archiving
from weft.tapis.linting.finding import Finding, Level
from weft.tapis.linting.lines import Path, lines_of
from weft.tapis.linting.shape import ANSWERED, APP, complaints
from weft.tapis.linting.view import Fault, View, entries

RESERVED = frozenset(
    {"healthcheck", "readycheck", "search", "perms", "share", "share_public", "unshare", "unshare_public"}
)
"""Ids that would be taken for an operation of the service."""
RESERVED_VERSIONS = frozenset({"isenabled", "history", "enable", "disable", "delete", "undelete"})
_URL = re.compile(r"(tapis|https?)://[^/\s]+/.+")
_E, _W = Level.ERROR, Level.WARNING
_REFUSED = "Tapis refuses the app, or drops what it does not know"


def findings(text: str, file: str, *, has_wrapper: bool = False) -> Iterator[Finding]:
    """All that is wrong with a definition; with a wrapper beside it, its image is still to be made."""
    data, broken = parsed(text)
    if broken:
        yield Finding(
            file=file,
            line=broken[0],
            level=_E,
            rule="not-json",
            what=broken[1],
            why="Tapis takes definitions as JSON",
            remedy="quotes around keys and texts, commas between values, none after the last, no comments",
        )
        return
    lines = lines_of(text)
    for path, _line in lines.repeated:
        what = f"{path[-1]!r} is there twice"
        yield Fault(path, _E, "repeated-key", what, "only the last counts", "keep one").found(file, lines)
    for fault in faults_of(data, has_wrapper=has_wrapper):
        yield fault.found(file, lines)


def parsed(text: str) -> tuple[Any, tuple[int, str] | None]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        return None, (error.lineno, f"this is not JSON: {error.msg}")
    except (ValueError, RecursionError) as error:
        return None, (1, f"this is not JSON: {error}")
    return data, None if isinstance(data, dict) else (1, "this is not an object: an app is { ... }")


def faults_of(app: dict[str, Any], *, has_wrapper: bool) -> Iterator[Fault]:
    """The faults of a definition as data."""
    for key in set(app) & set(ANSWERED):
        what = f"{key} is not the app's to say"
        yield Fault((key,), _W, "answered-key", what, "the service fills it in", "leave it out")
    given = {key: value for key, value in app.items() if key not in ANSWERED}
    for path, rule, what, remedy in complaints(given, APP):
        yield Fault(path, _E, rule, what, _REFUSED, remedy)
    view = View(given)
    for look in _RULES:
        yield from look(view, has_wrapper)


def _identity(view: View, _: bool) -> Iterator[Fault]:
    taken = "it is a part of the service's own addresses"
    if view.text("id").lower() in RESERVED:
        yield Fault(("id",), _E, "reserved", f"{view.text('id')!r} cannot be an id", taken, "choose another")
    if view.text("version").lower() in RESERVED_VERSIONS:
        yield Fault(
            ("version",), _E, "reserved", f"{view.text('version')!r} cannot be a version", taken, "as in 1.0"
        )


def _runtime(view: View, has_wrapper: bool) -> Iterator[Fault]:
    runtime, image = view.text("runtime"), view.text("containerImage")
    packed = image.endswith((".zip", ".tar", ".tgz", ".tar.gz"))
    if (packed or has_wrapper) and runtime in ("", "DOCKER"):
        why = "without one the runtime is DOCKER, and the image is looked for in a registry of containers"
        yield Fault(
            ("runtime",),
            _E,
            "runtime",
            "an app with a wrapper needs the runtime ZIP",
            why,
            '"runtime": "ZIP"',
        )
    if runtime == "SINGULARITY" and "SINGULARITY_RUN" not in (view.app.get("runtimeOptions") or []):
        remedy = '"runtimeOptions": ["SINGULARITY_RUN"]'
        yield Fault(("runtime",), _E, "runtime", "the runtime SINGULARITY needs an option", _REFUSED, remedy)
    if runtime in ("", "DOCKER") and view.text("jobType") == "BATCH" and not (packed or has_wrapper):
        why = "Tapis cannot start Docker containers through a scheduler"
        yield Fault(("jobType",), _E, "runtime", "a DOCKER app cannot be BATCH", why, "SINGULARITY, or FORK")
    if view.job.get("isMpi") is True and view.text("cmdPrefix"):
        path = ("jobAttributes", "cmdPrefix")
        yield Fault(
            path, _E, "runtime", "cmdPrefix cannot be given together with isMpi", _REFUSED, "leave one out"
        )


def _image(view: View, has_wrapper: bool) -> Iterator[Fault]:
    image = view.text("containerImage")
    if not image and not has_wrapper:
        remedy = (
            "the address of the ZIP or container; `weft app deploy` fills it in where a wrapper is beside"
        )
        yield Fault(
            (), _E, "missing-key", "the definition has no containerImage", "there is nothing to run", remedy
        )
    if image and view.text("runtime") == "ZIP" and not (image.startswith("/") or _URL.fullmatch(image)):
        what = f"{image!r} is no place of a ZIP"
        why = "the runtime ZIP takes a file: an address or an absolute path on the execution system"
        yield Fault(
            ("containerImage",),
            _E,
            "image",
            what,
            why,
            "tapis://SYSTEM/PATH.zip; `weft app deploy` makes one",
        )


def _batch(view: View, _: bool) -> Iterator[Fault]:
    kind = view.text("jobType")
    if not kind:
        why = "the system then decides whether it is BATCH or FORK, and with that what its end is judged by"
        yield Fault((), _W, "job-type", "the definition has no jobType", why, '"jobType": "BATCH" or "FORK"')
    if kind == "BATCH" and not view.text("execSystemLogicalQueue"):
        why = "jobs go to the system's default queue, whose limits need not fit"
        remedy = '"execSystemLogicalQueue": the name of a queue'
        yield Fault(("jobAttributes",), _W, "no-queue", "a BATCH app without a queue", why, remedy)


def _values(view: View, _: bool) -> Iterator[Fault]:
    """What is FIXED must be there."""
    keys = {"envVariables": "value", "fileInputs": "sourceUrl", "fileInputArrays": "sourceUrls"}
    for path, _name, given in view.lists():
        key = keys.get(str(path[-1]), "arg")
        for number, each in enumerate(given):
            if each.get("inputMode") == "FIXED" and each.get(key) in (None, [], "!tapis_not_set"):
                what = f"{path[-1]}[{number}] is FIXED and has no {key}"
                yield Fault(
                    (*path, number), _E, "fixed-without-value", what, "no job could give it one", f"add {key}"
                )


def _names(view: View, _: bool) -> Iterator[Fault]:
    for path, name, given in view.lists():
        yield from _repeated(path, name, [each.get(name) for each in given])
    variables = [each.get("key") for each in entries(view.parameters.get("envVariables"))]
    for path, _name, given in view.lists():
        for number, each in enumerate(given):
            key = each.get("envKey")
            if isinstance(key, str) and key in variables:
                what = f"envKey {key!r} is the key of an environment variable too"
                yield Fault((*path, number), _E, "same-name", what, "one of the two is lost", "rename one")


def _repeated(path: Path, key: str, names: Iterable[Any]) -> Iterator[Fault]:
    seen = set()
    for number, name in enumerate(names):
        if isinstance(name, str) and name in seen:
            what = f"{path[-1]} has {name!r} twice"
            yield Fault(
                (*path, number, key),
                _E,
                "same-name",
                what,
                "a job cannot say which it means",
                "rename one",
            )
        seen.add(name if isinstance(name, str) else None)


def _order(view: View, _: bool) -> Iterator[Fault]:
    """An argument that may be left out moves those behind it."""
    path: Path = ("jobAttributes", "parameterSet", "appArgs")
    left_out = ""
    for number, each in enumerate(entries(view.parameters.get("appArgs"))):
        if each.get("inputMode") in (None, "INCLUDE_ON_DEMAND"):
            left_out = left_out or str(each.get("name"))
        elif left_out:
            what = f"{each.get('name')!r} stands behind {left_out!r}, which a job may leave out"
            why = "arguments have no names on the command line: the wrapper would take one for the other"
            yield Fault((*path, number), _W, "order", what, why, "put those that may be left out last")


_RULES = (
    _identity,
    _runtime,
    _image,
    _batch,
    _values,
    _names,
    _order,
    archiving.place,
    archiving.inputs_again,
    archiving.image_too,
)
"""The rules between keys; each is told whether there is a wrapper beside the definition."""
