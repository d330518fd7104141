"""Findings of failures by what programs did: solvers, scripts, Python, crashes, and the kernel."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.dying import DEAD, told
from tests.core.findings.lost import FOREIGN, SKX, found, settings, the
from tests.core.test_signs import APP_FAILURE, NEWTON, ORDINARY, SINGULAR, TRACEBACK

from weft.core.findings import programs
from weft.core.findings.base import QueueFacts
from weft.core.signs import signs_in

RANKS = "48 processes were started, and each says that it is rank 0 of 1: no case was run"
SLURM = "slurmstepd: error: *** JOB 12 ON c401-001 CANCELLED AT 2026-05-07T22:17:17 DUE TO {} ***"

EXAMPLES: dict[str, str] = {
    "no-convergence": NEWTON,
    "singular-matrix": SINGULAR,
    "inline-time-series": 'expected integer but got "-dt"\n    while executing\n"pattern Plain 10 ..."',
    "model-error": "WARNING material type Nope is unknown",
    "tcl-error": 'can\'t read "mass": no such variable\n    while executing\n"puts $mass"',
    "every-rank-is-rank-0": RANKS,
    "mpi-did-not-start": "tapisjob_app.sh: line 9: ibrun: command not found",
    "missing-file": TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: 'motion.txt'",
    "python-error": TRACEBACK + "KeyError: 'peak'",
    "output-missing": "expected output disp.out is empty",
    "endless-output": "wrote more than 256 MB to stdout and stderr",
    "crash": "tapisjob_app.sh: line 40: 4711 Segmentation fault      (core dumped) OpenSees model.tcl",
    "other-processor": "killed by signal 4 SIGILL",
    "no-memory-left": "case.sh: line 3: 12345 Killed                  python3 model.py",
    "ended-with-the-jobs-time": SLURM.format("TIME LIMIT"),
    "nodes-taken-away": SLURM.format("PREEMPTION"),
}  # fmt: skip
"""By cause, what is printed."""

CAUSES = pytest.mark.parametrize("cause", EXAMPLES)


def dead(cause: str) -> dict[str, Any]:
    return {**DEAD, "tail": EXAMPLES[cause]}


def failed(cause: str, number: int, of: int = 40) -> dict[str, Any]:
    """A job in which so many cases failed and printed that, as the profile counts them."""
    return {"failed_cases": of, "tail": EXAMPLES[cause], "signs": signs_in(EXAMPLES[cause]) * number}


def test_every_cause_has_an_example() -> None:
    assert [cause.id for cause in programs.CAUSES] == list(EXAMPLES) == [rule.id for rule in programs.RULES]


@CAUSES
def test_a_cause_is_told_from_all_others(cause: str) -> None:
    assert list(told(dead(cause), {})) == [cause]
    assert list(told(failed(cause, 40), {})) == [cause]


@CAUSES
def test_cases_show_it_from_a_share_on(cause: str) -> None:
    assert the(cause, failed(cause, 2)).evidence[0] == "2 of 40 failed cases say so"
    assert not found(cause, failed(cause, 1))
    assert not found(cause, {"failed_cases": 40, "signs": [], "tail": ""})
    assert not found(cause, {"tail": EXAMPLES[cause]})


def test_ordinary_output_is_no_cause() -> None:
    assert list(told(*({**DEAD, "tail": text} for text in ORDINARY))) == ["job-failed"]


def test_evidence_quotes_the_line() -> None:
    finding = the("no-convergence", failed("no-convergence", 13, of=13))
    assert finding.evidence == (
        "13 of 13 failed cases say so: most of them, so mend this first",
        '"WARNING: CTestNormDispIncr::test() - failed to converge"',
    )


def test_several_signs_of_one_cause_are_not_added_up() -> None:
    both = {"failed_cases": 40, "signs": ["no-convergence", "element-state"] * 30}
    assert the("no-convergence", both).evidence[0].startswith("30 of 40 failed cases say so")


def test_a_rank_that_knows_nothing_of_others_is_told_by_the_exit_code_alone() -> None:
    job = {**DEAD, "why": APP_FAILURE.format("69:0")}
    assert 'app = "opensees-mp-s3"' in settings(the("every-rank-is-rank-0", job))
    assert not found("every-rank-is-rank-0", {**job, **FOREIGN})


def test_memory_is_made_by_fewer_slots() -> None:
    assert the("no-memory-left", dead("no-memory-left")).remedies[0].setting == "[tapis]\nslots = 24"
    assert "slots = 1" in settings(the("no-memory-left", {**dead("no-memory-left"), "slots": None}))


def test_jobs_of_others_run_fewer_processes() -> None:
    finding = the("no-memory-left", {**dead("no-memory-left"), **FOREIGN, "slots": 1})
    assert [remedy.setting for remedy in finding.remedies] == ['"coresPerNode": 24', ""]


def test_a_limit_of_the_shell_stands_where_it_holds() -> None:
    """Of `setup`, cases inherit the environment alone."""
    assert settings(the("crash", dead("crash"))).startswith('[model]\ncommand = "ulimit -s unlimited; ')


def test_no_more_time_is_asked_for_than_the_queue_gives() -> None:
    late = dead("ended-with-the-jobs-time")
    for most, setting in ((90.0, "[tapis]\nminutes = 90"), (60.0, '[continue]\nfiles = ["state.json"]')):
        queues = {SKX[1:]: QueueFacts(system="stampede3", queue="skx", minutes=most)}
        assert the("ended-with-the-jobs-time", late, queues=queues).remedies[0].setting == setting


def test_time_is_doubled() -> None:
    assert "minutes = 120" in settings(the("ended-with-the-jobs-time", dead("ended-with-the-jobs-time")))
    job = {**dead("ended-with-the-jobs-time"), **FOREIGN, "minutes": 90.0}
    assert '"maxMinutes": 180' in settings(the("ended-with-the-jobs-time", job))
