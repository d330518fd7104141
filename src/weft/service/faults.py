"""Faults on demand: what goes wrong with a real service, made to happen so that clients can be tried against it.

A file of rules (JSON, read again whenever it changes) or ``PUT /weft/faults`` says which, as in
``[{"kind": "status", "status": 429, "where": "POST /v3/jobs/submit", "times": 3}]``. Rules are looked at in their
order; the first that fits and has lives left is used. Nothing is broken that no rule asks for, and by default there
are none. ``POST /weft/purge`` removes old files, as the purge of a scratch file system does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.types import Message, Receive, Scope, Send

from weft.errors import WeftError
from weft.service.answers import Answer, Problem, refused
from weft.service.asking import Ask
from weft.service.files.walking import walk
from weft.service.routes import operation

Kind = Literal["status", "slow", "lost", "late", "token", "transfer", "system"]
Answering = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAID = {
    429: "TAPIS_TOO_MANY_REQUESTS Too many requests: wait, then ask again",
    500: "TAPIS_INTERNAL_ERROR Something went wrong",
    502: "TAPIS_BAD_GATEWAY The service behind the proxy did not answer",
    503: "TAPIS_UNAVAILABLE The service is not available",
    504: "TAPIS_GATEWAY_TIMEOUT The service behind the proxy did not answer in time",
}
_EXPIRED = "TAPIS_SECURITY_JWT_INVALID Access is refused: the token has expired"


class Fault(Struct, forbid_unknown_fields=True, rename={"left": "times"}, omit_defaults=True):
    """One rule.

    ``where`` is a regular expression, found anywhere in ``METHOD /path`` of a request, in the source URL of a
    transfer, or matching the id of a system. ``times`` is how often the rule may still be used (-1: always), ``chance``
    how likely it is used when it fits. ``seconds`` is the delay of ``slow`` and ``late``, ``status`` the answer of
    ``status``.

    Kinds: ``status`` answers so without acting; ``slow`` waits, then acts; ``lost`` acts, and the connection ends
    without an answer; ``late`` ends the connection at once and acts later; ``token`` answers 401 as for an expired
    token; ``transfer`` makes transfers fail; ``system`` makes a system unreachable.
    """

    kind: Kind
    where: Annotated[str, Meta(max_length=500)] = ""
    left: int = -1
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Meta(ge=0, le=86_400)] = 1.0
    status: Annotated[int, Meta(ge=400, le=599)] = 500
    retry_after: Annotated[int, Meta(ge=0)] | None = None

    async def play(self, answer: Answering, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as the rule says."""
        if self.kind == "slow":
            await asyncio.sleep(self.seconds)
            await answer(scope, receive, send)
        elif self.kind == "lost":
            await answer(scope, receive, _nowhere)
            await _break_off(send)
        elif self.kind == "late":
            await self._act_late(answer, scope, receive)
            await _break_off(send)
        else:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 401 if self.kind == "token" else self.status
        said = _EXPIRED if self.kind == "token" else _SAID.get(status, "TAPIS_ERROR Something went wrong")
        response = refused(Problem(status, said))
        if self.retry_after is not None:
            response.headers["retry-after"] = str(self.retry_after)
        await response(scope, receive, send)

    async def _act_late(self, answer: Answering, scope: Scope, receive: Receive) -> None:
        """Read the request while the client is still there; carry it out when it has long gone."""
        messages: list[Message] = []
        while not messages or messages[-1].get("more_body"):
            messages.append(await receive())

        async def replay() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def later() -> None:
            await asyncio.sleep(self.seconds)
            await answer(scope, replay, _nowhere)

        task = asyncio.get_running_loop().create_task(later())
        _LATE.add(task)
        task.add_done_callback(_LATE.discard)


_LATE: set[asyncio.Task[None]] = set()
"""Requests to be carried out later; the loop itself keeps no hold of them."""


