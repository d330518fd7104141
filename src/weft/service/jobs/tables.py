"""Jobs, their events, subscriptions and shares in the database: the tables, and how a job is written to a row.

The columns of a job are the attributes of ``Job``; structures are JSON text, in the very form in which answers carry
them, so that a job can be answered without being taken apart (``shown``). Short columns come first and long ones last,
which keeps lists and status questions off the pages that hold the long ones. Every order in which jobs can be listed
has an index that begins with whose jobs they are: a page costs the same however many jobs there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any, get_args, get_type_hints

import msgspec
from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint
from sqlalchemy.types import TypeEngine

from weft.service.database import metadata
from weft.service.jobs.model import PRIVATE, Job, as_text

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by code points, by the index too, whatever language the database was made for."""
LISTED = ("created", "last_updated", "name", "status", "ended", "uuid", "remote_started")
"""Attributes by which lists of jobs are ordered at the cost of one page."""

_HINTS = get_type_hints(Job)
_LONG = (
    "last_message",
    "launch",
    "notes",
    "tags",
    "exec_system_constraints",
    "shared_app_ctx_attribs",
    "subscriptions",
    "file_inputs",
    "parameter_set",
)
_SHORT = tuple(name for name in Job.__struct_fields__ if name not in _LONG)
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(_HINTS[name])
    for name in (
        "tags",
        "exec_system_constraints",
        "shared_app_ctx_attribs",
        "subscriptions",
        "file_inputs",
        "parameter_set",
    )
}
"""The attributes that are structures."""
_ENUMS: dict[str, type[Enum]] = {
    name: kind
    for name, hint in _HINTS.items()
    for kind in (hint, *get_args(hint))
    if isinstance(kind, type) and issubclass(kind, Enum)
}
_ANSWERED_DECODED = ("tags", "shared_app_ctx_attribs")
_WIRE = {field.name: field.encode_name for field in msgspec.structs.fields(Job) if field.name not in PRIVATE}
ATTRIBUTES: Mapping[str, str] = _WIRE
"""Every attribute that answers show: its column and its name there."""


def _column(name: str) -> Column[Any]:
    if name == "id":
        return Column("id", Integer, primary_key=True)
    kinds: dict[Any, TypeEngine[Any]] = {bool: Boolean(), int: Integer()}
    kind = kinds.get(_HINTS[name], _TEXT)
    return Column(name, kind, nullable=type(None) in get_args(_HINTS[name]))


jobs = Table(
    "jobs",
    metadata,
    *(_column(name) for name in (*_SHORT, *_LONG)),
    Column("request", _TEXT, nullable=False),
    UniqueConstraint("uuid", name="jobs_uuid"),
    # For what has not ended, and for quotas: few rows, whatever has accumulated.
    Index("jobs_by_state", "status", "tenant", "exec_system_id", "owner", "exec_system_logical_queue"),
    *(Index(f"jobs_by_{name}", "tenant", "owner", "visible", name, "id") for name in LISTED),
)

events = Table(
    "job_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_uuid", _TEXT, nullable=False),
    Column("event", _TEXT, nullable=False),
    Column("created", _TEXT, nullable=False),
    Column("event_detail", _TEXT, nullable=False),
    Column("description", _TEXT, nullable=False),
    Column("transfer_task_uuid", _TEXT),
    Column("transfer_summary", _TEXT, nullable=False),
    Index("job_events_by_job", "job_uuid", "id"),
)

subscriptions = Table(
    "job_subscriptions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", _TEXT, nullable=False, unique=True),
    Column("job_uuid", _TEXT, nullable=False, index=True),
    Column("tenant", _TEXT, nullable=False),
    Column("owner", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("description", _TEXT),
    Column("enabled", Boolean, nullable=False),
    Column("category", _TEXT, nullable=False),
    Column("targets", _TEXT, nullable=False),
    Column("ttl_minutes", Integer, nullable=False),
    Column("expiry", _TEXT, nullable=False),
    Column("created", _TEXT, nullable=False),
    Column("updated", _TEXT, nullable=False),
)

shares = Table(
    "job_shares",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_uuid", _TEXT, nullable=False),
    Column("tenant", _TEXT, nullable=False),
    Column("createdby", _TEXT, nullable=False),
    Column("grantee", _TEXT, nullable=False),
    Column("job_resource", _TEXT, nullable=False),
    Column("job_permission", _TEXT, nullable=False),
    Column("created", _TEXT, nullable=False),
    UniqueConstraint("job_uuid", "grantee", "job_resource", name="job_shares_once"),
    Index("job_shares_by_grantee", "tenant", "grantee", "job_uuid"),
)


def stored(attributes: Iterable[tuple[str, object]]) -> dict[str, Any]:
    """Attributes of a job as its row has them."""
    return {name: _stored(name, value) for name, value in attributes}


def _stored(name: str, value: object) -> object:
    if value is None:
        return None
    if name in _DECODERS:
        return as_text(value)
    return value.value if isinstance(value, Enum) else value


def job_of(row: Mapping[Any, Any]) -> Job:
    """The job in a row."""
    values = {name: row[name] for name in Job.__struct_fields__}
    for name, decoder in _DECODERS.items():
        if values[name] is not None:
            values[name] = decoder.decode(values[name])
    for name, kind in _ENUMS.items():
        if values[name] is not None:
            values[name] = kind(values[name])
    return Job(**values)


def shown(row: Mapping[Any, Any], names: Collection[str] | None = None) -> dict[str, object]:
    """A job as it is answered, under the names and in the form of the real service: all of it, or these attributes."""
    answer: dict[str, object] = {
        wire: row[name] for name, wire in _WIRE.items() if names is None or wire in names
    }
    for name in _ANSWERED_DECODED:
        text = answer.get(_WIRE[name])
        if text is not None:
            answer[_WIRE[name]] = _DECODERS[name].decode(str(text))
    if names is None:
        answer["mpi"] = row["is_mpi"]  # the official specification's name of isMpi
        answer["_fileInputsSpec"] = None
        answer["_parameterSetModel"] = None
    return answer
