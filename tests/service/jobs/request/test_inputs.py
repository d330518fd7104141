"""Files that jobs get: every input mode, with and without the request, and arrays of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.service.jobs.request.made import app, environment, merged, request

from weft.service.answers import Problem
from weft.service.jobs.model import Input

APP, ASKED = "tapis://exec/app/data", "tapis://exec/mine/other.txt"


def inputs(
    asked: list[dict[str, Any]] | None = None, *defined: dict[str, Any], strict: bool = False
) -> list[Input]:
    given = request() if asked is None else request(fileInputs=asked)
    return merged(given, app(fileInputs=list(defined), more={"strictFileInputs": strict})).file_inputs


# input mode, the app's source and target, what the request says: source and target in the job, or the refusal
INPUTS: list[tuple[str, str | None, str | None, dict[str, Any] | None, tuple[str, str] | str | None]] = [
    ("REQUIRED", APP, "t", None, (APP, "t")),
    ("REQUIRED", APP, None, None, (APP, "data")),
    ("REQUIRED", None, "t", None, "JOBS_NO_SOURCE_URL"),
    ("REQUIRED", None, "t", {}, "JOBS_NO_SOURCE_URL"),
    ("REQUIRED", None, "t", {"sourceUrl": ASKED}, (ASKED, "t")),
    ("REQUIRED", APP, "*", {"sourceUrl": ASKED}, (ASKED, "other.txt")),
    ("REQUIRED", APP, "t", {"sourceUrl": ASKED, "targetPath": "*"}, (ASKED, "other.txt")),
    ("REQUIRED", APP, "t", {"targetPath": "u/v"}, (APP, "u/v")),
    ("OPTIONAL", APP, "t", None, (APP, "t")),
    ("OPTIONAL", APP, None, None, (APP, "data")),
    ("OPTIONAL", None, "t", None, None),
    ("OPTIONAL", None, None, {}, None),
    ("OPTIONAL", None, None, {"sourceUrl": ASKED}, (ASKED, "other.txt")),
    ("OPTIONAL", APP, "t", {}, (APP, "t")),
    ("FIXED", APP, "t", None, (APP, "t")),
    ("FIXED", APP, "t", {}, (APP, "t")),
    ("FIXED", APP, "t", {"sourceUrl": APP, "targetPath": "t"}, (APP, "t")),
    ("FIXED", APP, "t", {"sourceUrl": ASKED}, "JOBS_FIXED_INPUT_ERROR"),
    ("FIXED", APP, "t", {"targetPath": "u"}, "JOBS_FIXED_INPUT_ERROR"),
    ("FIXED", APP, "t", {"autoMountLocal": False}, "JOBS_FIXED_INPUT_ERROR"),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("mode", "source", "target", "asked", "wanted"), INPUTS)
def test_inputs_by_input_mode(
    mode: str,
    source: str | None,
    target: str | None,
    asked: dict[str, Any] | None,
    wanted: tuple[str, str] | str | None,
    strict: bool,
) -> None:
    defined = {"name": "it", "inputMode": mode, "targetPath": target or "*"}
    defined |= {"sourceUrl": source} if source else {}
    given = None if asked is None else [{"name": "it", **asked}]
    if isinstance(wanted, str):
        with pytest.raises(Problem, match=f"{wanted} .*'it'") as caught:
            inputs(given, defined, strict=strict)
        assert caught.value.status == 400
        return
    found = inputs(given, defined, strict=strict)
    assert [(one.source_url, one.target_path) for one in found] == ([] if wanted is None else [wanted])
    assert all(one.optional is (mode == "OPTIONAL") and one.name == "it" for one in found)


def test_the_requests_inputs_come_first() -> None:
    defined = [{"name": name, "sourceUrl": f"{APP}/{name}", "targetPath": name} for name in "abc"]
    asked = [{"sourceUrl": ASKED}, {"name": "b", "targetPath": "x"}]
    assert [(one.name, one.target_path) for one in inputs(asked, *defined)] == [
        (None, "other.txt"), ("b", "x"), ("a", "a"), ("c", "c")
    ]  # fmt: skip


def test_a_strict_app_takes_its_own_inputs_only() -> None:
    with pytest.raises(Problem, match="JOBS_UNNAMED_FILE_INPUT"):
        inputs([{"sourceUrl": ASKED}], strict=True)
    with pytest.raises(Problem, match="JOBS_NO_FILE_INPUT_DEFINITION"):
        inputs([{"sourceUrl": ASKED, "name": "mine"}], strict=True)
    assert len(inputs([{"sourceUrl": ASKED, "name": "mine"}])) == 1


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(Problem, match="JOBS_DUPLICATE_FILE_INPUT"):
        inputs([{"name": "a", "sourceUrl": ASKED}, {"name": "a", "sourceUrl": APP}])
    assert len(inputs([{"sourceUrl": ASKED}, {"sourceUrl": APP}])) == 2


@pytest.mark.parametrize(
    ("source", "kept", "target"),
    [
        ("tapis://exec/a/b", "tapis://exec/a/b", "b"),
        ("tapis://exec/a/b/", "tapis://exec/a/b/", "b"),
        ("tapis://exec/a/what?#1", "tapis://exec/a/what?#1", "what?#1"),
        ("tapislocal://exec.tapis/a/b", "tapislocal://exec.tapis/a/b", "b"),
        ("tapislocal:///a/b", "tapislocal://exec.tapis/a/b", "b"),
        ("https://example.org/a/b.txt?x=1#y", "https://example.org/a/b.txt?x=1#y", "b.txt"),
    ],
)
def test_sources(source: str, kept: str, target: str) -> None:
    (one,) = inputs([{"sourceUrl": source}])
    assert (one.source_url, one.target_path) == (kept, target)


@pytest.mark.parametrize(
    "source",
    [
        "",
        " ",
        "data/x",
        "ftp://exec/x",
        "file:///etc/passwd",
        "tapis://",
        "tapis:///x",
        "tapis://exec/../x",
        "tapis://exec/a\nb",
        "tapislocal://other/x",
        "tapislocal://",
        "tapis://exec",
        "tapis://exec/",
    ],
)
def test_what_is_no_source_is_refused(source: str) -> None:
    with pytest.raises(Problem) as caught:
        inputs([{"sourceUrl": source}])
    assert caught.value.status == 400


def test_the_web_is_no_source_where_it_is_switched_off() -> None:
    with pytest.raises(Problem, match="FILES_HTTP_NOT_ALLOWED"):
        merged(request(fileInputs=[{"sourceUrl": "https://example.org/x"}]), http_sources=False)


@pytest.mark.parametrize("target", ["../x", "a/../../x", "a\nb", "x" * 300])
def test_targets_stay_below_the_input_directory(target: str) -> None:
    with pytest.raises(Problem) as caught:
        inputs([{"sourceUrl": ASKED, "targetPath": target}])
    assert caught.value.status == 400


def test_a_key_becomes_a_variable_with_the_target() -> None:
    asked = request(fileInputs=[{"name": "in", "sourceUrl": ASKED, "envKey": "MY_INPUT"}])
    job = merged(asked)
    assert environment(job)["MY_INPUT"] == "other.txt"
    assert job.parameter_set.env_variables[-1].description == "EnvKey from input file: in"
    of_app = app(fileInputs=[{"name": "in", "sourceUrl": APP, "targetPath": "t", "envKey": "APP_INPUT"}])
    assert environment(merged(of_app=of_app))["APP_INPUT"] == "t"


@pytest.mark.parametrize("key", ["_tapisIn", "1A", "A-B"])
def test_impossible_keys_are_refused(key: str) -> None:
    with pytest.raises(Problem, match="JOBS_INVALID_INPUT_ENVKEY"):
        inputs([{"sourceUrl": ASKED, "envKey": key}])


def test_descriptions_are_joined_and_notes_are_text() -> None:
    defined = {"name": "a", "description": "of app", "notes": {"n": 1}, "targetPath": "t"}
    (one,) = inputs([{"name": "a", "description": "of request", "sourceUrl": ASKED}], defined)
    assert one.description == "of app\n\nof request"
    assert one.notes == '{"n":1}'


# Arrays


def expanded(asked: list[dict[str, Any]], *defined: dict[str, Any]) -> list[tuple[str | None, str, str]]:
    job = merged(request(fileInputArrays=asked), app(fileInputArrays=list(defined)))
    assert not any(one.auto_mount_local for one in job.file_inputs)
    return [(one.name, one.source_url, one.target_path) for one in job.file_inputs]


def test_an_array_becomes_one_input_per_source() -> None:
    asked = {"name": "all", "sourceUrls": [APP, ASKED], "targetDir": "in"}
    assert expanded([asked]) == [("all_1.1", APP, "in/data"), ("_1.2", ASKED, "in/other.txt")]
    assert expanded([{"sourceUrls": [APP], "targetDir": "*"}]) == [("_1.1", APP, "/data")]
    assert expanded([{"sourceUrls": [APP]}, asked])[1][0] == "all_2.1"
    (long,) = expanded([{"name": "n" * 80, "sourceUrls": [APP]}])
    assert long[0] == "n" * 76 + "_1.1"


def test_the_apps_arrays_are_merged_in_the_same_way() -> None:
    defined = {
        "name": "all",
        "sourceUrls": [APP],
        "targetDir": "in",
        "inputMode": "REQUIRED",
        "envKey": "ALL",
    }
    assert expanded([], defined) == [("all_1.1", APP, "in/data")]
    assert expanded([{"name": "all", "sourceUrls": [ASKED]}], defined) == [("all_1.1", ASKED, "in/other.txt")]
    assert expanded([{"name": "all", "sourceUrls": None}], defined) == [("all_1.1", APP, "in/data")]
    assert environment(merged(of_app=app(fileInputArrays=[defined])))["ALL"] == "in"
    with pytest.raises(Problem, match="JOBS_FIXED_INPUT_ERROR"):
        expanded([{"name": "all", "sourceUrls": [ASKED]}], {**defined, "inputMode": "FIXED"})


def test_what_is_not_copied_cannot_be_in_an_array() -> None:
    with pytest.raises(Problem, match="JOBS_TAPISLOCAL_NOT_ALLOWED"):
        expanded([{"sourceUrls": ["tapislocal://exec.tapis/a"]}])


# Sharing


def test_what_comes_of_a_shared_app_says_so() -> None:
    defined = [
        {"name": "a", "sourceUrl": APP, "targetPath": "t"},
        {"name": "b", "sourceUrl": "tapis://exec/b", "targetPath": "b"},
    ]
    of_app = app(fileInputs=defined, execSystemInputDir="${JobWorkingDir}", more={"sharedAppCtx": "owner"})
    first, second = merged(request(fileInputs=[{"name": "b", "sourceUrl": ASKED}]), of_app).file_inputs
    assert (first.src_shared_app_ctx, first.dest_shared_app_ctx) == ("", "owner")
    assert (second.src_shared_app_ctx, second.dest_shared_app_ctx) == ("owner", "owner")
