"""The operations on files and their contents."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
import msgspec
from starlette.responses import Response

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.files import copying, native, rights
from weft.service.files.content import content
from weft.service.files.listing import listing
from weft.service.files.uploading import receive
from weft.service.places import Tree, clean
from weft.service.systems.model import System

MOST_LISTED = 1000
_OFFSETS = 2**31 - 1


class MkdirRequest(msgspec.Struct):
    path: str


class MoveCopyRequest(msgspec.Struct, rename="camel"):
    operation: Literal["MOVE", "COPY"]
    new_path: str


class NativeRequest(msgspec.Struct):
    operation: native.NativeOperation
    argument: Annotated[str, msgspec.Meta(max_length=4096)]


class AclRequest(msgspec.Struct, rename="camel"):
    operation: native.AclOperation
    acl_string: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    recursion_method: native.Recursion | None = None


def reached(ask: Ask, path: str, need: rights.Right) -> tuple[System, Tree]:
    """The system of a request and its files, if the caller may do this with this path."""
    for restricted in ("impersonationId", "sharedCtx"):
        if ask.text(restricted):
            raise Problem(403, f"FILES_UNAUTH_IMPERSONATE Only services may use {restricted}")
    return rights.reach(ask.service, ask.user, ask.tenant, ask.path["systemId"], path, need)


def complete(ask: Ask, operation: str, path: str) -> str:
    """The message of every success."""
    system = ask.path["systemId"]
    return (
        f"FAPI_OP_COMPLETE Operation completed. Operation: {operation} System: {system} Path: {path or '/'}"
    )


def health_check(ask: Ask) -> Answer:
    return Answer(message="FILES_HEALTHY The service is there")


def ready_check(ask: Ask) -> Answer:
    return Answer(message="FILES_READY The service is ready")


def list_files(ask: Ask) -> Answer:
    path = ask.path["path"]
    system, tree = reached(ask, path, "READ")
    found = listing(
        tree,
        system.id,
        path,
        limit=ask.number("limit", MOST_LISTED, least=0, most=MOST_LISTED),
        offset=ask.number("offset", 0, least=0, most=_OFFSETS),
        recurse=ask.flag("recurse"),
        pattern=ask.text("pattern"),
    )
    return Answer(found, complete(ask, "listFiles", path))


def mkdir(ask: Ask) -> Answer:
    path = ask.body(MkdirRequest).path
    _, tree = reached(ask, path, "MODIFY")
    tree.make(path)
    return Answer(message=complete(ask, "mkdir", path))


async def insert(ask: Ask) -> Answer:
    path = clean(ask.path["path"])
    _, tree = await anyio.to_thread.run_sync(reached, ask, path, "MODIFY")
    if not path:
        raise Problem(400, "FILES_ERR_SLASH_PATH The root directory of a system is no file to upload to")
    await receive(tree, path, ask.request.headers.get("content-type", ""), ask.request.stream())
    return Answer(message=complete(ask, "insert", path))


def move_copy(ask: Ask) -> Answer:
    request = ask.body(MoveCopyRequest)
    path = clean(ask.path["path"])
    moving = request.operation == "MOVE"
    system, source = reached(ask, path, "MODIFY" if moving else "READ")
    _, target = reached(ask, request.new_path, "MODIFY")
    if moving:
        arrived = copying.move(source, path, target, request.new_path)
        with ask.service.database.writing() as connection:
            rights.rename(connection, ask.tenant, system.id, path, arrived)
    else:
        copying.copy(source, path, target, request.new_path)
    return Answer(message=complete(ask, f"moveCopy {request.operation}", path))


def delete(ask: Ask) -> Answer:
    path = clean(ask.path["path"])
    system, tree = reached(ask, path, "MODIFY")
    copying.remove(tree, path)
    with ask.service.database.writing() as connection:
        rights.forget(connection, ask.tenant, system.id, path)
    return Answer(message=complete(ask, "delete", path))


def get_contents(ask: Ask) -> Response:
    path = ask.path["path"]
    _, tree = reached(ask, path, "READ")
    return content(tree, path, ask.request.headers, zipped=ask.flag("zip"))


def get_stat_info(ask: Ask) -> Answer:
    path = ask.path["path"]
    system, tree = reached(ask, path, "READ")
    found = native.stat_info(tree, system.root_dir, path, follow=ask.flag("followLinks"))
    return Answer(found, complete(ask, "getStatInfo", path))


def run_linux_native_op(ask: Ask) -> Answer:
    path = ask.path["path"]
    request = ask.body(NativeRequest)
    system, tree = reached(ask, path, "MODIFY")
    _refuse_root(system, path)
    recursive = ask.flag("recursive")
    done = native.change(
        tree, system.root_dir, path, request.operation, request.argument, recursive=recursive
    )
    return Answer(done, complete(ask, request.operation, path))


def get_facl(ask: Ask) -> Answer:
    path = ask.path["path"]
    system, tree = reached(ask, path, "READ")
    return Answer(native.access_list(tree, system.root_dir, path), complete(ask, "getFacl", path))


def set_facl(ask: Ask) -> Answer:
    path = ask.path["path"]
    request = ask.body(AclRequest, drop_nulls=True)
    system, tree = reached(ask, path, "MODIFY")
    _refuse_root(system, path)
    recursion = request.recursion_method or "NONE"
    done = native.set_access_list(
        tree, system.root_dir, path, request.operation, request.acl_string, recursion
    )
    return Answer(done, complete(ask, "setFacl", path))


def _refuse_root(system: System, path: str) -> None:
    if not clean(path) and not clean(system.root_dir):
        raise Problem(400, "FILES_ROOT_REFUSED The root of a machine is left as it is")
