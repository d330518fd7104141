"""One valid request of every operation, each on objects of its own: what must be answered with 2xx."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.service.conftest import PASSWORD
from tests.service.seeds import OTHER, USER, World

KEYS = {"privateKey": "a private key", "publicKey": "a public key"}


class Asked(NamedTuple):
    """The parts of a request: ``body`` is sent as JSON, ``form`` and ``file`` in their own ways."""

    path: Mapping[str, str] = {}
    query: Mapping[str, Any] = {}
    body: Any = None
    form: Mapping[str, str] | None = None
    file: bytes | None = None


Request = Callable[[World], Asked]


def _plain(_world: World) -> Asked:
    return Asked()


# --- what several specifications have --------------------------------------------------------------------------------

SEARCH = {"limit": 5, "computeTotal": "true", "select": "allAttributes"}
USERS = {"users": [OTHER]}
PERMISSIONS = {"permissions": ["READ"]}


def _system(*, query: Mapping[str, Any] | None = None, body: Any = None, **path: str) -> Request:
    return lambda world: Asked({"systemId": world.system(), **path}, query or {}, body)


def _app(*, query: Mapping[str, Any] | None = None, body: Any = None, **path: str) -> Request:
    return lambda world: Asked({"appId": world.app(), **path}, query or {}, body)


def _file(*, query: Mapping[str, Any] | None = None, body: Any = None) -> Request:
    return lambda world: Asked({"systemId": world.place, "path": world.file()}, query or {}, body)


def _done(*, query: Mapping[str, Any] | None = None, body: Any = None, **path: str) -> Request:
    return lambda world: Asked({"jobUuid": world.done, **path}, query or {}, body)


# --- tenants and authenticator ---------------------------------------------------------------------------------------


def _first(path: str, name: str) -> Request:
    """Of what a list shows, the first: nobody can make a second one."""
    return lambda world: Asked({name: world.ask("GET", path)[0][name]})


def _client(world: World) -> Asked:
    return Asked({"client_id": world.client()})


def _update_client(world: World) -> Asked:
    return Asked({"client_id": world.client()}, body={"display_name": "another", "callback_url": ""})


TENANTS: dict[str, Request] = {
    "list_sites": _plain,
    "get_site": _first("/v3/sites", "site_id"),
    "list_tenants": lambda _: Asked(query={"limit": 1, "offset": 0}),
    "get_tenant": _first("/v3/tenants", "tenant_id"),
    "get_tenant_history": _first("/v3/tenants", "tenant_id"),
    "list_ldaps": _plain,
    "list_owners": _plain,
    "get_owner": _first("/v3/tenants/owners", "email"),
}

AUTHENTICATOR: dict[str, Request] = {
    "hello": _plain,
    "ready": _plain,
    "get_server_metadata": _plain,
    "get_config": _plain,
    "list_clients": _plain,
    "create_client": lambda world: Asked(body={"client_id": world.name(), "description": "of a test"}),
    "get_client": _client,
    "update_client": _update_client,
    "delete_client": _client,
    "create_token": lambda _: Asked(form={"grant_type": "password", "username": USER, "password": PASSWORD}),
    "revoke_token": lambda world: Asked(body={"token": world.spare_token()}),
    "get_userinfo": _plain,
    "list_profiles": lambda _: Asked(query={"limit": 10}),
    "get_profile": lambda _: Asked({"username": USER}),
}

# --- systems ---------------------------------------------------------------------------------------------------------


def _child(world: World) -> Asked:
    return Asked({"childSystemId": world.child(world.system(allowChildren=True))})


def _parent(world: World) -> Asked:
    parent = world.system(allowChildren=True)
    return Asked({"parentSystemId": parent}, body={"childSystemIds": [world.child(parent)]})


def _new_child(world: World) -> Asked:
    body = {"id": world.name(), "effectiveUserId": USER, "rootDir": str(world.root)}
    return Asked({"parentId": world.system(allowChildren=True)}, body=body)


def _put_system(world: World) -> Asked:
    body = world.system_body()
    fixed = ("id", "systemType", "effectiveUserId", "rootDir", "canExec")
    changed = {key: value for key, value in body.items() if key not in fixed}
    return Asked({"systemId": world.system()}, body={**changed, "description": "another"})


def _deleted_system(world: World) -> Asked:
    system = world.system()
    world.ask("POST", f"/v3/systems/{system}/delete")
    return Asked({"systemId": system})


def _with_credential(world: World) -> Asked:
    system, place = world.system(), {"userName": USER}
    world.ask("POST", f"/v3/systems/credential/{system}/user/{USER}?skipCredentialCheck=true", json=KEYS)
    return Asked({"systemId": system, **place})


SYSTEMS: dict[str, Request] = {
    "healthCheck": _plain,
    "readyCheck": _plain,
    "getSystems": lambda _: Asked(query={**SEARCH, "search": "(enabled.eq.true)", "listType": "ALL"}),
    "createSystem": lambda world: Asked(query={"skipCredentialCheck": "True"}, body=world.system_body()),
    "createChildSystem": _new_child,
    "searchSystemsQueryParameters": lambda _: Asked(query={**SEARCH, "enabled.eq": "true"}),
    "searchSystemsRequestBody": lambda _: Asked(query=SEARCH, body={"search": ["enabled = 'true'"]}),
    "matchConstraints": lambda _: Asked(body={"match": ["id LIKE 'seed%'"]}),
    "getSystem": _system(query={"select": "allAttributes"}),
    "patchSystem": _system(body={"description": "another", "tags": ["a"], "notes": {"b": 1}}),
    "putSystem": _put_system,
    "isEnabled": _system(),
    "enableSystem": _system(),
    "disableSystem": _system(),
    "deleteSystem": _system(),
    "undeleteSystem": _deleted_system,
    "changeSystemOwner": _system(userName=OTHER),
    "getHistory": _system(),
    "hostEval": _system(envVarName="HOME"),
    "unlinkFromParent": _child,
    "unlinkChildren": _parent,
    "getUserCredential": _with_credential,
    "createUserCredential": _system(query={"skipCredentialCheck": "true"}, body=KEYS, userName=USER),
    "removeUserCredential": _with_credential,
    "checkUserCredential": _with_credential,
    "getUserPerms": _system(userName=OTHER),
    "grantUserPerms": _system(body=PERMISSIONS, userName=OTHER),
    "revokeUserPerms": _system(body=PERMISSIONS, userName=OTHER),
    "revokeUserPerm": _system(userName=OTHER, permission="READ"),
    "getShareInfo": _system(),
    "shareSystem": _system(body=USERS),
    "shareSystemPublic": _system(),
    "unShareSystem": _system(body=USERS),
    "unShareSystemPublic": _system(),
    "getSchedulerProfiles": _plain,
    "createSchedulerProfile": lambda world: Asked(body={"name": world.name(), "hiddenOptions": ["MEM"]}),
    "getSchedulerProfile": lambda world: Asked({"name": world.profile()}),
    "deleteSchedulerProfile": lambda world: Asked({"name": world.profile()}),
}

# --- apps ------------------------------------------------------------------------------------------------------------


def _put_app(world: World) -> Asked:
    body = {key: value for key, value in world.app_body().items() if key not in ("id", "version")}
    return Asked({"appId": world.app(), "appVersion": "1.0"}, body={**body, "description": "another"})


def _deleted_app(world: World) -> Asked:
    app = world.app()
    world.ask("POST", f"/v3/apps/{app}/delete")
    return Asked({"appId": app})


APPS: dict[str, Request] = {
    "healthCheck": _plain,
    "readyCheck": _plain,
    "getApps": lambda _: Asked(query={**SEARCH, "search": "(id.like.seed*)~(enabled.eq.true)"}),
    "createAppVersion": lambda world: Asked(body=world.app_body()),
    "searchAppsQueryParameters": lambda _: Asked(query={**SEARCH, "enabled.eq": "true"}),
    "searchAppsRequestBody": lambda _: Asked(query=SEARCH, body={"search": ["enabled = 'true'"]}),
    "getAppLatestVersion": _app(),
    "getApp": _app(appVersion="1.0"),
    "patchApp": _app(body={"description": "another", "jobAttributes": {"nodeCount": 2}}, appVersion="1.0"),
    "putApp": _put_app,
    "isEnabled": _app(query={"version": "1.0"}),
    "enableApp": _app(),
    "disableApp": _app(),
    "enableAppVersion": _app(appVersion="1.0"),
    "disableAppVersion": _app(appVersion="1.0"),
    "lockApp": _app(appVersion="1.0"),
    "unlockApp": _app(appVersion="1.0"),
    "deleteApp": _app(),
    "undeleteApp": _deleted_app,
    "changeAppOwner": _app(userName=OTHER),
    "getHistory": _app(),
    "getUserPerms": _app(userName=OTHER),
    "grantUserPerms": _app(body=PERMISSIONS, userName=OTHER),
    "revokeUserPerms": _app(body=PERMISSIONS, userName=OTHER),
    "revokeUserPerm": _app(userName=OTHER, permission="READ"),
    "getShareInfo": _app(),
    "shareApp": _app(body=USERS),
    "shareAppPublic": _app(),
    "unShareApp": _app(body=USERS),
    "unShareAppPublic": _app(),
}

# --- files -----------------------------------------------------------------------------------------------------------


def _transfer(world: World) -> Asked:
    return Asked({"transferTaskId": world.transfer()})


def _new_transfer(world: World) -> Asked:
    elements = [{"sourceURI": world.uri(world.file()), "destinationURI": world.uri(f"copies/{world.name()}")}]
    return Asked(body={"tag": "seed", "elements": elements})


def _postit(*, query: Mapping[str, Any] | None = None, body: Any = None) -> Request:
    return lambda world: Asked({"postitId": world.postit()}, query or {}, body)


def _granted(*, query: Mapping[str, Any]) -> Request:
    def request(world: World) -> Asked:
        path, body = world.file(), {"username": OTHER, "permission": "READ"}
        world.ask("POST", f"/v3/files/permissions/{world.place}/{path}", json=body)
        return Asked({"systemId": world.place, "path": path}, query)

    return request


def _insert(world: World) -> Asked:
    return Asked({"systemId": world.place, "path": f"data/{world.name()}"}, file=b"\0 content")


def _move(world: World) -> Asked:
    place = {"systemId": world.place, "path": world.file()}
    return Asked(place, body={"operation": "MOVE", "newPath": f"moved/{world.name()}"})


def _redeem(world: World) -> Asked:
    return Asked({"postitId": world.postit()}, {"download": "true"})


ACL = {"operation": "ADD", "recursionMethod": "NONE", "aclString": "user::rw-"}

FILES: dict[str, Request] = {
    "healthCheck": _plain,
    "readyCheck": _plain,
    "listFiles": lambda world: Asked({"systemId": world.place, "path": ""}, {"recurse": "true"}),
    "moveCopy": _move,
    "insert": _insert,
    "delete": _file(),
    "mkdir": lambda world: Asked({"systemId": world.place}, body={"path": f"data/{world.name()}/b"}),
    "getStatInfo": _file(query={"followLinks": "false"}),
    "runLinuxNativeOp": _file(body={"operation": "CHMOD", "argument": "700"}),
    "getFacl": _file(),
    "setFacl": _file(body=ACL),
    "getContents": _file(),
    "getRecentTransferTasks": lambda _: Asked(query={"limit": 5}),
    "createTransferTask": _new_transfer,
    "getTransferTask": _transfer,
    "cancelTransferTask": _transfer,
    "getTransferTaskDetails": _transfer,
    "getPermissions": _granted(query={"username": OTHER}),
    "grantPermissions": _file(body={"username": OTHER, "permission": "READ"}),
    "deletePermissions": _granted(query={"username": OTHER}),
    "getShareInfo": _file(),
    "sharePath": _file(body=USERS),
    "sharePathPublic": _file(),
    "unSharePath": _file(body=USERS),
    "unSharePathPublic": _file(),
    "unSharePathAll": _file(),
    "createPostIt": _file(body={"allowedUses": 2, "validSeconds": 60}),
    "listPostIts": lambda _: Asked(query={"limit": 5}),
    "getPostIt": _postit(),
    "updatePostIt": _postit(body={"allowedUses": 3}),
    "deletePostIt": _postit(),
    "redeemPostIt": _redeem,
}

# --- jobs ------------------------------------------------------------------------------------------------------------

SHARE = {"grantee": OTHER, "jobResource": ["JOB_HISTORY", "JOB_OUTPUT"], "jobPermission": "READ"}


def _hidden(world: World) -> Asked:
    job = world.finished()
    world.ask("POST", f"/v3/jobs/{job}/hide")
    return Asked({"jobUuid": job})


def _shared(*, user: str | None = None) -> Request:
    def request(world: World) -> Asked:
        world.ask("POST", f"/v3/jobs/{world.done}/share", json=SHARE)
        return Asked({"jobUuid": world.done, **({"user": user} if user else {})})

    return request


def _subscribed(world: World) -> Asked:
    world.subscription()
    return Asked({"jobUuid": world.busy})


JOBS: dict[str, Request] = {
    "checkHealth": _plain,
    "ready": _plain,
    "readycheck": _plain,
    "sayHello": _plain,
    "submitJob": lambda world: Asked(
        body=world.job_body(tags=["a"], notes={"b": 1}, archiveOnAppError=False)
    ),
    "getJob": _done(),
    "getJobStatus": _done(),
    "getJobHistory": _done(query={"limit": 100}),
    "getJobList": lambda _: Asked(query={"limit": 5, "computeTotal": "True", "orderBy": "created(desc)"}),
    "getJobSearchList": lambda _: Asked(query={**SEARCH, "status.eq": "FINISHED"}),
    "getJobSearchListByPostSqlStr": lambda _: Asked(
        query=SEARCH, body={"search": ["(status = 'FINISHED' AND name LIKE 'seed%')", " OR (tags IN ('a'))"]}
    ),
    "getJobOutputList": _done(outputPath=""),
    "getJobOutputDownload": _done(outputPath="tapisjob.out"),
    "getResubmitRequestJson": _done(),
    "resubmitJob": _done(),
    "cancelJob": lambda world: Asked({"jobUuid": world.running()}),
    "hideJob": lambda world: Asked({"jobUuid": world.finished()}),
    "unhideJob": _hidden,
    "shareJob": _done(body=SHARE),
    "getJobShare": _shared(),
    "deleteJobShare": _shared(user=OTHER),
    "sendEvent": lambda world: Asked({"jobUuid": world.busy}, body={"eventData": "a", "eventDetail": "B"}),
    "subscribe": lambda world: Asked({"jobUuid": world.busy}, body=world.subscription_body()),
    "getSubscriptions": _subscribed,
    "deleteSubscriptions": lambda world: Asked({"uuid": world.subscription()}),
}

VALID: dict[str, dict[str, Request]] = {
    "tenants": TENANTS,
    "authenticator": AUTHENTICATOR,
    "systems": SYSTEMS,
    "apps": APPS,
    "files": FILES,
    "jobs": JOBS,
}
