"""Studies through Tapis, as users run them: real service, real client, real jobs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.conftest import PROVE, count
from tests.journeys.tapis import Tapis, facts, moved, study, table
from tests.node.tcl import HAS_OPENSEES
from tests.service.conftest import PASSWORD, Served, cheap_passwords, signing_key, start

import weft
from weft.api import Study
from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.errors import CheckFailed, NotLoggedIn, WeftError
from weft.model import Outcome, Phase, Retry
from weft.service.faults import Fault
from weft.tapis import login
from weft.tapis.files import Files

__all__ = ["cheap_passwords", "signing_key"]

EXAMPLES = Path(weft.__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, signing_key: Path) -> Iterator[Served]:
    with Served(start(tmp_path_factory.mktemp("served") / "state", signing_key)) as running:
        yield running


@pytest.fixture
def tapis(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tapis:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    login.log_in(served.url, "ann", PASSWORD)
    return Tapis(served)


def written(folder: Path, text: str, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    file = folder / "study.toml"
    file.write_text(text)
    return file


SQUARES = """\
name = "NAME"
[model]
command = 'printf %s {i} | sed "s/.*/{\\"x\\": &}/" > result.json; [ {i} != 3 ]'
result = "result.json"
[parameters]
i = { range = [0, COUNT] }
[tapis]
app = "python"
jobs = 4
cores = 2
"""


def squares(folder: Path, cases: int, name: str = "squares", more: str = "") -> Path:
    return written(folder, SQUARES.replace("NAME", name).replace("COUNT", str(cases)) + more)


# The same study, here and there


def test_one_command_shows_that_a_study_gives_the_same_here_and_through_tapis() -> None:
    wanted = ["examples/portal-ida/study.toml"] if PROVE else ["examples/hello/study.toml", "--app", "python"]
    done = subprocess.run(
        [sys.executable, "-m", "weft", "serve", "demo", *wanted],
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    combinations = 4 if PROVE else 2
    assert done.stdout.count("the same table: parameters, status and results") == combinations


def test_a_client_that_is_logged_in_already_is_enough(
    tapis: Tapis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tapipy.tapis import Tapis as Client

    client = Client(base_url=tapis.served.url, username="ann", password=PASSWORD)
    client.get_tokens()
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "nobody is logged in here"))
    one = study(squares(tmp_path / "s", 5))
    summary = one.run(tapis=client)
    assert (summary.done, summary.failed) == (4, 1)
    assert [row["x"] for row in table(one).values() if row["status"] == "done"] == [0, 1, 2, 4]


# Files


def test_a_few_files_move_for_each_job_and_shared_inputs_once(
    tapis: Tapis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases, size = count(60, 1000), count(2, 50) * 1_000_000
    sent: list[str] = []
    upload = Files.upload

    def counted(self: Files, source: object, system: str, path: str, **options: object) -> int:
        sent.append(path)
        return upload(self, source, system, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Files, "upload", counted)
    text = SQUARES.replace("COUNT", str(cases)).replace('result = "', 'shared = ["big/"]\nresult = "')
    for name in ("first", "second"):
        folder = tmp_path / name
        (folder / "big").mkdir(parents=True)
        (folder / "big" / "mesh.dat").write_bytes(b"\7" * size)
        one = study(written(folder, text.replace("NAME", name)))
        sent.clear()
        summary = one.run()
        assert (summary.done, summary.failed) == (cases - 1, 1)
        jobs = moved(one)
        # By the second it is known that this service is quick: then fewer jobs may do as well.
        assert len(jobs) == 4 if name == "first" else 1 <= len(jobs) <= 4
        assert all(job["inputs"] <= 3 and job["archive"] <= 4 for job in jobs), jobs
        shared = [path for path in sent if path.endswith("mesh.dat")]
        assert len(shared) == (1 if name == "first" else 0)
        assert len(sent) - len(shared) == 2 * len(jobs), "a bundle and the runner for each job"


def test_results_in_chunks_come_as_one_file_more_for_each(tapis: Tapis, tmp_path: Path) -> None:
    text = SQUARES.replace("NAME", "chunks").replace("COUNT", "3").replace("jobs = 4", "jobs = 1")
    text = text.replace("command = '", "command = 'head -c 300000 /dev/urandom > out.bin; ")
    one = study(written(tmp_path / "s", text + '[output]\nkeep = ["out.bin"]\nchunk = "400 KB"\n'))
    assert one.run().done == 3
    (job,) = moved(one)
    assert job["archive"] == 2 + len(one.folder.zips(facts(one, ev.JobEnded)[0].job)) == 5
    assert len(one.fetch(to=tmp_path / "out", patterns=["out.bin"])) == 3


def test_a_shared_input_that_was_purged_ends_the_job_at_once_and_is_put_back(
    tapis: Tapis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.cli.main import run as command
    from weft.tapis.shared import SharedStore

    folder = tmp_path / "s"
    (folder / "records").mkdir(parents=True)
    (folder / "records" / "a.AT2").write_text("ground motion")
    text = SQUARES.replace("NAME", "purged").replace("COUNT", "3")
    file = written(folder, text.replace('result = "', 'shared = ["records/"]\nresult = "'))
    one = study(file)
    provide = SharedStore.provide

    def provided_and_purged(store: SharedStore, inputs: object) -> object:
        found = provide(store, inputs)  # type: ignore[arg-type]
        (Path(found[0].path) / "a.AT2").unlink()
        return found

    monkeypatch.setattr(SharedStore, "provide", provided_and_purged)
    summary = one.run()
    assert summary.done == 0
    assert "a.AT2" in summary.hold
    assert "weft store refresh" in summary.hold
    monkeypatch.undo()
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    assert command(["store", "refresh", str(file)]) == 0
    assert study(file).retry().done == 3


# What apps do


FAULTY = """\
#!/bin/bash
cd inputDirectory
WORK
if [ ! $? ]; then
    echo "failed" >&2
    exit 1
