"""What a definition may hold: every key, with its kind and limits, as the Apps service of Tapis takes it. PURE.

Source: the official specification of the Apps service, 25Q4. A value of null means what absence means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from weft.core.nearest import did_you_mean
from weft.tapis.linting.lines import Path


class Text(Struct, frozen=True):
    """A text of 1 to ``most`` characters; ``pattern`` must match all of it, ``told`` says what that means."""

    most: int
    pattern: str = r"(?s).*\S.*"
    told: str = "be empty"
    least: int = 1


class OneOf(Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]


class Whole(Struct, frozen=True):
    """A whole number."""

    least: int


class Flag(Struct, frozen=True):
    """true or false."""


class Free(Struct, frozen=True):
    """An object of the user's own."""


class Items(Struct, frozen=True):
    """A list."""

    of: Shape


class Keys(Struct, frozen=True):
    """An object with certain keys."""

    shapes: Mapping[str, Shape]
    required: tuple[str, ...] = ()


Shape = Text | OneOf | Whole | Flag | Free | Items | Keys
Complaint = tuple[Path, str, str, str]
"""Path, rule, what is wrong, what to do."""

_KINDS: Mapping[type, tuple[str, type]] = {
    Text: ("a text", str),
    OneOf: ("a text", str),
    Whole: ("a whole number", int),
    Flag: ("true or false", bool),
    Free: ("an object", dict),
    Keys: ("an object", dict),
    Items: ("a list", list),
}


def complaints(value: Any, shape: Shape, path: Path = ()) -> Iterator[Complaint]:
    """Say what of a value does not have its shape, in the order of the value."""
    kind, wanted = _KINDS[type(shape)]
    of_its_kind = type(value) is wanted  # true is no number
    if not of_its_kind:
        yield path, "wrong-kind", f"{_shown(path)} must be {kind}", f"it is {json.dumps(value)[:60]}"
    elif isinstance(shape, Keys):
        yield from _of_object(value, shape, path)
    elif isinstance(shape, Items):
        for number, each in enumerate(value):
            yield from complaints(each, shape.of, (*path, number))
    elif isinstance(shape, OneOf) and value not in shape.words:
        what = f"{_shown(path)} is {value!r}; it may be {', '.join(shape.words)}"
        yield path, "unknown-word", what, did_you_mean(value, shape.words)
    elif isinstance(shape, Whole) and not shape.least <= value < 2**31:
        yield path, "out-of-limits", f"{_shown(path)} is {value}", f"from {shape.least} to {2**31 - 1}"
    elif isinstance(shape, Text):
        yield from _of_text(value, shape, path)


def _of_object(value: dict[str, Any], shape: Keys, path: Path) -> Iterator[Complaint]:
    for key in shape.required:
        if value.get(key) is None:
            yield (
                path,
                "missing-key",
                f"{_shown(path)} has no {key}",
                f"add {key}: Tapis refuses the app without",
            )
    for key, each in value.items():
        if key not in shape.shapes:
            yield (
                (*path, key),
                "unknown-key",
                f"{_shown(path)} has no key {key!r}",
                did_you_mean(key, shape.shapes),
            )
        elif each is not None:
            yield from complaints(each, shape.shapes[key], (*path, key))


def _of_text(value: str, shape: Text, path: Path) -> Iterator[Complaint]:
    if len(value) > shape.most:
        yield path, "out-of-limits", f"{_shown(path)} has {len(value)} characters", f"at most {shape.most}"
    elif len(value) >= shape.least and not re.fullmatch(shape.pattern, value):
        yield path, "wrong-text", f"{_shown(path)} is {value!r}; it may not {shape.told}", "write another"
    elif len(value) < shape.least:
        yield path, "wrong-text", f"{_shown(path)} is empty", "fill it in, or leave it out"


def _shown(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".").removeprefix("jobAttributes.") or "the definition"


def _any(most: int) -> Text:
    return Text(most, pattern=r"(?s).*", least=0)


