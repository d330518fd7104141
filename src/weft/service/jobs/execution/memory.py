"""What the worker remembers of a job: in its row (``Launch``), and while the service runs (``Visit``).

A ``Turn`` is one job in the worker's hands: whatever changes the job goes through it, so it is always as its row is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from weft.service.apps.model import App
from weft.service.jobs.execution.ending import Stop
from weft.service.jobs.model import Job
from weft.service.jobs.states import Status
from weft.service.systems.model import System

if TYPE_CHECKING:
    from weft.service.server import Service

Way = Literal["", "fork", "queue", "slurm"]
"""How a job is executed: as a process, through the built-in queue, through Slurm."""


class Launch(Struct, frozen=True, omit_defaults=True):
    """What must survive a crash.

    ``token`` is that of the one attempt to launch, ``begun`` the real time when RUNNING began (seconds since the
    epoch), ``word`` the application's end in the scheduler's language, ``blocked`` the state a blocked job goes back
    to.
    """

    way: Way = ""
    token: str = ""
    runtime: str = ""
    begun: float = 0.0
    word: str = ""
    blocked: Status | None = None


_LAUNCH = msgspec.json.Decoder(Launch)


class Visit(Struct):
    """One stay of a job in one state; times are those of the monotonic clock.

    ``due`` is when its next step is, ``launched`` when its processes were started; ``looks`` counts the looks at what
    is waited for; ``stopping`` is since when the job's processes have been asked to end; ``measure`` when its outputs
    are to be measured next, ``silent`` since when nothing is heard of it. ``again`` tells that the state was found
    after a restart: part of its work may be done.
    """

    status: Status
    again: bool = False
    due: float = 0.0
    looks: int = 0
    since: float = msgspec.field(default_factory=time.monotonic)
    stopping: float = 0.0
    measure: float = 0.0
    silent: float = 0.0
    launched: float = 0.0


class Turn:
    """One job in the worker's hands, for as long as there is something to do for it.

    The definitions that the job depends on are read once in a turn.
    """

    def __init__(self, service: Service, job: Job, visit: Visit) -> None:
        self._service = service
        self._ledger = service.ledger
        self._systems: dict[str, System] = {}
        self._app: App | None = None
        self.job = job
        self.visit = visit

    @property
    def app(self) -> App:
        """The job's app as it is now; Stop if it is there no more."""
        if self._app is None:
            job = self.job
            self._app = self._service.apps.get(job.tenant, job.app_id, job.app_version)
            if self._app is None:
                raise Stop(f"JOBS_APP_NOT_FOUND The app {job.app_id} {job.app_version} is not there any more")
        return self._app

    @property
    def system(self) -> System:
        """The system that the job is executed on, as it is now; Stop if it is there no more."""
        return self._found(self.job.exec_system_id)

    @property
    def archive(self) -> System:
        """The system that the job's outputs go to, as it is now; Stop if it is there no more."""
        return self._found(self.job.archive_system_id)

    def _found(self, system_id: str) -> System:
        if system_id not in self._systems:
            system = self._service.systems.get(self.job.tenant, system_id)
            if system is None:
                raise Stop(f"JOBS_SYSTEM_NOT_FOUND The system {system_id} is not there any more")
            self._systems[system_id] = system
        return self._systems[system_id]

    @property
    def launch(self) -> Launch:
        return _LAUNCH.decode(self.job.launch) if self.job.launch else Launch()

    def note(self, **changes: object) -> None:
        """Remember something of the launch."""
        self.update(launch=self._with(changes))

    def update(self, **changes: object) -> None:
        """Change attributes of the job."""
        self.job = self._ledger.update(self.job.uuid, **changes)

    def move(
        self,
        status: Status,
        *,
        message: str | None = None,
        noted: dict[str, object] | None = None,
        **changes: object,
    ) -> None:
        """Bring the job to a status, with what is to be remembered of the launch and whatever else changes."""
        if noted:
            changes["launch"] = self._with(noted)
        self.job = self._ledger.transition(self.job.uuid, status, message=message, **changes)
        self.visit = Visit(status)

    def _with(self, changes: dict[str, object]) -> str:
        return msgspec.json.encode(msgspec.structs.replace(self.launch, **changes)).decode()
