"""A second user sees and changes nothing of the first: every operation is tried on all that another user has."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient
from tests.service.conftest import PASSWORD, speaker, start
from tests.service.private import MARK, Owner, ended, system

from weft.service.routes import Operation
from weft.service.server import Service
from weft.service.web import operations

OPERATIONS = operations()
HINT = MARK[:8]
"""What searches look for: answers may repeat the question, and must not know the rest."""
NOBODYS = {
    "system": "no-such-system",
    "child": "no-such-child",
    "file": "ann/no-such.txt",
    "app": "no-such-app",
    "job": "0b7b6f0a-6c3e-4b6e-9a55-6f8f5f3d2c11-007",
    "running": "0b7b6f0a-6c3e-4b6e-9a55-6f8f5f3d2c11-007",
    "subscription": "0b7b6f0a-6c3e-4b6e-9a55-6f8f5f3d2c11",
    "task": "0b7b6f0a-6c3e-4b6e-9a55-6f8f5f3d2c11",
    "postit": "0b7b6f0a-6c3e-4b6e-9a55-6f8f5f3d2c11",
    "client": "no-such-client",
    "profile": "no-such-profile",
}
PARAMETERS = {
    "systemId": "{system}",
    "parentId": "{system}",
    "parentSystemId": "{system}",
    "childSystemId": "{child}",
    "appId": "{app}",
    "appVersion": "1.0",
    "jobUuid": "{job}",
    "transferTaskId": "{task}",
    "postitId": "{postit}",
    "client_id": "{client}",
    "name": "{profile}",
    "path": "secret.txt",
    "outputPath": "",
    "userName": "bob",
    "user": "bob",
    "username": "ann",
    "permission": "READ",
    "site_id": "local",
    "tenant_id": "local",
    "ldap_id": "none",
    "email": "nobody",
    "authCode": "none",
    "sessionId": "none",
    "envVarName": "HOME",
}


class Ask(NamedTuple):
    """A request: ``path`` replaces parameters of the path; in braces stands what is put in its place."""

    path: Mapping[str, str] = {}
    query: str = ""
    body: Any = None
    file: bytes | None = None


def ask(query: str = "", body: Any = None, file: bytes | None = None, **path: str) -> Ask:
    return Ask(path, query, body, file)


PLAIN = [ask()]
ON_STORAGE = {"systemId": "storage", "path": "{file}"}
PLACES = [{}, ON_STORAGE]
USERS = {"users": ["bob"]}
PERMISSIONS = [ask(body={"permissions": ["READ", "MODIFY"]}, userName=user) for user in ("bob", "ann", "cat")]
LISTS = [
    *(f"listType={each}&select=allAttributes&limit=-1&computeTotal=true" for each in (
        "OWNED", "SHARED_PUBLIC", "SHARED_DIRECT", "READ_PERM", "MINE", "ALL"
    )),
    "listType=ALL&impersonationId=ann",
    "listType=ALL&showDeleted=true&select=allAttributes",
]  # fmt: skip
JOB_LISTS = [
    f"listType={each}&select=allAttributes&limit=1000&computeTotal=true"
    for each in ("MY_JOBS", "SHARED_JOBS", "ALL_JOBS")
]
STATEMENTS = [
    f"description like '%{HINT}%'",
    "owner = 'ann'",
    "id like 'ann-%'",
    "owner <> 'bob' or id is not null",
]


def on_files(query: str = "", body: Any = None, file: bytes | None = None) -> list[Ask]:
    return [Ask(place, query, body, file) for place in PLACES]


def ofs(kind: str) -> list[Ask]:
    return [ask(**{kind: "ann"}), ask(**{kind: "cat"}), ask(**{kind: "bob"})]


def copied(source: str, target: str) -> Ask:
    element = {"sourceURI": f"tapis://{source}", "destinationURI": f"tapis://{target}"}
    return ask(body={"elements": [element]})


def hello(**more: Any) -> Ask:
    return ask(body={"name": "of-bob", "appId": "hello", "appVersion": "1.0", **more})


def put_in(source: str) -> Ask:
    return hello(
        appId="shell-runner",
        fileInputs=[{"name": "Input Directory", "sourceUrl": f"tapis://{source}"}],
        parameterSet={"appArgs": [{"name": "Shell command", "arg": "'cat inputDirectory/*'"}]},
    )


SUBMISSIONS = [
    ask(body={"name": "of-bob", "appId": "{app}", "appVersion": "1.0"}),
    ask(body={"name": "of-bob", "appId": "{app}", "appVersion": "1.0", "execSystemId": "local"}),
    hello(execSystemId="{system}"),
    hello(archiveSystemId="{system}"),
    hello(owner="ann"),
    put_in("{system}/secret.txt"),
    put_in("{system}/"),
    put_in("storage/{file}"),
    put_in("local/jobs/ann/"),
    hello(archiveSystemId="storage", archiveSystemDir="/ann/taken"),
    *(hello(**{f"execSystem{each}Dir": "/jobs/ann/{job}"}) for each in ("Exec", "Input", "Output")),
    hello(archiveSystemId="local", archiveSystemDir="/jobs/ann/{job}"),
    hello(execSystemExecDir="/of-nobody"),
    hello(dynamicExecSystem=True, execSystemConstraints=["id like 'ann-%'"]),
    hello(parameterSet={"schedulerOptions": [{"name": "p", "arg": "--tapis-profile {profile}"}]}),
]
TARGET = {"deliveryMethod": "WEBHOOK", "deliveryAddress": "http://127.0.0.1:9/bob"}

OPEN: dict[str, str] = {
    "tenants.list_sites": "about the service",
    "tenants.get_site": "about the service",
    "tenants.list_tenants": "about the service",
    "tenants.get_tenant": "about the service",
    "tenants.get_tenant_history": "about the service",
    "tenants.list_ldaps": "about the service",
    "tenants.list_owners": "about the service",
    "tenants.get_owner": "about the service",
    "authenticator.hello": "open",
    "authenticator.ready": "open",
    "authenticator.get_server_metadata": "open",
    "authenticator.get_config": "about the service",
    "authenticator.get_userinfo": "about oneself",
    "authenticator.list_profiles": "the users of a tenant know each other's names",
    "authenticator.get_profile": "the users of a tenant know each other's names",
    "tokens.hello": "open",
    "tokens.ready": "open",
    **{f"{spec}.healthCheck": "open" for spec in ("systems", "apps", "files")},
    **{f"{spec}.readyCheck": "open" for spec in ("systems", "apps", "files")},
    **{f"jobs.{name}": "open" for name in ("checkHealth", "ready", "readycheck", "sayHello")},
    "files.redeemPostIt": "who has the id of a postit may redeem it: that is what it is for",
}

TRIED: dict[str, list[Ask]] = {
    "authenticator.list_clients": [ask(), ask("listType=ALL&limit=1000")],
    "authenticator.create_client": [ask(body={"client_id": "ann-client"})],
    "authenticator.get_client": PLAIN,
    "authenticator.update_client": [ask(body={"display_name": "of bob", "callback_url": "http://127.0.0.1"})],
    "authenticator.delete_client": PLAIN,
    "authenticator.create_token": [
        ask(body={"grant_type": "password", "username": "ann", "password": PASSWORD.upper()}),
        ask(body={"grant_type": "refresh_token", "refresh_token": "none"}),
    ],
    "authenticator.revoke_token": [ask(body={"token": "none"})],
    "tokens.refresh_token": [ask(body={"refresh_token": "none"})],
    "tokens.revoke_token": [ask(body={"token": "none"})],
    # systems
    "systems.getSystems": [
        *map(ask, LISTS),
        ask(f"listType=ALL&search=(description.like.*{HINT}*)"),
        ask("listType=ALL&search=(owner.eq.ann)&select=allAttributes"),
        ask("listType=ALL&orderBy=id&startAfter=ann&limit=1"),
    ],
    "systems.createSystem": [ask(body=system("ann-private", Path("/nowhere")))],
    "systems.searchSystemsQueryParameters": [
        ask(f"listType=ALL&description.like=*{HINT}*"),
        ask("listType=ALL&owner.eq=ann&select=allAttributes"),
    ],
    "systems.searchSystemsRequestBody": [
        ask("listType=ALL&select=allAttributes", {"search": [each]}) for each in STATEMENTS
    ],
    "systems.matchConstraints": [ask(body={"match": [each]}) for each in STATEMENTS],
    "systems.getSchedulerProfiles": PLAIN,
    "systems.createSchedulerProfile": [ask(body={"name": "ann-profile"})],
    "systems.getSchedulerProfile": PLAIN,
    "systems.deleteSchedulerProfile": PLAIN,
    "systems.getUserCredential": ofs("userName"),
    "systems.createUserCredential": [
        ask(body={"privateKey": "a", "publicKey": "b"}, userName=user) for user in ("ann", "bob")
    ],
    "systems.removeUserCredential": ofs("userName"),
    "systems.checkUserCredential": ofs("userName"),
    "systems.createChildSystem": [ask(body={"id": "bob-child", "effectiveUserId": "bob", "rootDir": "/"})],
    "systems.unlinkFromParent": PLAIN,
    "systems.unlinkChildren": [ask(body={"childSystemIds": ["{child}"]}), ask("all=true")],
    "systems.getUserPerms": ofs("userName"),
    "systems.grantUserPerms": PERMISSIONS,
    "systems.revokeUserPerms": PERMISSIONS,
    "systems.revokeUserPerm": ofs("userName"),
    "systems.getShareInfo": PLAIN,
    "systems.shareSystem": [ask(body=USERS)],
    "systems.shareSystemPublic": PLAIN,
    "systems.unShareSystem": [ask(body={"users": ["cat", "bob"]})],
    "systems.unShareSystemPublic": PLAIN,
    "systems.enableSystem": PLAIN,
    "systems.disableSystem": PLAIN,
    "systems.deleteSystem": PLAIN,
    "systems.undeleteSystem": PLAIN,
    "systems.changeSystemOwner": PLAIN,
    "systems.getHistory": PLAIN,
    "systems.isEnabled": PLAIN,
    "systems.hostEval": PLAIN,
    "systems.getSystem": [
        ask(),
        ask("select=allAttributes&returnCredentials=true&resolveEffectiveUser=false"),
        ask("requireExecPerm=true"),
        ask("impersonationId=ann"),
        ask("sharedAppCtx=ann"),
        ask("resourceTenant=other"),
        ask(systemId="{child}"),
    ],
    "systems.patchSystem": [ask(body={"description": "of bob"})],
    "systems.putSystem": [ask(body={"host": "localhost", "defaultAuthnMethod": "PKI_KEYS"})],
    # apps
    "apps.getApps": [
        *map(ask, LISTS),
        ask(f"listType=ALL&search=(description.like.*{HINT}*)"),
        ask("listType=ALL&search=(owner.eq.ann)&select=allAttributes"),
    ],
    "apps.createAppVersion": [
        ask(
            body={
                "id": "ann-app",
                "version": version,
                "runtime": "ZIP",
                "containerImage": "/a.zip",
                "jobAttributes": {"execSystemId": "local"},
            }
        )
        for version in ("1.0", "2.0")
    ],
    "apps.searchAppsQueryParameters": [
        ask(f"listType=ALL&description.like=*{HINT}*"),
        ask("listType=ALL&owner.eq=ann&select=allAttributes"),
    ],
    "apps.searchAppsRequestBody": [
        ask("listType=ALL&select=allAttributes", {"search": [each]}) for each in STATEMENTS
    ],
    "apps.isEnabled": [ask(), ask("version=1.0")],
    "apps.getUserPerms": ofs("userName"),
    "apps.grantUserPerms": PERMISSIONS,
    "apps.revokeUserPerms": PERMISSIONS,
    "apps.revokeUserPerm": ofs("userName"),
    "apps.getShareInfo": PLAIN,
    "apps.shareApp": [ask(body=USERS)],
    "apps.shareAppPublic": PLAIN,
    "apps.unShareApp": [ask(body={"users": ["cat", "bob"]})],
    "apps.unShareAppPublic": PLAIN,
    **{f"apps.{name}App": PLAIN for name in ("enable", "disable", "delete", "undelete", "lock", "unlock")},
    "apps.changeAppOwner": PLAIN,
    "apps.getHistory": PLAIN,
    "apps.enableAppVersion": PLAIN,
    "apps.disableAppVersion": PLAIN,
    "apps.getAppLatestVersion": [ask(), ask("requireExecPerm=true&select=allAttributes")],
    "apps.getApp": [ask(), ask("impersonationId=ann"), ask("requireExecPerm=true&select=allAttributes")],
    "apps.patchApp": [ask(body={"description": "of bob"})],
    "apps.putApp": [
        ask(body={"runtime": "ZIP", "containerImage": "/a.zip", "jobAttributes": {"execSystemId": "local"}})
    ],
    # files
    "files.mkdir": [ask(body={"path": "made"}), ask(body={"path": "ann/made"}, systemId="storage")],
    "files.listFiles": [
        *on_files(),
        *on_files("recurse=true&impersonationId=ann"),
        *on_files("sharedCtx=ann"),
        ask("recurse=true", path=""),
        ask("recurse=true", systemId="storage", path=""),
        ask("recurse=true", systemId="local", path=""),
        ask("recurse=true", systemId="local", path="jobs/ann/{job}"),
        ask("recurse=true", systemId="storage", path="ann"),
    ],
    "files.insert": on_files(file=b"of bob"),
    "files.moveCopy": [
        Ask(place, "", {"operation": operation, "newPath": target})
        for operation in ("MOVE", "COPY")
        for place in [*PLACES, {"systemId": "storage", "path": "ann"}, {"systemId": "local", "path": "jobs"}]
        for target in ("bob/taken", "ann/taken", "ann")
    ],
    "files.delete": [*on_files(), *(ask(systemId=each, path=path) for each, path in (
        ("storage", "ann"), ("storage", ""), ("local", "jobs"), ("local", "jobs/ann/{job}"), ("{system}", "")
    ))],
    "files.getContents": [
        *on_files(),
        *on_files("zip=true"),
        *(ask("zip=true", systemId=each, path="") for each in ("{system}", "storage", "local")),
        ask("zip=true", systemId="local", path="jobs"),
    ],
    "files.getFacl": on_files(),
    "files.setFacl": on_files(body={"operation": "ADD", "aclString": "user::rwx", "recursionMethod": "PHYSICAL"}),
    "files.getStatInfo": on_files("followLinks=true"),
    "files.runLinuxNativeOp": [
        *on_files("recursive=true", {"operation": "CHMOD", "argument": "777"}),
        Ask({"systemId": "local", "path": "jobs"}, "recursive=true", {"operation": "CHMOD", "argument": "777"}),
    ],
    "files.getRecentTransferTasks": [ask(), ask("limit=1000&impersonationId=ann")],
    "files.createTransferTask": [
        copied("{system}/secret.txt", "storage/bob/taken.txt"),
        copied("{system}/", "storage/bob/taken"),
        copied("storage/{file}", "storage/bob/taken.txt"),
        copied("storage/", "storage/bob/all"),
        copied("local/jobs", "storage/bob/jobs"),
        copied("storage/bob", "{system}/put"),
        copied("storage/bob", "storage/ann/put"),
        copied("storage/bob", "storage/put"),
    ],
    "files.getTransferTask": [ask(), ask("includeSummary=true"), ask("impersonationId=ann")],
    "files.cancelTransferTask": PLAIN,
    "files.getTransferTaskDetails": [ask(), ask("impersonationId=ann")],
    "files.getPermissions": [*on_files(), *on_files("username=ann"), *on_files("username=cat")],
    "files.grantPermissions": on_files(body={"username": "bob", "permission": "MODIFY"}),
    "files.deletePermissions": on_files("username=cat"),
    "files.getShareInfo": on_files(),
    "files.sharePath": on_files(body=USERS),
    "files.sharePathPublic": on_files(),
    "files.unSharePath": on_files(body={"users": ["cat"]}),
    "files.unSharePathPublic": on_files(),
    "files.unSharePathAll": on_files("recurse=true"),
    "files.listPostIts": [ask(f"listType={each}&select=allAttributes") for each in ("OWNED", "ALL")],
    "files.getPostIt": PLAIN,
    "files.updatePostIt": [ask(body={"allowedUses": 1})],
    "files.deletePostIt": PLAIN,
    "files.createPostIt": [*on_files(body={"allowedUses": -1}), ask(systemId="storage", path="ann")],
    # jobs
    "jobs.submitJob": SUBMISSIONS,
    "jobs.getJobList": [*map(ask, JOB_LISTS), ask("listType=ALL_JOBS&orderBy=owner")],
    "jobs.getJobSearchList": [
        *map(ask, JOB_LISTS),
        ask("listType=ALL_JOBS&owner.eq=ann&select=allAttributes"),
        ask(f"listType=ALL_JOBS&name.like=*{HINT}*&select=allAttributes"),
    ],
    "jobs.getJobSearchListByPostSqlStr": [
        ask("listType=ALL_JOBS&select=allAttributes", {"search": [each]})
        for each in ("owner = 'ann'", f"name like '%{HINT}%'", "owner <> 'bob' or uuid is not null")
    ],
    "jobs.getSubscriptions": PLAIN,
    "jobs.subscribe": [ask(body={"eventCategoryFilter": "ALL", "deliveryTargets": [TARGET]})],
    "jobs.deleteSubscriptions": [ask(), ask(jobUuid="{subscription}")],
    **{f"jobs.{name}Job": PLAIN for name in ("get", "resubmit", "cancel", "hide", "unhide")},
    **{f"jobs.getJob{name}": PLAIN for name in ("Status", "History", "Share")},
    "jobs.getResubmitRequestJson": PLAIN,
    "jobs.sendEvent": [ask(body={"eventData": "of bob"})],
    "jobs.shareJob": [
        ask(body={"grantee": "bob", "jobResource": ["JOB_OUTPUT"], "jobPermission": "READ"}),
    ],
    "jobs.deleteJobShare": [ask(user="cat"), ask(user="bob")],
    "jobs.getJobOutputList": [
        ask("allowIfRunning=true"), ask("allowIfRunning=true", outputPath="tapisjob.out"), ask("limit=5"),
    ],
    "jobs.getJobOutputDownload": [
        ask("allowIfRunning=true"), ask("allowIfRunning=true&compress=true", outputPath="tapisjob.out"),
    ],
    "jobs.putJobAnnotations": [ask(body={"notes": {}, "tags": ["bob"]})],
    "jobs.patchJobAnnotations": [ask(body={"tags": ["bob"]})],
    "weft.get_faults": PLAIN,
    "weft.put_faults": [ask(body=[])],
    "weft.purge": [ask(body={"systemId": each}) for each in ("{system}", "storage")],
}  # fmt: skip

NATURAL: dict[str, str] = {
    "authenticator.create_client": "ids are one for all",
    "systems.createSystem": "ids are one for all",
    "systems.createSchedulerProfile": "names are one for all",
    "systems.getSchedulerProfile": "scheduler profiles are there for all, only not to be changed",
    "systems.deleteSchedulerProfile": "scheduler profiles are there for all, only not to be changed",
    "apps.createAppVersion": "ids are one for all",
    "files.getPostIt": "the specification has 403 for the postit of another, whose id cannot be guessed",
    "files.updatePostIt": "likewise",
    "files.deletePostIt": "likewise",
    "jobs.sendEvent": "any user of the tenant who knows a job's uuid may send it events",
    "jobs.submitJob": "a scheduler profile that is there may be used",
}
"""Where the answer for what is another's differs from that for what is not there, and why it may."""


