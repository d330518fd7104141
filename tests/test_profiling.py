"""From any source to an analysis: what is read, what is told of, what is remembered."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.core.scenes import jobs as job_table
from tests.facts import Facts

from weft import profiling
from weft.api import Study
from weft.core import events as ev
from weft.errors import FolderError, WeftError
from weft.model import Kind, Outcome, Phase
from weft.store import history

RECORDED = Path(__file__).parent / "data" / "history-many-small-files.json"
SACCT = """\
JobID|JobName|Partition|State|ExitCode|Submit|Start|End|NNodes|NCPUS
12|frame|normal|COMPLETED|0:0|2026-03-01T10:00:00|2026-03-01T10:01:00|2026-03-01T10:11:00|1|48
12.batch|batch||COMPLETED|0:0|2026-03-01T10:01:00|2026-03-01T10:01:00|2026-03-01T10:11:00|1|48
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def known() -> list[str]:
    with history.History() as past:
        return past.jobs()["job"].to_list()


def told(folder: Path, count: int = 3) -> Path:
    facts = Facts([{"scale": number} for number in range(count)])
    for case in facts.ids:
        facts.run(case, wall=30.0)
    file = folder / "journal.jsonl"
    file.write_bytes(ev.encode(facts.facts))
    return file


# Files


def test_a_recorded_history_tells_its_findings() -> None:
    found = profiling.of_files([RECORDED])
    assert not found.problems
    assert found.profile.totals.overhead == pytest.approx(0.92, abs=0.005)
    ids = [each.id for each in found.findings]
    assert "many-small-files-archived" in ids
    assert "inputs-staged-file-by-file" in ids
    for each in found.findings:
        assert each.remedies or each.severity.value == "note", each.id
    assert {each.title for each in found.findings} >= {
        "Many small files archived",
        "Inputs staged file by file",
    }


def test_several_files_of_several_kinds_are_one_profile(tmp_path: Path) -> None:
    sacct = tmp_path / "sacct.txt"
    sacct.write_text(SACCT)
    found = profiling.of_files([told(tmp_path), RECORDED, sacct])
    assert not found.problems
    assert found.profile.totals.jobs == 3 + 1 + 1
    assert len(found.jobs["job"].unique()) == 5


def test_files_may_be_anybodys_and_are_not_remembered(tmp_path: Path) -> None:
    profiling.of_files([told(tmp_path)])
    assert known() == []


def test_broken_lines_are_told_and_the_rest_is_profiled(tmp_path: Path) -> None:
    file = told(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3:3] = [b"{half a li", b'{"event":"NeverHeardOf","at":1}\n'] + [b"x\n"] * 9
    file.write_bytes(b"".join(lines))
    found = profiling.of_files([file])
    assert found.profile.totals.jobs >= 2
    assert len(found.problems) == profiling.LINES_TOLD + 1
    assert found.problems[0].startswith(f"{file}:4: ")
    assert "5 more" in found.problems[-1]


def test_a_journal_is_known_by_any_of_its_first_lines(tmp_path: Path) -> None:
    file = told(tmp_path)
    file.write_bytes(b"garbage\n" + file.read_bytes())
    found = profiling.of_files([file])
    assert found.profile.totals.jobs == 3
    assert [problem.startswith(f"{file}:1: ") for problem in found.problems] == [True]


def test_a_journal_of_a_newer_weft_is_refused(tmp_path: Path) -> None:
    file = told(tmp_path)
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":99', 1))
    with pytest.raises(FolderError, match="newer weft") as problem:
        profiling.of_files([file])
    assert str(file) in str(problem.value)
    found = profiling.of_files([file, RECORDED])
    assert found.profile.totals.jobs == 1
    assert "newer weft" in found.problems[0]


