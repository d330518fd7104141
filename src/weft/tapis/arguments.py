"""Arguments of an operation held against its specification, before anything is sent.

``tapipy`` drops what it does not know without a word, a mistyped name too; it sends no header parameters, and puts
the values of a path into it as they are, so that ``?`` and ``#`` would cut it short. PURE.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from weft.core.nearest import did_you_mean
from weft.errors import WeftError

_JSON = "application/json"


class WrongArguments(WeftError):
    """A call has arguments that the operation does not have, or lacks some that it needs: a mistake in a program."""


class Prepared(Struct, frozen=True, kw_only=True):
    """Arguments as ``tapipy`` is to be given them."""

    arguments: dict[str, Any]
    headers: dict[str, str]


def prepared(name: str, description: Mapping[str, Any], arguments: Mapping[str, Any]) -> Prepared:
    """The arguments of operation ``name``, checked and encoded.

    Raises:
        WrongArguments: An argument is unknown, missing, or cannot be sent.
    """
    parameters = {each["name"]: each for each in description.get("parameters") or ()}
    fields, needed = _body(description.get("requestBody") or {})
    known = [*parameters, *fields]
    for given in arguments:
        if given not in known:
            raise WrongArguments(f"{name} has no argument `{given}`", hint=_which(given, known))
    needed |= {each for each, parameter in parameters.items() if parameter.get("required")}
    missing = [each for each in known if each in needed and each not in arguments]
    if missing:
        raise WrongArguments(f"{name} needs {', '.join(f'`{each}`' for each in dict.fromkeys(missing))}")
    places = {each: parameters[each]["in"] if each in parameters else "body" for each in arguments}
    _check_json(name, {each: value for each, value in arguments.items() if each in fields}, description)
    sent = {
        each: _encoded(name, each, value, places[each])
        for each, value in arguments.items()
        if places[each] != "header"
    }
    headers = {each: str(value) for each, value in arguments.items() if places[each] == "header"}
    return Prepared(arguments=sent, headers=headers)


def _body(body: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """The fields of a request's body, and those of them that it needs."""
    content = body.get("content") or {}
    for kind in (_JSON, "multipart/form-data"):
        if kind in content:
            schema = content[kind].get("schema") or {}
            if not schema.get("properties"):  # tapipy then takes the whole as one argument
                return ["request_body"], {"request_body"} if body.get("required") else set()
            return list(schema["properties"]), set(schema.get("required") or ())
    return (["message"], set()) if content else ([], set())


def _which(given: str, known: list[str]) -> str:
    return did_you_mean(given, known) if known else "it takes none"


def _check_json(name: str, fields: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    if _JSON not in ((description.get("requestBody") or {}).get("content") or {}):
        return
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongArguments(f"{name}: the arguments cannot be written as JSON: {error}") from error


def _encoded(name: str, argument: str, value: object, place: str) -> object:
    if place == "query":
        return _query(value)
    if place != "path":
        return value
    text = str(value) if value is not None else ""
    if not text:
        raise WrongArguments(f"{name}: `{argument}` must not be empty")
    if ".." in text.split("/"):
        raise WrongArguments(f"{name}: `{argument}` must not have `..` in it", where=text)
    return quote(text, safe="/~!$&'()*+,;=:@")


def _query(value: object) -> object:
    """Booleans as the specification writes them; ``tapipy`` would send ``True``."""
    return str(value).lower() if isinstance(value, bool) else value


def query_of(query: Mapping[str, Any] | None) -> dict[str, Any]:
    """Further query parameters (search conditions, say), which no specification names."""
    return {each: _query(value) for each, value in (query or {}).items()}