def name_of(operation: Operation) -> str:
    return f"{operation.spec}.{operation.operation_id}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, signing_key: Path) -> Iterator[Service]:
    running = start(tmp_path_factory.mktemp("service") / "state", signing_key)
    running.accounts.add("cat", PASSWORD)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def ann(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    owner = Owner(service, speaker(service, "ann"), tmp_path_factory.mktemp("of users"))
    yield owner
    owner.speaker.post(f"/v3/jobs/{owner.ids['running'][0]}/cancel")
    ended(owner.speaker, owner.ids["running"][0])


@pytest.fixture(scope="module")
def before(ann: Owner) -> dict[str, Any]:
    """What ann saw before bob did anything."""
    view = ann.view()
    assert str(view).count(MARK) > 100
    return view


@pytest.fixture(scope="module")
def bob(service: Service, ann: Owner, before: dict[str, Any]) -> TestClient:
    client = speaker(service, "bob")
    assert client.post("/v3/files/ops/storage/bob/own.txt", files={"file": b"of bob"}).is_success
    return client


def filled(thing: Any, ids: Mapping[str, str]) -> Any:
    """The thing with ids in the place of names in braces, wherever they stand."""
    if isinstance(thing, str):
        for name, value in ids.items():
            thing = thing.replace(f"{{{name}}}", value)
        return thing
    if isinstance(thing, dict):
        return {key: filled(value, ids) for key, value in thing.items()}
    return [filled(each, ids) for each in thing] if isinstance(thing, list) else thing


def wanted_by(operation: Operation, request: Ask) -> list[str]:
    """The names in braces that stand in a request."""
    parts = [name.partition(":")[0] for _, name, _, _ in string.Formatter().parse(operation.path) if name]
    text = str([{**PARAMETERS, **request.path}.get(name, "") for name in parts]) + str(request)
    return [name for name in NOBODYS if f"{{{name}}}" in text]


def sent(client: TestClient, operation: Operation, request: Ask, ids: Mapping[str, str]) -> Any:
    values = {**PARAMETERS, **request.path}
    path = operation.path.replace(":path}", "}").format_map(values)
    options: dict[str, Any] = {}
    if request.file is not None:
        options["files"] = {"file": request.file}
    elif request.body is not None:
        options["json"] = filled(request.body, ids)
    url = f"{filled(path, ids)}?{filled(request.query, ids)}"
    return client.request(operation.method, url, **options)


def test_every_operation_is_tried() -> None:
    here = {name_of(each) for each in OPERATIONS if not each.reason}
    assert here == TRIED.keys() | OPEN.keys()
    assert not TRIED.keys() & OPEN.keys()
    assert NATURAL.keys() <= TRIED.keys()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.spec}-{each.operation_id}")
