"""The web application: every operation of every part, behind one door.

The door knows the caller (``X-Tapis-Token``), puts every problem into the envelope, whatever it is, and plays the
faults that were asked for. Handlers are plain functions that run on threads; only those that take or give long
streams are coroutines. Brief ones, which take less than a thread costs to ask, run at once where the database is a
file beside us.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import anyio.to_thread
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.service import authenticator, faults, tenants, tokens
from weft.service.answers import Answer, Problem, enveloped, refused
from weft.service.apps import routes as apps
from weft.service.asking import BODY_LIMIT, Ask
from weft.service.database import UNREACHABLE
from weft.service.files import routes as files
from weft.service.jobs import routes as jobs
from weft.service.routes import Operation
from weft.service.systems import routes as systems

if TYPE_CHECKING:
    from weft.service.server import Service

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)

TOKEN_HEADER = "x-tapis-token"  # noqa: S105 - the name of a header
_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORT = re.compile(r":\d*$")
_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
_DISK_FULL = frozenset({27, 28, 122})


def operations() -> tuple[Operation, ...]:
    """All that the service answers to, in the order in which paths are compared; ``weft`` ones are our own."""
    return (
        *tenants.OPERATIONS,
        *authenticator.OPERATIONS,
        *tokens.OPERATIONS,
        *systems.OPERATIONS,
        *apps.OPERATIONS,
        *files.OPERATIONS,
        *jobs.OPERATIONS,
        *faults.OPERATIONS,
    )


def application(service: Service) -> ASGIApp:
    """The ASGI application of one service."""
    endpoints = [(each, _endpoint(service, each)) for each in operations()]
    app = Starlette(
        routes=[
            Route(each.path, endpoint, methods=[each.method], name=each.operation_id)
            for each, endpoint in endpoints
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _unforeseen},
    )
    app.router.redirect_slashes = False
    plain = {(each.method, each.path): endpoint for each, endpoint in endpoints if "{" not in each.path}
    return _Door(app, plain, service)


def _endpoint(service: Service, operation: Operation) -> Endpoint:
    streams = inspect.iscoroutinefunction(operation.handler)

    async def endpoint(request: Request) -> Response:
        try:
            content = b"" if streams else await _content(request)
            ask = Ask(service, request, content=content)
            if not operation.open_to_all:
                claims = service.tokens.claims(request.headers.get(TOKEN_HEADER, ""))
                ask.claims, ask.user = claims, str(claims["tapis/username"])
            if streams:
                given = await operation.handler(ask)
            else:
                with service.courtesy.answering():
                    if operation.brief and service.database.near:
                        given = operation.handler(ask)
                    else:
                        given = await anyio.to_thread.run_sync(operation.handler, ask)
        except Problem as problem:
            return refused(problem)
        except ClientDisconnect:
            return Response(status_code=400)
        except (OSError, *UNREACHABLE) as error:
            return refused(_of_the_machine(error, operation))
        return enveloped(given) if isinstance(given, Answer) else given

    return endpoint


async def _content(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise Problem(413, f"TAPIS_TOO_LARGE The request is larger than {BODY_LIMIT} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _of_the_machine(error: OSError | SQLAlchemyError, operation: Operation) -> Problem:
    """A full disk or a database that is away is the owner's to mend and no fault of the service; anything else is."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _DISK_FULL or "disk is full" in str(error):
        return Problem(
            507, "TAPIS_NO_SPACE The disk of this machine is full: free some space, then try again"
        )
    if _is_away(error):
        log.error("%s waits in vain for the database: %s", operation.operation_id, error)
        return Problem(503, "TAPIS_NO_DATABASE The database of the service does not answer: try again later")
    log.error("%s failed", operation.operation_id, exc_info=error)
    return Problem(500, f"TAPIS_INTERNAL_ERROR {operation.operation_id}: {type(error).__name__}")


def _is_away(error: OSError | SQLAlchemyError) -> bool:
    """Did the database break off, or not let anybody in? What it says to a statement is another thing."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or error.statement is None
    return isinstance(error, SQLAlchemyError)


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = {
        404: "TAPIS_NOT_FOUND There is no such operation",
        405: "TAPIS_NOT_ALLOWED There is no such method here",
    }
    response = refused(
        Problem(status, f"{known.get(status, 'TAPIS_ERROR')}: {request.method} {request.url.path}")
    )
    response.headers.update(getattr(error, "headers", None) or {})
    return response


async def _unforeseen(request: Request, error: Exception) -> Response:
    """A fault of the service itself: the caller learns its kind, the log all of it."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return refused(Problem(500, f"TAPIS_INTERNAL_ERROR {type(error).__name__}"))


class _Door:
    """What stands in front of every operation: faults on demand, browsers' questions, the look of paths.

    Paths without parameters, among them those that are asked for in bursts, are found in a table; for all others
    Starlette compares one pattern after the other.
    """

    def __init__(self, app: ASGIApp, plain: Mapping[tuple[str, str], Endpoint], service: Service) -> None:
        self.app = app
        self.plain = plain
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        fault = self.service.faults.request(scope["method"], scope["path"])
        if fault is None:
            await self._answer(scope, receive, send)
        else:
            await fault.play(self._answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = _of_the_address(scope)
        if problem is not None:
            await refused(problem)(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_cors(scope))(scope, receive, send)
        else:
            await self._find(scope, receive, _with_cors(scope, send))

    async def _find(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self.plain.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self.app(scope, receive, send)
            return
        request = Request({**scope, "path_params": {}}, receive)
        try:
            response = await endpoint(request)
        except Exception as error:
            response = await _unforeseen(request, error)
        await response(scope, receive, send)


def _of_the_address(scope: Scope) -> Problem | None:
    """What is wrong with where a request goes; a foreign name leads here only by a trick with the name service."""
    host = _PORT.sub("", dict(scope["headers"]).get(b"host", b"").decode("latin-1")).lower()
    if host not in _NAMES:
        return Problem(400, "TAPIS_INVALID_HOST The service answers as localhost and 127.0.0.1 only")
    if "\0" in scope["path"]:
        return Problem(400, "TAPIS_INVALID_PATH A path may hold no NUL character")
    return None


def _cors(scope: Scope) -> dict[str, str]:
    """Pages of this machine only may ask from a browser."""
    origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
    if not re.fullmatch(r"https?://(localhost|127\.0\.0\.1)(:\d+)?", origin):
        return {}
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": _METHODS,
        "access-control-allow-headers": "content-type, x-tapis-token, x-tapis-tenant, x-tapis-user, authorization",
        "vary": "origin",
    }


def _with_cors(scope: Scope, send: Send) -> Send:
    extra = [(name.encode(), value.encode()) for name, value in _cors(scope).items()]
    if not extra:
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *extra]
        await send(message)

    return sending
