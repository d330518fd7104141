"""One request as the handlers see it: who asks, for what, with which values, all of them checked.

Bodies become msgspec structures; a violation is told with the path of the field, as in
``jobAttributes.fileInputs[0].name``. Nothing that a client sends may end as anything but a 4xx answer here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from weft.service.answers import Problem

if TYPE_CHECKING:
    from weft.service.server import Service

T = TypeVar("T")

BODY_LIMIT = 8 * 2**20
"""Bytes of a JSON body; files come as streams and know no such limit."""
DEPTH_LIMIT = 40
_NUMBER_LIMIT = 2**31 - 1
_PLACE = re.compile(r" - at `\$\.?(.*?)`$")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[][{}]")
_MISSING = re.compile(r"missing required field `(.+?)`")


class Ask:
    """One request; ``user`` and ``tenant`` are empty for operations that are open to all."""

    def __init__(
        self, service: Service, request: Request, *, user: str = "", tenant: str = "", content: bytes = b""
    ) -> None:
        self.service = service
        self.request = request
        self.user = user
        self.tenant = tenant or service.tenant
        self.base = f"{request.url.scheme}://{request.headers.get('host', '127.0.0.1')}"
        self.claims: Mapping[str, Any] = {}
        self.path: dict[str, str] = {
            name: str(value).lstrip("/") for name, value in request.path_params.items()
        }
        self._content = content
        self._query: list[tuple[str, str]] | None = None

    def query(self) -> list[tuple[str, str]]:
        """All query parameters in their order."""
        if self._query is None:
            given = str(self.request.scope["query_string"], "latin-1")
            try:
                pairs = parse_qsl(given, keep_blank_values=True, errors="strict", max_num_fields=200)
            except ValueError as error:
                raise Problem(400, f"TAPIS_INVALID_QUERY The query string cannot be read: {error}") from error
            if any("\0" in name or "\0" in value for name, value in pairs):
                raise Problem(400, "TAPIS_INVALID_QUERY The query string holds a NUL character")
            self._query = pairs
        return self._query

    def text(self, name: str, default: str | None = None) -> str | None:
        """A query parameter; the last one if it was given several times."""
        for key, value in reversed(self.query()):
            if key == name:
                return value
        return default

    def flag(self, name: str, default: bool = False) -> bool:
        given = self.text(name)
        if given is None or given == "":
            return default
        if given.lower() in ("true", "1", "yes"):
            return True
        if given.lower() in ("false", "0", "no"):
            return False
        raise Problem(400, f"TAPIS_INVALID_PARAMETER {name} must be true or false, not {given[:80]!r}")

    def number(
        self, name: str, default: int, *, least: int = -_NUMBER_LIMIT, most: int = _NUMBER_LIMIT
    ) -> int:
        given = self.text(name)
        if given is None or given == "":
            return default
        if re.fullmatch(r"[+-]?[0-9]{1,10}", given) and least <= int(given) <= most:
            return int(given)
        raise Problem(
            400,
            f"TAPIS_INVALID_PARAMETER {name} must be a whole number from {least} to {most}, not {given[:80]!r}",
        )

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of a few words; upper and lower case are the same."""
        given = (self.text(name) or default).upper()
        if given not in allowed:
            raise Problem(
                400, f"TAPIS_INVALID_PARAMETER {name} must be one of {', '.join(allowed)}, not {given[:80]!r}"
            )
        return given

    def page(self, items: Sequence[T]) -> Sequence[T]:
        """The part of a short list that ``offset`` and ``limit`` ask for; a negative limit is none."""
        offset, limit = self.number("offset", 0, least=0), self.number("limit", -1)
        return items[offset:] if limit < 0 else items[offset : offset + limit]

    def raw(self) -> bytes:
        return self._content

    def body(self, kind: type[T], *, empty_as: T | None = None, drop_nulls: bool = False) -> T:
        """The JSON body, decoded and checked.

        With ``drop_nulls`` a null counts as absent wherever it stands, but inside ``notes``. ``empty_as`` is what an
        empty body stands for.

        Raises:
            Problem: 400, naming the field that is wrong.
        """
        if empty_as is not None and not self._content.strip():
            return empty_as
        return checked(self.json(), kind, drop_nulls=drop_nulls)

    def json(self) -> Any:
        """The JSON body as plain values."""
        if b"\\u0000" in self._content or b"\0" in self._content:
            raise _invalid("the text holds a NUL character")
        _check_depth(self._content)
        try:
            return msgspec.json.decode(self._content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid(str(error)) from error


def checked(data: Any, kind: type[T], *, drop_nulls: bool = False) -> T:
    """Plain values as a structure.

    Raises:
        Problem: 400, naming the field that is wrong.
    """
    try:
        return msgspec.convert(without_nulls(data) if drop_nulls else data, kind)
    except msgspec.ValidationError as error:
        raise _invalid(_placed(str(error))) from error


def without_nulls(data: Any) -> Any:
    """The same values without the keys that are null; ``notes`` stay as they were given."""
    if isinstance(data, dict):
        return {
            key: value if key == "notes" else without_nulls(value)
            for key, value in data.items()
            if value is not None
        }
    return [without_nulls(value) for value in data] if isinstance(data, list) else data


def _placed(complaint: str) -> str:
    """msgspec's complaint, with the path of the field in front, as users write paths."""
    found = _PLACE.search(complaint)
    place, what = (found[1], complaint[: found.start()]) if found else ("", complaint)
    missing = _MISSING.search(what)
    if missing:
        place, what = f"{place}.{missing[1]}".lstrip("."), "a value is required"
    what = what[:1].lower() + what[1:]
    return f"{place}: {what}" if place else what


def _invalid(what: str) -> Problem:
    return Problem(400, f"NET_INVALID_JSON_INPUT The request is not valid: {what}")


def _check_depth(content: bytes) -> None:
    """Refuse what nests too deep before anything walks through it."""
    if content.count(b"[") + content.count(b"{") <= DEPTH_LIMIT:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", content)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH_LIMIT:
            raise _invalid(f"it nests deeper than {DEPTH_LIMIT} levels")
