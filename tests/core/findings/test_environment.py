"""Findings of failures by their causes: missing inputs, environments, rights, disks, and what the batch system refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.core.findings.dying import DEAD, REFUSED, STAGING, told
from tests.core.findings.lost import FOREIGN, RULES, found, settings, the
from tests.core.scenes import jobs
from tests.core.test_signs import APP_FAILURE, LOGIN_NODE, NEWTON, POLICY, TRACEBACK

from weft.core.findings import environment, refusals
from weft.core.findings.base import QueueFacts, Scene
from weft.core.findings.causes import LEAST_SHARE
from weft.core.findings.refusals import CAUSES as REFUSALS
from weft.store.studyfile import study_from_python
from weft.store.tomlfile import parse
from weft.tapis.sites import queue_facts

FILES = "FILES_CLIENT_ERR path ada/inputs on system designsafe.storage.default was not found"
PATH = TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: '/home/jupyter/MyData/a.AT2'"
GONE = "shared input records: /scratch/x/kt-02.txt: No such file or directory"

EXAMPLES: dict[str, dict[str, Any]] = {
    "missing-input": {**STAGING, "outcome": "INTERRUPTED", "word": "FAILED JOB_UNABLE_TO_STAGE_INPUTS", "why": FILES},
    "foreign-path": {**DEAD, "tail": PATH},
    "shared-input-gone": {**DEAD, "why": APP_FAILURE.format("66:0"), "tail": GONE},
    "module-not-loaded": {**DEAD, "why": APP_FAILURE.format("67:0"), "tail": "bash: module: command not found"},
    "program-not-found": {**DEAD, "why": APP_FAILURE.format("127:0")},
    "python-package-missing": {**DEAD, "tail": TRACEBACK + "ModuleNotFoundError: No module named 'openseespy'"},
    "library-missing": {**DEAD, "tail": "OpenSees: error while loading shared libraries: libhdf5.so.310"},
    "pip-failed": {**DEAD, "tail": "ERROR: No matching distribution found for nopackage"},
    "no-licence": {**DEAD, "tail": "License checkout failed for ANSYS."},
    "setup-failed": {**DEAD, "word": "exit 67", "why": "its runner ended with exit code 67", "tail": "no"},
    "permission-denied": {**DEAD, "tail": "mkdir: cannot create directory '/corral/x': Permission denied"},
    "no-login-on-system": {**STAGING, "word": "FAILED, JOB_REMOTE_ACCESS_ERROR", "why": "SSH Auth fail for ada"},
    "disk-quota": {**DEAD, "tail": "cp: error writing 'out.zip': Disk quota exceeded"},
    "disk-full": {**DEAD, "tail": "OSError: [Errno 28] No space left on device"},
    "cannot-write": {**DEAD, "recorded": 400, "why": APP_FAILURE.format("74:0")},
    "system-limit": {**DEAD, "tail": "RuntimeError: can't start new thread"},
    "too-many-jobs-submitted": {**REFUSED, "why": LOGIN_NODE + "sbatch: error: QOSMaxSubmitJobPerUserLimit " + POLICY},
    "more-than-the-queue-gives": {**REFUSED, "why": "sbatch: error: QOSMaxWallDurationPerJobLimit " + POLICY},
    "no-allocation": {**REFUSED, "why": LOGIN_NODE + "ERROR: Unknown project NOPE-1 (in accounting.pl). FAILED"},
    "no-such-queue": {**REFUSED, "why": "sbatch: error: invalid partition specified: nope"},
    "no-such-reservation": {**REFUSED, "why": LOGIN_NODE + "sbatch: error: Requested reservation is invalid"},
    "refused-by-the-batch-system": {**REFUSED, "why": LOGIN_NODE + "sbatch: error: Unspecified error"},
    "app-not-usable": {**STAGING, "why": "JOBS_ZIP_IMAGE The app's archive tapis://cloud.data/x.zip: not there"},
}  # fmt: skip
"""By cause, a job that shows it as Tapis, Slurm and weft's runner word it."""

CAUSES = pytest.mark.parametrize("cause", EXAMPLES)


def test_every_cause_has_an_example() -> None:
    assert set(EXAMPLES) == {cause.id for cause in (*environment.CAUSES, *REFUSALS)}
    assert [rule.id for rule in (*environment.RULES, *refusals.RULES)] == list(EXAMPLES)


@CAUSES
def test_a_cause_is_told_from_all_others(cause: str) -> None:
    """Nor does the table of endings tell again what a cause explains."""
    assert list(told(EXAMPLES[cause], {})) == [cause]


@CAUSES
def test_a_job_that_ended_well_may_print_what_it_likes(cause: str) -> None:
    printed = {name: text for name, text in EXAMPLES[cause].items() if name in ("why", "tail")}
    assert not found(cause, printed)
    assert not found(cause, {**printed, "outcome": "", "open": True})


@CAUSES
def test_a_job_that_says_nothing_shows_no_cause(cause: str) -> None:
    assert not found(cause, {**EXAMPLES[cause], "why": "", "tail": "", "word": "FAILED"})
    silent = jobs(EXAMPLES[cause]).with_columns(
        why=None, tail=None, study=None, signs=None, recorded=None, running_s=None
    )
    table = silent.cast(
        {"why": pl.String, "tail": pl.String, "study": pl.String, "signs": pl.List(pl.String)}
    )
    assert not list(
        RULES[cause].find(Scene(jobs=table.cast({"recorded": pl.Int64, "running_s": pl.Float64})))
    )