@pytest.mark.parametrize("content", ["history", "journal"])
def test_a_pipe_is_read_once(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RECORDED if content == "history" else told(tmp_path)
    expected = profiling.of_files([source]).profile.totals.jobs
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    writer.start()
    assert profiling.of_files([pipe]).profile.totals.jobs == expected
    writer.join()
    with source.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert profiling.of_files([Path("-")]).profile.totals.jobs == expected


def test_whether_a_broken_file_is_fatal_does_not_depend_on_what_is_wrong_with_it(tmp_path: Path) -> None:
    newer, diary, broken = (tmp_path / name for name in ("newer.jsonl", "diary.txt", "broken.json"))
    newer.write_text('{"event":"Opened","at":1.7e9,"format":99,"name":"s","key":"k","weft":"9"}\n')
    diary.write_text("Dear diary\n")
    broken.write_text("[")
    bad = [newer, diary, broken, tmp_path, tmp_path / "none"]
    for each in bad:
        for files in ([each, RECORDED], [RECORDED, each]):
            found = profiling.of_files(files)
            assert found.profile.totals.jobs == 1
            assert [str(each) in problem for problem in found.problems] == [True]
        with pytest.raises(WeftError, match=re.escape(str(each))):
            profiling.of_files([each])
    with pytest.raises(WeftError) as all_of_them:
        profiling.of_files(bad)
    assert all(str(each) in str(all_of_them.value) for each in bad)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("12|COMPLETED\n", "no line names its columns"),
        (SACCT.replace("|", ","), "separated .* by commas"),
        (SACCT.replace("|", "  "), "separated .* by blanks"),
        ("JobID|State\n", "no rows"),
        ("JobID|State\n" + "x|y\n" * 3000, r"line 2: 'x' is no job's id.*2,999 more"),
    ],
)
def test_the_reason_is_told(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "table.txt"
    file.write_text(content)
    with pytest.raises(WeftError, match=reason):
        profiling.of_files([file])


def test_few_problems_of_a_file_are_told_and_the_others_counted(tmp_path: Path) -> None:
    table, lines = tmp_path / "table.txt", tmp_path / "lines.json"
    table.write_text(SACCT + "rubbish\n" * 3000)
    lines.write_text('{"a": 1}\n' * 6000)
    found = profiling.of_files([table, lines])
    assert found.profile.totals.jobs == 1
    assert len(found.problems) == 2 * (profiling.LINES_TOLD + 1)
    assert f"{table}: 2,995 more" in found.problems[profiling.LINES_TOLD]
    assert f"{lines}: 5,995 more" in found.problems[-1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_what_windows_wrote_is_read(tmp_path: Path, encoding: str) -> None:
    for name, text in (("table.txt", SACCT), ("history.json", RECORDED.read_text())):
        (tmp_path / name).write_text(text, encoding=encoding)
        assert profiling.of_files([tmp_path / name]).profile.totals.jobs == 1


def test_open_jobs_of_a_file_do_not_last_until_those_of_another(tmp_path: Path) -> None:
    head = "JobID|Partition|Submit|Eligible|Start|End|ElapsedRaw|State\n"
    winter, summer = tmp_path / "winter", tmp_path / "summer"
    winter.write_text(f"{head}1|skx|1767225600|1767225600|1767229200|Unknown|3600|RUNNING\n")
    summer.write_text(f"{head}9|skx|1780272000|1780272000|1780275600|1780279200|3600|COMPLETED\n")
    found = profiling.of_files([winter, summer])
    assert found.jobs["running_s"].to_list() == [3600, 3600]
    assert found.profile.totals.wall_s == 4 * 3600


@pytest.mark.parametrize("content", ["", "Dear diary,\ntoday I was a job.\n", "\x00\xff"])
def test_a_file_that_tells_of_no_job(tmp_path: Path, content: str) -> None:
    file = tmp_path / "diary.txt"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(WeftError, match="tells of no job") as problem:
        profiling.of_files([file])
    assert str(file) in str(problem.value)
    assert problem.value.hint


def test_a_broken_history_among_others_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(RECORDED.read_text()[:-40])
    found = profiling.of_files([RECORDED, broken])
    assert found.profile.totals.jobs == 1
    assert any(str(broken) in problem for problem in found.problems)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"none\.json"):
        profiling.of_files([tmp_path / "none.json"])


# Studies


@pytest.fixture
def ran(tmp_path: Path) -> Study:
    file = tmp_path / "study.toml"
    file.write_text('name = "naps"\n[model]\ncommand = "sleep 0.0{i}"\n[parameters]\ni = [1, 2, 3]\n')
    study = Study.load(file)
    study.run()
    return study


def test_a_study_is_analysed_and_its_jobs_are_remembered(ran: Study) -> None:
    found = ran.analysis()
    assert known() == [job.id for job in found.profile.jobs]
    assert found.title == "naps"
    assert found.waited[0].start == found.profile.start
    assert found.waited[-1].end == found.profile.end
    assert found.cases is not None
    assert found.cases.height == 3
    assert dict(found.parameters) == {"i": (1, 2, 3)}


def test_a_run_in_which_no_job_ended_costs_nothing(ran: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "remember", lambda _: pytest.fail("nothing is new"))
    assert ran.run().done == 3


RUN = """
import sys
from weft.api import Study
assert Study.load(sys.argv[1]).run(check=False).done == 1
assert "polars" not in sys.modules
"""


def test_a_run_foretells_and_remembers_without_polars(tmp_path: Path) -> None:
    """It takes time to load, and memory that a run of many cases needs; tables are made by a process of their own."""
    file = tmp_path / "study.toml"
    file.write_text('name = "nap"\n[model]\ncommand = "true"\n[resources]\nminutes = 1\n')
    assert history.remember(job_table({})) == ""
    subprocess.run([sys.executable, "-c", RUN, str(file)], check=True, timeout=60)
    assert "nap" in [job.rpartition("-")[0].rpartition("-")[0] for job in known()]


def test_a_history_that_cannot_be_written_is_a_warning(tmp_path: Path, home: Path) -> None:
    home.write_text("a file where the folder should be")
    file = tmp_path / "study.toml"
    file.write_text('name = "nap"\n[model]\ncommand = "true"\n')
    study = Study.load(file)
    summary = study.run()
    assert summary.done == 1
    (warning,) = summary.warnings
    assert "history" in warning
    assert any("history" in problem for problem in study.analysis().problems)


def test_a_damaged_journal_is_told_with_its_line(ran: Study) -> None:
    lines = ran.folder.journal.read_bytes().splitlines(keepends=True)
    ran.folder.journal.write_bytes(b"".join([*lines[:2], b"nonsense\n", *lines[2:]]))
    with pytest.raises(FolderError, match=r"journal\.jsonl:3"):
        ran.analysis()


def test_what_is_normal_is_known_from_jobs_of_the_past(tmp_path: Path) -> None:
    past = job_table(*({"job": f"old-{number}", "native": f"old-{number}"} for number in range(12)))
    assert history.remember(past) == ""
    given = ev.Allotment(app="opensees-mp-s3", system="stampede3", queue="skx")
    begins = 1_790_000_000.0
    facts: list[ev.AnyEvent] = [
        ev.JobPlanned(
            at=begins, job="late", kind=Kind.CASES, backend="tapis", cases=[], revision="", given=given
        ),
        ev.JobSubmitted(at=begins, job="late", native="late"),
        ev.JobSeen(at=begins + 10, job="late", phase=Phase.QUEUED),
        ev.JobSeen(at=begins + 90_000, job="late", phase=Phase.RUNNING),
        ev.JobGone(at=begins + 91_000, job="late", outcome=Outcome.FINISHED),
        ev.JobEnded(at=begins + 91_000, job="late", outcome=Outcome.FINISHED),
    ]
    file = tmp_path / "late.jsonl"
    file.write_bytes(ev.encode(facts))
    (outlier,) = profiling.of_files([file]).outliers
    assert (outlier.job, outlier.what, outlier.normal.median) == ("late", "queued_s", 60.0)
