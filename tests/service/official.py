"""The judge of answers: the official OpenAPI specifications, as they lie inside the installed tapipy wheel.

``check`` says what is wrong with one answer, ``match`` says which operation a request was, and ``watch`` judges every
answer that a requests session or a tapipy client gets. The specifications are read with every property nullable and
further properties allowed, as the real service needs it. Where recorded real answers or the specification itself
contradict it, ``corrections.py`` says so, each with its reason; nothing else is excused:

- an answer of 2xx has a documented status and a documented content type; where no content is documented it is a file,
  of any type;
- every other answer is the JSON envelope, whatever its status, since the specifications name only some of them;
- JSON has exactly the content type ``application/json``: official clients take anything else for a file.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

import requests
import yaml
from jsonschema import Draft4Validator, Draft7Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from requests.adapters import HTTPAdapter
from tests.service.corrections import CORRECTIONS, ENVELOPE, JSON, Correction

SPECS = ("tenants", "authenticator", "systems", "apps", "files", "jobs")
METHODS = ("get", "put", "post", "delete", "patch")


class Official(NamedTuple):
    """One operation of a specification; ``path`` begins with ``/v3``."""

    spec: str
    operation_id: str
    method: str
    path: str


class UnknownOperation(Exception):
    """No specification has an operation of this name."""


def raw(spec: str) -> dict[str, Any]:
    """The specification as it is in the wheel, all paths below ``/v3``; a new copy each time."""
    text = files("tapipy").joinpath("resources").joinpath(f"openapi_v3-{spec}.yml").read_bytes()
    document: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    document["paths"] = {_below_v3(path): item for path, item in document["paths"].items()}
    return document


def _below_v3(path: str) -> str:
    return path if path.startswith("/v3/") else f"/v3{path}"


@cache
def operations(spec: str) -> tuple[Official, ...]:
    """All operations of one specification, in its order."""
    return tuple(
        Official(spec, each["operationId"], method.upper(), path)
        for path, item in _document(spec)["paths"].items()
        for method, each in item.items()
        if method in METHODS
    )


def match(method: str, path: str) -> tuple[str, str] | None:
    """Which operation a request to this path is, as (specification, operation id); None for what none of them has."""
    path = re.sub(r"/{2,}", "/", path)
    for each, pattern in _patterns():
        if each.method == method.upper() and pattern.fullmatch(path):
            return each.spec, each.operation_id
    return None


@cache
def _patterns() -> list[tuple[Official, re.Pattern[str]]]:
    """Literal segments win over parameters, the earlier the better, as in the real service."""
    known = [each for spec in (*SPECS, "tokens") for each in operations(spec)]
    known.sort(key=lambda each: [segment.startswith("{") for segment in each.path.split("/")])
    return [(each, re.compile(_pattern(each.path), re.DOTALL)) for each in known]


def _pattern(path: str) -> str:
    rest = re.fullmatch(r"(.*)/\{(?:path|outputPath)\}", path)
    text = re.escape(rest[1] if rest else path)
    return re.sub(r"\\\{\w+\\\}", "[^/]+", text) + ("(?:/.*)?" if rest else "/?")


def check(spec: str, operation_id: str, status: int, content_type: str | None, body: bytes) -> list[str]:
    """What is wrong with one answer, in sentences; an empty list if nothing is.

    Raises UnknownOperation if the specification has no such operation.
    """
    found = _complaints(_responses(spec, operation_id), status, content_type or "", body)
    return [f"{spec}.{operation_id} {status}: {complaint}" for complaint in found]


def _complaints(
    documented: dict[int, dict[str, Any]], status: int, content_type: str, body: bytes
) -> Iterator[str]:
    success = 200 <= status < 300
    contents = documented.get(status, {})
    if success and status not in documented:
        yield f"an undocumented status; documented are {sorted(documented)}"
    elif success and contents and content_type not in contents:
        yield f"the content type {content_type!r} is not documented: {sorted(contents)}"
    elif success and (not contents or content_type != JSON):
        return  # a file, with anything in it
    elif content_type != JSON:
        yield f"the content type is {content_type!r} where it must be {JSON!r}"
    else:
        schemas = [ENVELOPE, contents.get(JSON) or next(iter(contents.values()), {})]
        yield from _json_complaints(schemas, success, body)


def _json_complaints(schemas: list[Any], success: bool, body: bytes) -> Iterator[str]:
    try:
        answer = json.loads(body, parse_constant=_refuse)
    except ValueError as error:
        yield f"the body is not JSON: {error}"
        return
    for schema in schemas:
        for found in _Nullable(schema, format_checker=_FORMATS).iter_errors(answer):
            yield f"{found.json_path}: {found.message[:300]}"
    if success and isinstance(answer, dict) and answer.get("status") != "success":
        yield f"$.status: {answer.get('status')!r} in a success"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _properties(validator: Any, properties: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword ``properties`` where null stands for whatever is absent."""
    if isinstance(instance, dict):
        for name, schema in properties.items():
            if instance.get(name) is not None:
                yield from validator.descend(instance[name], schema, path=name, schema_path=name)


