"""What clients send, checked: every violation is a 400 that says where."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from starlette.requests import Request

from weft.service.answers import Problem
from weft.service.asking import BODY_LIMIT, DEPTH_LIMIT, Ask, without_nulls


class Input(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=10)]
    notes: dict[str, Any] | None = None


class Attributes(Struct, rename="camel"):
    file_inputs: list[Input] = []


class Body(Struct, rename="camel"):
    job_attributes: Attributes
    count: int = 1


class Here:
    tenant = "local"


def ask(content: bytes = b"", query: bytes = b"") -> Ask:
    scope = {
        "type": "http",
        "query_string": query,
        "headers": [],
        "path": "/",
        "path_params": {},
        "server": ("x", 1),
    }
    return Ask(Here(), Request(scope), content=content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"jobAttributes": {"fileInputs": [{}]}}', "jobAttributes.fileInputs[0].name: a value is required"),
        (b'{"jobAttributes": {"fileInputs": [{"name": ""}]}}', "jobAttributes.fileInputs[0].name: expected"),
        (b'{"jobAttributes": {"fileInputs": [{"name": "a", "nmae": 1}]}}', "jobAttributes.fileInputs[0]: "),
        (b"{}", "jobAttributes: a value is required"),
        (b'{"jobAttributes": {}, "count": "x"}', "count: expected `int`"),
        (b'{"jobAttributes": {}, "count": null}', "count: expected `int`"),
        (b"[]", "expected `object`"),
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\xff", "invalid"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'"\\ud800"', "not valid"),
        (b"[" * 10_000, "deeper"),
        (b'{"a":' * 10_000, "deeper"),
        (b"9" * 10_000, "not valid"),
        (b'{"jobAttributes": {}, "count": 1e999}', "not valid"),
    ],
)
def test_a_violation_is_told_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(Problem) as caught:
        ask(content).body(Body)
    assert caught.value.status == 400
    assert caught.value.message.startswith("NET_INVALID_JSON_INPUT ")
    assert said in caught.value.message


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    text = "[" * (DEPTH_LIMIT * 3) + '\\"{'
    assert ask(b'["' + text.encode() + b'"]').json() == [text.replace('\\"', '"')]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "notes"]), inner),
    )
)
def test_nulls_go_but_notes_stay(data: Any) -> None:
    def holds_null(value: Any) -> bool:
        if isinstance(value, dict):
            return any(item is None or (key != "notes" and holds_null(item)) for key, item in value.items())
        return isinstance(value, list) and any(holds_null(item) for item in value)

    assert not holds_null(without_nulls(data))
    assert without_nulls({"notes": data, "x": 1})["x"] == 1
    if data is not None:
        assert without_nulls({"notes": data})["notes"] == data


@given(st.binary(max_size=60))
def test_no_body_is_anything_but_read_or_refused(content: bytes) -> None:
    try:
        ask(content).body(Body)
    except Problem as problem:
        assert problem.status == 400


@given(st.text(alphabet="=&%;+ab0é\x00", max_size=40))
def test_no_query_is_anything_but_read_or_refused(text: str) -> None:
    try:
        asked = ask(query=text.encode("utf-8"))
        asked.flag("a")
        asked.number("b", 0)
    except Problem as problem:
        assert problem.status == 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"a=True", True),
        (b"a=false", False),
        (b"a=FALSE", False),
        (b"a=1", True),
        (b"", False),
        (b"a=", False),
    ],
)
def test_flags_are_read_as_clients_write_them(text: bytes, value: bool) -> None:
    assert ask(query=text).flag("a") is value


@pytest.mark.parametrize("text", [b"a=x", b"a=1.5", b"a=99999999999999", b"a=-1", b"a=11", b"a=%00"])
def test_a_bad_number_is_refused(text: bytes) -> None:
    with pytest.raises(Problem) as caught:
        ask(query=text).number("a", 0, least=0, most=10)
    assert caught.value.status == 400


def test_too_large_a_body_is_refused(client) -> None:
    answer = client("ann").post("/v3/jobs/submit", content=b" " * (BODY_LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json()["status"] == "error"