def test_an_input_is_missing_only_where_inputs_are_staged() -> None:
    late = {**EXAMPLES["missing-input"], "running_s": 1.0}
    assert not found("missing-input", late)
    assert found("missing-file", late)


def test_exit_codes_of_the_runner_mean_nothing_in_jobs_of_others() -> None:
    for cause in ("shared-input-gone", "setup-failed", "cannot-write"):
        assert not found(cause, {**EXAMPLES[cause], **FOREIGN})


def test_a_job_with_records_is_not_blamed_for_what_a_case_printed() -> None:
    assert not found("disk-full", {**EXAMPLES["disk-full"], "recorded": 1})
    assert found("disk-full", {**EXAMPLES["disk-full"], "recorded": 1, "why": "No space left on device"})


def test_evidence_counts_jobs_and_quotes_one() -> None:
    dead = EXAMPLES["program-not-found"]
    finding = the("program-not-found", dead, dead, {**dead, "running_s": 0.0, "queued_s": 900.0}, {})
    assert finding.evidence[0].startswith(
        "3 jobs failed because of it, after 1 min 55 s (median); 2 of them got"
    )
    assert "exit code: 127:0" in finding.evidence[1]
    assert finding.jobs == ("job-0003", "job-0001", "job-0002")
    assert finding.gain_s == pytest.approx(114.8 + 114.8 + 950.8)
    assert finding.where == "opensees-mp-s3 on stampede3, queue skx, study portal"


def test_a_long_message_is_quoted_around_what_counts() -> None:
    finding = the("too-many-jobs-submitted", EXAMPLES["too-many-jobs-submitted"])
    assert "QOSMaxSubmitJobPerUserLimit" in finding.evidence[1]
    assert len(finding.evidence[1]) < 200


def test_jobs_of_others_are_told_of_apart_and_otherwise() -> None:
    ours, theirs = found("no-allocation", EXAMPLES["no-allocation"], {**EXAMPLES["no-allocation"], **FOREIGN})
    assert 'allocation = "ABC-12345"' in settings(ours)
    assert '"-A ABC-12345"' in settings(theirs)


def test_jobs_at_once_are_what_the_queue_takes() -> None:
    queues = {("stampede3", "skx"): QueueFacts(system="stampede3", queue="skx", submit=60)}
    assert "jobs = 60" in settings(
        the("too-many-jobs-submitted", EXAMPLES["too-many-jobs-submitted"], queues=queues)
    )
    assert "jobs = 2" in settings(the("too-many-jobs-submitted", EXAMPLES["too-many-jobs-submitted"]))


def test_another_queue_is_the_cheapest_that_takes_such_jobs() -> None:
    queues = queue_facts()
    job = {**EXAMPLES["no-such-queue"], "queue": "nope"}
    assert 'queue = "skx"' in settings(the("no-such-queue", job, queues=queues))
    assert 'queue = "skx-dev"' in settings(the("no-such-queue", {**job, "queue": "skx"}, queues=queues))
    long = {**job, "queue": "skx", "minutes": 121.0}
    assert 'queue = "icx"' in settings(the("no-such-queue", long, queues=queues))


def test_a_folder_of_the_hub_is_named_as_the_study_file_takes_it(tmp_path: Path) -> None:
    (remedy, _) = the("foreign-path", EXAMPLES["foreign-path"]).remedies
    lines = parse(remedy.setting, "remedy")["model"]
    study = study_from_python(
        folder=tmp_path, model={"command": "m", **lines}, run={"on": "tapis"}, tapis={"app": "python"}
    )
    assert study.model.shared == ("/home/jupyter/CommunityData/FOLDER",)


def test_cases_on_this_machine_are_told_of_no_app() -> None:
    here = {**EXAMPLES["python-package-missing"], "backend": "local", "app": "", "queue": ""}
    finding = the("python-package-missing", here)
    assert "tapis" not in settings(finding)
    assert [remedy.command for remedy in finding.remedies] == [
        "python3 -m pip install -r requirements.txt",
        "weft retry",
    ]


def test_commands_name_the_study_and_a_job() -> None:
    finding = the("setup-failed", EXAMPLES["setup-failed"], place=" my/study.toml")
    assert finding.remedies[0].command == "weft explain my/study.toml job-0001"
    assert finding.remedies[1].command == "weft run my/study.toml --pilot 4"


def failed(number: int, sign: str, of: int = 100) -> dict[str, Any]:
    return {"failed_cases": of, "signs": [sign] * number, "tail": NEWTON}


def test_cases_show_a_cause_from_a_share_on() -> None:
    least = round(LEAST_SHARE * 100)
    assert the("disk-full", failed(least, "no-space")).evidence[0] == f"{least} of 100 failed cases say so"
    assert not found("disk-full", failed(least - 1, "no-space"))
    assert not found("disk-full", failed(least, "no-space"), failed(0, "no-space", of=1))


def test_what_most_cases_show_is_said_once_for_all() -> None:
    one = failed(60, "no-space")
    finding = the("disk-full", one, one, failed(20, "no-space"))
    assert finding.evidence[0] == "140 of 300 failed cases say so"
    finding = the("disk-full", one, one)
    assert finding.evidence[0] == "120 of 200 failed cases say so: most of them, so mend this first"
    assert finding.gain_s == pytest.approx(120 * 2650 * 48 / 480 / 48)


def test_cases_show_no_cause_that_only_staging_has() -> None:
    assert not found("missing-input", failed(100, "missing-file"))
    assert found("missing-file", failed(100, "missing-file"))
