from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count

from weft.service.answers import Problem
from weft.service.jobs.request.macros import NAMES, Macros, set_times


def macros(**values: object) -> Macros:
    made = Macros(lambda system, variable: {"HOME": f"/home/on/{system}", "EMPTY": ""}.get(variable))
    for name, value in values.items():
        made.set(name, value)
    return made


def test_softly_what_is_not_known_stays_as_it_is() -> None:
    made = macros(JobName="run", Nodes=2)
    assert (
        made.soft("${JobName}-${Nodes} ${HOME} ${} $JobName ${JobName")
        == "run-2 ${HOME} ${} $JobName ${JobName"
    )


def test_strictly_what_is_not_known_is_a_mistake_that_names_its_place() -> None:
    made = macros(JobName="run")
    assert made.strict("/a/${JobName}", "archiveSystemDir") == "/a/run"
    for text in ("/a/${Nobody}", "/a/${}", "/a/${Job Name}"):
        with pytest.raises(Problem, match=r"archiveSystemDir") as caught:
            made.strict(text, "archiveSystemDir")
        assert caught.value.status == 400


def test_a_value_is_not_looked_through_again() -> None:
    made = macros(JobName="${JobOwner}", JobOwner="ann")
    assert made.soft("${JobName}") == "${JobOwner}"
    assert made.strict("${JobName}", "dir") == "${JobOwner}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("HOST_EVAL($HOME)/x", "/home/on/exec/x"),
        ("HOST_EVAL( $HOME )", "/home/on/exec"),
        ("HOST_EVAL($HOME, /other)/x", "/home/on/exec/x"),
        ("HOST_EVAL($NONE, /other)/x", "/other/x"),
        ("HOST_EVAL($EMPTY,/other/${JobOwner})/x", "/other/ann/x"),
        ("/plain/${JobOwner}", "/plain/ann"),
    ],
)
def test_host_eval_begins_a_directory(text: str, path: str) -> None:
    assert macros(JobOwner="ann").directory(text, "dir", "exec") == path


@pytest.mark.parametrize(
    "text",
    [
        "/a/HOST_EVAL($HOME)",
        "HOST_EVAL($HOME)/HOST_EVAL($HOME)",
        "HOST_EVAL($NONE)/x",
        "HOST_EVAL($EMPTY)/x",
        "HOST_EVAL(HOME)",
        "HOST_EVAL($(id))",
        "HOST_EVAL($HOME",
    ],
)
def test_host_eval_anywhere_else_or_of_nothing_is_a_mistake(text: str) -> None:
    with pytest.raises(Problem, match="JOBS_HOST_EVAL_ERROR"):
        macros().directory(text, "dir", "exec")


def test_variables_are_in_alphabetic_order_and_only_of_macros_with_a_value() -> None:
    made = macros(Tenant="t", AppId="a", SysBucketName=None, DynamicExecSystem=False)
    assert made.environment() == [
        ("_tapisAppId", "a"),
        ("_tapisDynamicExecSystem", "false"),
        ("_tapisTenant", "t"),
    ]


def test_there_are_no_macros_but_those_of_tapis() -> None:
    assert len(NAMES) == 35
    with pytest.raises(KeyError):
        macros(Home="/x")


def test_times_have_nanoseconds() -> None:
    made = macros()
    set_times(made, datetime(2023, 2, 16, 21, 17, 51, 922680, timezone.utc), 815)
    assert dict(made.environment()) == {
        "_tapisJobCreateDate": "2023-02-16Z",
        "_tapisJobCreateTime": "21:17:51.922680815Z",
        "_tapisJobCreateTimestamp": "2023-02-16T21:17:51.922680815Z",
    }


@settings(max_examples=count(100, 2000), deadline=None)
@given(st.text(alphabet="${}AJobNamePID/HOST_EVAL(),$ x", max_size=60))
def test_any_template_is_replaced_or_refused(text: str) -> None:
    made = macros(JobName="n")
    assert isinstance(made.soft(text), str)
    try:
        path = made.directory(text, "dir", "exec")
    except Problem as problem:
        assert problem.status == 400
    else:
        assert "HOST_EVAL" not in path and "${JobName}" not in path
