"""What Slurm's commands print, of several versions, and the facts that it comes to."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count

from weft.schedulers.slurmtext import (
    SQUEUE,
    STATES,
    Partition,
    Seen,
    State,
    answers,
    exit_of,
    minutes_of,
    parse_comments,
    parse_sacct,
    parse_sbatch,
    parse_sinfo,
    parse_squeue,
    state_of,
    time_of,
    whole,
)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("PENDING", State.QUEUED),
        ("CONFIGURING", State.QUEUED),
        ("REQUEUED", State.QUEUED),
        ("REQUEUE_HOLD", State.QUEUED),
        ("SPECIAL_EXIT", State.QUEUED),
        ("RUNNING", State.RUNNING),
        ("COMPLETING", State.RUNNING),
        ("RESIZING", State.RUNNING),
        ("SIGNALING", State.RUNNING),
        ("STAGE_OUT", State.RUNNING),
        ("SUSPENDED", State.SUSPENDED),
        ("STOPPED", State.STOPPED),
        ("COMPLETED", State.FINISHED),
        ("FAILED", State.FAILED),
        ("TIMEOUT", State.TIMED_OUT),
        ("OUT_OF_MEMORY", State.OUT_OF_MEMORY),
        ("CANCELLED", State.CANCELLED),
        ("CANCELLED by 1000", State.CANCELLED),
        ("NODE_FAIL", State.NODE_FAILURE),
        ("BOOT_FAIL", State.NODE_FAILURE),
        ("PREEMPTED", State.PREEMPTED),
        ("DEADLINE", State.DEADLINE),
        ("REVOKED", State.UNKNOWN),
        ("PD", State.QUEUED),
        ("R", State.RUNNING),
        ("CG", State.RUNNING),
        ("CD", State.FINISHED),
        ("F", State.FAILED),
        ("TO", State.TIMED_OUT),
        ("OOM", State.OUT_OF_MEMORY),
        ("CA", State.CANCELLED),
        ("NF", State.NODE_FAILURE),
        ("running", State.RUNNING),
        # A column of ten characters, as sacct prints without --parsable.
        ("OUT_OF_ME+", State.OUT_OF_MEMORY),
        ("CANCELLED+", State.CANCELLED),
        ("COMPLET+", State.UNKNOWN),
        ("+", State.UNKNOWN),
        ("", State.UNKNOWN),
        ("?", State.UNKNOWN),
        ("ENTANGLED", State.UNKNOWN),
    ],
)
def test_words(words: str, state: State) -> None:
    assert state_of(words) is state


def test_what_has_ended() -> None:
    alive = {State.QUEUED, State.RUNNING, State.SUSPENDED, State.STOPPED, State.UNKNOWN}
    assert {state for state in State if not state.ended} == alive
    assert set(STATES.values()) == set(State)
    assert len(STATES) == 2 * 29, "no word stands for two"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[("0:0", "0:0"), ("3:0", "3:0"), ("0:15", "0:15")],
        *[("0", "0:0"), ("768", "3:0"), ("9", "0:9"), ("15", "0:15"), ("65280", "255:0"), ("139", "0:11")],
        *[("", ""), ("N/A", ""), ("4294967294", ""), ("70000", ""), ("-1", ""), ("1:2:3", "")],
    ],
)
def test_exit_codes(text: str, code: str) -> None:
    assert exit_of(text) == code


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    try:
        assert time_of("2026-01-02T03:04:05") == 1767344645.0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert time_of("1767344645") == 1767344645.0
    for text in (
        "",
        "N/A",
        "Unknown",
        "None",
        "NONE",
        "0",
        "2026-01-02",
        "9999999-01-02T03:04:05",
        "\u0661\u00b2",
    ):
        assert time_of(text) is None, text


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2-00:00:00", 2880),
        ("1-01:01:59", 1501),
        ("48:00:00", 2880),
        ("10:00", 10),
        ("0:30", 0),
        ("infinite", 0),
        ("", 0),
    ],
)
def test_limits(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


# ---- squeue -------------------------------------------------------------------------------------------------


def row(*cells: str) -> str:
    return "".join(cell[:width].ljust(width) for cell, width in zip(cells, SQUEUE.values(), strict=True))


@pytest.mark.parametrize(
    ("cells", "seen"),
    [
        (
            ("5", "PENDING", "0", "N/A", "N/A", "Resources"),
            Seen("5", State.QUEUED, "PENDING", reason="Resources"),
        ),
        # A forecast is no start, and a limit is no end.
        (("5", "PENDING", "0", "1767344645", "1767348245", "None"), Seen("5", State.QUEUED, "PENDING")),
        (
            ("5", "RUNNING", "0", "1767344645", "1767348245", "None"),
            Seen("5", State.RUNNING, "RUNNING", started=1767344645.0),
        ),
        (
            ("5", "FAILED", "768", "1767344645", "1767344650", "NonZeroExitCode"),
            Seen("5", State.FAILED, "FAILED", "3:0", 1767344645.0, 1767344650.0, "NonZeroExitCode"),
        ),
        (
            ("5", "CANCELLED", "0:15", "1767344645", "1767344650", "None"),
            Seen("5", State.CANCELLED, "CANCELLED", "0:15", 1767344645.0, 1767344650.0),
        ),
        # Still on its way out: what it leaves is not known yet.
        (
            ("5_12", "COMPLETING", "256", "1767344645", "1767344650", "None"),
            Seen("5_12", State.RUNNING, "COMPLETING", started=1767344645.0),
        ),
        (
            ("5_[3-9%2]", "PENDING", "0", "N/A", "N/A", "(ReqNodeNotAvail, UnavailableNodes:n[1-3])"),
            Seen("5_[3-9%2]", State.QUEUED, "PENDING", reason="(ReqNodeNotAvail, UnavailableNodes:n[1-3])"),
        ),
        (
            ("5", "ENTANGLED", "4294967294", "N/A", "N/A", ""),
            Seen("5", State.UNKNOWN, "ENTANGLED"),
        ),
    ],
)
def test_rows_of_squeue(cells: tuple[str, ...], seen: Seen) -> None:
    noise = "CLUSTER: trial\n\nJOBID     STATE\nslurm_load_jobs: warning: 12 things\n"
    assert parse_squeue(noise + row(*cells) + "\n") == [seen]


# ---- sacct --------------------------------------------------------------------------------------------------

ENDED = {"started": 1767344645.0, "ended": 1767344650.0}


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        # 22.05, --parsable2
        ("1|FAILED|3:0|1767344645|1767344650", Seen("1", State.FAILED, "FAILED", "3:0", **ENDED)),
        (
            "2|CANCELLED by 0|0:0|1767344645|1767344650",
            Seen("2", State.CANCELLED, "CANCELLED by 0", "0:0", **ENDED),
        ),
        ("3|RUNNING|0:0|1767344645|Unknown", Seen("3", State.RUNNING, "RUNNING", started=1767344645.0)),
        ("4|PENDING|0:0|Unknown|Unknown", Seen("4", State.QUEUED, "PENDING")),
        ("6_[1,3-4]|PENDING|0:0|Unknown|Unknown", Seen("6_[1,3-4]", State.QUEUED, "PENDING")),
        ("7_2|TIMEOUT|0:0|1767344645|1767344650", Seen("7_2", State.TIMED_OUT, "TIMEOUT", "0:0", **ENDED)),
        # --parsable: a bar at the end; a job that never began
        ("8|CANCELLED by 1000|0:0|None|1767344650|", Seen("8", State.CANCELLED, "CANCELLED by 1000", "0:0", ended=1767344650.0)),
        # 14.11: no words about who cancelled; 23.11: OUT_OF_MEMORY with the signal of the killer
        ("9|CANCELLED|0:15|1767344645|1767344650", Seen("9", State.CANCELLED, "CANCELLED", "0:15", **ENDED)),
        ("10|OUT_OF_MEMORY|0:125|1767344645|1767344650", Seen("10", State.OUT_OF_MEMORY, "OUT_OF_MEMORY", "0:125", **ENDED)),
        # One of several jobs submitted as one
        ("11+1|COMPLETED|0:0|1767344645|1767344650", Seen("11+1", State.FINISHED, "COMPLETED", "0:0", **ENDED)),
    ],
)  # fmt: skip
def test_rows_of_sacct(line: str, seen: Seen) -> None:
    number = seen.id
    steps = (
        f"{number}.batch|FAILED|9:0|1767344645|1767344650\n{number}.0|COMPLETED|0:0|1767344645|1767344650\n"
    )
    assert parse_sacct(f"JobID|State|ExitCode|Start|End\n{line}\n{steps}\nsacct: note\n") == [seen]


# ---- comments, partitions, sbatch ---------------------------------------------------------------------------


def test_comments() -> None:
    text = "12|first\n9|second|with | bars \n13|first\n10|first\n14|\n15|(null)\n7_3|of an array\n7_4|of an array\n8.batch|step\nx|y\n"
    expected = {"first": "10", "second|with | bars ": "9", "(null)": "15", "of an array": "7"}
    assert parse_comments(text) == expected


def test_partitions() -> None:
    text = "normal*|10|48|190000|2-00:00:00\nnormal*|2|128+|250000+|2-00:00:00\ngpu|1|4|16000|infinite\nwarning\na|b|c|d|e\n"
    assert parse_sinfo(text) == (
        Partition(name="normal", nodes=12, cores=48, memory_mb=190000, minutes=2880, default=True),
        Partition(name="gpu", nodes=1, cores=4, memory_mb=16000, minutes=0),
    )


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("12\n", "12"),
        ("12;cluster\n", "12"),
        ("Submitted batch job 12\n", "12"),
        ("Submitted batch job 12 on cluster trial\n", "12"),
        ("\n----\n  Welcome to the 3 petaflops of 99\n----\n--> Verifying 4 ...OK\n12\n", "12"),
        ("", ""),
        ("Welcome\n", ""),
        ("12 problems\n", ""),
    ],
)
def test_the_id_of_a_new_job(text: str, job: str) -> None:
    assert parse_sbatch(text) == job


# ---- arrays -------------------------------------------------------------------------------------------------


def seen(job: str, state: State = State.QUEUED, **more: Any) -> Seen:
    return Seen(job, state, state.name, **more)


@pytest.mark.parametrize(
    ("row_id", "inside", "outside"),
    [
        ("5_[3-9]", (3, 9), (2, 10, 33)),
        ("5_[3-9%2]", (3, 9), (2, 10)),
        ("5_[1,3,7]", (1, 3, 7), (2, 4, 17)),
        ("5_[1,4-6,10-20:5%3]", (1, 4, 6, 10, 15, 20), (3, 11, 21)),
        ("5_[7]", (7,), (0, 77)),
        ("5_[1,3,...%2]", (1, 3, 5000), ()),
        ("5_4", (4,), (3, 44)),
    ],
)
def test_rows_about_several_elements(row_id: str, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    asked = [f"5_{number}" for number in (*inside, *outside)]
    found = answers([*asked, "6_4", "55_4"], [seen(row_id)])
    assert list(found) == [f"5_{number}" for number in inside]
    assert all(each.id == job for job, each in found.items())


def test_an_elements_own_row_comes_first() -> None:
    rows = [seen("5_[1,2,...]"), seen("5_3", State.RUNNING), seen("5_[4-6]")]
    found = answers(["5_3", "5_5", "5_9"], rows)
    assert [each.state for each in found.values()] == [State.RUNNING, State.QUEUED, State.QUEUED]


def test_an_array_as_one_job() -> None:
    ran = seen("5_1", State.FINISHED, exit="0:0", started=10.0, ended=20.0)
    failed = seen("5_2", State.FAILED, exit="3:0", started=12.0, ended=15.0)
    runs = seen("5_3", State.RUNNING, started=11.0)
    waits = seen("5_[4-9]")
    assert whole([waits]) == waits
    for rows in ([waits, ran], [ran, runs, waits], [failed, runs]):
        one = whole(rows)
        assert (one.state, one.ended, one.exit) == (State.RUNNING, None, ""), rows
    assert whole([ran, runs]).started == 10.0
    ended = whole([ran, failed])
    assert (ended.state, ended.exit, ended.started, ended.ended) == (State.FAILED, "3:0", 10.0, 20.0)
    assert answers(["5"], [ran, failed])["5"].id == "5"
    assert not whole([ran, seen("5_7", State.UNKNOWN)]).state.ended


@settings(max_examples=count(50, 1000))
@given(
    st.text(alphabet="0123456789_[]-,:%+.|x \n", max_size=200),
    st.lists(st.from_regex(r"\A[0-9]{1,3}(_[0-9]{1,3})?\Z")),
)
def test_any_text_is_only_text(text: str, asked: list[str]) -> None:
    rows = [*parse_squeue(text), *parse_sacct(text), *(seen(line) for line in text.split("|"))]
    found = answers(asked, rows)
    assert set(found) <= set(asked)
    (
        parse_sinfo(text),
        parse_comments(text),
        parse_sbatch(text),
        exit_of(text),
        time_of(text),
        minutes_of(text),
    )


@settings(max_examples=count(50, 1000))
@given(st.dictionaries(st.integers(0, 400), st.booleans(), min_size=1), st.integers(0, 400))
def test_written_and_read_again(elements: dict[int, bool], limit: int) -> None:
    """Some of the elements run, some wait in one row: each is found, and no other."""
    waiting = ",".join(str(number) for number, runs in elements.items() if not runs)
    rows = [seen(f"5_{number}", State.RUNNING) for number, runs in elements.items() if runs]
    rows += [seen(f"5_[{waiting}%{limit}]")] if waiting else []
    found = answers([f"5_{number}" for number in range(401)], rows)
    states = {number: State.RUNNING if runs else State.QUEUED for number, runs in elements.items()}
    assert {int(job[2:]): each.state for job, each in found.items()} == states