class Faults:
    """The rules of one service. Safe to share between threads."""

    def __init__(self, file: Path | None = None, seed: int | None = None) -> None:
        self.file = file
        self._seen: int | None = None
        self._rules: list[Fault] = []
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311 - which request is struck is no secret
        self._read()

    @property
    def rules(self) -> list[Fault]:
        with self._lock:
            return list(self._rules)

    def use(self, rules: list[Fault]) -> None:
        """Take these rules from now on, until the file changes.

        Raises:
            Problem: 400 for a ``where`` that is no regular expression.
        """
        for number, rule in enumerate(rules):
            try:
                re.compile(rule.where)
            except (re.error, OverflowError, RecursionError) as error:
                raise Problem(400, f"WEFT_INVALID_FAULTS [{number}].where: {error}") from error
        with self._lock:
            self._rules = rules

    def request(self, method: str, path: str) -> Fault | None:
        """The fault to answer this request with, if any; the door to the faults themselves is never struck."""
        if self.file is not None:
            self._read()
        if not self._rules or path == FAULTS_PATH:
            return None
        return self._struck(("status", "slow", "lost", "late", "token"), f"{method} {path}")

    def transfer_fails(self, source: str) -> bool:
        return bool(self._rules) and self._struck(("transfer",), source) is not None

    def down(self, system_id: str) -> bool:
        return bool(self._rules) and self._struck(("system",), system_id, whole=True) is not None

    def _struck(self, kinds: tuple[Kind, ...], subject: str, *, whole: bool = False) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                fits = rule.kind in kinds and rule.left
                found = fits and (re.fullmatch if whole and rule.where else re.search)(rule.where, subject)
                if found and (rule.chance >= 1 or self._random.random() < rule.chance):
                    rule.left -= 1 if rule.left > 0 else 0
                    return rule
        return None

    def _read(self) -> None:
        """Read the file if it has changed; damaged at the start it is an error, later the rules stay as they are."""
        if self.file is None:
            return
        first = self._seen is None
        try:
            changed = self.file.stat().st_mtime_ns
            if changed == self._seen:
                return
            self._seen = changed
            self.use(msgspec.json.decode(self.file.read_bytes(), type=list[Fault]))
        except (OSError, msgspec.MsgspecError, Problem) as error:
            if first:
                raise WeftError(
                    f"the file of faults cannot be used: {getattr(error, 'message', error)}",
                    where=str(self.file),
                    hint='it holds a list, as in [{"kind": "status", "status": 429, "times": 3}]',
                ) from error


FAULTS_PATH = "/weft/faults"


def get_faults(ask: Ask) -> Answer:
    _by_owner(ask)
    return Answer(ask.service.faults.rules, "The faults that are played.")


def put_faults(ask: Ask) -> Answer:
    _by_owner(ask)
    ask.service.faults.use(ask.body(list[Fault]))
    return Answer(ask.service.faults.rules, "The faults that are played from now on.")


def _by_owner(ask: Ask) -> None:
    if not ask.service.accounts.is_admin(ask.user):
        raise Problem(403, "WEFT_FORBIDDEN Only the first user of the service may say what goes wrong")


class Purge(Struct, forbid_unknown_fields=True, rename="camel"):
    """Which files a site's purge takes: those below ``path`` that nobody has changed for so many days."""

    system_id: str
    path: str = "/"
    older_than_days: Annotated[float, Meta(ge=0)] = 0.0


def purge(ask: Ask) -> Answer:
    """Remove files as the purge of a scratch file system does; the folders stay."""
    _by_owner(ask)
    asked = ask.body(Purge)
    system = ask.service.systems.visible(ask.user, ask.tenant, asked.system_id)
    tree = ask.service.places.tree(system)
    limit = time.time() - 86_400 * asked.older_than_days
    gone = 0
    for each in walk(tree, asked.path):
        if each.is_file and each.facts.st_mtime <= limit:
            with tree.spot(each.path, follow=False) as spot, contextlib.suppress(FileNotFoundError):
                os.unlink(spot.name, dir_fd=spot.folder)
                gone += 1
    return Answer({"changes": gone}, f"{gone} files are gone.")


async def _nowhere(_message: Message) -> None:
    """Where an answer goes that nobody will get."""


async def _break_off(send: Send) -> None:
    """Promise a byte and never send it: the server then has to close the connection, and the client gets nothing."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": b"", "more_body": True})


OPERATIONS = (
    operation("weft", "get_faults", "GET", FAULTS_PATH, get_faults),
    operation("weft", "put_faults", "PUT", FAULTS_PATH, put_faults),
    operation("weft", "purge", "POST", "/weft/purge", purge),
)
