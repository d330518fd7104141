"""The service as a whole: its parts, how they are put together, and how they start and stop.

One process per state folder, held by a lock on a file in it that vanishes with the process. Everything else a restart
needs is in the folder and the database: a service that was killed takes up its jobs where they stand.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import uvicorn

from weft.errors import UsageError, WeftError
from weft.schedulers.slurm import Slurm
from weft.service.accounts import Accounts
from weft.service.apps.register import Apps
from weft.service.clock import Clock, Pace
from weft.service.courtesy import Courtesy
from weft.service.database import Database
from weft.service.faults import Faults
from weft.service.files.transfers import Transfers
from weft.service.jobs.execution.worker import Worker
from weft.service.jobs.ledger import Ledger
from weft.service.places import Places
from weft.service.settings import Settings
from weft.service.starters.registering import furnish, usable_slurm
from weft.service.systems.register import Systems
from weft.service.tokens import Tokens
from weft.service.web import application

LOOPBACK = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger(__name__)


class Service:
    """All parts of one service, as the handlers reach them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tenant = settings.tenant
        self.folder = settings.folder
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.database = Database(settings.database_url)
        self.clock = Clock(settings.speed)
        self.pace = Pace(settings.pace, settings.seed)
        self.courtesy = Courtesy()
        self.faults = Faults(settings.faults, settings.seed)
        self.accounts = Accounts(self.folder / "users.json")
        self.tokens = Tokens(settings, self.database)
        self.systems = Systems(self)
        self.apps = Apps(self)
        self.places = Places(self)
        self.transfers = Transfers(self)
        self.ledger = Ledger(self)
        self.worker = Worker(self)
        self.slurm: Slurm | None = None

    def start(self) -> None:
        """Make or open the database, take up transfers and jobs where they stand.

        Raises:
            WeftError: The database cannot be used, or a Slurm that is wanted does not answer.
        """
        self.database.create()
        self.database.claim()
        self.tokens.recall()
        latest = self.ledger.latest()
        if latest is not None:
            self.clock.not_before(latest)
        self.slurm = usable_slurm(self.settings.slurm)
        furnish(self, self.slurm)
        self.transfers.start_up()
        self.worker.start()

    def stop(self) -> None:
        """Let go of everything; jobs that run go on running, and are found again."""
        self.worker.stop()
        self.transfers.stop()
        self.ledger.stop()
        self.database.close()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the only service of this folder.

    Raises:
        WeftError: Another one is, or the folder cannot be written.
    """
    with _lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WeftError(
                f"a service is running from this folder already (process {_holder(file)})",
                where=str(folder),
                hint="use that one, stop it, or take another folder with --folder",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock_file(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (folder / "lock").open("a+")
    except OSError as error:
        raise WeftError(
            f"the folder of the service cannot be used: {error.strerror or error}",
            where=str(folder),
            hint="take another with --folder",
        ) from error


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "unknown"


def listening(settings: Settings) -> socket.socket:
    """A socket on loopback, bound and not yet listening; port 0 takes a free one.

    Raises:
        UsageError: The host is not this machine's loopback.
        WeftError: The port is taken.
    """
    if settings.host not in LOOPBACK:
        raise UsageError(
            f"the service listens on loopback only, not on {settings.host}",
            where="--host",
            hint="anyone who reaches it can run programs as you; to come from elsewhere, use an SSH tunnel",
        )
    family = socket.AF_INET6 if settings.host == "::1" else socket.AF_INET
    # Named, the protocol lets asyncio send small answers at once; with 0 each would wait for the kernel's delay.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", settings.port))
    except OSError as error:
        bound.close()
        raise WeftError(
            f"port {settings.port} cannot be used: {error.strerror}",
            where="--port",
            hint="take another, or none",
        ) from error
    return bound


class WebServer(uvicorn.Server):
    """The HTTP server in front of a service; ``announce`` is called once it answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


def web_server(service: Service, announce: Callable[[], None] = lambda: None) -> WebServer:
    """The server for a service; ``run(sockets=[...])`` blocks until it is told to stop."""
    config = uvicorn.Config(
        application(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        http="h11",
        loop="asyncio",
        ws="none",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    return WebServer(config, announce)
