from __future__ import annotations

import msgspec
import pytest
from tests.service.jobs.request import made

from weft.service.answers import Problem
from weft.service.asking import checked
from weft.service.jobs.model import PRIVATE, Job, SubmitRequest, SubscribeRequest
from weft.service.jobs.tables import ATTRIBUTES, shown, stored

LEAST = {"name": "n", "appId": "a", "appVersion": "1"}


def test_a_request_needs_a_name_and_an_app_only() -> None:
    assert checked(LEAST, SubmitRequest).name == "n"
    for key in LEAST:
        with pytest.raises(Problem, match=key):
            checked({name: value for name, value in LEAST.items() if name != key}, SubmitRequest)


NO_REQUESTS = [
    ({"nodes": 1}, "nodes"),
    ({"name": ""}, "name"),
    ({"name": "n" * 65}, "name"),
    ({"name": None}, "name"),
    ({"jobType": "BOTH"}, "jobType"),
    ({"nodeCount": None}, "nodeCount"),
    ({"nodeCount": 2**31}, "nodeCount"),
    ({"nodeCount": "2"}, "nodeCount"),
    ({"execSystemInputDir": None}, "execSystemInputDir"),
    ({"description": ""}, "description"),
    ({"archiveMode": "SOMETIMES"}, "archiveMode"),
    ({"notes": []}, "notes"),
    ({"tags": ["t" * 129]}, r"tags\[0\]"),
    ({"tags": ["t"] * 129}, "tags"),
    ({"fileInputs": [{"sourceUrl": None}]}, r"fileInputs\[0\].sourceUrl"),
    ({"fileInputs": [{"source": "x"}]}, r"fileInputs\[0\]"),
    ({"parameterSet": {"appArgs": [{"name": "n"}]}}, r"parameterSet.appArgs\[0\].arg"),
    ({"parameterSet": {"appArgs": [{"arg": "a", "value": 1}]}}, r"parameterSet.appArgs\[0\]"),
    ({"parameterSet": {"envVariables": [{"value": "v"}]}}, r"envVariables\[0\].key"),
    ({"parameterSet": {"logConfig": {"stdoutFilename": "o"}}}, "logConfig.stderrFilename"),
    ({"parameterSet": {"archiveFilter": {"keep": []}}}, "archiveFilter"),
    ({"subscriptions": [{"eventCategoryFilter": "ALL"}]}, r"subscriptions\[0\].deliveryTargets"),
    ({"mpiCmd": "m" * 127}, "mpiCmd"),
]


@pytest.mark.parametrize(("more", "named"), NO_REQUESTS)
def test_what_the_schema_does_not_know_is_refused_and_named(more: dict[str, object], named: str) -> None:
    with pytest.raises(Problem, match=named) as caught:
        checked({**LEAST, **more}, SubmitRequest)
    assert caught.value.status == 400
    assert caught.value.message.startswith("NET_INVALID_JSON_INPUT")


@pytest.mark.parametrize(
    "more",
    [
        {"mpiCmd": None},
        {"cmdPrefix": None},
        {"fileInputArrays": [{"sourceUrls": None}]},
        {"nodeCount": 0},
        {"archiveMode": "NEVER"},
        {"execSystemConstraints": ["a = 'b'"]},
    ],
)
def test_what_the_real_service_takes_is_taken(more: dict[str, object]) -> None:
    checked({**LEAST, **more}, SubmitRequest)


def test_the_clients_spelling_of_a_lifetime_is_refused_as_the_real_service_does() -> None:
    least = {
        "eventCategoryFilter": "ALL",
        "deliveryTargets": [{"deliveryMethod": "EMAIL", "deliveryAddress": "a@b"}],
    }
    assert checked({**least, "ttlMinutes": 5}, SubscribeRequest).ttl_minutes == 5
    with pytest.raises(Problem, match="ttlminutes"):
        checked({**least, "ttlminutes": 5}, SubscribeRequest)


def test_answers_show_no_private_attribute_and_structures_as_text() -> None:
    job = made.job(exec_system_constraints=["a = 1"])
    answer = shown(stored((name, getattr(job, name)) for name in Job.__struct_fields__))
    assert not {"archiveMode", "launch", "cancelAsked", "watched"} & answer.keys()
    assert not PRIVATE & ATTRIBUTES.keys()
    for name in ("fileInputs", "parameterSet", "subscriptions", "execSystemConstraints", "notes"):
        assert isinstance(answer[name], str)
        msgspec.json.decode(str(answer[name]))
    assert answer["tags"] == [] and answer["isMpi"] is False and answer["mpi"] is False
    assert answer["_fileInputsSpec"] is None and answer["_parameterSetModel"] is None
    assert answer["status"] == "PENDING"
