"""Recorded histories: the figures of a real job's shape, oddities, damage of every kind, files of every form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count

from weft.core.jobprofile import JobProfile
from weft.errors import WeftError
from weft.model import Outcome
from weft.tapis import histories, lifecycle
from weft.tapis.histories import History
from weft.tapis.lifecycle import seconds, transfers_of

OWN = Path(__file__).parent.parent / "data" / "history-many-small-files.json"


def own() -> History:
    (history,) = histories.from_file(OWN)
    return history


def changed(*changes: Callable[[list[dict[str, Any]]], None]) -> JobProfile:
    """The profile of that job after these changes of its history."""
    history = own()
    for change in changes:
        change(history.entries)
    job = {"uuid": history.uuid, **lifecycle.told_by(history.entries)}
    read_at = max((seconds(entry["created"]) for entry in history.entries), default=0.0)
    (found,) = histories.profile([msgspec.structs.replace(history, job=job, read_at=read_at)]).jobs
    assert all(first.end == second.start for first, second in pairwise(found.phases))
    assert all(span.seconds >= 0 for span in found.phases)
    return found


def whole_seconds(job: JobProfile) -> dict[str, float]:
    """Seconds by phase, visits summed."""
    sums: dict[str, float] = {}
    for span in job.phases:
        sums[span.name] = round(sums.get(span.name, 0.0) + span.seconds, 1)
    return sums


LENGTHS = {
    "PENDING": 1.0,
    "PROCESSING_INPUTS": 1.1,
    "STAGING_INPUTS": 46.4,
    "STAGING_JOB": 42.3,
    "SUBMITTING_JOB": 0.7,
    "QUEUED": 2.2,
    "RUNNING": 25.8,
    "ARCHIVING": 215.1,
}


def status(place: int, word: str, old: str, at: str) -> Callable[[list[dict[str, Any]]], None]:
    """Put a change of status into a history."""

    def change(entries: list[dict[str, Any]]) -> None:
        said = json.dumps({"newJobStatus": word, "oldJobStatus": old})
        entries.insert(
            place, {"event": "JOB_NEW_STATUS", "created": at, "eventDetail": word, "description": said}
        )

    return change


def drop(*words: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(entries: list[dict[str, Any]]) -> None:
        entries[:] = [entry for entry in entries if lifecycle.new_status(entry) not in words]

    return change


def later(word: str, much: float, *, all_after: bool = False) -> Callable[[list[dict[str, Any]]], None]:
    """Move the change to this status, or all from it on, by so many seconds."""

    def change(entries: list[dict[str, Any]]) -> None:
        first = next(place for place, entry in enumerate(entries) if lifecycle.new_status(entry) == word)
        for entry in entries[first : None if all_after else first + 1]:
            at = datetime.fromtimestamp(seconds(entry["created"]) + much, timezone.utc)
            entry["created"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    return change


def test_the_figures_of_the_recorded_job() -> None:
    found = histories.profile([own()])
    (job,) = found.jobs
    assert len(own().entries) == 12
    assert whole_seconds(job) == LENGTHS
    inputs, archive = job.transfers
    parts = ("before_s", "waiting_s", "copying_s", "unnoticed_s", "closing_s")
    assert (inputs.files, archive.files) == (112, 5069)
    assert [round(getattr(inputs, part), 1) for part in parts] == [0.1, 15.1, 27.2, 3.9, 0.0]
    assert [round(getattr(archive, part), 1) for part in parts] == [1.3, 11.1, 171.7, 27.4, 3.6]
    assert round(archive.files_per_s, 1) == 29.5
    assert round(found.totals.overhead, 2) == 0.92
    assert (job.name, job.outcome, job.notes) == ("portal-pushovers", Outcome.FINISHED, [])


def test_a_share_event_in_the_middle_of_running() -> None:
    shared = {
        "event": "JOB_SHARE_EVENT",
        "created": "2026-02-03T09:42:00.000000Z",
        "eventDetail": "SHARE_JOB_HISTORY_READ",
        "description": '{"resourceType": "JOB_HISTORY", "shareType": "SHARE", "grantee": "bob"}',
    }
    job = changed(lambda entries: entries.insert(9, shared))
    assert (whole_seconds(job), job.notes) == (LENGTHS, [])


def test_a_time_without_fraction() -> None:
    def cut(entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            entry["created"] = re.sub(r"\.\d+Z", "Z", entry["created"])

    job = changed(cut)
    assert job.notes == []
    assert all(abs(whole_seconds(job)[name] - much) <= 1.1 for name, much in LENGTHS.items())
    # Several within a second, the newest first.
    job = changed(cut, lambda entries: entries.reverse())
    assert [span.name for span in job.phases] == list(LENGTHS)
    assert job.notes == []


def test_a_job_still_running() -> None:
    def cut(entries: list[dict[str, Any]]) -> None:
        del entries[9:]

    job = changed(cut)
    last = job.phases[-1]
    assert (last.name, last.open, job.outcome, job.notes) == ("RUNNING", True, None, [])
    history = msgspec.structs.replace(own(), entries=own().entries[:9], read_at=own().read_at)
    history.job["status"] = "RUNNING"
    (job,) = histories.profile([history]).jobs
    assert job.phases[-1].seconds == pytest.approx(25.8 + 215.1, abs=0.1)  # until it was read


def test_a_failure_in_staging() -> None:
    def fail(entries: list[dict[str, Any]]) -> None:
        entries[4]["eventDetail"] = entries[4]["transferSummary"]["status"] = "FAILED"
        entries[4]["transferSummary"]["errorMessage"] = "no such file"
        del entries[5:]

    ended = status(5, "FAILED", "STAGING_INPUTS", "2026-02-03T09:41:01Z")
    job = changed(fail, ended)
    assert [span.name for span in job.phases] == ["PENDING", "PROCESSING_INPUTS", "STAGING_INPUTS"]
    assert whole_seconds(job)["STAGING_INPUTS"] == 47.7
    assert (job.outcome, job.notes) == (Outcome.FAILED, [])
    (transfer,) = job.transfers
    assert (transfer.status, transfer.why) == ("FAILED", "no such file")
    assert transfer.closing_s == pytest.approx(1.3, abs=0.05)


def test_two_hours_blocked() -> None:
    def hold(entries: list[dict[str, Any]]) -> None:
        for entry in entries[4:]:
            for holder, name in (
                (entry, "created"),
                *((entry["transferSummary"], name) for name in ("created", "startTime", "endTime")),
            ):
                if holder.get(name):
                    at = datetime.fromtimestamp(seconds(holder[name]) + 7205, timezone.utc)
                    holder[name] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    job = changed(
        hold,
        status(4, "BLOCKED", "STAGING_INPUTS", "2026-02-03T09:40:14.349141Z"),
        status(5, "STAGING_INPUTS", "BLOCKED", "2026-02-03T11:40:14.349141Z"),
        status(9, "PAUSED", "STAGING_JOB", "2026-02-03T11:41:10Z"),
        status(10, "STAGING_JOB", "PAUSED", "2026-02-03T11:41:15Z"),
    )
    assert job.notes == []
    assert [span.name for span in job.phases][2:8] == [
        *("STAGING_INPUTS", "BLOCKED", "STAGING_INPUTS", "STAGING_JOB", "PAUSED", "STAGING_JOB")
    ]
    assert whole_seconds(job)["BLOCKED"] == 7200
    assert whole_seconds(job)["PAUSED"] == 5
    assert whole_seconds(job)["STAGING_INPUTS"] == pytest.approx(46.4 + 5, abs=0.1)
    assert next(span.uncertain for span in job.phases if span.name == "BLOCKED") == 60
    assert job.transfers[0].before_s == pytest.approx(4.1, abs=0.1)  # within its own visit


# Histories that are damaged


def test_events_that_are_told_twice_double_nothing() -> None:
    for twice in (
        lambda entries: entries.extend(json.loads(json.dumps(entries))),
        lambda entries: entries.extend(json.loads(json.dumps(entries[::-1]))),
    ):
        job = changed(twice)
        assert (whole_seconds(job), len(job.transfers), job.notes) == (LENGTHS, 2, [])
    blank = {**own().entries[4], "transferTaskUuid": None, "transferSummary": {}, "description": None}
    assert len(transfers_of([blank, dict(blank)])) == 1


def test_a_transfer_that_is_told_again_later_was_noticed_once() -> None:
    def again(entries: list[dict[str, Any]]) -> None:
        entries.insert(-1, {**entries[10], "created": "2026-02-03T09:45:45Z"})

    assert changed(again).transfers[1].unnoticed_s == pytest.approx(27.4, abs=0.05)


def test_the_order_of_the_events_does_not_matter() -> None:
    for order in (lambda entries: entries.reverse(), lambda entries: entries.sort(key=repr)):
        job = changed(order)
        assert (whole_seconds(job), job.notes) == (LENGTHS, [])


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (drop("QUEUED"), "lacks QUEUED before RUNNING: the time counts as SUBMITTING_JOB"),
        (drop("PENDING", "PROCESSING_INPUTS"), "begins with STAGING_INPUTS"),
        (later("RUNNING", -3600), "goes back by"),
        (later("RUNNING", 1e9), "goes back by"),
        (status(10, "ARCHIVING", "RUNNING", "2026-02-03T09:42:30Z"), ""),
        (status(10, "MEDITATING", "ARCHIVING", "2026-02-03T09:43:00Z"), "does not know, MEDITATING"),
        (status(10, "RUNNING", "QUEUED", "2026-02-03T09:43:00Z"), "RUNNING after ARCHIVING, which cannot be"),
        (lambda entries: entries[3].update(created="yesterday"), "1 event of its history without a time"),
        (lambda entries: entries.append({"event": "JOB_TELEPATHY"}), "JOB_TELEPATHY"),
        (lambda entries: entries.append(None), "1 of its history's events are none"),
    ],
)
def test_what_is_wrong_with_a_history_is_noted(change: Callable[[Any], None], note: str) -> None:
    history = own()
    change(history.entries)
    (job,) = histories.profile([history]).jobs
    assert any(note in each for each in job.notes) if note else not job.notes
    assert job.outcome is Outcome.FINISHED
    assert job.phases[-1].name == "ARCHIVING"


def test_a_clock_that_is_set_back_costs_one_phase() -> None:
    job = changed(later("RUNNING", -3600, all_after=True))
    assert whole_seconds(job) == {**LENGTHS, "QUEUED": 0.0}
    assert "goes back by 3,597.8 s before RUNNING" in job.notes[0]


@pytest.mark.parametrize("much", [-1e9, -3600, 3600, 1e9])
@pytest.mark.parametrize("word", ["STAGING_JOB", "RUNNING", "ARCHIVING"])
def test_one_wrong_time_costs_the_phases_beside_it(word: str, much: float) -> None:
    found = whole_seconds(changed(later(word, much)))
    assert sum(found.values()) == pytest.approx(sum(LENGTHS.values()), abs=0.3)
    places = list(LENGTHS)
    beside = {word, places[places.index(word) - 1]}
    assert {name: found[name] for name in LENGTHS.keys() - beside} == {
        name: LENGTHS[name] for name in LENGTHS.keys() - beside
    }


def test_an_event_from_after_the_end() -> None:
    history = own()
    history.job["ended"] = history.entries[-1]["created"]
    later("FINISHED", 1e9)(history.entries)
    (job,) = histories.profile([history]).jobs
    assert whole_seconds(job)["ARCHIVING"] == pytest.approx(215.1 + 60, abs=0.1)
    assert "from after its end" in job.notes[0]
    del history.job["ended"]
    (job,) = histories.profile([history]).jobs
    assert any("its clock is ahead of ours" in note for note in job.notes)


def test_half_of_the_pages() -> None:
    history = own()
    del history.entries[7:]
    history.job["ended"] = "2026-02-03T09:45:45.0Z"
    (job,) = histories.profile([history]).jobs
    assert job.notes == ["its history breaks off in SUBMITTING_JOB: the time until its end counts as that"]
    assert job.phases[-1].name == "SUBMITTING_JOB"
    assert job.outcome is Outcome.FINISHED


def test_one_broken_history_among_many() -> None:
    def numbered(number: int) -> History:
        history = own()
        return msgspec.structs.replace(history, job={**history.job, "uuid": f"j{number}"})

    many = count(200, 10_000)
    found = [numbered(number) for number in range(many)]
    found[many // 2] = msgspec.structs.replace(
        found[many // 2], entries=[{"event": 7, "created": [], "description": {"a": "\x00"}}, {}]
    )
    jobs = {job.id: job for job in histories.profile(found).jobs}
    assert len(jobs) == many
    assert [job.id for job in jobs.values() if job.notes] == [f"j{many // 2}"]


mutations = st.one_of(
    st.tuples(st.just("drop"), st.integers(0, 11)),
    st.tuples(st.just("twice"), st.integers(0, 11)),
    st.tuples(st.just("swap"), st.integers(0, 10)),
    st.tuples(st.just("jump"), st.integers(0, 11), st.floats(-1e10, 1e10)),
    st.tuples(
        st.just("set"),
        st.integers(0, 11),
        st.sampled_from(["event", "created", "eventDetail", "description", "transferSummary"]),
        st.sampled_from([None, "", "?", 7, [], {}, "RUNNING", "BLOCKED", "2026-02-03 09:43:00+01:00", "{}"]),
    ),
)


def hurt(entries: list[dict[str, Any]], kind: str, place: int, *more: Any) -> None:
    if not entries:
        return
    place %= len(entries)
    entry = entries[place]
    if kind == "drop":
        del entries[place]
    elif kind == "twice":
        entries.append(dict(entry))
    elif kind == "swap":
        entries[place], entries[place - 1] = entries[place - 1], entry
    elif kind == "set":
        entry[more[0]] = more[1]
    elif at := seconds(entry["created"]):
        entry["created"] = datetime.fromtimestamp(max(0.0, at + more[0]), timezone.utc).isoformat()


@settings(max_examples=count(80, 2000), deadline=None)
@given(st.lists(mutations, max_size=6))
def test_no_damage_to_a_history_breaks_the_profile(damage: list[tuple[Any, ...]]) -> None:
    job = changed(lambda entries: [hurt(entries, *each) for each in damage] and None)
    order = [*lifecycle.PHASES]
    names = [span.name for span in job.phases if span.name not in ("BLOCKED", "PAUSED")]
    if not any(span.name in ("BLOCKED", "PAUSED") for span in job.phases):
        assert names == sorted(set(names), key=order.index)
    for each in job.transfers:
        assert min(each.before_s, each.waiting_s, each.copying_s, each.unnoticed_s, each.closing_s) >= 0


# Histories on the disk


@pytest.mark.parametrize("way", ["bare", "answer", "pair", "kept", "list", "lines", "events by line"])
def test_a_recorded_history_is_read_in_every_form(way: str, tmp_path: Path) -> None:
    entries = json.loads(OWN.read_text())
    pair = {"job": {"uuid": own().uuid, "name": None}, "history": entries}
    texts = {
        "bare": json.dumps(entries),
        "answer": json.dumps({"result": entries, "status": "success"}),
        "pair": json.dumps(pair),
        "kept": json.dumps({"job": {"uuid": own().uuid}, "entries": entries, "read_at": 1.9e9, "format": 1}),
        "list": json.dumps([pair]),
        "lines": "\n" + json.dumps(pair) + "\n\n" + json.dumps({**pair, "job": {"uuid": "other"}}) + "\n",
        "events by line": "".join(json.dumps(entry) + "\n" for entry in entries),
    }
    path = tmp_path / "some.json"
    path.write_text(texts[way])
    found = histories.from_file(path)
    assert [history.uuid for history in found] == [own().uuid, *(["other"] if way == "lines" else [])]
    assert found[0].job["status"] == "FINISHED"
    assert found[0].job["name"] == "portal-pushovers"
    for job in histories.profile(found).jobs:
        assert (whole_seconds(job), job.outcome, job.notes) == (LENGTHS, Outcome.FINISHED, [])


def test_what_the_job_says_of_itself_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    job = {
        "uuid": "x",
        "status": "FAILED",
        "condition": "SCHEDULER_TIMEOUT",
        "created": "2026-02-03T09:40:08Z",
    }
    path.write_text(json.dumps({"job": job, "history": own().entries}))
    (found,) = histories.profile(histories.from_file(path)).jobs
    assert (found.outcome, found.id) == (Outcome.TIMED_OUT, "x")
    assert found.phases[0].seconds == pytest.approx(4.3, abs=0.01)


def test_a_job_that_nobody_names_has_the_file_s_name(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    entry = {"event": "JOB_NEW_STATUS", "created": "2026-02-03T09:40:08Z", "eventDetail": "PENDING"}
    path.write_text(json.dumps([entry]))
    assert [history.uuid for history in histories.from_file(path)] == ["some"]
    path.write_text(json.dumps([{"history": [entry]}] * 2))
    assert [history.uuid for history in histories.from_file(path)] == ["some-1", "some-2"]


_TIMED = '{"job": {"uuid": "x", "created": "2026-02-03T09:40:08Z"}, "history": []}'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "some.json"),
        ("{", "some.json"),
        ("hello\nworld\n", "some.json"),
        ("7", "some.json"),
        ("[7]", "some.json: item 1"),
        (f'[{_TIMED}, {{"job": 1, "history": []}}]', "some.json: item 2"),
        ('{"job": {"uuid": "x"}, "history": []}', "some.json"),
        ('{"job": {"uuid": "x", "created": "0001-01-01T00:00:00Z"}, "history": []}', "some.json"),
        ("[[[]]]", "some.json: item 1"),
        ('{"job": {"uuid": "x"}}', "some.json"),
        ("[" * 5000, "some.json"),
        (f'{_TIMED}\n{{"job"\n', "some.json: line 2"),
        (None, "some.json"),
    ],
)
def test_a_bad_file_is_named_with_the_place(text: str | None, where: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WeftError) as problem:
        histories.from_file(path)
    assert problem.value.where == f"{tmp_path}/{where}"


def test_one_bad_line_of_many_is_told_and_the_others_read(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.json"
    line = json.dumps({"job": {"uuid": "a"}, "history": own().entries})
    other = line.replace('"a"', '"b"', 1)
    good.write_text(f"{line}\n{line[:500]}\n{other}\n")
    bad.write_text("nothing")
    found, problems = histories.from_files([good, bad])
    assert [history.uuid for history in found] == ["a", "b"]
    assert [where for where, _ in problems] == [f"{good}: line 2", str(bad)]
