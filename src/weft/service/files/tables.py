"""What the Files service keeps in the database.

Paths can be longer than an index takes, so rows are found by system and user and compared by path afterwards; a user
has few of them on one system.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from weft.service.database import metadata

files_grants = Table(
    "files_grants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("system_id", String(80), nullable=False),
    Column("user", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("permission", String(8), nullable=False),
    Index("files_grants_of", "tenant", "system_id", "user"),
)
files_shares = Table(
    "files_shares",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("system_id", String(80), nullable=False),
    Column("user", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("grantor", String(64), nullable=False),
    Index("files_shares_of", "tenant", "system_id", "user"),
)
postits = Table(
    "postits",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("system_id", String(80), nullable=False),
    Column("path", Text, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("allowed_uses", Integer, nullable=False),
    Column("times_used", Integer, nullable=False),
    Column("expiration", String(32), nullable=False),
    Column("created", String(32), nullable=False),
    Column("updated", String(32), nullable=False),
    Index("postits_of", "tenant", "owner", "created"),
)
transfer_tasks = Table(
    "transfer_tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("tenant", String(64), nullable=False),
    Column("username", String(64), nullable=False),
    Column("tag", Text, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("created", String(32), nullable=False),
    Column("start_time", String(32)),
    Column("end_time", String(32)),
    Column("error_message", Text),
    Index("transfer_tasks_of", "tenant", "username", "id"),
)
transfer_parents = Table(
    "transfer_parents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False),
    Column("task_id", Integer, nullable=False, index=True),
    Column("source_uri", Text, nullable=False),
    Column("destination_uri", Text, nullable=False),
    Column("optional", Boolean, nullable=False),
    Column("source_shared_by", String(64), nullable=False),
    Column("destination_shared_by", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("bytes_transferred", BigInteger, nullable=False),
    Column("created", String(32), nullable=False),
    Column("start_time", String(32)),
    Column("end_time", String(32)),
    Column("error_message", Text),
)
transfer_children = Table(
    "transfer_children",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False),
    Column("task_id", Integer, nullable=False),
    Column("parent_id", Integer, nullable=False),
    # Below the parent's source and destination; bytes, since names on disk need not be text.
    Column("relative", LargeBinary, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("status", String(16), nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("bytes_transferred", BigInteger, nullable=False),
    Column("created", String(32), nullable=False),
    Column("start_time", String(32)),
    Column("end_time", String(32)),
    Column("error_message", Text),
    Index("transfer_children_of_task", "task_id", "status", "total_bytes", "bytes_transferred"),
    Index("transfer_children_of_parent", "parent_id", "status"),
)
