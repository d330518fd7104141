"""Scheduler profiles: what a batch script needs on one cluster; every user of the tenant may read them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Column, PrimaryKeyConstraint, String, Table, Text, delete, insert, select
from sqlalchemy.exc import IntegrityError

from weft.service.answers import Problem
from weft.service.asking import checked
from weft.service.clock import Clock
from weft.service.database import REMEMBERED, Database, metadata
from weft.service.systems.attributes import CALLER
from weft.service.systems.model import SchedulerProfile

scheduler_profiles = Table(
    "scheduler_profiles",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("name", String(80), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("definition", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
    info=REMEMBERED,
)


class Profiles:
    """All scheduler profiles. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    def find(self, tenant: str, name: str) -> SchedulerProfile | None:
        """The profile of that name."""
        table = scheduler_profiles.c
        with self.database.reading() as connection:
            text = connection.execute(
                select(table.definition).where(table.tenant == tenant, table.name == name)
            ).scalar()
        return None if text is None else msgspec.json.decode(text, type=SchedulerProfile)

    def all(self, tenant: str) -> list[SchedulerProfile]:
        """All profiles of a tenant, by name."""
        table = scheduler_profiles.c
        with self.database.reading() as connection:
            texts = connection.execute(
                select(table.definition).where(table.tenant == tenant).order_by(table.name)
            ).scalars()
            return [msgspec.json.decode(text, type=SchedulerProfile) for text in texts]

    def register(self, user: str, tenant: str, given: Mapping[str, Any]) -> SchedulerProfile:
        """Create a profile.

        Raises:
            Problem: 400 naming what is wrong, 403 for another owner, 409 when it exists.
        """
        now = self.clock.stamp()
        profile = checked(given, SchedulerProfile, drop_nulls=True)
        if profile.owner not in (CALLER, user):
            raise _denied(profile.name, "create")
        profile = msgspec.structs.replace(
            profile, owner=user, tenant=tenant, uuid=str(uuid.uuid4()), created=now, updated=now
        )
        try:
            with self.database.writing() as connection:
                connection.execute(
                    insert(scheduler_profiles).values(
                        tenant=tenant,
                        name=profile.name,
                        owner=user,
                        definition=msgspec.json.encode(profile).decode(),
                    )
                )
        except IntegrityError as error:
            what = f"Scheduler profile already exists. SchedulerProfile: {profile.name}"
            raise Problem(409, f"SYSAPI_PRF_EXISTS {what}") from error
        return profile

    def remove(self, user: str, tenant: str, name: str) -> int:
        """Delete a profile of one's own; returns how many that was.

        Raises:
            Problem: 404 where there is none, 403 where it is another's.
        """
        profile = self.find(tenant, name)
        if profile is None:
            raise missing(name)
        if profile.owner != user:
            raise _denied(name, "delete")
        table = scheduler_profiles.c
        with self.database.writing() as connection:
            return connection.execute(
                delete(scheduler_profiles).where(
                    table.tenant == tenant, table.name == name, table.owner == user
                )
            ).rowcount


def missing(name: str) -> Problem:
    return Problem(404, f"SYSAPI_PRF_NOT_FOUND Record not found. Profile: {name}")


def _denied(name: str, doing: str) -> Problem:
    return Problem(403, f"SYSLIB_PRF_UNAUTH Authorization denied. Profile: {name} Operation: {doing}")