def _json_text(validator: Any, schema: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword ``json`` of the corrections: a text that holds JSON of its own."""
    if isinstance(instance, str):
        try:
            inner = json.loads(instance)
        except ValueError as error:
            yield ValidationError(f"{instance[:80]!r} is not JSON: {error}")
        else:
            yield from validator.descend(inner, schema, path="(json)")


_Nullable = extend(
    Draft4Validator,  # for which 1.0 is no integer; of later drafts only the conditions are wanted
    {"properties": _properties, "json": _json_text, "if": Draft7Validator.VALIDATORS["if"]},
)
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    """RFC 3339 with a zone; Python 3.10 knows neither ``Z`` nor nine digits of a second."""
    if not isinstance(value, str):
        return True
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)", value)
    return bool(parts and datetime.fromisoformat(parts[1] + parts[2].replace("Z", "+00:00")))


@_FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(UUID(value))


@_FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@_FORMATS.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


@cache
def _responses(spec: str, operation_id: str) -> dict[int, dict[str, Any]]:
    """By status, the schema of each documented content type; an empty table where no content is documented."""
    document = _document(spec)
    for item in document["paths"].values():
        for each in item.values():
            if each["operationId"] == operation_id:
                return {
                    int(status): {
                        media_type: _resolved(document, content.get("schema", {}))
                        for media_type, content in (response.get("content") or {}).items()
                    }
                    for status, response in each["responses"].items()
                }
    raise UnknownOperation(f"{spec}.{operation_id}")


@cache
def _document(spec: str) -> dict[str, Any]:
    document = raw(spec)
    for correction in CORRECTIONS:
        if correction.spec == spec:
            _correct(document, correction)
    return document


def _correct(document: dict[str, Any], correction: Correction) -> None:
    *way, last = correction.place
    node: Any = document
    for step in way:
        node = node[_below_v3(step) if node is document["paths"] else step]
    node[last] = correction.instead


def _resolved(document: dict[str, Any], node: Any) -> Any:
    """The schema with every reference replaced by what it refers to: the specifications have no circles."""
    if isinstance(node, list):
        return [_resolved(document, each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return _resolved(document, target)
    return {key: _resolved(document, value) for key, value in node.items()}


class Watch:
    """What was seen of the answers that passed by: ``complaints``, and how often which operation had which status."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.seen: Counter[tuple[str, str, int]] = Counter()
        self.elsewhere: Counter[tuple[str, str]] = Counter()

    def note(self, method: str, url: str, status: int, content_type: str | None, body: bytes) -> list[str]:
        """Judge one answer; what is no official operation is only counted."""
        path = unquote(urlsplit(url).path)
        found = match(method, path)
        if found is None:
            self.elsewhere[method, path] += 1
            return []
        spec, operation_id = found
        self.seen[spec, operation_id, status] += 1
        complaints = check(spec, operation_id, status, content_type, body)
        self.complaints += complaints
        return complaints

    def succeeded(self, spec: str) -> set[str]:
        """The operations of a specification that had an answer of 2xx."""
        return {operation for of, operation, status in self.seen if of == spec and 200 <= status < 300}


def watch(of: Any, watch: Watch | None = None) -> Watch:
    """Judge every answer to come of a ``requests.Session``, or of a tapipy client."""
    session: requests.Session = getattr(of, "requests_session", of)
    watcher = watch or Watch()
    for prefix in ("http://", "https://"):
        session.mount(prefix, _Judging(watcher))
    return watcher


class _Judging(HTTPAdapter):
    """Files are left unread, so that they may be streamed."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        response = super().send(request, **options)
        content_type = response.headers.get("content-type")
        body = response.content if (content_type or "").startswith(JSON) else b""
        self._watch.note(request.method or "", request.url or "", response.status_code, content_type, body)
        return response
