"""Slurm's accounts, of several versions and from a real one, as facts and as a profile."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.slurm import Cluster

from weft.core import events as ev
from weft.core.jobprofile import JobProfile
from weft.core.jobtable import table as profile_table
from weft.core.profile import profile_of
from weft.errors import BackendError, WeftError
from weft.model import Outcome
from weft.schedulers import accounting
from weft.schedulers.accounting import ask, facts_of
from weft.schedulers.sacctrows import Row, span_in, time_in

AT = 1_780_000_000
HEAD = "JobID|JobName|Partition|Submit|Eligible|Start|End|State|ExitCode|NNodes|AllocCPUS|Elapsed|MaxRSS|TotalCPU|ReqMem"


def line(job: str = "12", **said: Any) -> str:
    """A row of an ordinary job: submitted at 0, eligible at 10, runs from 40 to 100."""
    ordinary = {
        "JobID": job,
        "JobName": "frame",
        "Partition": "normal",
        "Submit": AT,
        "Eligible": AT + 10,
        "Start": AT + 40,
        "End": AT + 100,
        "State": "COMPLETED",
        "ExitCode": "0:0",
        "NNodes": 2,
        "AllocCPUS": 96,
        "Elapsed": "00:01:00",
        "MaxRSS": "",
        "TotalCPU": "01:10.500",
        "ReqMem": "4Gn",
    }
    unknown = said.keys() - ordinary.keys()
    assert not unknown
    return "|".join(str(value) for value in {**ordinary, **said}.values())


def table(*lines: str, head: str = HEAD) -> str:
    return "\n".join([head, *lines, ""])


def jobs(text: str) -> dict[str, JobProfile]:
    told, notes = facts_of(text)
    assert notes == []
    assert all(one.at <= other.at for one, other in pairwise(told))
    return {job.id: job for job in profile_of(told).jobs}


def job_of(*lines: str) -> JobProfile:
    (job,) = jobs(table(*lines)).values()
    return job


def spans(job: JobProfile) -> list[tuple[str, float]]:
    return [(span.name, span.seconds) for span in job.phases]


# The life of a job


def test_a_job_waits_runs_and_ends() -> None:
    job = job_of(line())
    assert spans(job) == [("PENDING", 10), ("QUEUED", 30), ("RUNNING", 60)]
    assert {(span.source, span.uncertain) for span in job.phases} == {("slurm", 1)}
    assert (job.start, job.id, job.native, job.name, job.backend) == (AT, "12", "12", "frame", "slurm")
    assert (job.outcome, job.word, job.why, job.notes) == (Outcome.FINISHED, "COMPLETED", "", [])
    assert (job.given.queue, job.given.nodes, job.given.cores, job.given.memory_mb) == ("normal", 2, 48, 4295)
    assert job.cpu_s == 70.5


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"Eligible": AT}, [("QUEUED", 40), ("RUNNING", 60)]),
        ({"Eligible": "Unknown"}, [("PENDING", 40), ("RUNNING", 60)]),
        ({"Eligible": AT + 70}, [("PENDING", 40), ("RUNNING", 60)]),
        ({"Submit": "Unknown", "Eligible": "Unknown"}, [("RUNNING", 60)]),
        ({"End": "Unknown"}, [("PENDING", 10), ("QUEUED", 30), ("RUNNING", 60)]),
        ({"Start": "Unknown"}, [("PENDING", 10), ("QUEUED", 30), ("RUNNING", 60)]),
        ({"Start": "None", "End": "None", "Elapsed": ""}, [("PENDING", 10), ("QUEUED", 0)]),
        ({"Submit": AT + 50}, [("QUEUED", 0), ("RUNNING", 50)]),
        ({"End": AT + 30}, [("PENDING", 10), ("QUEUED", 30), ("RUNNING", 0)]),
    ],
)
def test_times_that_are_unknown_or_wrong(said: dict[str, Any], expected: list[tuple[str, float]]) -> None:
    job = job_of(line(**said))
    assert spans(job) == expected
    assert job.outcome is Outcome.FINISHED


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ({"End": "Unknown"}, "when it ended is not told"),
        ({"Submit": "Unknown", "Eligible": "Unknown"}, "when it was submitted is not told"),
        ({"End": AT + 30}, "its ENDED is 10 s before its RUNNING"),
        ({"State": "MEDITATING"}, "'MEDITATING' is not known"),
    ],
)
def test_what_is_wrong_is_noted(said: dict[str, Any], note: str) -> None:
    assert any(note in each for each in job_of(line(**said)).notes)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("FAILED", Outcome.FAILED),
        ("TIMEOUT", Outcome.TIMED_OUT),
        ("DEADLINE", Outcome.TIMED_OUT),
        ("OUT_OF_ME+", Outcome.OUT_OF_MEMORY),
        ("CANCELLED by 831", Outcome.CANCELLED),
        ("NODE_FAIL", Outcome.INTERRUPTED),
        ("PREEMPTED", Outcome.INTERRUPTED),
        ("RUNNING", None),
        ("MEDITATING", None),
    ],
)
def test_how_a_job_ended(state: str, outcome: Outcome | None) -> None:
    job = job_of(line(State=state, ExitCode="3:0"))
    assert job.outcome is outcome
    if outcome:
        assert (job.word, job.why) == (state, "exit code 3:0")


def test_a_job_that_runs_is_open_until_it_was_asked_for() -> None:
    job = job_of(line(State="RUNNING", End="Unknown"))
    last = job.phases[-1]
    assert (last.name, last.seconds, last.open) == ("RUNNING", 60, True)


def test_a_job_that_waits_has_no_start() -> None:
    waits = {"State": "PENDING", "End": "Unknown", "Elapsed": "00:00:00"}
    both = jobs(table(line("11"), line(Start=AT + 9999, **waits)))
    assert spans(both["12"]) == [("PENDING", 10), ("QUEUED", 90)]
    reason = f"{HEAD}|Reason"
    (job,) = jobs(table(line(**waits, Eligible=AT + 5000) + "|BeginTime", head=reason)).values()
    assert spans(job) == [("PENDING", 0)]


@pytest.mark.parametrize("start", [AT + 70, "None", "Unknown"])
def test_a_job_that_was_cancelled_while_it_waited_never_ran(start: Any) -> None:
    job = job_of(line(State="CANCELLED by 1", Start=start, End=AT + 70, Elapsed="00:00:00"))
    assert spans(job) == [("PENDING", 10), ("QUEUED", 60)]


def test_a_suspended_job_is_paused() -> None:
    (job,) = jobs(table(line() + "|00:00:15", head=f"{HEAD}|Suspended")).values()
    assert spans(job)[-2:] == [("RUNNING", 45), ("PAUSED", 15)]
    assert "suspended for 15 s" in job.notes[0]


@pytest.mark.parametrize("untold", ["Start", "End"])
def test_what_slurm_calls_elapsed_is_without_the_time_that_a_job_was_suspended(untold: str) -> None:
    row = line(**{untold: "Unknown", "Elapsed": "00:00:45"}) + "|00:00:15"
    told, _ = facts_of(table(row, head=f"{HEAD}|Suspended"))
    (job,) = profile_of(told).jobs
    assert spans(job) == [("PENDING", 10), ("QUEUED", 30), ("RUNNING", 45), ("PAUSED", 15)]


def test_steps_are_folded_into_their_job() -> None:
    step = {"JobName": "batch", "Partition": "", "TotalCPU": "00:30", "State": "COMPLETED"}
    job = job_of(
        line(TotalCPU=""),
        line("12.batch", MaxRSS="1500K", **step),
        line("12.extern", MaxRSS="0", **step),
        line("12.0", MaxRSS="2.5M", **step),
    )
    assert (job.memory, job.cpu_s) == (2_621_440, 90)
    job = job_of(line(State="FAILED"), line("12.0", **{**step, "State": "OUT_OF_MEMORY"}))
    assert job.outcome is Outcome.OUT_OF_MEMORY


def test_arrays_and_heterogeneous_jobs_are_jobs_by_element() -> None:
    waits = {"State": "PENDING", "Start": "Unknown", "End": "Unknown", "Elapsed": "00:00:00"}
    found = jobs(table(line("12_4"), line("12_[5-9%2]", **waits), line("13+0"), line("13+1"), line("13+1.0")))
    assert list(found) == ["12_4", "12_[5-9%2]", "13+0", "13+1"]


def test_a_job_that_was_requeued_is_one_job() -> None:
    again = {"Submit": AT + 70, "Eligible": AT + 72, "Start": AT + 80, "End": AT + 120}
    for first in ("NODE_FAIL", "REQUEUED", "PREEMPTED"):
        job = job_of(line(State=first, End=AT + 60), line(**again))
        assert spans(job) == [
            *(("PENDING", 10), ("QUEUED", 30)),
            *(("RUNNING", 30), ("PENDING", 2), ("QUEUED", 8), ("RUNNING", 40)),
        ]
        assert job.outcome is Outcome.FINISHED
        assert job.notes == ["it was requeued, and ran 2 times"]
    job = job_of(
        line(State="REQUEUED", End=AT + 60),
        line(Submit=AT + 60, Eligible=AT + 70, Start="None", End=AT + 80, State="CANCELLED by 1", Elapsed=0),
    )
    assert job.notes == ["it was requeued, and ran 1 time"]


def test_of_jobs_with_the_same_number_the_last_is_told() -> None:
    later = {
        name: AT + 200_000 + at for name, at in (("Submit", 0), ("Eligible", 0), ("Start", 5), ("End", 9))
    }
    job = job_of(line(), line(**later, JobName="of a new cluster"))
    assert (job.name, spans(job), job.notes) == ("of a new cluster", [("QUEUED", 5), ("RUNNING", 4)], [])


def test_rows_that_are_told_again_count_once() -> None:
    runs = line(State="RUNNING", End="Unknown", Elapsed="00:00:20")
    waits = line(State="PENDING", Start="Unknown", End="Unknown", Elapsed="00:00:00")
    once = job_of(line())
    for rows in ([line()] * 3, [waits, runs, line()], [line(), runs, waits]):
        assert job_of(*rows) == once


def test_clusters_are_told_apart() -> None:
    head = f"Cluster|{HEAD}"
    found = jobs(table(f"a|{line()}", f"b|{line()}", head=head))
    assert list(found) == ["12@a", "12@b"]
    assert [(job.native, job.given.system) for job in found.values()] == [("12", "a"), ("12", "b")]


# Forms of several versions


VERSIONS = {
    "14.03, a bar at the end, memory by processor": """\
