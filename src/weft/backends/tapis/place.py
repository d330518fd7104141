"""Where a study's jobs run on Tapis: the service, the app, the system, and where their files lie.

Everything that the service tells once and that holds for all jobs of a run is gathered here, before the first of them.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from weft.core.events import Allotment
from weft.core.margins import USUAL_JOBS
from weft.core.packing import slots_within
from weft.errors import CheckFailed
from weft.model import Charge, Limits, Node, SharedInput, Study
from weft.tapis import login, preflight, tenants
from weft.tapis.apps import App
from weft.tapis.families import Family
from weft.tapis.files import Files
from weft.tapis.paths import Address, Places, Tenant
from weft.tapis.request import folder_of
from weft.tapis.session import Rejected, Session
from weft.tapis.shared import Common, SharedStore, store_on
from weft.tapis.sites import site_queue
from weft.tapis.storebook import File
from weft.tapis.systems import System

SETTLE = 60.0
"""Seconds in which a submission without an answer may still become a job: it passes several services on its way."""
BATCH = 32
"""Jobs that are announced, then sent, together; a crash among them costs one search and ``settle``."""
POLL_FIRST, POLL_MOST = 1.0, 60.0
"""Seconds between two looks. Tapis itself looks once a minute at a job that has run for a minute or more."""
READ_EVERY = 180.0
"""Seconds between two readings of a running job's records: sites ask for once every few minutes."""
READS = 16
"""Jobs whose records are read between two looks."""


class Place(Struct, frozen=True, kw_only=True):
    """A tenant, as one study uses it."""

    session: Session
    files: Files
    app: App
    system: System
    family: Family
    storage: Address
    """The folder for what jobs get and leave."""
    store: SharedStore | None
    """Where shared inputs lie on the system; None where no place for them is known."""
    places: Places
    tags: tuple[str, ...]
    limits: Limits
    node: Node
    most_jobs: int | None
    """Jobs of this user that Tapis and the site take at once."""
    given: Allotment
    """What every job is given, but for its time."""
    cores: int
    memory_mb: int
    """Of each node of a job."""

    @property
    def account(self) -> str:
        """Whose jobs these are, and where: no other login sees them."""
        return f"{login.address(self.session.base_url)} as {self.session.user}"

    def input(self, job: str) -> Address:
        """The folder on storage in which a job finds its bundle."""
        return self._home(job) / "in"

    def archive(self, job: str) -> Address:
        """The folder on storage to which a job's outputs are archived."""
        return self._home(job) / "out"

    def _home(self, job: str) -> Address:
        """The job's place on storage, below one of its study's own: other studies may have the same name."""
        return self.storage / job.rpartition("-")[0] / job

    def within(self, directory: Address) -> Address:
        """The job's folder below the directory that it ran in, or was archived to."""
        return directory / folder_of(self.app, self.family, str(self.input("x")))

    def at_work(self, told: Mapping[str, Any]) -> Address | None:
        """The folder of a job where it runs, or ran, as Tapis tells; None of one that never had a place."""
        system, directory = told.get("execSystemId"), told.get("execSystemOutputDir")
        if not system or not directory:
            return None
        return self.within(Address(str(system), str(directory).strip("/")))

    def notes(self) -> tuple[str, ...]:
        """What the app cannot do, and until when the login lasts."""
        until = self.session.lasts_until
        cannot = tuple(f"the app {self.app.id} cannot {what}" for what in self.family.limitations)
        if not self.node.claims:
            told = f"no folder is known that all nodes of {self.system.id} see ([tapis] store names one)"
            cannot = (*cannot, f"{told}: only time keeps a job whose answer was lost from running twice")
        if not math.isfinite(until):
            return cannot
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(until))
        told = f"the login ends at {when}: a run that takes longer stops then, and goes on after `weft login`"
        return (*cannot, told)

    def share(self, inputs: Sequence[SharedInput]) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
        """See that inputs are in the store, and say where (see ``Backend.share``), with warnings."""
        if self.store is None:
            raise CheckFailed(
                f"the study has shared inputs, and no place for them is known on system {self.system.id}",
                where="[tapis] store",
                hint=f'name a folder that its nodes see: store = "tapis://{self.system.id}/PATH"',
            )
        provided = self.store.provide([self._common(one) for one in inputs])
        warnings = tuple(found.warning for found in provided if found.warning)
        there = {
            one.name: {
                "path": found.path,
                "files": [[file.path, file.size] for file in found.files],
                "hint": "put it back with `weft store refresh`, then `weft retry`",
            }
            for one, found in zip(inputs, provided, strict=True)
        }
        return there, warnings

    def _common(self, one: SharedInput) -> Common:
        files = tuple(File(path=path, size=size, sha256=digest) for path, size, digest in one.files)
        source = one.source
        if not files and source.startswith("/"):
            address = self.places.from_host(self.system.id, source)
            source = str(address) if address else source
        return Common(name=one.name, source=source, files=files)