fi
"""


def test_an_app_that_exits_0_without_running_anything(tapis: Tapis, tmp_path: Path) -> None:
    app = tapis.app("does-nothing", FAULTY.replace("WORK", "true"))
    one = study(
        squares(tmp_path / "s", 4, more='[tapis.family]\nrunner = "python"\nscript = "Main Script"\n'),
        app=app,
    )
    summary = one.run()
    assert summary.failed == 4
    (told, *_) = {row["weft_why"] for row in table(one).values()}
    assert "FINISHED" in told
    assert "no case left a record" in told
    assert facts(one, ev.JobGone)[0].outcome is Outcome.FINISHED, "that is what Tapis said"


def test_an_app_that_hides_the_crash_of_its_solver(tapis: Tapis, tmp_path: Path) -> None:
    """The solver is the runner's own process here, as with Tcl apps; the wrapper cannot tell its end from a success."""
    app = tapis.app("hides-crashes", FAULTY.replace("WORK", 'python3 "$1"'))
    text = SQUARES.replace("NAME", "crash").replace("COUNT", "3").replace("jobs = 4", "jobs = 1\nslots = 1")
    text = text.replace("command = '", "command = '[ {i} != 1 ] || { sleep 0.3; kill -KILL $PPID; }; ")
    one = study(
        written(tmp_path / "s", text + '[tapis.family]\nrunner = "python"\nscript = "Main Script"\n'), app=app
    )
    summary = one.run()
    rows = {row["i"]: row for row in table(one).values()}
    assert rows[1]["status"] == "failed"
    assert "while this case ran" in rows[1]["weft_why"]
    assert "FINISHED" in rows[1]["weft_why"]
    assert [rows[i]["status"] for i in (0, 2)] == ["done", "done"]
    assert summary.failed == 1


def test_exactly_what_would_be_sent_is_shown(tapis: Tapis, tmp_path: Path) -> None:
    one = study(squares(tmp_path / "s", 8))
    shown = one.requests()
    assert len(shown) == 4
    assert one.run().done == 7
    for job, before in zip(facts(one, ev.JobSubmitted), shown, strict=True):
        sent = tapis.session.call("jobs.getResubmitRequestJson", jobUuid=job.native)
        assert before["appId"] == "python"
        assert re.sub("-new-", "-KEY-", before["name"]) == re.sub(r"-[0-9a-f]{6}-", "-KEY-", sent["name"])
        assert before["parameterSet"]["archiveFilter"] == sent["parameterSet"]["archiveFilter"]


# Long cases


