"""The living subscriptions of jobs: who is to be told of which events, until when.

They begin as what the job's definition asks for, come and go while it runs, and are removed when it ends. The job's
``watched`` counts them, so that jobs nobody watches cost nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, delete, insert, select

from weft.service.apps.model import DeliveryTarget
from weft.service.clock import stamp
from weft.service.jobs.model import Job, Subscription, as_text
from weft.service.jobs.tables import subscriptions

ALL = "ALL"

_ADD = insert(subscriptions)
_FORGET = delete(subscriptions).where(subscriptions.c.job_uuid == bindparam("wanted"))
_TARGETS = msgspec.json.Decoder(list[DeliveryTarget])


def add(connection: Connection, job: Job, wanted: Subscription, now: datetime) -> str:
    """Write a subscription; its uuid."""
    uuid = str(uuid4())
    row = {
        "uuid": uuid,
        "job_uuid": job.uuid,
        "tenant": job.tenant,
        "owner": job.owner,
        "name": f"jobs~{job.owner}~{job.tenant}~{job.uuid}~{secrets.token_hex(2)}",
        "description": wanted.description,
        "enabled": wanted.enabled,
        "category": wanted.event_category_filter,
        "targets": as_text(wanted.delivery_targets),
        "ttl_minutes": wanted.ttl_minutes,
        "expiry": stamp(now + timedelta(minutes=wanted.ttl_minutes)),
        "created": stamp(now),
        "updated": stamp(now),
    }
    connection.execute(_ADD, row)
    return uuid


def living(job_uuid: str, now: str) -> Select[Any]:
    """The query for the subscriptions of a job that have not expired, the oldest first."""
    about = and_(subscriptions.c.job_uuid == job_uuid, subscriptions.c.expiry > now)
    return select(subscriptions).where(about).order_by(subscriptions.c.id)


def of_job(connection: Connection, job_uuid: str, now: str) -> list[dict[str, Any]]:
    """The subscriptions of a job that have not expired, as rows."""
    return [dict(row) for row in connection.execute(living(job_uuid, now)).mappings()]


def forget(connection: Connection, job_uuid: str) -> int:
    """Remove all of a job; how many there were."""
    return connection.execute(_FORGET, {"wanted": job_uuid}).rowcount


def forget_one(connection: Connection, uuid: str) -> int:
    """Remove one; 0 if it is gone already."""
    return connection.execute(delete(subscriptions).where(subscriptions.c.uuid == uuid)).rowcount


def job_of_subscription(connection: Connection, uuid: str) -> str | None:
    """The uuid of the job that a subscription is about."""
    wanted = select(subscriptions.c.job_uuid).where(subscriptions.c.uuid == uuid)
    return connection.execute(wanted).scalar_one_or_none()


def wants(row: Mapping[Any, Any], event: str, now: str) -> bool:
    """Is this subscription about that event, at that time?"""
    return bool(row["enabled"]) and row["category"] in (ALL, event) and row["expiry"] > now


def targets(row: Mapping[Any, Any]) -> Sequence[DeliveryTarget]:
    return _TARGETS.decode(row["targets"])


def shown(row: Mapping[Any, Any]) -> dict[str, object]:
    """A subscription as answers show it."""
    category = "*" if row["category"] == ALL else row["category"]
    return {
        "tenant": row["tenant"],
        "name": row["name"],
        "description": row["description"],
        "owner": row["owner"],
        "enabled": row["enabled"],
        "typeFilter": f"jobs.{category}.*",
        "subjectFilter": row["job_uuid"],
        "deliveryTargets": msgspec.Raw(row["targets"].encode()),
        "ttlMinutes": row["ttl_minutes"],
        "uuid": row["uuid"],
        "expiry": row["expiry"],
        "created": row["created"],
        "updated": row["updated"],
    }