def reach(study: Study, settings: Mapping[str, Any], client: Any = None) -> Place:
    """Log in, and gather what the study uses.

    Raises NotLoggedIn, CheckFailed (of the first thing that is not there or may not be used), BackendError.
    """
    if not settings.get("app"):
        hint = 'write app = "..." into the table [tapis]; `weft app list` shows them'
        raise CheckFailed("it is not said which app runs the cases", where="tapis.app", hint=hint)
    session = login.session(_text(settings, "base_url"), client)
    said = _text(settings, "storage")
    storage = Address.parse(said) if said else tenants.places(session).storage()
    ready = preflight.ready(session, _wants(settings, storage))
    _check_room(study, settings, ready)
    system = ready.system
    work = _work(session, system)
    places = tenants.places(
        session, gid=_gid(work), projects=settings.get("projects"), roots={system.id: system.root_dir}
    )
    usual = places.store_on(system.id) or (str(work / "weft/store") if work is not None else "")
    said = _text(settings, "store") or usual
    store = store_on(session, system.id, system.root_dir, said, study=study.folder)
    ranks = _ranks(study, settings, ready)
    folder = store.folder
    return Place(
        session=session,
        files=Files(session),
        app=ready.app,
        system=system,
        family=ready.family,
        storage=storage,
        store=store if folder is not None else None,
        places=places,
        tags=(places.tenant.portal,) if places.tenant.portal else (),
        limits=_limits(study, settings, ready, ranks or _slots(study, settings, ready)),
        node=Node(
            runner=ready.family.runner_file,
            claims=places.host_path(folder / "claims") if folder is not None else "",
            ranks=ranks,
        ),
        most_jobs=ready.max_jobs,
        given=_given(study, settings, ready),
        cores=_cores(study, settings, ready),
        memory_mb=_memory_mb(study, settings, ready),
    )


def _given(study: Study, settings: Mapping[str, Any], ready: preflight.Ready) -> Allotment:
    charge = _charge(settings, ready)
    return Allotment(
        app=ready.app.id,
        system=ready.system.id,
        queue=ready.queue.name if ready.queue and charge else "",
        nodes=_nodes(settings, ready),
        cores=_cores(study, settings, ready),
        memory_mb=_memory_mb(study, settings, ready),
        rate=charge.rate if charge else None,
        least_minutes=charge.least_minutes if charge else 0.0,
    )


def _wants(settings: Mapping[str, Any], storage: Address) -> preflight.Wants:
    names = ("app", "version", "system", "queue", "type", "allocation")
    return preflight.Wants(
        **{name: _text(settings, name) for name in names},
        storage=storage.system,
        family=settings.get("family") or {},
    )


def _text(settings: Mapping[str, Any], name: str) -> str:
    return str(settings.get(name) or "")


def _check_room(study: Study, settings: Mapping[str, Any], ready: preflight.Ready) -> None:
    """Refuse jobs that are smaller than one case; raises CheckFailed."""
    needs = study.resources
    most = settings.get("minutes") or (ready.queue.max_minutes if ready.queue else None)
    pairs = (
        ("cores", needs.cores, settings.get("cores"), ""),
        ("memory", needs.memory_mb, settings.get("memory_mb"), " MB"),
        ("minutes", needs.minutes if study.continues is None else None, most, " minutes"),
    )
    for name, need, given, unit in pairs:
        if need and given and need > given:
            raise CheckFailed(
                f"a case may use {need:,g}{unit or ' cores'}, and a job has {given:,g}",
                where=f"tapis.{name}",
                hint=f"give a job more, or a case less: resources.{name}"
                + (", or let cases go on in a further job: [continue]" if name == "minutes" else ""),
            )


