"""A system through the API: created, read, changed, listed, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.systems.judged import Judged, cluster, queue, storage


def test_what_was_given_is_read_again(ann: Judged) -> None:
    assert ann("POST /v3/systems", cluster(), expect=201)["url"].endswith("/v3/systems/cluster")
    system = ann("GET /v3/systems/cluster")
    assert system["owner"] == system["effectiveUserId"] == "ann"
    assert system["isDynamicEffectiveUser"] is True
    assert system["isPublic"] is system["hasCredentials"] is system["deleted"] is False
    assert system["authnCredential"] is None
    assert system["batchLogicalQueues"][0]["maxJobs"] == -1
    assert system["batchLogicalQueues"][1]["maxMinutes"] == 10
    assert system["port"] == -1
    assert system["created"] == system["updated"]


def test_an_id_is_taken_for_ever(ann: Judged, bob: Judged) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    assert "SYSAPI_SYS_EXISTS" in ann("POST /v3/systems", storage(), expect=409)
    ann("POST /v3/systems/store/delete")
    ann("POST /v3/systems", storage(), expect=409)
    bob("POST /v3/systems", storage(), expect=409)


def test_nulls_and_what_only_the_service_sets_do_not_count(ann: Judged) -> None:
    given = {
        "tenant": "x",
        "uuid": "x",
        "created": "x",
        "deleted": True,
        "isPublic": True,
        "hasCredentials": True,
    }
    ann("POST /v3/systems", {**storage(owner="${apiUserId}", port=None, unheard="of"), **given}, expect=201)
    system = ann("GET /v3/systems/store")
    assert (system["owner"], system["tenant"], system["deleted"], system["port"]) == (
        "ann",
        "local",
        False,
        -1,
    )
    assert system["uuid"] != "x"
    assert system["isPublic"] is False


def test_notes_are_kept_as_given(ann: Judged) -> None:
    notes = {"label": None, "queues": [{"x": None}], "text": "a\nb"}
    ann("POST /v3/systems", storage(notes=notes), expect=201)
    assert ann("GET /v3/systems/store")["notes"] == notes


def test_another_owner_cannot_be_given(ann: Judged) -> None:
    ann("POST /v3/systems", storage(owner="bob"), expect=403)
    ann("POST /v3/systems", storage(owner="ann"), expect=201)


@pytest.mark.parametrize("name", ["search", "perms", "schedulerProfile", "credential"])
def test_parts_of_paths_are_no_ids(ann: Judged, name: str) -> None:
    assert "id" in ann("POST /v3/systems", storage(name), expect=400)


def test_variables_are_filled_in_when_a_system_is_created(ann: Judged) -> None:
    given = {"rootDir": "/home/${owner}/${tenant}", "effectiveUserId": "${owner}", "tenant": "local"}
    ann("POST /v3/systems", cluster(jobWorkingDir="/x/${apiUserId}/${JobUUID}", **given), expect=201)
    system = ann("GET /v3/systems/cluster")
    assert system["rootDir"] == "/home/ann/local"
    assert system["jobWorkingDir"] == "/x/ann/${JobUUID}"
    assert (system["effectiveUserId"], system["isDynamicEffectiveUser"]) == ("ann", False)


def test_the_root_may_be_asked_of_the_host(ann: Judged) -> None:
    key: dict[str, Any] = {"authnCredential": {"password": "secret"}}
    given = {"rootDir": "HOST_EVAL($WORK)/data", "effectiveUserId": "ann"}
    assert "authnCredential" in ann("POST /v3/systems", storage(**given), expect=400)
    ann("POST /v3/systems", storage(**given, **key), expect=201)
    assert ann("GET /v3/systems/store")["rootDir"] == "/work/00000/ann/data"
    ann(
        "POST /v3/systems", storage("b", rootDir="HOST_EVAL($NONE)", effectiveUserId="ann", **key), expect=400
    )
    ann(
        "POST /v3/systems",
        storage("c", rootDir="/a/HOST_EVAL($HOME)", effectiveUserId="ann", **key),
        expect=400,
    )


def test_an_only_queue_is_the_default(ann: Judged) -> None:
    ann(
        "POST /v3/systems",
        cluster(batchLogicalQueues=[queue("one")], batchDefaultLogicalQueue=None),
        expect=201,
    )
    assert ann("GET /v3/systems/cluster")["batchDefaultLogicalQueue"] == "one"


def test_a_patch_changes_only_what_it_names(ann: Judged) -> None:
    ann("POST /v3/systems", cluster(description="old", tags=["a", "b"], notes={"a": 1}), expect=201)
    patch = {"description": "new", "tags": ["c"], "notes": {"b": None}, "port": None, "unheard": "of"}
    ann("PATCH /v3/systems/cluster", patch)
    system = ann("GET /v3/systems/cluster")
    assert (system["description"], system["tags"], system["notes"]) == ("new", ["c"], {"b": None})
    assert len(system["batchLogicalQueues"]) == 2
    assert system["updated"] > system["created"]


@pytest.mark.parametrize("name", ["id", "owner", "rootDir", "canExec", "enabled", "systemType", "bucketName"])
def test_a_patch_of_what_is_chosen_once_is_refused(ann: Judged, name: str) -> None:
    ann("POST /v3/systems", cluster(), expect=201)
    assert name in ann("PATCH /v3/systems/cluster", {name: "x", "description": "new"}, expect=400)
    assert ann("GET /v3/systems/cluster")["description"] is None


def test_a_patch_may_not_break_a_rule(ann: Judged) -> None:
    ann("POST /v3/systems", cluster(), expect=201)
    assert "batchDefaultLogicalQueue" in ann(
        "PATCH /v3/systems/cluster", {"batchDefaultLogicalQueue": "none"}, expect=400
    )
    assert "port" in ann("PATCH /v3/systems/cluster", {"port": "twenty"}, expect=400)
    ann("PATCH /v3/systems/cluster", [], expect=400)


def test_put_replaces_all_but_what_is_chosen_once(ann: Judged) -> None:
    ann("POST /v3/systems", cluster(description="old", port=22, effectiveUserId="ann"), expect=201)
    given = {
        key: value
        for key, value in cluster(rootDir="/elsewhere", id="other", effectiveUserId="bob").items()
        if key != "jobRuntimes"
    }
    assert "jobRuntimes" in ann("PUT /v3/systems/cluster", given, expect=400)
    ann("PUT /v3/systems/cluster", {**given, "jobRuntimes": [{"runtimeType": "ZIP"}]})
    system = ann("GET /v3/systems/cluster")
    assert (system["description"], system["port"]) == (None, -1)
    assert (system["rootDir"], system["effectiveUserId"]) == ("/", "ann")
    assert system["jobRuntimes"] == [{"runtimeType": "ZIP", "version": None}]


def test_a_definition_that_was_read_can_be_put_back(ann: Judged) -> None:
    ann("POST /v3/systems", cluster(notes={"a": None}), expect=201)
    before = ann("GET /v3/systems/cluster")
    ann("PUT /v3/systems/cluster", before)
    assert {**ann("GET /v3/systems/cluster"), "updated": ""} == {**before, "updated": ""}


def test_enabling_counts_changes(ann: Judged) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    assert ann("POST /v3/systems/store/enable") == {"changes": 0}
    assert ann("POST /v3/systems/store/disable") == {"changes": 1}
    assert ann("GET /v3/systems/store/isEnabled") == {"aBool": False}
    assert ann("POST /v3/systems/store/enable") == {"changes": 1}
    assert ann("GET /v3/systems/store/isEnabled") == {"aBool": True}


def test_a_deleted_system_is_gone_until_it_is_brought_back(ann: Judged) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    assert ann("POST /v3/systems/store/delete") == {"changes": 1}
    for asked in (
        "GET /v3/systems/store",
        "GET /v3/systems/store/isEnabled",
        "POST /v3/systems/store/enable",
    ):
        assert "NOT_FOUND" in ann(asked, expect=404)
    assert ann.listed("GET /v3/systems") == []
    assert ann.listed("GET /v3/systems?showDeleted=true") == ["store"]
    assert ann("POST /v3/systems/store/undelete") == {"changes": 1}
    assert ann.listed("GET /v3/systems") == ["store"]


def test_the_history_tells_what_was_done(ann: Judged) -> None:
    ann("POST /v3/systems", storage(description="kept"), expect=201)
    ann("PATCH /v3/systems/store", {"description": "changed"})
    ann("POST /v3/systems/store/disable")
    ann("POST /v3/systems/perms/store/user/bob", {"permissions": ["READ"]})
    ann("POST /v3/systems/store/delete")
    history = ann("GET /v3/systems/store/history")
    assert [each["operation"] for each in history] == ["CREATE", "MODIFY", "DISABLE", "MODIFY", "DELETE"]
    assert history[1]["description"] == '{"description":"changed"}'
    assert {each["oboUser"] for each in history} == {"ann"}


def test_require_exec_perm_needs_a_system_that_executes(ann: Judged) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    ann("POST /v3/systems", cluster(), expect=201)
    assert "NOTEXEC" in ann("GET /v3/systems/store?requireExecPerm=true", expect=403)
    ann("GET /v3/systems/cluster?requireExecPerm=true")


@pytest.mark.parametrize(
    "query", ["returnCredentials=true", "impersonationId=bob", "resourceTenant=other", "sharedAppCtx=bob"]
)
def test_what_is_for_services_is_refused(ann: Judged, query: str) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    ann(f"GET /v3/systems/store?{query}", expect=403)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select=id,host", {"id", "host"}),
        ("select=summaryAttributes", {"id", "systemType", "owner", "host", "effectiveUserId"}),
        ("select=isPublic,tags", {"isPublic", "tags"}),
    ],
)
def test_select_chooses_attributes(ann: Judged, query: str, names: set[str]) -> None:
    ann("POST /v3/systems", cluster(), expect=201)
    assert names <= ann(f"GET /v3/systems/cluster?{query}").keys()
    if "summary" not in query:
        assert ann(f"GET /v3/systems/cluster?{query}").keys() == names
    assert "unheard" in ann("GET /v3/systems/cluster?select=unheard", expect=400)


@pytest.mark.parametrize(
    ("asked", "body", "ids"),
    [
        ("GET /v3/systems", None, ["a", "b", "c"]),
        ("GET /v3/systems?search=(canExec.eq.true)", None, ["b"]),
        ("GET /v3/systems?search=(id.like.*)~(host.eq.data.example.org)&orderBy=id(desc)", None, ["c", "a"]),
        ("GET /v3/systems?limit=1&skip=1&orderBy=id", None, ["b"]),
        ("GET /v3/systems?orderBy=id&startAfter=b", None, ["c"]),
        ("GET /v3/systems/search?port.gt=20", None, ["c"]),
        ("GET /v3/systems/search?tags.contains=x", None, ["a"]),
        ("POST /v3/systems/search", {"search": ["canExec = 'true'", "OR port = 22"]}, ["b", "c"]),
        ("POST /v3/systems/match/constraints", {"match": ["canExec = 'false'"]}, ["a", "c"]),
    ],
)
def test_systems_are_found(ann: Judged, asked: str, body: Any, ids: list[str]) -> None:
    for system in (storage("a", tags=["x"]), cluster("b"), storage("c", port=22)):
        ann("POST /v3/systems", system, expect=201)
    assert [each["id"] for each in ann.shown(asked, body)] == ids


@pytest.mark.parametrize(
    "asked",
    [
        "GET /v3/systems?listType=NONE",
        "GET /v3/systems?search=(unheard.eq.1)",
        "GET /v3/systems?limit=many",
        "GET /v3/systems?hasCredentials=perhaps",
        "GET /v3/systems/search?id.resembles=a",
    ],
)
def test_a_list_that_cannot_be_is_refused(ann: Judged, asked: str) -> None:
    ann(asked, expect=400)


def test_host_eval_answers_as_the_host_sees_it(ann: Judged) -> None:
    ann("POST /v3/systems", storage(), expect=201)
    assert ann("GET /v3/systems/store/hostEval/SCRATCH") == {"name": "/scratch/00000/ann"}
    assert ann("GET /v3/systems/store/hostEval/USER") == {"name": "ann"}
    assert "NONE" in ann("GET /v3/systems/store/hostEval/NONE", expect=400)
    ann("GET /v3/systems/store/hostEval/1X", expect=400)


def test_health_needs_no_token(client: Any) -> None:
    nobody = Judged(client(None), "")
    nobody("GET /v3/systems/healthcheck")
    nobody("GET /v3/systems/readycheck")


def test_a_child_follows_its_parent(ann: Judged) -> None:
    child = {"id": "child", "effectiveUserId": "ann", "rootDir": "/home/ann"}
    ann("POST /v3/systems", cluster(), expect=201)
    assert "NOT_PERMITTED" in ann("POST /v3/systems/cluster/createChildSystem", child, expect=400)
    ann("PATCH /v3/systems/cluster", {"allowChildren": True})
    ann("POST /v3/systems/cluster/createChildSystem", child, expect=201)
    ann("PATCH /v3/systems/cluster", {"port": 2222})
    found = ann("GET /v3/systems/child")
    assert (found["parentId"], found["port"], found["rootDir"]) == ("cluster", 2222, "/home/ann")
    ann("PATCH /v3/systems/child", {"port": 1}, expect=400)
    ann("PUT /v3/systems/child", cluster(), expect=400)
    assert "HAS_CHILD" in ann("POST /v3/systems/cluster/delete", expect=400)
    assert "HAS_CHILD" in ann("PATCH /v3/systems/cluster", {"allowChildren": False}, expect=400)
    assert ann("GET /v3/systems/cluster")["allowChildren"] is True
    assert ann("POST /v3/systems/child/unlinkFromParent") == {"changes": 1}
    ann("PATCH /v3/systems/child", {"port": 1})
    ann("POST /v3/systems/cluster/delete")


def test_children_are_unlinked_by_their_parent(ann: Judged) -> None:
    ann("POST /v3/systems", cluster(allowChildren=True), expect=201)
    for name in ("a", "b", "c"):
        body = {"id": name, "effectiveUserId": "ann", "rootDir": "/"}
        ann("POST /v3/systems/cluster/createChildSystem", body, expect=201)
    path = "POST /v3/systems/cluster/unlinkChildren"
    ann(path, {"childSystemIds": ["none"]}, expect=404)
    ann(path, {}, expect=400)
    assert ann(path, {"childSystemIds": ["a", "a"]}) == {"changes": 1}
    assert ann(f"{path}?all=true") == {"changes": 2}
    assert ann("GET /v3/systems/b")["parentId"] is None


def test_profiles_are_everybodys_to_read(ann: Judged, bob: Judged) -> None:
    profile = {
        "name": "modules",
        "owner": "${apiUserId}",
        "moduleLoads": [{"moduleLoadCommand": "module load", "modulesToLoad": ["hdf5"]}],
        "hiddenOptions": ["MEM"],
        "description": None,
    }
    base = "/v3/systems/schedulerProfile"
    ann(f"POST {base}", profile, expect=201)
    ann(f"POST {base}", profile, expect=409)
    assert bob(f"GET {base}/modules")["moduleLoads"] == profile["moduleLoads"]
    assert [each["name"] for each in bob(f"GET {base}")] == ["modules"]
    bob(f"DELETE {base}/modules", expect=403)
    assert ann(f"DELETE {base}/modules") == {"changes": 1}
    ann(f"GET {base}/modules", expect=404)
    ann(f"DELETE {base}/modules", expect=404)
    ann(f"POST {base}", {**profile, "owner": "bob"}, expect=403)
    assert "moduleLoads[0].moduleLoadCommand" in ann(
        f"POST {base}", {"name": "x", "moduleLoads": [{"modulesToLoad": []}]}, expect=400
    )
