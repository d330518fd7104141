"""What the sites' own rules say beyond what Tapis knows: jobs in a queue, what a node-hour costs, when files go.

Tapis accepts a job that the scheduler then refuses, and such a job has failed for good. So the limit that counts is
the smallest of all. The figures are data, ``sites.toml``, with the day on which they were read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from weft.core.findings.base import QueueFacts
from weft.tapis.apps import App
from weft.tapis.systems import Queue, System

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]


class SiteQueue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the site's scheduler does with one queue."""

    submit: int | None = None
    """Jobs of one user that it takes, waiting or running."""
    run: int | None = None
    """How many of them run at once."""
    rate: float = 1.0
    """Service units for one node-hour."""
    nodes: int | None = None
    """Most nodes of one job."""
    minutes: float | None = None
    """Longest wall time of one job."""
    cores: int | None = None
    memory_gb: float | None = None
    """Of a node."""


class Site(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of one machine."""

    id: str
    host: str
    seen: str
    """The day on which the figures were read."""
    needs_allocation: bool = False
    arrays: bool = True
    """Does its scheduler take arrays of jobs?"""
    queues: Mapping[str, SiteQueue] = {}
    """By the scheduler's name of the queue."""


def site_of(system: System) -> Site | None:
    """The site's rules for a system, found by its host, else by its id where the definition names no host."""
    for site in _sites():
        if site.host == system.host or (not system.host and site.id == system.id):
            return site
    return None


def site_queue(system: System, queue: Queue | None) -> SiteQueue | None:
    """The site's rules for one queue of a system."""
    site = site_of(system)
    return site.queues.get(queue.hpc_name) if site and queue else None


def job_limit(system: System, queue: Queue | None, app: App) -> int | None:
    """How many jobs of one user may be live at once before Tapis blocks or the scheduler refuses one; None: any.

    The smallest of what app, system, queue and site allow. Tapis counts the jobs of all apps on the system, and those
    of other users where the limit is not one per user, so that even fewer may be free.
    """
    site = site_queue(system, queue)
    limits = [app.max_jobs, app.max_jobs_per_user, system.job_max_jobs, system.job_max_jobs_per_user]
    if queue:
        limits += [queue.max_jobs, queue.max_jobs_per_user]
    if site:
        limits.append(site.submit)
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def queue_facts() -> dict[tuple[str, str], QueueFacts]:
    """What is known of every queue, by the site's id, which its system bears where nobody renamed it, and the queue."""
    return {
        (site.id, name): QueueFacts(
            system=site.id,
            queue=name,
            nodes=queue.nodes,
            cores=queue.cores,
            memory_mb=round(1000 * queue.memory_gb) if queue.memory_gb else None,
            minutes=queue.minutes,
            rate=queue.rate,
            submit=queue.submit,
            run=queue.run,
            seen=site.seen,
        )
        for site in _sites()
        for name, queue in site.queues.items()
    }


@cache
def _sites() -> tuple[Site, ...]:
    data = tomllib.loads(Path(__file__).with_name("sites.toml").read_text(encoding="utf-8"))
    return tuple(msgspec.convert(data["site"], list[Site]))