def _cores(study: Study, settings: Mapping[str, Any], ready: preflight.Ready) -> int:
    """Cores of a node: as the app has it where nothing is said, and never fewer than one case needs."""
    return int(settings.get("cores") or max(ready.usual.cores, study.resources.cores))


def _memory_mb(study: Study, settings: Mapping[str, Any], ready: preflight.Ready) -> int:
    return int(settings.get("memory_mb") or max(ready.usual.memory_mb, study.resources.memory_mb or 0))


def _nodes(settings: Mapping[str, Any], ready: preflight.Ready) -> int:
    return int(settings.get("nodes") or ready.usual.nodes)


def _ranks(study: Study, settings: Mapping[str, Any], ready: preflight.Ready) -> int | None:
    """Processes that run a Tcl runner together; a solver that is one process is that in any allocation."""
    if ready.family.runner != "tcl":
        return None
    return _nodes(settings, ready) * _cores(study, settings, ready) if ready.family.ranks else 1


def _slots(study: Study, settings: Mapping[str, Any], ready: preflight.Ready) -> int:
    """Cases at a time on one node, which is all that the runner uses."""
    cores, memory_mb = _cores(study, settings, ready), _memory_mb(study, settings, ready)
    return slots_within(study.resources, settings.get("slots"), cores, memory_mb) or 1


def _limits(study: Study, settings: Mapping[str, Any], ready: preflight.Ready, slots: int) -> Limits:
    most = ready.queue.max_minutes if ready.queue else None
    # Without a time limit of its own a case tells nothing of how long a job may take: then it is the app's usual time.
    usual = most if study.resources.minutes and most else ready.usual.minutes
    minutes = min(settings.get("minutes") or usual, most or float("inf"))
    jobs = settings.get("jobs") or USUAL_JOBS
    poll = settings.get("poll")
    return Limits(
        max_jobs=min(jobs, ready.max_jobs) if ready.max_jobs else jobs,
        batch=BATCH,
        max_minutes=float(minutes),
        slots=slots,
        memory_mb=_memory_mb(study, settings, ready),
        settle=settings.get("settle") or SETTLE,
        lost_answers=3,
        lost_after=5 * (poll or POLL_MOST),
        cancel_again=poll or POLL_MOST,
        backoff=min(10.0, poll or POLL_MOST),
        poll_first=min(POLL_FIRST, poll or POLL_MOST),
        poll_most=poll or POLL_MOST,
        read_every=poll or READ_EVERY,
        reads=READS,
        charge=_charge(settings, ready),
    )


def _charge(settings: Mapping[str, Any], ready: preflight.Ready) -> Charge | None:
    """Only batch jobs are charged for, whole nodes at the rate of their queue."""
    if ready.job_type != "BATCH":
        return None
    site = site_queue(ready.system, ready.queue)
    return Charge(nodes=_nodes(settings, ready), rate=site.rate if site else None)


def _work(session: Session, system: System) -> Address | None:
    """The user's Work, else scratch, on a system, as its own variables say; None where neither is set."""
    roots = Places(Tenant(), roots={system.id: system.root_dir})
    for variable in ("WORK", "SCRATCH"):
        # No answer is another matter: the store must not lie elsewhere for once.
        with contextlib.suppress(Rejected):
            told = session.call("systems.hostEval", systemId=system.id, envVarName=variable)
            found = roots.from_host(system.id, str(told.get("name") if isinstance(told, dict) else told))
            if found is not None and found.path:
                return found
    return None


def _gid(work: Address | None) -> str:
    """The number above the user's name in the path of Work at TACC: ``/work2/01234/ann/...``."""
    parts = work.path.split("/") if work is not None else []
    return next((part for part in parts if part.isdigit()), "")
