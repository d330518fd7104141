"""A trace that Perfetto and chrome://tracing read: by the Chrome trace event format."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs
from tests.render import analyses

from weft.render import trace as tracing
from weft.render.trace import trace


def read(analysis: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(trace(analysis))
    return document


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return read(analyses.study())


def of(found: dict[str, Any], ph: str) -> list[dict[str, Any]]:
    return [event for event in found["traceEvents"] if event["ph"] == ph]


@pytest.mark.parametrize("make", [analyses.local, analyses.study, analyses.foreign])
def test_every_event_is_well_formed(make: Any) -> None:
    events = read(make())["traceEvents"]
    assert {event["ph"] for event in events} <= {"M", "X", "C"}
    for event in events:
        assert isinstance(event["name"], str)
        assert event["name"]
        assert all(isinstance(event[key], int) and event[key] >= 0 for key in ("ts", "pid", "tid"))
        assert ("dur" in event) == (event["ph"] == "X")
        assert event.get("dur", 0) >= 0
        assert event["ph"] != "C" or all(value >= 0 for value in event["args"].values())
    times = [event["ts"] for event in events if event["ph"] != "M"]
    assert times == sorted(times)
    assert times[0] == 0


@pytest.mark.parametrize("make", [analyses.local, analyses.study, analyses.foreign])
def test_slices_of_a_track_lie_within_each_other_or_apart(make: Any) -> None:
    tracks: dict[int, list[dict[str, Any]]] = {}
    for event in of(read(make()), "X"):
        tracks.setdefault(event["tid"], []).append(event)
    for events in tracks.values():
        within: list[int] = []
        for event in events:
            while within and within[-1] <= event["ts"]:
                within.pop()
            end = event["ts"] + event["dur"]
            assert not within or end <= within[-1], event
            within.append(end)


def test_a_job_holds_its_phases_its_runner_s_spans_and_its_transfers(found: dict[str, Any]) -> None:
    first = [event for event in of(found, "X") if event["tid"] == 1]
    kinds = {
        kind: [event["name"] for event in first if event["cat"] == kind]
        for kind in ("job", "phase", "runner", "transfer")
    }
    assert kinds["job"] == ["portal-ida-k3f9-0001"]
    assert kinds["phase"][0] == "PLANNED"
    assert kinds["runner"] == ["UNPACK", "SETUP", "CASES", "FINISH", "PACK"]
    assert kinds["transfer"] == [
        f"{into}: {step}"
        for into in ("inputs", "archive")
        for step in ("waiting", "copying", "until noticed")
    ]
    copying = next(event for event in first if event["name"] == "archive: copying")
    assert copying["dur"] == 171_700_000
    assert copying["args"] == {"files": 5069, "bytes": 151_000_000}


def test_tracks_have_names_and_an_order(found: dict[str, Any]) -> None:
    names = {
        event["tid"]: event["args"]["name"] for event in of(found, "M") if event["name"] == "thread_name"
    }
    assert names == {number: f"portal-ida-k3f9-{number:04d}" for number in (1, 2, 3, 4)}
    order = [event["args"]["sort_index"] for event in of(found, "M") if event["name"] == "thread_sort_index"]
    assert order == [1, 2, 3, 4]


def test_counters_end_at_nothing(found: dict[str, Any]) -> None:
    phases = [event["args"] for event in of(found, "C") if event["name"] == "jobs by phase"]
    assert max(sum(counts.values()) for counts in phases) == 4
    assert set(phases[-1].values()) == {0}
    running = [event["args"]["cases"] for event in of(found, "C") if event["name"] == "cases running"]
    assert 100 < max(running) <= 4 * 48
    assert running[-1] == 0


def test_of_many_jobs_the_first_are_traced_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "JOBS_TRACED", 10)
    found = read(analyses.foreign())
    assert sum(event["cat"] == "job" for event in of(found, "X")) == 10
    assert found["otherData"]["jobs"] == "10 of 60"
    assert found["traceEvents"][0]["args"]["name"] == "60 jobs of wsong (the first 10 of 60 jobs)"


def test_the_node_s_clock_may_be_off() -> None:
    analysis = analyses.study()
    job = analysis.profile.jobs[0]
    late = [structs.replace(span, start=span.start + 5000, end=span.end + 5000) for span in job.runner]
    profile = structs.replace(analysis.profile, jobs=[structs.replace(job, runner=late)])
    slices = of(read(structs.replace(analysis, profile=profile)), "X")
    running = next(event for event in slices if event["name"] == "RUNNING")
    end = running["ts"] + running["dur"]
    assert all(
        running["ts"] <= event["ts"] <= event["ts"] + event["dur"] <= end
        for event in slices
        if event["cat"] == "runner"
    )


def test_spans_that_overlap_are_drawn_apart() -> None:
    analysis = analyses.study()
    job = analysis.profile.jobs[0]
    wide = [structs.replace(span, end=span.end + 30) for span in job.runner]
    profile = structs.replace(analysis.profile, jobs=[structs.replace(job, runner=wide)])
    spans = [
        event
        for event in of(read(structs.replace(analysis, profile=profile)), "X")
        if event["cat"] == "runner"
    ]
    assert len(spans) == 5
    assert all(one["ts"] + one["dur"] <= other["ts"] for one, other in pairwise(spans))


def test_nothing_has_run() -> None:
    analysis = analyses.great(3)
    assert [event["ph"] for event in read(analysis)["traceEvents"]] == ["M", "M"]


def test_the_same_analysis_gives_the_same_bytes() -> None:
    assert trace(analyses.study()) == trace(analyses.study())
