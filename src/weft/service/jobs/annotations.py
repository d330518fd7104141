"""Annotations: the notes and tags of a job, which may be changed at any time."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from weft.service.answers import Answer
from weft.service.asking import Ask
from weft.service.jobs.model import Tags
from weft.service.jobs.request.choices import notes_text, unique_tags
from weft.service.jobs.rights import job_row


class AnnotationRequest(Struct, forbid_unknown_fields=True):
    """The body that annotates a job."""

    notes: dict[str, Any] = {}
    tags: Tags = []


def put_annotations(ask: Ask) -> Answer:
    """Notes and tags become what is given; what is not given becomes empty."""
    request = ask.body(AnnotationRequest)
    return _annotated(ask, {"notes": notes_text(request.notes), "tags": unique_tags(request.tags)})


def patch_annotations(ask: Ask) -> Answer:
    """What is given replaces what was there; what is empty leaves it as it is."""
    request = ask.body(AnnotationRequest)
    changes: dict[str, object] = {}
    if request.notes:
        changes["notes"] = notes_text(request.notes)
    if request.tags:
        changes["tags"] = unique_tags(request.tags)
    return _annotated(ask, changes)


def _annotated(ask: Ask, changes: dict[str, object]) -> Answer:
    job_row(ask, "annotate")
    uuid = ask.path["jobUuid"]
    if changes:
        ask.service.ledger.update(uuid, **changes)
    message = f"JOBS_JOB_ANNOTATION_UPDATED Annotations of job {uuid} updated."
    return Answer({"message": message}, message)