JobID|State|NCPUS|NNodes|ReqMem|Timelimit|Submit|Start|End|Elapsed|
7|COMPLETED|32|2|2Gc|1-00:00:00|1780000000|1780000005|1780000065|00:01:00|
7.batch|COMPLETED|16|1|2Gc||1780000005|1780000005|1780000065|00:01:00|
""",
    "20.11, memory by node": """\
User|JobID|State|AllocNodes|AllocCPUS|ReqMem|TimelimitRaw|Submit|Start|End|ElapsedRaw
ann|7|COMPLETED|2|32|32Gn|1440|1780000000|1780000005|1780000065|60
""",
    "25.05, memory of all nodes, a greeting, times with fractions and a zone": """\
Welcome to the cluster
JobIDRaw|JobID|State|NNodes|ReqCPUS|ReqMem|Timelimit|Submit|Start|End|Elapsed
7|7|COMPLETED|2|32|64G|1-00:00:00|2026-05-28T20:26:40Z|2026-05-28T22:26:45+02:00|2026-05-28T20:27:45.0+0000|00:01:00
""",
}


@pytest.mark.parametrize("text", VERSIONS.values(), ids=VERSIONS.keys())
def test_tables_of_several_versions_tell_the_same(text: str) -> None:
    (job,) = jobs(text).values()
    assert spans(job) == [("QUEUED", 5), ("RUNNING", 60)]
    assert (job.given.nodes, job.given.cores, job.given.memory_mb) == (2, 16, 34360)
    assert job.given.minutes == 1440


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1780000000", 1_780_000_000),
        ("1780000000.25", 1_780_000_000.25),
        ("2026-05-28T20:26:40.5Z", 1_780_000_000.5),
        ("2026-05-28T18:26:40-02:00", 1_780_000_000),
        *(
            (text, None)
            for text in ("Unknown", "None", "", "0", "20:26:40", "2026-13-28T20:26:40", "9" * 400)
        ),
    ],
)
def test_times(text: str, expected: float | None) -> None:
    assert time_in(text) == expected


def test_times_without_a_zone_are_this_machine_s() -> None:
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(AT))
    assert time_in(text) == AT
    assert time_in(text + ".5") == AT + 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-02:03:04", 93_784),
        ("00:01.234", 1.234),
        ("26:03:04", 93_784),
        ("75", 75),
        ("UNLIMITED", None),
        ("Partition_Limit", None),
        ("", None),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    assert span_in(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1234K", 1_263_616),
        ("1.50G", 1_610_612_736),
        ("4096", 4096),
        ("0", 0),
        ("", None),
        ("16?", None),
        ("4Gn", 2**32),
    ],
)
def test_sizes(text: str, expected: int | None) -> None:
    assert Row(1, "1", "", {"maxrss": text}).size("MaxRSS") == expected


def test_names_may_have_bars() -> None:
    assert job_of(line(JobName="a|b||c")).name == "a|b||c"


@pytest.mark.parametrize("sign", ["\x0c", "\x1c", "\x85", "\u2028"])
def test_names_may_have_signs_that_break_lines_elsewhere(sign: str) -> None:
    assert job_of(line(JobName=f"a{sign}b")).name == f"a{sign}b"


# What cannot be


def test_without_a_column_that_says_when_it_may_run_all_the_waiting_is_queued() -> None:
    head, row = (text.split("|") for text in (HEAD, line()))
    (job,) = jobs("\n".join("|".join([*each[:4], *each[5:]]) for each in (head, row))).values()
    assert spans(job) == [("QUEUED", 40), ("RUNNING", 60)]


def test_a_job_that_runs_lasts_until_the_table_was_printed_whatever_others_say() -> None:
    runs = line(State="RUNNING", End="Unknown")
    waits = line("13", State="PENDING", Start="Unknown", End="Unknown", Elapsed="00:00:00")
    later = line("14", Submit=AT + 9e6, Eligible=AT + 9e6, Start=AT + 9e6, End=AT + 9e6 + 60)
    found = jobs(table(runs, waits, later))
    assert spans(found["12"]) == [("PENDING", 10), ("QUEUED", 30), ("RUNNING", 60)]
    assert spans(found["13"]) == [("PENDING", 10), ("QUEUED", 90)]
    told, _ = facts_of(table(waits), asked=AT + 500.0)
    assert spans(profile_of(told).jobs[0]) == [("PENDING", 10), ("QUEUED", 490)]


@pytest.mark.parametrize("wrong", ["99999999999", "86400", "9999-12-31T00:00:00", "soon"])
def test_a_time_that_cannot_be_is_passed_over_and_noted(wrong: str) -> None:
    job = job_of(line(Eligible=wrong))
    assert spans(job) == [("PENDING", 40), ("RUNNING", 60)]
    assert job.notes == ["its Eligible cannot be: passed over"]
    told, notes = facts_of(table(line(Submit=wrong, Eligible=wrong, Start=wrong, End=wrong)))
    assert told == []
    assert notes == ["line 2: job 12 has no time that can be: passed over"]


@pytest.mark.parametrize("column", ["NNodes", "AllocCPUS", "Elapsed", "MaxRSS", "TotalCPU", "ReqMem"])
def test_figures_that_cannot_be_do_no_harm(column: str) -> None:
    for said in ("9" * 400, "9" * 23, f"{'9' * 30}-00:00:00", "\u00b2"):
        (job,) = profile_of(facts_of(table(line(**{column: said})))[0]).jobs
        assert profile_table([job]).height == 1


@pytest.mark.parametrize(("bar", "how"), [(",", "commas"), ("   ", "blanks")])
def test_a_table_without_bars_is_told_how_to_be_made(bar: str, how: str) -> None:
    told, (note,) = facts_of(table(line()).replace("|", bar))
    assert told == []
    assert how in note
    assert "sacct --parsable2" in note


def test_broken_rows_are_told_and_the_others_read() -> None:
    lost = line("15", Submit="x", Eligible="x", Start="x", End="x")
    told, notes = facts_of(table(line(), "rubbish", line("job"), "", lost, line("16.batch"), line("17")))
    assert [job.id for job in profile_of(told).jobs] == ["12", "17"]
    assert notes == [
        "line 3 has 1 columns instead of 15: passed over",
        "line 4: 'job' is no job's id: passed over",
        "line 7: a step of job 16, of which there is no row",
        "line 6: job 15 has no time that can be: passed over",
    ]


@pytest.mark.parametrize("text", ["", "hello\n", "a|b\n1|2\n", '{"jobs": []}'])
def test_what_is_no_table(text: str) -> None:
    told, (note,) = facts_of(text)
    assert told == []
    assert "no table" in note


def test_one_broken_row_of_thousands() -> None:
    lines = [line(str(number)) for number in range(1, 2001)]
    lines[1000] = lines[1000][:30]
    told, notes = facts_of(table(*lines))
    assert len(profile_of(told).jobs) == 1999
    assert len(notes) == 1


cells = st.one_of(
    st.sampled_from(
        ["", "Unknown", "None", "0", "1", "12", "PENDING", "RUNNING", "REQUEUED", "CANCELLED by 0", "4Gn"]
    ),
    st.integers(AT - 100, AT + 100).map(str),
    st.text(max_size=6),
)


@settings(max_examples=count(60, 1000), deadline=None)
@given(
    st.lists(st.lists(cells, min_size=14, max_size=15), max_size=5), st.sampled_from(["12", "12.0", "12_3"])
)
def test_no_table_can_break_a_profile(told: list[list[str]], job: str) -> None:
    facts, _ = facts_of(table(*("|".join([job, *row]) for row in told)))
    for found in profile_of(facts).jobs:
        assert all(span.seconds >= 0 for span in found.phases)
        assert all(first.end == second.start for first, second in pairwise(found.phases))
    assert ev.encode(facts).count(b"\n") == len(facts)


# sacct itself


@pytest.fixture
def cluster(slurm_accounting: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    for name, value in slurm_accounting.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SACCT_FORMAT", "JobID")  # of no concern to us
    return slurm_accounting


def test_jobs_of_a_real_slurm(cluster: Cluster, tmp_path: Path) -> None:
    def submit(body: str, *options: str) -> str:
        where = f"--output={tmp_path}/%j"
        return cluster.run("sbatch", "--parsable", where, *options, "--wrap", body).strip()

    began = time.time()
    good = submit("sleep 2", "--job-name=one|two", "--time=3", "--mem=200")
    bad = submit("exit 3")
    array = submit("true", "--array=1-2")
    held = submit("true", "--hold")
    long = submit("exec sleep 300")
    cluster.wait([long], lambda seen: seen.state.value == "running")
    cluster.slurm().cancel([held])
    ids = [good, bad, f"{array}_1", f"{array}_2", held]
    cluster.wait(ids)
    found: dict[str, JobProfile] = {}
    until = time.monotonic() + 60  # the accounts lag behind
    while len(found) < 6 or any(found[job].outcome is None for job in ids):
        assert time.monotonic() < until, found
        told, notes = facts_of(ask([good, bad, array, held, long]))
        assert notes == []
        found = {job.id: job for job in profile_of(told).jobs}
    assert [found[job].outcome for job in (*ids, long)] == [
        *(Outcome.FINISHED, Outcome.FAILED, Outcome.FINISHED, Outcome.FINISHED, Outcome.CANCELLED, None)
    ]
    one = found[good]
    assert (one.name, one.given.queue, one.given.minutes, one.given.memory_mb) == (
        "one|two",
        "normal",
        3,
        210,
    )
    assert (one.given.nodes, one.given.cores) == (1, 1)
    assert [span.name for span in one.phases] == ["QUEUED", "RUNNING"]
    assert abs(one.phases[-1].seconds - 2) <= 2
    assert abs(one.start - began) <= 2
    assert found[bad].why == "exit code 3:0"
    assert [span.name for span in found[held].phases] == ["PENDING"]
    assert found[long].phases[-1].open
    cluster.slurm().cancel([long])

    told, _ = facts_of(ask(since=began - 5, user=str(os.getuid())))
    assert {good, bad, f"{array}_1"} <= {job.id for job in profile_of(told).jobs}
    told, _ = facts_of(ask(since=time.time() + 3600))
    assert told == []


def test_a_real_job_that_was_requeued(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.run(
        "sbatch", "--parsable", "--requeue", f"--output={tmp_path}/%j", "--wrap", "exec sleep 300"
    ).strip()
    cluster.wait([job], lambda seen: seen.state.value == "running")
    cluster.run("scontrol", "requeue", job)
    until = time.monotonic() + 60  # the accounts lag behind
    phases: list[str] = []
    while phases != ["QUEUED", "RUNNING", "PENDING"]:
        assert time.monotonic() < until, phases
        time.sleep(0.5)
        (found,) = profile_of(facts_of(ask([job]))[0]).jobs or [None]
        phases = [span.name for span in found.phases] if found else []
    cluster.slurm().cancel([job])


def test_a_cluster_without_accounts(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WeftError, match="keeps no accounts") as problem:
        ask(["1"])
    assert problem.value.hint


def test_ids_are_checked_and_asked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeftError, match="no job's id"):
        ask(["12", "--help"])
    asked: list[tuple[str, ...]] = []

    def answer(*options: str) -> str:
        asked.append(options)
        return "JobID State Submit" if options == ("--helpformat",) else ""

    monkeypatch.setattr(accounting, "_sacct", answer)
    ask([str(number) for number in (*range(1, 702), 1)])
    assert [len(options[-1].split(",")) for options in asked[1:]] == [300, 300, 101]
    assert asked[1][:3] == ("--parsable2", "--format=JobID,Submit,State", "--duplicates")


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo 'sacct: error: no way' >&2; exit 1", "no way"),
        ("echo 'Slurm accounting storage is disabled' >&2; exit 1", "keeps no accounts"),
        ("exec sleep 60", "said nothing"),
        (None, "there is no sacct here"),
    ],
)
def test_a_sacct_that_does_not_answer(
    script: str | None, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        (tmp_path / "sacct").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script else str(tmp_path))
    monkeypatch.setattr(accounting, "PATIENCE", 0.3)
    with pytest.raises(WeftError, match=what) as problem:
        ask(["12"])
    assert problem.value.hint or isinstance(problem.value, BackendError)
