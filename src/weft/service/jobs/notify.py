"""Telling the world: what happens to a job is sent to those who subscribed to it.

Webhooks are posted by a few threads, each address always by the same one, so that what happened to a job arrives in
its order. A receiver that does not answer is tried a few times and then passed over; what waits when the service
stops is lost. Only this machine's loopback addresses are posted to unless the settings allow others, redirects are
not followed, and the address that was checked is the one connected to. E-mail is never sent, only logged.
"""

from __future__ import annotations

import http.client
import ipaddress
import logging
import queue
import socket
import ssl
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from msgspec import Struct

from weft.service.jobs import watching
from weft.service.jobs.events import Entry
from weft.service.jobs.model import Job
from weft.service.jobs.states import TERMINAL, Event

if TYPE_CHECKING:
    from weft.service.apps.model import DeliveryTarget
    from weft.service.clock import Clock

log = logging.getLogger(__name__)

SENDERS = 4
WAITING_LIMIT = 2000
"""Notifications that may wait for one sender; more are passed over."""
ATTEMPTS = 3
PAUSE = 0.5
"""Seconds before the second attempt; twice as long before each further one."""
TIMEOUT = 5.0
"""Seconds for a receiver to answer."""


class Heard(Struct, frozen=True):
    """An event of a job that is watched; ``number`` is its place in the history."""

    job: Job
    entry: Entry
    number: int
    subscriptions: Sequence[Mapping[str, Any]]


class _Post(Struct, frozen=True):
    address: str
    body: bytes


class Notifier:
    """Sends notifications in the background; its threads start with the first one."""

    def __init__(self, clock: Clock, *, allow_remote: bool) -> None:
        self._clock = clock
        self._allow_remote = allow_remote
        self._waiting: list[queue.Queue[_Post | None]] = []
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._starting = threading.Lock()

    def tell(self, heard: Heard) -> None:
        """Send an event to all who want it; returns at once."""
        now = self._clock.stamp()
        for row in heard.subscriptions:
            if watching.wants(row, heard.entry.event, now):
                for target in watching.targets(row):
                    self._send(heard, row, target, now)

    def _send(self, heard: Heard, row: Mapping[str, Any], target: DeliveryTarget, now: str) -> None:
        about = f"{heard.entry.event} {heard.entry.event_detail} of job {heard.job.uuid}"
        if target.delivery_method == "EMAIL":
            log.info("not sent by e-mail: %s", about)
            return
        sender = self._sender(target.delivery_address)
        try:
            sender.put_nowait(_Post(target.delivery_address, notification(heard, row, target, now)))
        except queue.Full:
            log.warning("not sent, too much waits for this receiver: %s", about)

    def _sender(self, address: str) -> queue.Queue[_Post | None]:
        with self._starting:
            while len(self._threads) < SENDERS:
                waiting: queue.Queue[_Post | None] = queue.Queue(WAITING_LIMIT)
                thread = threading.Thread(
                    target=self._post_all, args=(waiting,), name="weft-notify", daemon=True
                )
                self._waiting.append(waiting)
                self._threads.append(thread)
                thread.start()
        return self._waiting[zlib.crc32(address.encode()) % SENDERS]

    def _post_all(self, waiting: queue.Queue[_Post | None]) -> None:
        while (item := waiting.get()) is not None and not self._stopping.is_set():
            self._post(item)

    def _post(self, item: _Post) -> None:
        pause = PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status = post(item.address, item.body, allow_remote=self._allow_remote)
            except NotAllowed as error:
                log.warning("not sent to %s: %s", _host(item.address), error)
                return
            except (OSError, http.client.HTTPException, ValueError) as error:
                what = error if isinstance(error, OSError) else type(error).__name__
                log.info("attempt %d to reach %s: %s", attempt, _host(item.address), what)
            else:
                if status < 500:
                    return
            if attempt == ATTEMPTS or self._stopping.wait(pause):
                break
            pause *= 2
        log.warning("not sent to %s: it did not take it in %d attempts", _host(item.address), ATTEMPTS)

    def stop(self) -> None:
        """End the threads; what still waits is not sent."""
        self._stopping.set()
        for waiting in self._waiting:
            try:
                waiting.put_nowait(None)
            except queue.Full:
                pass  # its thread looks at _stopping after the next item
        for thread in self._threads:
            thread.join(TIMEOUT + 1)


class NotAllowed(Exception):
    """An address that is not posted to."""


def notification(heard: Heard, row: Mapping[str, Any], target: DeliveryTarget, now: str) -> bytes:
    """The body of a webhook; ``data`` is JSON text within it, as receivers expect."""
    entry, event_uuid = heard.entry, str(uuid4())
    last = entry.event == Event.JOB_NEW_STATUS.value and heard.job.status in TERMINAL
    event = {
        "source": "https://tapis.io/jobs",
        "type": f"jobs.{entry.event}.{entry.event_detail}",
        "subject": entry.job_uuid,
        "data": entry.description,
        "seriesId": entry.job_uuid,
        "timestamp": entry.created,
        "deleteSubscriptionsMatchingSubject": last,
        "tenant": heard.job.tenant,
        "user": "jobs",
        "received": now,
        "uuid": event_uuid,
        "seriesSeqCount": heard.number,
    }
    return msgspec.json.encode(
        {
            "uuid": str(uuid4()),
            "tenant": heard.job.tenant,
            "subscriptionName": row["name"],
            "eventUuid": event_uuid,
            "event": event,
            "deliveryTarget": target,
            "created": now,
        }
    )


def post(address: str, body: bytes, *, allow_remote: bool) -> int:
    """Post to a webhook once; the status it answers.

    Raises:
        NotAllowed: The address is no web address, or not one of this machine.
        OSError: It cannot be reached, or does not answer in time.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotAllowed("only http and https addresses are posted to")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=TIMEOUT)
    connection.sock = _connected(parts.hostname, port, allow_remote)
    try:
        if secure:
            connection.sock = ssl.create_default_context().wrap_socket(
                connection.sock, server_hostname=parts.hostname
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": "Tapis/v3", "Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _host(address: str) -> str:
    """What of an address may be logged: the rest of a webhook's is often a secret."""
    try:
        return (urlsplit(address).hostname or "an address without a host")[:200]
    except ValueError:
        return "an address that cannot be read"


def _connected(host: str, port: int, allow_remote: bool) -> socket.socket:
    """A connection to the very address that was looked at, so that no name can change its meaning meanwhile."""
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    if not allow_remote and not ipaddress.ip_address(str(where[0]).split("%")[0]).is_loopback:
        raise NotAllowed("only addresses of this machine are posted to")
    connection = socket.socket(family, kind, protocol)
    connection.settimeout(TIMEOUT)
    try:
        connection.connect(where)
    except OSError:
        connection.close()
        raise
    return connection
