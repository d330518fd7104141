"""Who may do what with systems and apps: every operation, by owner, by permission, by sharing, by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.conftest import count
from tests.service.systems.judged import Judged, ann, app, bob, cluster  # noqa: F401

from weft.service import access
from weft.service.access import PUBLIC, Rights, Thing
from weft.service.apps.routes import OPERATIONS as APPS
from weft.service.database import Database, metadata
from weft.service.routes import Operation
from weft.service.server import Service
from weft.service.systems.routes import OPERATIONS as SYSTEMS

NAMES = {
    "systemId": "cluster",
    "appId": "solver",
    "appVersion": "1.0",
    "permission": "READ",
    "envVarName": "HOME",
}
PARENTS = {"parentId": "cluster", "parentSystemId": "cluster", "childSystemId": "cluster"}
BODIES: dict[str, Any] = {
    "createChildSystem": {"id": "mine", "effectiveUserId": "bob", "rootDir": "/"},
    "unlinkChildren": {"childSystemIds": ["x"]},
    "createUserCredential": {"password": "x"},
    "grantUserPerms": {"permissions": ["READ"]},
    "revokeUserPerms": {"permissions": ["READ"]},
    **{key: {"users": ["bob"]} for key in ("shareSystem", "unShareSystem", "shareApp", "unShareApp")},
    **{key: {"description": "taken over"} for key in ("patchSystem", "patchApp")},
    "putSystem": cluster(allowChildren=True),
    "putApp": app(),
}
READING = {
    "getSystem",
    "getApp",
    "getAppLatestVersion",
    "isEnabled",
    "getHistory",
    "getShareInfo",
    "hostEval",
}


def _of_one() -> Iterator[Operation]:
    """The operations on one system or app."""
    for each in (*SYSTEMS, *APPS):
        if "Id}" in each.path and not each.reason:
            yield each


def _asked(operation: Operation, user: str = "bob") -> tuple[str, Any]:
    path = operation.path.format(**NAMES, **PARENTS, userName=user)
    return f"{operation.method} {path}", BODIES.get(operation.operation_id)


@pytest.fixture
def private(ann: Judged) -> None:  # noqa: F811
    ann("POST /v3/systems", cluster(allowChildren=True), expect=201)
    ann("POST /v3/apps", app(), expect=201)


def _each(operation: Operation) -> str:
    return f"{operation.spec}.{operation.operation_id}"


@pytest.mark.usefixtures("private")
def test_what_is_private_does_not_exist_for_others(bob: Judged) -> None:  # noqa: F811
    for operation in _of_one():
        asked, body = _asked(operation)
        there = bob(asked, body, expect=404)
        missing = asked.replace("cluster", "nothing").replace("solver", "nothing")
        assert bob(missing, body, expect=404) == there.replace("cluster", "nothing").replace(
            "solver", "nothing"
        )
    for kind in ("systems", "apps"):
        for list_type in access.LIST_TYPES:
            assert bob.shown(f"GET /v3/{kind}?listType={list_type}&showDeleted=true") == []


@pytest.mark.usefixtures("private")
@pytest.mark.parametrize("permission", ["READ", "EXECUTE", "MODIFY"])
def test_a_permission_allows_what_it_says(ann: Judged, bob: Judged, permission: str) -> None:  # noqa: F811
    for kind, name in (("systems", "cluster"), ("apps", "solver")):
        ann(f"POST /v3/{kind}/perms/{name}/user/bob", {"permissions": [permission]})
    modifying = {"patchSystem", "putSystem", "patchApp", "putApp"}
    himself = {"getUserPerms", "createUserCredential", "checkUserCredential", "getUserCredential"}
    for operation in _of_one():
        name = operation.operation_id
        asked, body = _asked(operation, user="bob" if name in himself else "ann")
        if permission == "EXECUTE":
            bob(asked, body, expect=404)
        elif name in READING or name in himself:
            bob(asked, body, expect=404 if "Credential" in name and name != "createUserCredential" else 200)
        elif name == "createChildSystem":
            bob(asked, body, expect=201)
        elif permission == "MODIFY" and name in modifying:
            bob(asked, body)
        else:
            assert "UNAUTH" in bob(asked, body, expect=403)


@pytest.mark.usefixtures("private")
def test_sharing_lets_read_and_execute(ann: Judged, bob: Judged, service: Service) -> None:  # noqa: F811
    ann("POST /v3/apps/share/solver", {"users": ["bob"]})
    ann("POST /v3/systems/share_public/cluster")
    found = bob("GET /v3/apps/solver?requireExecPerm=true")
    assert (found["sharedAppCtx"], found["isPublic"], found["sharedWithUsers"]) == ("ann", False, ["bob"])
    assert bob("GET /v3/systems/cluster?requireExecPerm=true")["isPublic"] is True
    bob("PATCH /v3/apps/solver/1.0", {"description": "mine"}, expect=403)
    assert bob.listed("GET /v3/apps?listType=SHARED_DIRECT") == ["solver"]
    assert bob.listed("GET /v3/apps?listType=MINE") == ["solver"]
    assert bob.listed("GET /v3/apps?listType=SHARED_PUBLIC") == []
    assert bob.listed("GET /v3/systems?listType=SHARED_PUBLIC") == ["cluster"]
    assert bob.listed("GET /v3/systems?listType=ALL") == ["cluster"]
    assert bob.listed("GET /v3/systems") == []
    assert service.apps.visible("bob", "local", "solver", None, "EXECUTE").shared_app_ctx == "ann"
    assert ann("GET /v3/apps/solver")["sharedAppCtx"] is None
    info = ann("GET /v3/apps/share/solver")
    assert (info["public"], info["userList"]) == (False, ["bob"])
    ann("POST /v3/apps/unshare/solver", {"users": ["bob", "carl"]})
    ann("POST /v3/systems/unshare_public/cluster")
    bob("GET /v3/apps/solver", expect=404)
    bob("GET /v3/systems/cluster", expect=404)


@pytest.mark.usefixtures("private")
def test_who_shared_an_app_lends_his_rights(service: Service) -> None:
    from weft.service.answers import Problem

    with pytest.raises(Problem) as refused:
        service.systems.visible("bob", "local", "cluster", "EXECUTE")
    assert refused.value.status == 404
    assert service.systems.visible("bob", "local", "cluster", "EXECUTE", grantor="ann").id == "cluster"
    for grantor in (None, "carl"):
        with pytest.raises(Problem):
            service.systems.visible("bob", "local", "cluster", "EXECUTE", grantor=grantor)
    with pytest.raises(Problem):
        service.systems.visible("bob", "local", "cluster", "MODIFY", grantor="ann")
    with pytest.raises(Problem):
        service.systems.visible("ann", "elsewhere", "cluster")


@pytest.mark.usefixtures("private")
def test_permissions_are_granted_and_revoked(ann: Judged, bob: Judged) -> None:  # noqa: F811
    base = "/v3/apps/perms/solver/user/bob"
    ann(f"POST {base}", {"permissions": ["MODIFY"]})
    assert ann(f"GET {base}") == {"names": ["MODIFY", "READ"]}
    assert bob(f"GET {base}") == {"names": ["MODIFY", "READ"]}
    assert ann("GET /v3/apps/perms/solver/user/ann") == {"names": ["EXECUTE", "MODIFY", "READ"]}
    assert bob.listed("GET /v3/apps?listType=READ_PERM") == ["solver"]
    ann(f"DELETE {base}/MODIFY")
    assert ann(f"GET {base}") == {"names": ["READ"]}
    ann(f"POST {base}", {"permissions": ["MODIFY", "EXECUTE"]})
    bob(f"POST {base}/revoke", {"permissions": ["READ"]})
    assert ann(f"GET {base}") == {"names": ["EXECUTE"]}
    bodies: list[Any] = [{"permissions": ["OWN"]}, {"permissions": []}, {}, {"permissions": "READ"}]
    for body in bodies:
        ann(f"POST {base}", body, expect=400)
    ann(f"DELETE {base}/ALL", expect=400)


@pytest.mark.usefixtures("private")
def test_an_app_that_is_given_away_is_the_others(ann: Judged, bob: Judged) -> None:  # noqa: F811
    assert ann("POST /v3/apps/solver/changeOwner/ann") == {"changes": 0}
    assert ann("POST /v3/apps/solver/changeOwner/bob") == {"changes": 1}
    ann("GET /v3/apps/solver", expect=404)
    assert bob("GET /v3/apps/solver")["owner"] == "bob"
    ann("POST /v3/apps", app(version="2"), expect=409)
    bob("POST /v3/apps", app(version="2"), expect=201)
    bob("POST /v3/apps/share/solver", {"users": ["ann"]})
    ann("POST /v3/apps", app(version="3"), expect=403)
    bob("POST /v3/apps/solver/changeOwner/..%5Cx", expect=400)


OWNER, USERS = "ann", ("ann", "bob", "carl")
ACTIONS = st.one_of(
    st.tuples(st.just("grant"), st.sampled_from(USERS), st.sampled_from(access.PERMISSIONS)),
    st.tuples(st.just("revoke"), st.sampled_from(USERS), st.sampled_from(access.PERMISSIONS)),
    st.tuples(st.just("share"), st.sampled_from((*USERS, PUBLIC)), st.just("")),
    st.tuples(st.just("unshare"), st.sampled_from((*USERS, PUBLIC)), st.just("")),
)


@pytest.fixture
def database(tmp_path: Any) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'access.sqlite'}")
    metadata.create_all(made.engine)
    yield made
    made.close()


@settings(
    max_examples=count(40, 400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ACTIONS, max_size=12))
def test_rights_are_what_was_granted_and_shared(
    database: Database, actions: list[tuple[str, str, str]]
) -> None:
    thing, other = Thing("app", "t", "one"), Thing("app", "t", "two")
    granted: dict[str, set[str]] = {user: set() for user in USERS}
    shared: set[str] = set()
    with database.engine.connect() as connection:  # undone at the end
        for action, user, permission in actions:
            _act(connection, thing, action, user, permission)
            if action == "grant":
                granted[user] |= {permission} | ({"READ"} if permission == "MODIFY" else set())
            elif action == "revoke":
                granted[user] -= {permission} | ({"MODIFY"} if permission == "READ" else set())
            else:
                shared = shared | {user} if action == "share" else shared - {user}
        for user in USERS:
            held = access.rights(connection, thing, OWNER, user)
            by_sharing = bool(shared & {user, PUBLIC})
            expected = {
                "READ": "READ" in granted[user] or by_sharing,
                "EXECUTE": "EXECUTE" in granted[user] or by_sharing,
                "MODIFY": "MODIFY" in granted[user],
                "OWN": False,
            }
            for need, allowed in expected.items():
                assert held.allow(need) is (allowed or user == OWNER)  # type: ignore[arg-type]
            assert access.rights(connection, other, OWNER, user) == Rights(owner=user == OWNER)
        assert access.sharing(connection, thing) == access.Sharing(
            PUBLIC in shared, sorted(shared - {PUBLIC})
        )


def _act(connection: Connection, thing: Thing, action: str, user: str, permission: str) -> None:
    acts: dict[str, Callable[[], object]] = {
        "grant": lambda: access.grant(connection, thing, user, [permission]),
        "revoke": lambda: access.revoke(connection, thing, user, [permission]),
        "share": lambda: access.share(connection, thing, OWNER, [user], "now"),
        "unshare": lambda: access.unshare(connection, thing, [user]),
    }
    acts[action]()
