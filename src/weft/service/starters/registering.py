"""Puts the ready systems and apps in place at the start; what is there already stays as its owner left it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from weft.errors import WeftError
from weft.schedulers.slurm import Partition, Slurm
from weft.service import access
from weft.service.access import PUBLIC, Thing
from weft.service.answers import Problem
from weft.service.starters import ready
from weft.service.starters.facts import Facts
from weft.service.starters.systems import LOCAL, STORAGE

if TYPE_CHECKING:
    from weft.service.server import Service

_NO_RIGHTS_YET = "weft"
"""The owner, where there is no user yet."""


def furnish(service: Service, slurm: Slurm | None) -> None:
    """Build the images, and register what has never been registered; all users may use it.

    ``slurm`` is None where there is none, or it shall not be used.
    """
    facts = _facts(service, slurm.partitions() if slurm else ())
    ready.build(service.folder)
    for name in (STORAGE, LOCAL):
        (service.folder / name).mkdir(exist_ok=True)
    for kind, definition in ready.ready(facts):
        _register(service, facts.owner, kind, definition)


def usable_slurm(wanted: bool | None) -> Slurm | None:
    """The Slurm of this machine, if it answers; None where it does not, or is not wanted.

    Raises:
        WeftError: It is wanted and does not answer.
    """
    if wanted is False:
        return None
    slurm = Slurm(os.environ)
    if slurm.available():
        return slurm
    if wanted:
        raise WeftError(
            "there is no Slurm that answers on this machine",
            where="--slurm",
            hint="`sinfo` says why; without --slurm, BATCH jobs go to a queue of the service's own",
        )
    return None


def _register(service: Service, owner: str, kind: str, definition: dict[str, Any]) -> None:
    def share(connection: Connection, _made: object) -> None:
        thing = Thing(kind, service.tenant, definition["id"])
        access.share(connection, thing, owner, [PUBLIC], service.clock.stamp())

    register = service.systems if kind == "system" else service.apps
    try:
        register.register(owner, service.tenant, definition, also=share)
    except Problem as problem:
        if problem.status != 409:
            raise


def _facts(service: Service, partitions: tuple[Partition, ...]) -> Facts:
    return Facts(
        folder=service.folder,
        owner=service.accounts.first() or _NO_RIGHTS_YET,
        cores=len(os.sched_getaffinity(0)),
        memory_mb=_memory_mb(),
        python=sys.executable,
        containers=service.worker.containers(),
        partitions=partitions,
    )


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
