"""The table of operations: what the service answers to, under the names of the official specifications.

Each part of the service exports ``OPERATIONS``; the web application, the documentation and the tests read them.
An operation that makes no sense on one machine is in the table too, with the reason why it answers 501.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.service.answers import Answer, Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from weft.service.asking import Ask

Handler = Callable[["Ask"], "Answer | Response"] | Callable[["Ask"], Awaitable["Answer | Response"]]


class Operation(Struct, frozen=True):
    """One operation; ``path`` in Starlette's notation; ``reason`` says why it is absent, and is empty otherwise.

    A ``brief`` one takes a millisecond of computing and a statement or two, and touches no file.
    """

    spec: str
    operation_id: str
    method: str
    path: str
    handler: Any
    open_to_all: bool = False
    reason: str = ""
    brief: bool = False


def operation(
    spec: str,
    operation_id: str,
    method: str,
    path: str,
    handler: Handler,
    *,
    open_to_all: bool = False,
    brief: bool = False,
) -> Operation:
    """An operation that is here. ``open_to_all`` ones are answered without a token."""
    return Operation(spec, operation_id, method, path, handler, open_to_all, brief=brief)


def absent(spec: str, operation_id: str, method: str, path: str, reason: str) -> Operation:
    """An operation of the official specification that is not here: it answers 501 with the reason."""

    def handler(_ask: Ask) -> Answer:
        raise Problem(501, f"TAPIS_NOT_IMPLEMENTED {operation_id}: {reason}")

    return Operation(spec, operation_id, method, path, handler, reason=reason)
