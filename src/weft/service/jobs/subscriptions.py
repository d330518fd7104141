"""Subscribing to the events of a job while it runs; what its definition says of subscriptions never changes by it."""

from __future__ import annotations

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.jobs import watching
from weft.service.jobs.events import subscribed
from weft.service.jobs.model import SubscribeRequest
from weft.service.jobs.pages import page_of
from weft.service.jobs.request import choices
from weft.service.jobs.rights import job_row
from weft.service.jobs.states import TERMINAL

MOST = 100
"""Subscriptions that one job may have."""


def get_subscriptions(ask: Ask) -> Answer:
    job_row(ask, "see the subscriptions of")
    uuid = ask.path["jobUuid"]
    with ask.service.database.reading() as connection:
        rows, metadata = page_of(ask, connection, watching.living(uuid, ask.service.clock.stamp()))
    message = f"JOBS_SUBSCRIPTIONS_RETRIEVED {len(rows)} subscription(s) of job {uuid} retrieved."
    return Answer([watching.shown(row) for row in rows], message, metadata=metadata)


def subscribe(ask: Ask) -> Answer:
    job_row(ask, "subscribe to")
    uuid = ask.path["jobUuid"]
    wanted = choices.subscription(ask.body(SubscribeRequest))
    with ask.service.ledger.changing(uuid) as change:
        if change.job.status in TERMINAL:
            raise Problem(400, f"JOBS_JOB_IN_TERMINAL_STATE Job {uuid} has ended: {change.job.status.value}")
        if change.job.watched >= MOST:
            raise Problem(400, f"JOBS_TOO_MANY_SUBSCRIPTIONS Job {uuid} has {MOST} subscriptions already")
        made = watching.add(change.connection, change.job, wanted, change.moment)
        change.set({"watched": change.job.watched + 1})
        change.write(subscribed(change.job, 1, added=True, created=change.now))
    url = f"{ask.base}/v3/jobs/subscribe/{made}"
    return Answer({"url": url}, f"JOBS_SUBSCRIPTION_CREATED Subscription {made} to job {uuid} created.")


def delete_subscriptions(ask: Ask) -> Answer:
    """Remove one subscription, by its own uuid, or all of a job, by the job's."""
    given = ask.path["jobUuid"]
    with ask.service.database.reading() as connection:
        job_uuid = watching.job_of_subscription(connection, given)
    job_row(ask, "unsubscribe from", uuid=job_uuid or given)
    with ask.service.ledger.changing(job_uuid or given) as change:
        if job_uuid is None:
            removed = watching.forget(change.connection, given)
        else:
            removed = watching.forget_one(change.connection, given)
        if removed:
            change.write(subscribed(change.job, removed, added=False, created=change.now))
            change.set({"watched": max(change.job.watched - removed, 0)})
    return Answer({"changes": removed}, f"JOBS_SUBSCRIPTIONS_DELETED {removed} subscription(s) removed.")