def test_a_case_that_is_longer_than_a_job_goes_on_in_the_next(tapis: Tapis, tmp_path: Path) -> None:
    text = """\
name = "long"
[model]
command = "sh count.sh"
inputs = ["count.sh"]
result = "result.json"
[continue]
files = ["state.txt"]
exit = 85
[parameters]
LINE
[tapis]
app = "python"
jobs = 1
"""
    script = """\
n=$(cat state.txt 2> /dev/null || echo 0)
n=$((n + 1))
echo $n > state.txt
[ $n -lt 3 ] && exit 85
echo "{\\"runs\\": $n, \\"continued\\": $WEFT_CONTINUES}" > result.json
"""
    text = text.replace('command = "sh count.sh"', 'command = "sh count.sh {i}"').replace(
        "LINE", "i = [1, 2]"
    )
    one = study(written(tmp_path / "s", text, count__sh=script))
    assert one.run().done == 2
    assert len(facts(one, ev.JobEnded)) == 3
    assert [(row["runs"], row["continued"]) for row in table(one).values()] == [(3, 2), (3, 2)]


# Comings and goings


def test_a_login_that_ends_in_the_middle_stops_the_run_and_loses_nothing(
    tapis: Tapis, tmp_path: Path
) -> None:
    one = study(squares(tmp_path / "s", 4, more='[before]\ncommand = "true"\n'))

    def end_of_the_login(summary: object, news: Sequence[AnyEvent]) -> None:
        if any(isinstance(fact, ev.JobSubmitted) for fact in news):
            tapis.served.service.faults.use([Fault(kind="token")])

    with pytest.raises(NotLoggedIn, match="weft login") as told:
        one.run(watch=end_of_the_login)
    assert told.value.exit_code == 12
    tapis.served.service.faults.use([])
    summary = one.run()
    assert (summary.done, summary.failed) == (3, 1)
    assert len(facts(one, ev.JobSubmitted)) == len({fact.job for fact in facts(one, ev.JobSubmitted)}) == 5


