"""The kinds of attribute that definitions of systems and of apps are made of: their lengths and patterns.

The limits are those of the official specifications of the Systems and Apps services. The rules at the end hold for both
kinds of definition; each yields complaints that begin with the path of what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

CALLER = "${apiUserId}"
"""Stands for whoever asks; as effectiveUserId it makes the effective user dynamic."""
INT_MAX = 2_147_483_647
"""The largest 32-bit integer; also Tapis's word for "no limit" beside -1."""

Id = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\A[A-Za-z0-9][A-Za-z0-9._~-]*\Z")]
Reference = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]
"""The id of something that need not exist yet."""
Version = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[A-Za-z0-9._~-]+\Z")]
UserName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"\S")]
LoginName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._@+-]*\Z")]
"""A user of a host; it becomes the name of a folder there."""
EffectiveUser = Annotated[
    str,
    Meta(min_length=1, max_length=60, pattern=r"\A(\$\{(apiUserId|owner)\}|[A-Za-z0-9_][A-Za-z0-9._@+-]*)\Z"),
]
Description = Annotated[str, Meta(max_length=2048)]
ArgDescription = Annotated[str, Meta(max_length=8096)]
Name = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]
QueueName = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"\S")]
Tag = Annotated[str, Meta(min_length=1, max_length=128)]
Dir = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"\S")]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Command = Annotated[str, Meta(min_length=1, max_length=126, pattern=r"\S")]
EnvKey = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z")]
Whole = Annotated[int, Meta(ge=-INT_MAX - 1, le=INT_MAX)]
Positive = Annotated[int, Meta(ge=1, le=INT_MAX)]
Port = Annotated[int, Meta(ge=-1, le=65535)]
"""-1 is Tapis's word for "not given"."""

InputMode = Literal["REQUIRED", "FIXED", "INCLUDE_ON_DEMAND", "INCLUDE_BY_DEFAULT"]
NOT_SET = "!tapis_not_set"
"""The value of a variable that is declared without one."""


class EnvVariable(msgspec.Struct, rename="camel", kw_only=True):
    """One environment variable of a system or of an app, in Tapis's words a key and a value."""

    key: EnvKey
    value: Annotated[str, Meta(max_length=65536)] = ""
    description: Description | None = None
    input_mode: InputMode = "INCLUDE_BY_DEFAULT"
    notes: dict[str, Any] = msgspec.field(default_factory=dict)


class Definition(msgspec.Struct, rename="camel", kw_only=True):
    """What definitions of systems and of apps have in common.

    The last five are the service's to fill in; what a client gives for them does not count.
    """

    id: Id
    description: Description | None = None
    owner: UserName = CALLER
    enabled: bool = True
    tags: list[Tag] = msgspec.field(default_factory=list)
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    tenant: str = ""
    uuid: str = ""
    deleted: bool = False
    created: str = ""
    updated: str = ""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FREE_TEXT = frozenset({"description", "notes"})


def control_characters(data: Any, path: str = "") -> Iterator[str]:
    """Complaints about control characters in any text but descriptions and notes."""
    if isinstance(data, str):
        if _CONTROL.search(data):
            yield f"{path}: holds a control character"
    elif isinstance(data, dict):
        for key, value in data.items():
            if key not in _FREE_TEXT:
                yield from control_characters(value, f"{path}.{key}".lstrip("."))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from control_characters(value, f"{path}[{number}]")


def repeated(names: Iterable[str], path: str, attribute: str = "name") -> Iterator[str]:
    """Complaints about names that stand twice in a list of things."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            yield f"{path}[{number}].{attribute}: {name!r} stands in the list already"
        seen.add(name)


def variables(given: list[EnvVariable], path: str) -> Iterator[str]:
    """Complaints about environment variables."""
    yield from repeated([each.key for each in given], path, "key")
    for number, each in enumerate(given):
        if each.key.startswith("_tapis"):
            yield f"{path}[{number}].key: {each.key!r} begins with _tapis, which is reserved"
        if each.input_mode == "FIXED" and each.value == NOT_SET:
            yield f"{path}[{number}].value: a FIXED variable needs a value"


def upward(directory: str | None, path: str) -> Iterator[str]:
    """A complaint about a directory that leads upward."""
    if directory is not None and ".." in directory.split("/"):
        yield f"{path}: may hold no `..`"
