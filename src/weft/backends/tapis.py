"""Jobs through Tapis v3: each is one Tapis job of an existing app, with one ZIP in and one ZIP out.

A job is found again by its name, which is our id. What it gets lies in a folder of the user's storage (the bundle and
the runner, in ``<storage>/<study and key>/<job>/in``), what it leaves is archived beside it (in ``.../out``), so both
places are known without asking. While it runs, its records are read where it runs. Tapis is asked about all jobs with
one search, whatever their number, and about one job only where a search does not show it.
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from weft.backends.base import Brought, Collected, Packed, Refused, Seen
from weft.backends.tapisend import PIECE, RECORDS, STOP, LastSigns
from weft.backends.tapisplace import Place, reach
from weft.core.cases import expand
from weft.core.command import render_command
from weft.core.events import HistoryRead
from weft.core.records import parse
from weft.core.tclbundle import script_of
from weft.errors import BackendError, CheckFailed, NotLoggedIn, UsageError, WeftError
from weft.model import Bundle, Limits, Node, Outcome, Phase, SharedInput, Study
from weft.store.bundle import TCL_RUNNER
from weft.store.folder import StudyFolder
from weft.tapis import histories, lifecycle
from weft.tapis.files import Damaged
from weft.tapis.paths import Address
from weft.tapis.request import NAME_MAX, Wanted, build, folder_of
from weft.tapis.session import Rejected

AT_ONCE = 8
"""Submissions under way at the same time: more would only wait at the service."""
TRANSFERS = 3
"""Downloads at once: what sites ask of their users."""
NAMES_AT_ONCE = 500
MISSING_AT_ONCE = 5
"""Jobs that a search did not show and that are looked at one by one, between two looks."""
ZIPS, ZIP_NAME = "out-*.zip", re.compile(r"out-[A-Za-z0-9-]+\.zip")
"""What the runner calls its outputs: as a pattern of what to archive, and exactly."""
PATIENCE = 30.0
"""Seconds that a runner has to stop by itself before the service is asked to kill it."""
ATTRIBUTES = (
    "uuid,name,status,condition,lastMessage,execSystemId,execSystemOutputDir,archiveSystemId,archiveSystemDir"
)
ACTIVE = (
    "PROCESSING_INPUTS",
    "STAGING_INPUTS",
    "STAGING_JOB",
    "SUBMITTING_JOB",
    "QUEUED",
    "RUNNING",
    "ARCHIVING",
)
"""What Tapis counts against its limits of jobs, and PENDING, which will be."""

One = TypeVar("One")
Answer = TypeVar("Answer")


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
        self._jobs: dict[str, Mapping[str, Any]] = {}
        """What a search last told of each job, by its native id."""
        self._warnings: tuple[str, ...] = ()
        """About shared inputs that the site may soon remove."""
        self._kept: dict[str, int] = {}
        """Files that the records of a job speak of."""
        self._asked: dict[str, float] = {}
        """When jobs were first asked to stop."""
        self._signs: LastSigns | None = None
        self._closely: dict[str, float] = {}
        """When jobs that no search showed were last looked at one by one."""
        self._ours: set[str] = set()
        """Jobs that are known to be this login's."""
        self._others = 0
        self._others_at = -math.inf

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
        limits = self._place.limits
        if self._place.most_jobs is None:
            return limits
        if time.monotonic() - self._others_at > limits.poll_most:
            self._others_at = time.monotonic()  # also if no answer comes: this is asked for all the time
            with contextlib.suppress(BackendError):
                self._search([])
        free = max(0, self._place.most_jobs - self._others)
        return limits if free >= limits.max_jobs else Limits(**{**_fields(limits), "max_jobs": free})

    @property
    def node(self) -> Node:
        return self._place.node

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self._place.notes(), *self._warnings)

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
        answers = self._each(self._submit, jobs, AT_ONCE)
        return {
            packed.job: answer for packed, answer in zip(jobs, answers, strict=True) if answer is not None
        }

    def _submit(self, packed: Packed) -> str | Refused | None:
        """Upload the job's folder and submit it; None where nobody can tell whether the job exists."""
        place = self._place
        there = self._input(packed.job)
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
        self._jobs[native] = told
        return native

    def _request(self, packed: Packed) -> dict[str, Any]:
        place, get = self._place, self._settings.get
        archive = self._archive(packed.job)
        wanted = Wanted(
            name=job_name(packed.job),
            description=f"weft: study {self._study.name}, {len(packed.bundle.cases)} cases",
            input=str(self._input(packed.job)),
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

    def _input(self, job: str) -> Address:
        return self._home(job) / "in"

    def _archive(self, job: str) -> Address:
        return self._home(job) / "out"

    def _home(self, job: str) -> Address:
        """The job's place on storage, below one of its study's own: other studies may have the same name."""
        return self._place.storage / job.rpartition("-")[0] / job

    # Watching

    def find(self, jobs: Sequence[str]) -> dict[str, str]:
        self._check_ours(jobs)
        found: dict[str, str] = {}
        names = {job_name(job): job for job in jobs}
        for some in _parts(list(names), NAMES_AT_ONCE):
            for told in self._search([f"name IN ({_quoted(some)})"]):
                job = names.get(str(told.get("name")))
                if job is not None:
                    found.setdefault(job, str(told["uuid"]))
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
        found = self._search(self._wanted(natives.values()), natives.values())
        told = {str(one["uuid"]): one for one in found}
        missing = [(job, native) for job, native in natives.items() if native not in told]
        missing.sort(key=lambda pair: self._closely.get(pair[1], -math.inf))  # each gets its turn
        for job, native in missing[:MISSING_AT_ONCE]:
            self._closely[native] = time.monotonic()
            one = self._look_closely(job, native)
            if one is not None:
                told[native] = one
        names = {job_name(job): native for job, native in natives.items()}
        for one in found:
            native = names.get(str(one.get("name")), "")
            if told.get(native, {}).get("status") in lifecycle.OVER and one["status"] in ("PENDING", *ACTIVE):
                told[native] = one  # created twice, and this is the one that came first and runs the cases
        self._jobs.update((native, told[native]) for native in natives.values() if native in told)
        over = {native for native in natives.values() if lifecycle.may_live(told.get(native, {}))}
        alive = {
            native
            for native, lives in zip(over, self._each(self._may_live, [*over], AT_ONCE), strict=True)
            if lives
        }
        return {
            job: _seen(told[native], native in alive) for job, native in natives.items() if native in told
        }

    def _may_live(self, native: str) -> bool:
        """May processes of a job live on that is over for Tapis?"""
        told = self._jobs[native]
        where = self._at_work(told)
        if where is None:
            return False  # it never had a place to run
        place = self._place
        if self._signs is None:
            quiet, longest = 2 * place.limits.settle, 60 * (place.limits.max_minutes or math.inf)
            self._signs = LastSigns(place.files, quiet=quiet, longest=longest)
        # The one in Tcl stops between two cases; what a user cancelled was killed besides.
        heeds = place.node.runner != TCL_RUNNER or told.get("status") == "CANCELLED"
        return self._signs.may_live(native, where, heeds=heeds)

    def _wanted(self, natives: Iterable[str]) -> list[str]:
        return [f"uuid IN ({_quoted(natives)})"]

    def _search(self, conditions: Sequence[str], ours: Collection[str] = ()) -> list[Mapping[str, Any]]:
        """Jobs that fit one of these conditions, oldest first; counts the user's other jobs by the way."""
        place = self._place
        active = ",".join(f"'{word}'" for word in ("PENDING", *ACTIVE))
        at_work = f"(execSystemId = {_quoted([place.system.id])} AND status IN ({active}))"
        statement = " OR ".join([*conditions, at_work])
        found = place.session.call(
            "jobs.getJobSearchListByPostSqlStr",
            request_body={"search": [statement]},
            limit=-1,
            orderBy="created(asc)",
            select=ATTRIBUTES,
            safe=True,
        )
        if not isinstance(found, list) or not all(map(_is_job, found)):
            raise BackendError("a search of jobs was answered with something else")
        known = {*ours, *self._jobs}
        self._others = sum(
            one.get("status") in ("PENDING", *ACTIVE) and one["uuid"] not in known for one in found
        )
        self._others_at = time.monotonic()
        return found

    def _look_closely(self, job: str, native: str) -> Mapping[str, Any] | None:
        """A job that no search shows: hidden in the portal, perhaps. Its archive tells whether it is over."""
        try:
            told = self._place.session.call("jobs.getJob", jobUuid=native)
            return told if isinstance(told, dict) and told.get("uuid") == native else None
        except Rejected as refusal:
            if refusal.status != 404:
                return None
        data = None
        with contextlib.suppress(Rejected):
            data = self._read(self._in(self._archive(job)) / RECORDS, 0)
        records = parse(data)[0] if data else []
        ended = [record for record in records if record.t == "end"]
        if not ended:
            return None
        return {"uuid": native, "status": "FINISHED", "hidden": True}

    # Reading

    def collect(self, job: str, native: str, offset: int) -> Collected:
        data = self._records(job, native, offset)
        records, taken = parse(data or b"")
        if offset == 0:
            self._kept[job] = sum(record.kept + record.carried for record in records)
        return Collected(records=records, offset=offset + taken)

    def _records(self, job: str, native: str, offset: int) -> bytes | None:
        """The records from a byte on; None where there are none yet."""
        found: bytes | None = None
        refused: Rejected | None = None
        for folder in chain(self._folders(job, native), self._folders_of_twins(job, native)):
            try:
                data = self._read(folder / RECORDS, offset)
            except Rejected as refusal:
                refused = refusal
                continue
            if data is not None and (found is None or len(data) > len(found)):
                found = data
            if found is not None and (offset or any(one.t == "end" for one in parse(found)[0])):
                return found
        if found is None and refused is not None:  # what may not be read may be there all the same
            raise BackendError(f"the records of job {native} cannot be read: {refused.said}") from refused
        return found  # perhaps the longest of several copies, none of which is whole

    def _folders_of_twins(self, job: str, native: str) -> Iterator[Address]:
        """Where other jobs of the same name ran, once this one is over; BackendError while one of them may run.

        An answer that was lost for long may leave two jobs, and it is the other one that runs the cases.
        """
        if self._told(native).get("status") not in lifecycle.OVER:
            return
        for told in self._search([f"name IN ({_quoted([job_name(job)])})"]):
            if told.get("name") != job_name(job) or told["uuid"] == native:
                continue
            if told.get("status") not in lifecycle.OVER:
                raise BackendError(f"job {told['uuid']} was submitted as {job}, too, and is not over")
            where = self._at_work(told)
            if where is not None:
                yield where

    def _folders(self, job: str, native: str) -> list[Address]:
        """Where the job's folder may be, as it was or as it was archived: the likelier place first."""
        told = self._told(native)
        found = []
        if told.get("status", "FAILED") in lifecycle.OVER:
            found.append(self._in(self._archive(job)))
        where = self._at_work(told)  # also of a job that is over: what was cancelled is not archived
        return [*found, where] if where else found

    def _at_work(self, told: Mapping[str, Any]) -> Address | None:
        """The folder of a job where it runs, or ran."""
        system, directory = told.get("execSystemId"), told.get("execSystemOutputDir")
        return self._in(Address(str(system), str(directory).strip("/"))) if system and directory else None

    def _told(self, native: str) -> Mapping[str, Any]:
        """What is known of a job; after a restart it is asked for."""
        if native not in self._jobs:
            found = {str(one["uuid"]): one for one in self._search(self._wanted([native]))}
            if native not in found:
                return {}
            self._jobs[native] = found[native]
        return self._jobs[native]

    def _in(self, directory: Address) -> Address:
        """The job's folder below the directory that it ran in, or was archived to."""
        place = self._place
        return directory / folder_of(place.app, place.family, str(self._input("x")))

    def _read(self, where: Address, offset: int) -> bytes | None:
        pieces: list[bytes] = []
        while True:
            piece = self._place.files.read(where.system, where.path, offset, PIECE)
            if piece is None:
                return b"".join(pieces) if pieces else None
            pieces.append(piece)
            offset += len(piece)
            if len(piece) < PIECE:
                return b"".join(pieces)

    def bring(self, job: str, native: str) -> Brought:
        complaints = []
        if self._kept.get(job, 1):
            zips = self._zips(job, native)
            complaints = [
                text for text in self._each(lambda one: self._bring_one(job, *one), zips, TRANSFERS) if text
            ]
            if not zips and self._kept.get(job):
                complaints.append(
                    f"its results ZIP, with {self._kept[job]} files, is not at {self._archive(job)}"
                )
        return Brought(complaint="; ".join(complaints), history=self._history(job, native))

    def _zips(self, job: str, native: str) -> list[tuple[Address, int]]:
        """The output ZIPs with their sizes; of a job that did not end well, whichever copy is more of each."""
        found: dict[str, tuple[Address, int]] = {}
        for folder in self._folders(job, native):
            with contextlib.suppress(Rejected):
                for entry in self._place.files.listing(folder.system, folder.path) or []:
                    known = found.get(entry.name)
                    if ZIP_NAME.fullmatch(entry.name) and (known is None or known[1] < entry.size):
                        found[entry.name] = (folder / entry.name, entry.size)
            if found and self._told(native).get("status") == "FINISHED":
                break
        return list(found.values())

    def _bring_one(self, job: str, where: Address, size: int) -> str:
        """Bring one ZIP, or refer to it where its place is mounted here; what is wrong with it, if anything."""
        to = self._folder.job(job) / where.name
        mounted = self._place.places.mounted(where)
        if mounted and _same_size(Path(mounted), size):
            to.parent.mkdir(parents=True, exist_ok=True)
            to.unlink(missing_ok=True)
            to.symlink_to(mounted)
        elif not _same_size(to, size):
            try:
                self._place.files.download(where.system, where.path, to, size=size)
            except (Rejected, Damaged) as problem:
                return f"{where} cannot be brought: {problem.what}"
        if not zipfile.is_zipfile(to):
            return f"{where.name} is cut off: what is whole in it can be fetched, the rest is lost"
        return ""

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
        self._each(self._cancel, [(native, job in seen) for job, native in natives.items()], AT_ONCE)

    def _cancel(self, which: tuple[str, bool]) -> None:
        """Ask the runner to stop, so that its records and outputs are whole and archived; else the service to kill.

        Of a job that is not seen nobody will know whether it has stopped: both are asked at once.
        """
        native, seen = which
        told, now = self._told(native), time.monotonic()
        if told.get("status") == "RUNNING" and now - self._asked.setdefault(native, now) < PATIENCE:
            folder = self._at_work(told)
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

    @staticmethod
    def _each(do: Callable[[One], Answer], what: Sequence[One], at_once: int) -> list[Answer]:
        """Do the same with many things, so many at a time; all are done before a problem of one is raised."""
        if len(what) < 2:
            return [do(one) for one in what]
        with ThreadPoolExecutor(min(at_once, len(what))) as pool:
            asked = [pool.submit(do, one) for one in what]
        return [answer.result() for answer in asked]


def check_tcl(study: Study) -> None:
    """See that a solver which takes one Tcl script can run what the study asks for; CheckFailed says what it cannot."""
    model = study.model
    where, hint = (
        study.file or "Study(...)",
        "choose an app that runs Python or a shell, or do it in the Tcl script",
    )
    impossible = {
        "model.setup": model.setup,
        "model.finish": model.finish,
        "continue without an exit code": study.continues is not None and study.continues.exit is None,
    }
    for what, asked in impossible.items():
        if asked:
            raise CheckFailed(
                f"the app starts its solver with one Tcl script, which cannot do {what}",
                where=where,
                hint=hint,
            )
    case = next(iter(expand(study)))
    steps = [step.command for step in (study.before, study.after) if step is not None]
    for command in (render_command(model.command, case.params, case.id), *steps):
        script_of(command)


def job_name(job: str) -> str:
    """The Tapis name of a job of ours: its id, from the end as much as fits, where it is unique."""
    return job if len(job) <= NAME_MAX else job[-NAME_MAX:].lstrip("-._")


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


def _is_job(told: Any) -> bool:
    return isinstance(told, dict) and bool(told.get("uuid")) and isinstance(told.get("status"), str)


def _quoted(words: Iterable[str]) -> str:
    return ",".join("'" + word.replace("'", "''") + "'" for word in words)


def _parts(words: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (words[start : start + size] for start in range(0, len(words), size))


def _same_size(path: Path, size: int) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == size
    return False


def _fields(limits: Limits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in limits.__struct_fields__}