_URL_SAFE = "hold anything but letters, digits and . _ ~ -"
_ID = Text(80, r"[A-Za-z0-9._~-]+", _URL_SAFE)
_VARIABLE = Text(
    256, r"(?!_tapis)[A-Za-z_][A-Za-z0-9_]*", "be anything but letters, digits and _, nor begin with _tapis"
)
_NAME, _DIR, _TAG, _PLACE = Text(80), Text(4096), Text(128), Text(4096)
_ARG_MODES = OneOf(("REQUIRED", "FIXED", "INCLUDE_BY_DEFAULT", "INCLUDE_ON_DEMAND"))
_INPUT_MODES = OneOf(("REQUIRED", "OPTIONAL", "FIXED"))
_SAID: Mapping[str, Shape] = {"description": _any(8096), "notes": Free()}
_ARG = Keys({"name": _NAME, "inputMode": _ARG_MODES, "arg": _any(65536), **_SAID}, ("name",))
_ENV = Keys({"key": _VARIABLE, "value": _any(65536), "inputMode": _ARG_MODES, **_SAID}, ("key",))
_INPUT = Keys(
    {
        "name": _NAME,
        "inputMode": _INPUT_MODES,
        "envKey": _VARIABLE,
        "autoMountLocal": Flag(),
        "sourceUrl": _PLACE,
        "targetPath": _PLACE,
        **_SAID,
    },
    ("name", "targetPath"),
)
_ARRAY = Keys(
    {
        "name": _NAME,
        "inputMode": _INPUT_MODES,
        "envKey": _VARIABLE,
        "sourceUrls": Items(_PLACE),
        "targetDir": _PLACE,
        **_SAID,
    },
    ("name", "targetDir"),
)
_PARAMETERS = Keys(
    {
        "appArgs": Items(_ARG),
        "containerArgs": Items(_ARG),
        "schedulerOptions": Items(_ARG),
        "envVariables": Items(_ENV),
        "archiveFilter": Keys(
            {"includes": Items(_PLACE), "excludes": Items(_PLACE), "includeLaunchFiles": Flag()}
        ),
        "logConfig": Keys(
            {"stdoutFilename": Text(255), "stderrFilename": Text(255)}, ("stdoutFilename", "stderrFilename")
        ),
    }
)
_TARGET = Keys(
    {"deliveryMethod": OneOf(("WEBHOOK", "EMAIL")), "deliveryAddress": _PLACE},
    ("deliveryMethod", "deliveryAddress"),
)
_EVENTS = ("JOB_NEW_STATUS", "JOB_INPUT_TRANSACTION_ID", "JOB_ARCHIVE_TRANSACTION_ID", "JOB_SUBSCRIPTION")
_SUBSCRIPTION = Keys(
    {
        "description": _any(2048),
        "enabled": Flag(),
        "jobEventCategoryFilter": OneOf((*_EVENTS, "JOB_ERROR_MESSAGE", "JOB_USER_EVENT", "ALL")),
        "ttlMinutes": Whole(0),
        "deliveryTargets": Items(_TARGET),
    },
    ("jobEventCategoryFilter", "deliveryTargets"),
)
_JOB = Keys(
    {
        "description": _any(2048),
        "dynamicExecSystem": Flag(),
        "execSystemConstraints": Items(_PLACE),
        "execSystemId": _ID,
        "execSystemExecDir": _DIR,
        "execSystemInputDir": _DIR,
        "execSystemOutputDir": _DIR,
        "execSystemLogicalQueue": Text(128),
        "dtnSystemInputDir": _DIR,
        "dtnSystemOutputDir": _DIR,
        "archiveSystemId": _ID,
        "archiveSystemDir": _DIR,
        "archiveOnAppError": Flag(),
        "archiveMode": OneOf(("ALWAYS", "SKIP_ON_FAIL", "NEVER")),
        "isMpi": Flag(),
        "mpiCmd": Text(126),
        "cmdPrefix": Text(126),
        "parameterSet": _PARAMETERS,
        "fileInputs": Items(_INPUT),
        "fileInputArrays": Items(_ARRAY),
        "nodeCount": Whole(1),
        "coresPerNode": Whole(1),
        "memoryMB": Whole(1),
        "maxMinutes": Whole(1),
        "subscriptions": Items(_SUBSCRIPTION),
        "tags": Items(_TAG),
    }
)
APP = Keys(
    {
        "id": Text(80, r"[A-Za-z0-9][A-Za-z0-9._~-]*", _URL_SAFE),
        "version": Text(64, r"[A-Za-z0-9._~-]+", _URL_SAFE),
        "description": _any(2048),
        "owner": Text(60),
        "enabled": Flag(),
        "versionEnabled": Flag(),
        "locked": Flag(),
        "runtime": OneOf(("ZIP", "SINGULARITY", "DOCKER")),
        "runtimeVersion": _any(128),
        "runtimeOptions": Items(OneOf(("NONE", "SINGULARITY_RUN"))),
        "containerImage": Text(4096),
        "jobType": OneOf(("BATCH", "FORK")),
        "maxJobs": Whole(-1),
        "maxJobsPerUser": Whole(-1),
        "strictFileInputs": Flag(),
        "jobAttributes": _JOB,
        "tags": Items(_TAG),
        "notes": Free(),
    },
    ("id", "version"),
)
ANSWERED = ("tenant", "isPublic", "sharedWithUsers", "sharedAppCtx", "uuid", "deleted", "created", "updated")
"""What the service adds when it is asked for an app; nobody sets it."""