def test_nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "nobody"))
    file = squares(tmp_path / "s", 2)
    done = subprocess.run(
        [sys.executable, "-m", "weft", "run", str(file), "--on", "tapis"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 12
    assert "weft login" in done.stderr
    assert not (file.parent / ".weft").exists()


def test_a_job_cancelled_in_the_portal_holds_the_study_until_a_retry(tapis: Tapis, tmp_path: Path) -> None:
    text = SQUARES.replace("NAME", "cancelled").replace("COUNT", "2").replace("jobs = 4", "jobs = 1")
    up = tmp_path / "up"
    text = text.replace("command = '", f"command = '[ -e {up} ] || {{ touch {up}; sleep 60; }}; ")
    one = study(written(tmp_path / "s", text))

    def cancelled(summary: object, news: Sequence[AnyEvent]) -> None:
        for fact in news:
            if isinstance(fact, ev.JobSubmitted):
                tapis.session.call("jobs.cancelJob", jobUuid=fact.native)

    summary = one.run(watch=cancelled)
    assert "cancelled, and not by weft" in summary.hold
    up.touch()
    assert one.retry().done == 2


def test_a_study_runs_in_an_app_of_the_user_s_own(tapis: Tapis, tmp_path: Path) -> None:
    from weft.cli.main import run as command

    folder = tmp_path / "my app"
    assert command(["app", "new", "counting", "--kind", "python", "--folder", str(folder)]) == 0
    assert command(["app", "check", str(folder)]) == 0
    assert command(["app", "deploy", str(folder)]) == 0
    one = study(squares(tmp_path / "s", 5), app="counting")
    summary = one.run()
    assert (summary.done, summary.failed) == (4, 1)


def test_a_batch_job_runs_through_the_queue_that_is_named(tapis: Tapis, tmp_path: Path) -> None:
    one = study(squares(tmp_path / "s", 9), type="BATCH", queue="development")
    assert one.plan().node_hours is not None
    assert one.run().done == 8
    natives = [fact.native for fact in facts(one, ev.JobSubmitted)]
    told = [tapis.session.call("jobs.getJob", jobUuid=native) for native in natives]
    assert {(job["jobType"], job["execSystemLogicalQueue"]) for job in told} == {("BATCH", "development")}
    blocked = [
        phase for fact in facts(one, ev.HistoryRead) for phase, _ in fact.phases if phase is Phase.BLOCKED
    ]
    assert blocked == [], "never more than the three jobs that the queue takes"


@pytest.mark.skipif(not PROVE, reason="three jobs that each use up their minute: `make prove` runs it")
def test_a_case_that_is_longer_than_max_minutes_goes_on_in_the_next_job(tapis: Tapis, tmp_path: Path) -> None:
    text = """\
name = "minutes"
[model]
command = "sh count.sh"
inputs = ["count.sh"]
result = "result.json"
[continue]
files = ["state.txt"]
[tapis]
app = "python"
jobs = 1
minutes = 1
"""
    script = """\
n=$(cat state.txt 2> /dev/null || echo 0)
while [ $n -lt 90 ]; do sleep 1; n=$((n + 1)); echo $n > state.txt; done
echo "{\\"seconds\\": $n, \\"continued\\": $WEFT_CONTINUES}" > result.json
"""
    one = study(written(tmp_path / "s", text, count__sh=script))
    assert one.run().done == 1
    assert len(facts(one, ev.JobEnded)) >= 3
    (row,) = table(one).values()
    assert row["seconds"] == 90
    assert row["continued"] >= 2


# Solvers that take one Tcl script

TCL_APP = """\
#!/bin/bash
cd inputDirectory
"$WEFT_PYTHON" -m opensees "$1"
code=$?
echo $code > "${_tapisSysRootDir%/}/${_tapisExecSystemOutputDir#/}/tapisjob.exitcode"
exit $code
"""
PLANTED = {
    (3.0, 0): 'error "the mesh is wrong"',
    (4.5, 400): "exit 3",
    (7.5, 1600): 'puts "no convergence"; exit 4',
}


@pytest.mark.skipif(not HAS_OPENSEES, reason="needs opensees from PyPI, and a Python with tkinter")
def test_fifty_frames_run_in_one_interpreter_and_three_planted_failures_are_told(
    tapis: Tapis, tmp_path: Path
) -> None:
    app = tapis.app("opensees-tcl", TCL_APP)
    folder = tmp_path / "frames"
    shutil.copytree(EXAMPLES / "tcl-portal", folder, ignore=shutil.ignore_patterns(".weft"))
    script = (folder / "portal.tcl").read_text()
    planted = "".join(
        f"if {{$height == {height} && $gravity == {gravity}}} {{ {what} }}\n"
        for (height, gravity), what in PLANTED.items()
    )
    (folder / "portal.tcl").write_text(planted + script)
    one = study(
        folder / "study.toml", app=app, family={"runner": "tcl", "script": "Main Script"}, jobs=1, cores=1
    )
    summary = one.run()
    assert (summary.done, summary.failed) == (47, 3)
    rows = {(row["height"], row["gravity"]): row for row in table(one).values()}
    failed = {place: row["weft_why"] for place, row in rows.items() if row["status"] == "failed"}
    assert set(failed) == set(PLANTED)
    assert "the mesh is wrong" in failed[3.0, 0]
    assert "exit 3" in failed[4.5, 400]
    if PROVE:
        (folder / "portal.tcl").write_text(script)
        here = Study.load(folder / "study.toml", on="local")
        here.spec = replace(here.spec, name="here", retry=Retry(stop_after=0))
        here._set(here.spec)
        here.run()
        wanted = {(row["height"], row["gravity"]): row for row in table(here).values()}
        measured = [name for name in here.results("polars").columns if not name.startswith("weft_")][2:]
        for place, row in rows.items():
            if place not in PLANTED:
                assert [row[name] for name in measured] == [wanted[place][name] for name in measured]


def test_what_one_tcl_script_cannot_do_is_told_before_anything_is_sent(tapis: Tapis, tmp_path: Path) -> None:
    app = tapis.app("opensees-tcl-2", TCL_APP)
    text = 'name = "no"\n[model]\ncommand = "OpenSees a.tcl"\ninputs = ["a.tcl"]\nLINE\n[tapis]\napp = "x"\n'
    tcl = {"app": app, "family": {"runner": "tcl", "script": "Main Script"}}
    for line, said in (
        ('setup = ["module load x"]', "model.setup"),
        ('finish = "true"', "model.finish"),
        ('[continue]\nfiles = ["a"]', "continue without an exit code"),
    ):
        one = study(written(tmp_path / "s", text.replace("LINE", line), a__tcl="puts 1"), **tcl)
        with pytest.raises(CheckFailed, match=said):
            one.run()
    one = study(
        written(tmp_path / "s", text.replace("OpenSees a.tcl", "python3 a.py").replace("LINE", "")), **tcl
    )
    with pytest.raises(WeftError, match="tcl"):
        one.run()