def test_an_operation_tells_nothing(operation: Operation, ann: Owner, bob: TestClient) -> None:
    name = name_of(operation)
    for request in TRIED.get(name, PLAIN):
        wanted = wanted_by(operation, request)
        statuses = set()
        for ids in itertools.product(*(ann.ids[each] for each in wanted)):
            answer = sent(bob, operation, request, dict(zip(wanted, ids, strict=True)))
            told = f"{request} {ids}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500 or operation.reason, told
            if name != "files.redeemPostIt":
                assert MARK.encode() not in answer.content, told
                assert MARK not in str(answer.headers), told
            statuses.add(answer.status_code)
        if name in OPEN or name in NATURAL or not wanted:
            continue
        nobodys = sent(bob, operation, request, NOBODYS).status_code
        if operation.path.count("{jobUuid}") and "{job}" not in str(request):
            assert statuses <= {400, 403, nobodys}, (
                f"{request}: {statuses}"
            )  # documented: "not owner / not shared"
        else:
            assert statuses == {nobodys}, (
                f"{request}: {statuses} for what is there, {nobodys} for what is not"
            )


def test_jobs_and_transfers_of_the_second_user_bring_nothing(
    service: Service, bob: TestClient, tmp_path: Path
) -> None:
    for job in bob.get("/v3/jobs/list?limit=1000").json()["result"]:
        ended(bob, job["uuid"])
        for part in ("", "/history", "/output/list/", "/output/download/", "/resubmit_request"):
            assert MARK.encode() not in bob.get(f"/v3/jobs/{job['uuid']}{part}").content
    for task in bob.get("/v3/files/transfers").json()["result"]:
        assert MARK.encode() not in bob.get(f"/v3/files/transfers/{task['uuid']}/details").content
    for root in ("storage/bob", "local/jobs/bob"):
        for path in sorted((service.folder / root).rglob("*")):
            assert MARK not in str(path)
            assert not path.is_file() or MARK.encode() not in path.read_bytes()


def test_nothing_of_the_first_user_has_changed(ann: Owner, bob: TestClient, before: dict[str, Any]) -> None:
    after = ann.view()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert {key: (before.get(key), after.get(key)) for key in changed} == {}


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if not each.open_to_all],
    ids=lambda each: f"{each.spec}-{each.operation_id}",
)
def test_nothing_is_there_without_a_token(operation: Operation, service: Service, ann: Owner) -> None:
    stranger = speaker(service, None)
    for request in TRIED.get(name_of(operation), PLAIN)[:2]:
        answer = sent(stranger, operation, request, {name: ids[0] for name, ids in ann.ids.items()})
        assert answer.status_code == 401
        assert answer.json()["status"] == "error"
        assert MARK not in answer.text
