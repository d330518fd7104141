"""The outputs of a job: where they are, listing them, downloading them, while it runs, too.

They are in the archive once they were archived: when the job is FINISHED, or FAILED after its application had run and
its archiving was not skipped. Otherwise they are where the application wrote them, in the output directory on the
execution system. Paths of the user's are below that, and links lead others than the owner to nothing outside of it.
They are read with the rights that the job's owner has on the system: a job that was told to leave its outputs where
its owner may not read shows nothing of what is there.
"""

from __future__ import annotations

import stat
import sys

from msgspec import Struct
from sqlalchemy import RowMapping
from starlette.responses import Response

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.files import rights
from weft.service.files.content import file_response, zip_response
from weft.service.files.listing import listing
from weft.service.files.walking import entries
from weft.service.jobs.rights import job_row
from weft.service.jobs.states import TERMINAL, RemoteOutcome, Status
from weft.service.listing import PAGE, Listing
from weft.service.places import Tree, clean

RAW_LIMIT = 10**9
"""Bytes above which a single file is sent as a ZIP, too."""
_ARCHIVED = (RemoteOutcome.FINISHED.value, RemoteOutcome.FAILED.value)
"""The outcomes after which outputs go to the archive."""
_BINARY = "application/octet-stream"
_COLUMNS = (
    "status",
    "remote_outcome",
    "archive_mode",
    "exec_system_id",
    "exec_system_output_dir",
    "archive_system_id",
    "archive_system_dir",
    "shared_app_ctx",
    "shared_app_ctx_attribs",
)


class Outputs(Struct, frozen=True):
    """Where outputs are: a system, its files, and the path that was asked for."""

    system_id: str
    tree: Tree
    path: str


def get_job_output_list(ask: Ask) -> Answer:
    """All outputs below a path, or a page of one folder when the request has ``limit`` or ``skip``."""
    outputs = _outputs(ask, "list the outputs of")
    paged = ask.text("limit") is not None or ask.text("skip") is not None
    limit, skip = ask.number("limit", PAGE), max(ask.number("skip", 0), 0)
    found = listing(
        outputs.tree,
        outputs.system_id,
        outputs.path,
        limit=limit if paged and limit > 0 else sys.maxsize - skip,
        offset=skip,
        recurse=not paged,
    )
    uuid = ask.path["jobUuid"]
    return Answer(
        found,
        f"JOBS_OUTPUT_FILES_LIST_RETRIEVED Job {uuid} output files list retrieved for the user {ask.user} "
        f"in the tenant {ask.tenant}.",
        metadata=Listing((), limit if paged else -1, skip).metadata(len(found)),
    )


def get_job_output_download(ask: Ask) -> Answer | Response:
    """A file as it is, a folder as a ZIP; an empty folder is told in words."""
    if (ask.text("format") or "zip").lower() != "zip":
        raise Problem(400, "JOBS_OUTPUT_FORMAT_NOT_SUPPORTED the only format is zip")
    compress = ask.flag("compress")
    outputs = _outputs(ask, "download the outputs of")
    facts = outputs.tree.stat(outputs.path)
    if stat.S_ISDIR(facts.st_mode) and not entries(outputs.tree, outputs.path):
        return Answer(None, f"JOBS_OUTPUT_FILES_EMPTY Job {ask.path['jobUuid']} has no outputs there.")
    if stat.S_ISREG(facts.st_mode) and not compress and facts.st_size <= RAW_LIMIT:
        return file_response(outputs.tree, outputs.path, kind="attachment", media_type=_BINARY)
    return zip_response(outputs.tree, outputs.path)


def _outputs(ask: Ask, doing: str) -> Outputs:
    uuid = ask.path["jobUuid"]
    row = job_row(ask, doing, _COLUMNS, resource="JOB_OUTPUT")
    if Status(row["status"]) not in TERMINAL and not ask.flag("allowIfRunning"):
        raise Problem(
            400,
            f"JOBS_JOB_NOT_TERMINATED Job {uuid} has not terminated yet: user {ask.user} tenant: {ask.tenant} "
            f"job status: {row['status']}",
        )
    system_id, folder, lent = _where(row)
    path = clean(f"{folder}/{clean(ask.path.get('outputPath', ''))}")
    _, tree = rights.reach(
        ask.service, row["owner"], ask.tenant, system_id, path, "READ", shared_by=_lender(row, lent)
    )
    if row["owner"] != ask.user:
        with tree.spot(folder) as place:
            tree.within = place.path
    return Outputs(system_id, tree, path)


def _lender(row: RowMapping, what: str) -> str:
    return str(row["shared_app_ctx"]) if what in (row["shared_app_ctx_attribs"] or "") else ""


def _where(row: RowMapping) -> tuple[str, str, str]:
    """System and path, and by which name an app's owner may have lent them."""
    archived = row["archive_mode"] != "NEVER" and (
        row["status"] == Status.FINISHED.value
        or (row["status"] == Status.FAILED.value and row["remote_outcome"] in _ARCHIVED)
    )
    if archived:
        return row["archive_system_id"], row["archive_system_dir"], "SAC_ARCHIVE_SYSTEM_DIR"
    return row["exec_system_id"], row["exec_system_output_dir"], "SAC_EXEC_SYSTEM_OUTPUT_DIR"
