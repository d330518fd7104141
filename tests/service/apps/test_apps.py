"""An app through the API: its versions are created, read, changed, locked, listed, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.systems.judged import Judged, app


def test_what_was_given_is_read_again(ann: Judged) -> None:
    url = ann("POST /v3/apps", app(), expect=201)["url"]
    assert url.endswith("/v3/apps/solver/1.0")
    found = ann("GET /v3/apps/solver/1.0")
    assert (found["owner"], found["isPublic"], found["sharedAppCtx"]) == ("ann", False, None)
    assert found["notes"] == {"icon": None, "label": "Solver"}
    attributes = found["jobAttributes"]
    assert attributes["parameterSet"]["appArgs"][0] == {
        "name": "Main",
        "description": None,
        "inputMode": "REQUIRED",
        "arg": None,
        "notes": {"a": None},
    }
    assert (attributes["nodeCount"], attributes["memoryMB"], attributes["maxMinutes"]) == (1, 100, 30)
    assert found["uuid"] != "not mine to choose"


def test_the_latest_version_is_the_one_created_last(ann: Judged) -> None:
    for version in ("2.0", "1.0", "1.0a", "1.0A"):
        ann("POST /v3/apps", app(version=version), expect=201)
    assert ann("GET /v3/apps/solver")["version"] == "1.0A"
    assert ann("GET /v3/apps/solver/1.0a")["version"] == "1.0a"
    ann("POST /v3/apps", app(version="1.0"), expect=409)
    ann("GET /v3/apps/solver/1", expect=404)
    assert [each["version"] for each in ann("GET /v3/apps")] == ["1.0A"]
    assert len(ann("GET /v3/apps?search=(version.like.*)")) == 4


def test_all_versions_share_what_belongs_to_the_app(ann: Judged) -> None:
    ann("POST /v3/apps", app(version="1"), expect=201)
    assert ann("POST /v3/apps/solver/disable") == {"changes": 1}
    ann("POST /v3/apps", app(version="2", enabled=True), expect=201)
    for version in ("1", "2"):
        assert ann(f"GET /v3/apps/solver/{version}")["enabled"] is False
    assert ann("POST /v3/apps/solver/enable") == {"changes": 1}
    assert ann("GET /v3/apps/solver/1")["enabled"] is True


def test_a_version_is_enabled_on_its_own(ann: Judged) -> None:
    for version in ("1", "2"):
        ann("POST /v3/apps", app(version=version), expect=201)
    assert ann("POST /v3/apps/solver/1/disable") == {"changes": 1}
    assert ann("POST /v3/apps/solver/1/disable") == {"changes": 0}
    assert ann("GET /v3/apps/solver/isEnabled") == {"aBool": True}
    assert ann("GET /v3/apps/solver/isEnabled?version=1") == {"aBool": False}
    assert ann("GET /v3/apps/solver/isEnabled?version=2") == {"aBool": True}
    ann("GET /v3/apps/solver/isEnabled?version=3", expect=404)
    assert ann("POST /v3/apps/solver/1/enable") == {"changes": 1}
    ann("POST /v3/apps/solver/disable")
    assert ann("GET /v3/apps/solver/isEnabled?version=2") == {"aBool": False}


def test_a_locked_version_stays_as_it_is(ann: Judged) -> None:
    ann("POST /v3/apps", app(), expect=201)
    assert ann("POST /v3/apps/solver/1.0/lock") == {"changes": 1}
    assert "LOCKED" in ann("PATCH /v3/apps/solver/1.0", {"description": "new"}, expect=403)
    assert "LOCKED" in ann("PUT /v3/apps/solver/1.0", app(), expect=403)
    assert ann("POST /v3/apps/solver/1.0/unlock") == {"changes": 1}
    ann("PATCH /v3/apps/solver/1.0", {"description": "new"})
    ann("POST /v3/apps/solver/9/lock", expect=404)


def test_a_patch_merges_structures_and_replaces_lists(ann: Judged) -> None:
    ann("POST /v3/apps", app(), expect=201)
    patch = {
        "notes": {"a": 1},
        "jobAttributes": {
            "nodeCount": 4,
            "parameterSet": {
                "appArgs": [{"name": "Other", "arg": "x"}],
                "archiveFilter": {"includes": ["*.out"]},
                "envVariables": None,
            },
        },
    }
    ann("PATCH /v3/apps/solver/1.0", patch)
    found = ann("GET /v3/apps/solver/1.0")
    attributes, parameters = found["jobAttributes"], found["jobAttributes"]["parameterSet"]
    assert found["notes"] == {"a": 1}
    assert (attributes["nodeCount"], attributes["maxMinutes"], attributes["execSystemId"]) == (
        4,
        30,
        "cluster",
    )
    assert [each["name"] for each in parameters["appArgs"]] == ["Other"]
    assert [each["key"] for each in parameters["envVariables"]] == ["MODE"]
    assert parameters["archiveFilter"]["includes"] == ["*.out"]
    assert parameters["archiveFilter"]["excludes"] == ["solver.zip"]
    assert len(attributes["fileInputs"]) == 1


@pytest.mark.parametrize("name", ["id", "version", "owner", "enabled", "versionEnabled", "locked"])
def test_a_patch_of_what_is_chosen_once_is_refused(ann: Judged, name: str) -> None:
    ann("POST /v3/apps", app(), expect=201)
    assert name in ann("PATCH /v3/apps/solver/1.0", {name: "x"}, expect=400)


def test_put_replaces_all_but_what_is_chosen_once(ann: Judged) -> None:
    ann("POST /v3/apps", app(maxJobs=7, locked=False), expect=201)
    assert "containerImage" in ann("PUT /v3/apps/solver/1.0", {}, expect=400)
    given = {"containerImage": "tapis://store/b.zip", "runtime": "ZIP", "id": "other", "version": "9"}
    ann("PUT /v3/apps/solver/1.0", {**given, "owner": "bob", "enabled": False, "locked": True})
    found = ann("GET /v3/apps/solver/1.0")
    assert (found["maxJobs"], found["tags"], found["notes"], found["description"]) == (-1, [], {}, None)
    assert (found["owner"], found["enabled"], found["locked"]) == ("ann", True, False)
    assert found["jobAttributes"]["fileInputs"] == []


def test_a_definition_that_was_read_can_be_put_back_and_made_a_version(ann: Judged) -> None:
    ann("POST /v3/apps", app(), expect=201)
    before = ann("GET /v3/apps/solver/1.0")
    ann("PUT /v3/apps/solver/1.0", before)
    assert {**ann("GET /v3/apps/solver/1.0"), "updated": ""} == {**before, "updated": ""}
    ann("POST /v3/apps", {**before, "version": "2"}, expect=201)


def test_a_deleted_app_is_gone_until_it_is_brought_back(ann: Judged) -> None:
    for version in ("1", "2"):
        ann("POST /v3/apps", app(version=version), expect=201)
    assert ann("POST /v3/apps/solver/delete") == {"changes": 1}
    assert ann("POST /v3/apps/solver/delete") == {"changes": 0}
    for asked in ("GET /v3/apps/solver", "GET /v3/apps/solver/1", "POST /v3/apps/solver/1/lock"):
        ann(asked, expect=404)
    ann("POST /v3/apps", app(version="3"), expect=409)
    assert ann.listed("GET /v3/apps") == []
    assert ann.listed("GET /v3/apps?showDeleted=true") == ["solver"]
    assert ann("POST /v3/apps/solver/undelete") == {"changes": 1}
    assert ann("GET /v3/apps/solver")["version"] == "2"


def test_the_history_tells_what_was_done_to_which_version(ann: Judged) -> None:
    for version in ("1", "2"):
        ann("POST /v3/apps", app(version=version), expect=201)
    ann("PATCH /v3/apps/solver/1", {"maxJobs": 3})
    ann("POST /v3/apps/solver/2/lock")
    ann("POST /v3/apps/perms/solver/user/bob", {"permissions": ["EXECUTE"]})
    ann("POST /v3/apps/solver/delete")
    told = [(each["operation"], each["appVersion"]) for each in ann("GET /v3/apps/solver/history")]
    assert told == [
        *(("CREATE", "1"), ("CREATE", "2"), ("MODIFY", "1"), ("LOCK", "2")),
        *(("GRANT_PERMS", None), ("DELETE", None)),
    ]


@pytest.mark.parametrize("version", ["history", "isEnabled"])
def test_parts_of_paths_are_no_versions(ann: Judged, version: str) -> None:
    assert "version" in ann("POST /v3/apps", app(version=version), expect=400)


def test_the_attribute_that_is_wrong_is_named(ann: Judged) -> None:
    given = app(jobAttributes={"fileInputs": [{"name": None, "targetPath": "*", "meta": {"name": "a"}}]})
    assert "jobAttributes.fileInputs[0].name:" in ann("POST /v3/apps", given, expect=400)
    assert "jobAttributes.isMpi" in ann("POST /v3/apps", app(jobAttributes={"isMpi": "no"}), expect=400)


def test_all_that_breaks_a_rule_is_told_at_once(ann: Judged) -> None:
    attributes = {"isMpi": True, "cmdPrefix": "time", "dynamicExecSystem": True}
    message = ann("POST /v3/apps", app(containerImage="x.zip", jobAttributes=attributes), expect=400)
    for path in ("containerImage", "cmdPrefix", "execSystemConstraints"):
        assert path in message


@pytest.mark.parametrize(
    ("asked", "body", "found"),
    [
        ("GET /v3/apps", None, ["a 2", "b 1"]),
        ("GET /v3/apps?search=(id.like.a*)~(enabled.eq.true)", None, ["a 2"]),
        ("GET /v3/apps?search=(version.eq.1)&orderBy=id", None, ["a 1", "b 1"]),
        ("GET /v3/apps/search?jobType.eq=FORK", None, ["b 1"]),
        ("POST /v3/apps/search", {"search": ["id = 'a' AND version = '1'"]}, ["a 1"]),
        ("POST /v3/apps/search?orderBy=id(desc)", {"search": ["tags IN ('portal')"]}, ["b 1", "a 2"]),
        ("GET /v3/apps?limit=1&computeTotal=true", None, ["a 2"]),
        ("GET /v3/apps?listType=SHARED_PUBLIC", None, []),
    ],
)
def test_apps_are_found(ann: Judged, asked: str, body: Any, found: list[str]) -> None:
    for given in (app("a", "1"), app("a", "2"), app("b", "1", jobType="FORK")):
        ann("POST /v3/apps", given, expect=201)
    assert [f"{each['id']} {each['version']}" for each in ann.shown(asked, body)] == found


def test_a_list_shows_a_summary_unless_asked_for_more(ann: Judged) -> None:
    ann("POST /v3/apps", app(), expect=201)
    assert ann("GET /v3/apps")[0].keys() == {"id", "version", "owner"}
    assert ann("GET /v3/apps?select=id,jobAttributes.execSystemId") == [
        {"id": "solver", "jobAttributes": {"execSystemId": "cluster"}}
    ]
    whole = ann("GET /v3/apps?select=allAttributes")[0]
    assert whole == ann("GET /v3/apps/solver")


def test_health_needs_no_token(client: Any) -> None:
    nobody = Judged(client(None), "")
    nobody("GET /v3/apps/healthcheck")
    nobody("GET /v3/apps/readycheck")
