"""The verbs of the backend."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from weft.backends.base import Brought, Collected, Packed, Refused, Seen
from weft.backends.tapis.jobs import Jobs, job_name
from weft.backends.tapis.leavings import ZIPS, Leavings
from weft.backends.tapis.place import Place, reach
from weft.backends.tapis.signs import RECORDS, STOP, LastSigns
from weft.backends.tapis.tcl import check_tcl
from weft.backends.tapis.together import together
from weft.core.events import Allotment, HistoryRead
from weft.errors import BackendError, NotLoggedIn, UsageError, WeftError
from weft.model import Bundle, Limits, Node, Outcome, Phase, SharedInput, Study
from weft.store.bundle import TCL_RUNNER
from weft.store.folder import StudyFolder
from weft.tapis import histories, lifecycle
from weft.tapis.request import Wanted, build
from weft.tapis.session import Rejected

AT_ONCE = 8
"""Submissions under way at the same time: more would only wait at the service."""
PATIENCE = 30.0
"""Seconds that a runner has to stop by itself before the service is asked to kill it."""


class TapisBackend:
    """Runs jobs through an app of a Tapis tenant."""

    name = "tapis"

    def __init__(
        self, study: Study, folder: StudyFolder, settings: Mapping[str, Any], client: Any = None
    ) -> None:
        self._study = study
        self._folder = folder
        self._settings = settings
        self._client = client
        self._reached: Place | None = None
        self._lock = threading.Lock()
        self._jobs = Jobs(lambda: self._place)
        self._leavings = Leavings(folder, lambda: self._place, self._jobs)
        self._signs: LastSigns | None = None
        self._warnings: tuple[str, ...] = ()
        """About shared inputs that the site may soon remove."""
        self._asked: dict[str, float] = {}
        """When jobs were first asked to stop."""
        self._ours: set[str] = set()
        """Jobs that are known to be this login's."""

    @property
    def _place(self) -> Place:
        """The service and what the study uses of it; reached for when it is first needed."""
        with self._lock:
            if self._reached is None:
                self._reached = reach(self._study, self._settings, self._client)
            return self._reached

    @property
    def doubt(self) -> str:
        return self._place.family.why_finished

    @property
    def limits(self) -> Limits:
        """The smaller of what Tapis and the site allow, less what else the user has at work there."""
        limits, most = self._place.limits, self._place.most_jobs
        if most is None:
            return limits
        free = max(0, most - self._jobs.others(limits.poll_most))
        return replace(limits, max_jobs=min(free, limits.max_jobs))

    @property
    def node(self) -> Node:
        return self._place.node

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self._place.notes(), *self._warnings)

    @property
    def given(self) -> Allotment:
        return replace(self._place.given, includes=[RECORDS, ZIPS])

    def prepare(self) -> None:
        if self._place.node.runner == TCL_RUNNER:
            check_tcl(self._study)
        self.preview([Packed(job="check", folder=Path(), bundle=Bundle(cases=()))])

    def share(self, inputs: Sequence[SharedInput]) -> dict[str, dict[str, Any]]:
        there, self._warnings = self._place.share(inputs)
        return there

    # Submitting

    def preview(self, jobs: Sequence[Packed]) -> list[dict[str, Any]]:
        return [self._request(packed) for packed in jobs]

    def submit(self, jobs: Sequence[Packed]) -> dict[str, str | Refused]:
        answers = together(self._submit, jobs, AT_ONCE)
        return {
            packed.job: answer for packed, answer in zip(jobs, answers, strict=True) if answer is not None
        }

    def _submit(self, packed: Packed) -> str | Refused | None:
        """Upload the job's folder and submit it; None where nobody can tell whether the job exists."""
        place = self._place
        there = place.input(packed.job)
        doing = f"its files cannot be put at {there}: "
        try:
            for name in (place.node.runner, "bundle.zip"):
                place.files.upload(packed.folder / name, there.system, (there / name).path, verify=False)
            doing = ""
            self._folder.account(packed.job).write_text(place.account)
            told = place.session.call("jobs.submitJob", **self._request(packed))
            native = str(told["uuid"])
        except NotLoggedIn:
            raise
        except Rejected as refusal:
            return Refused(doing + (refusal.said or refusal.what))
        except (BackendError, KeyError, TypeError):
            return None
        self._jobs.learn(native, told)
        return native

    def _request(self, packed: Packed) -> dict[str, Any]:
        place, get = self._place, self._settings.get
        archive = place.archive(packed.job)
        wanted = Wanted(
            name=job_name(packed.job),
            description=f"weft: study {self._study.name}, {len(packed.bundle.cases)} cases",
            input=str(place.input(packed.job)),
            script=place.node.runner,
            archive_system=archive.system,
            archive_dir=f"/{archive.path}",
            includes=(RECORDS, ZIPS),
            job_type=get("type"),
            queue=get("queue"),
            nodes=get("nodes"),
            cores_per_node=place.cores,
            memory_mb=place.memory_mb,
            minutes=math.ceil(packed.bundle.minutes) if packed.bundle.minutes else None,
            allocation=get("allocation"),
            reservation=get("reservation"),
            args=get("args", {}),
            env=get("env", {}),
            inputs=get("inputs", {}),
            tags=(*get("tags", ()), *place.tags, "weft", f"weft-study:{self._study.name}"),
        )
        return build(place.app, place.system, place.family, wanted)

    # Watching

    def find(self, jobs: Sequence[str]) -> dict[str, str]:
        self._check_ours(jobs)
        names = {job_name(job): job for job in jobs}
        found: dict[str, str] = {}
        for told in self._jobs.named([*names]):
            found.setdefault(names[told["name"]], str(told["uuid"]))
        return found

    def _check_ours(self, jobs: Iterable[str]) -> None:
        """Refuse jobs of another login: no search shows them, so they would be taken for lost, and run twice."""
        for job in set(jobs) - self._ours:
            with contextlib.suppress(FileNotFoundError):
                theirs = self._folder.account(job).read_text()
                if theirs != self._place.account:
                    raise UsageError(
                        f"job {job} is at {theirs}, and you are logged in at {self._place.account}",
                        hint=f"`weft login {theirs.replace(' as ', ' --user ')}`, and let the jobs come to their end",
                    )
            self._ours.add(job)

    def look(self, natives: Mapping[str, str]) -> dict[str, Seen]:
        if not natives:
            return {}
        self._check_ours(natives)
        told = self._jobs.look(natives, self._leavings.tells_the_end)
        doubtful = [native for native, one in told.items() if lifecycle.may_live(one)]
        lives = dict(zip(doubtful, together(self._may_live, doubtful, AT_ONCE), strict=True))
        return {
            job: _seen(told[native], lives.get(native, False))
            for job, native in natives.items()
            if native in told
        }

    def _may_live(self, native: str) -> bool:
        """May processes of a job live on that is over for Tapis?"""
        told = self._jobs.told(native)
        where = self._place.at_work(told)
        if where is None:
            return False  # it never had a place to run
        place = self._place
        if self._signs is None:
            quiet, longest = 2 * place.limits.settle, 60 * (place.limits.max_minutes or math.inf)
            self._signs = LastSigns(place.files, quiet=quiet, longest=longest)
        # The one in Tcl stops between two cases; what a user cancelled was killed besides.
        heeds = place.node.runner != TCL_RUNNER or told.get("status") == "CANCELLED"
        return self._signs.may_live(native, where, heeds=heeds)

    # Reading

    def collect(self, job: str, native: str, offset: int) -> Collected:
        records, offset = self._leavings.records(job, native, offset)
        return Collected(records=records, offset=offset)

    def bring(self, job: str, native: str) -> Brought:
        complaints = self._leavings.bring(job, native)
        return Brought(complaint="; ".join(complaints), history=self._history(job, native))

    def _history(self, job: str, native: str) -> HistoryRead | None:
        try:
            history = histories.read(self._place.session, native)
        except NotLoggedIn:
            raise
        except WeftError:
            return None  # it is for the profile only
        return lifecycle.account(job, history.job, history.entries, at=history.read_at)

    # Stopping

    def cancel(self, natives: Mapping[str, str]) -> None:
        seen = self.look(natives)
        together(self._cancel, [(native, job in seen) for job, native in natives.items()], AT_ONCE)

    def _cancel(self, which: tuple[str, bool]) -> None:
        """Ask the runner to stop, so that its records and outputs are whole and archived; else the service to kill.

        Of a job that is not seen nobody will know whether it has stopped: both are asked at once.
        """
        native, seen = which
        told, now = self._jobs.told(native), time.monotonic()
        if told.get("status") == "RUNNING" and now - self._asked.setdefault(native, now) < PATIENCE:
            folder = self._place.at_work(told)
            with contextlib.suppress(Rejected):
                if folder is not None:
                    self._place.files.upload(b"", folder.system, (folder / STOP).path, verify=False)
                    if seen:
                        return
        try:
            self._place.session.call("jobs.cancelJob", jobUuid=str(told.get("uuid") or native))
        except Rejected as refusal:
            if refusal.status not in (400, 404, 409):  # it is over, or hidden, which only what is over can be
                raise BackendError(f"the service does not cancel job {native}: {refusal.said}") from refusal


def _seen(told: Mapping[str, Any], alive: bool = False) -> Seen:
    status = str(told.get("status") or "")
    if alive:
        return Seen(phase=Phase.RUNNING, word=f"{status}, but what it started may still run")
    condition, message = told.get("condition"), str(told.get("lastMessage") or "")
    outcome = lifecycle.outcome_of(status, condition, message)
    word = f"{status}, {condition}" if condition and condition != "NORMAL_COMPLETION" else status
    if told.get("hidden"):
        return Seen(phase=Phase.ARCHIVING, outcome=outcome, word="hidden", why="it was hidden in the portal")
    why = message if outcome not in (None, Outcome.FINISHED) else ""
    return Seen(phase=lifecycle.PHASES.get(status, Phase.RUNNING), outcome=outcome, word=word, why=why)
