"""The table of operations of the Files service."""

from __future__ import annotations

from weft.service.files import operations, postits, sharing, tracking
from weft.service.routes import Operation, operation

_OPS = "/v3/files/ops/{systemId}"
_NATIVE = "/v3/files/utils/linux"
_PLACE = "{systemId}/{path:path}"
_TRANSFERS = "/v3/files/transfers"
_POSTITS = "/v3/files/postits"

OPERATIONS: tuple[Operation, ...] = (
    operation(
        "files", "healthCheck", "GET", "/v3/files/healthcheck", operations.health_check, open_to_all=True
    ),
    operation("files", "readyCheck", "GET", "/v3/files/readycheck", operations.ready_check, open_to_all=True),
    operation("files", "mkdir", "POST", _OPS, operations.mkdir),
    operation("files", "listFiles", "GET", _OPS + "/{path:path}", operations.list_files),
    operation("files", "insert", "POST", _OPS + "/{path:path}", operations.insert),
    operation("files", "moveCopy", "PUT", _OPS + "/{path:path}", operations.move_copy),
    operation("files", "delete", "DELETE", _OPS + "/{path:path}", operations.delete),
    operation("files", "getContents", "GET", f"/v3/files/content/{_PLACE}", operations.get_contents),
    operation("files", "getFacl", "GET", f"{_NATIVE}/facl/{_PLACE}", operations.get_facl),
    operation("files", "setFacl", "POST", f"{_NATIVE}/facl/{_PLACE}", operations.set_facl),
    operation("files", "getStatInfo", "GET", f"{_NATIVE}/{_PLACE}", operations.get_stat_info),
    operation("files", "runLinuxNativeOp", "POST", f"{_NATIVE}/{_PLACE}", operations.run_linux_native_op),
    operation("files", "getRecentTransferTasks", "GET", _TRANSFERS, tracking.get_recent_transfer_tasks),
    operation("files", "createTransferTask", "POST", _TRANSFERS, tracking.create_transfer_task),
    operation(
        "files", "getTransferTask", "GET", _TRANSFERS + "/{transferTaskId}", tracking.get_transfer_task
    ),
    operation(
        "files",
        "cancelTransferTask",
        "DELETE",
        _TRANSFERS + "/{transferTaskId}",
        tracking.cancel_transfer_task,
    ),
    operation(
        "files",
        "getTransferTaskDetails",
        "GET",
        _TRANSFERS + "/{transferTaskId}/details",
        tracking.get_transfer_task_details,
    ),
    operation("files", "getPermissions", "GET", f"/v3/files/permissions/{_PLACE}", sharing.get_permissions),
    operation(
        "files", "grantPermissions", "POST", f"/v3/files/permissions/{_PLACE}", sharing.grant_permissions
    ),
    operation(
        "files", "deletePermissions", "DELETE", f"/v3/files/permissions/{_PLACE}", sharing.delete_permissions
    ),
    operation("files", "getShareInfo", "GET", f"/v3/files/share/{_PLACE}", sharing.get_share_info),
    operation("files", "sharePath", "POST", f"/v3/files/share/{_PLACE}", sharing.share_path),
    operation(
        "files", "sharePathPublic", "POST", f"/v3/files/share_public/{_PLACE}", sharing.share_path_public
    ),
    operation("files", "unSharePath", "POST", f"/v3/files/unshare/{_PLACE}", sharing.un_share_path),
    operation(
        "files",
        "unSharePathPublic",
        "POST",
        f"/v3/files/unshare_public/{_PLACE}",
        sharing.un_share_path_public,
    ),
    operation(
        "files", "unSharePathAll", "POST", f"/v3/files/unshare_all/{_PLACE}", sharing.un_share_path_all
    ),
    operation("files", "listPostIts", "GET", _POSTITS, postits.list_post_its),
    operation(
        "files",
        "redeemPostIt",
        "GET",
        _POSTITS + "/redeem/{postitId}",
        postits.redeem_post_it,
        open_to_all=True,
    ),
    operation("files", "getPostIt", "GET", _POSTITS + "/{postitId}", postits.get_post_it),
    operation("files", "updatePostIt", "PATCH", _POSTITS + "/{postitId}", postits.update_post_it),
    operation("files", "deletePostIt", "DELETE", _POSTITS + "/{postitId}", postits.delete_post_it),
    operation("files", "createPostIt", "POST", f"{_POSTITS}/{_PLACE}", postits.create_post_it),
)
