"""Long cases that go on from their checkpoints in later jobs."""

import os
import shlex
import signal
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.node.bundles import Job, salvage, wait_until

from weft.node import runner
from weft.node.runner import Continuation, Deadline

RULE = {"files": ["state", "parts"], "exit": 85}
MODEL = """
n=$(cat state 2>/dev/null || echo 0)
trap 'echo $((n + 1)) > state.new; mv state.new state; exit 0' TERM
echo "run $WEFT_CONTINUES from $n"
if test $n = 2; then echo '{"n": 2}' > r.json; exit 0; fi
sleep 60 & wait
"""
ASKS = "n=$(cat state 2>/dev/null || echo 0); echo $((n + 1)) > state; echo x > big.out; "


def next_job(folder: Path, before: Job, command: str, continues: int, **settings: Any) -> Job:
    """The job that goes on where c0 of another stopped."""
    carry = {name[6:]: text for name, text in before.outputs().items() if name.startswith("carry/")}
    case = {"command": command, "continues": continues, "carried": [name[3:] for name in carry]}
    return Job(folder, case, carry=carry, **settings)


def test_a_run_beyond_the_time_limit_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"continue": RULE, "deadline_s": 4, "result": "r.json", "expect": ["r.json"]}
    job = Job(tmp_path / "0", MODEL, **settings)
    for continues in (1, 2):
        assert job.run() == 143
        record = job.case()
        assert (record["outcome"], record["carried"], record["result"]) == ("INTERRUPTED", 1, None)
        assert record["why"] == "to be continued: stopped before the job's deadline"
        assert record["kept"] == 1  # what it wrote to stdout
        assert job.outputs()["carry/c0/state"] == b"%d\n" % continues
        job = next_job(tmp_path / str(continues), job, MODEL, continues, **settings)
    assert job.run() == 0
    record = job.case()
    assert (record["outcome"], record["result"]) == ("FINISHED", {"n": 2})
    assert "carried" not in record
    assert job.outputs() == {"c0/stdout.txt": b"run 2 from 2\n"}


def test_sigterm_gives_time_for_a_checkpoint(tmp_path: Path) -> None:
    slow = "trap 'sleep 0.5; echo 1 > state; exit 1' TERM; echo x > a.out; sleep 60 & wait"
    job = Job(tmp_path, slow, "sleep 60", slots=2, keep=["*"], **{"continue": RULE})
    with job.start() as process:
        job.wait_for("start", 2)
        wait_until(lambda: list(job.node.glob("*/cases/*/c0/a.out")))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143
    record = job.case()
    assert (record["outcome"], record["carried"]) == ("INTERRUPTED", 1)
    assert record["why"] == "to be continued: terminated by SIGTERM"
    assert record["kept"] == 1, "what is carried is not kept a second time"
    assert job.outputs() == {"carry/c0/state": b"1\n", "c0/a.out": b"x\n"}
    other = job.case("c1")
    assert (other["outcome"], "carried" in other) == ("INTERRUPTED", False)
    assert other["why"] == "terminated by SIGTERM; it left none of: state, parts"
    assert job.processes() == []


def test_before_the_deadline_there_is_as_much_time_for_a_checkpoint_as_was_asked_for(tmp_path: Path) -> None:
    slow = "trap 'sleep 0.8; echo 1 > state; exit 0' TERM; sleep 60 & wait"
    job = Job(tmp_path, slow, deadline_s=6, grace_s=0.2, checkpoint_s=3, **{"continue": RULE})
    assert job.run() == 143
    assert (job.outcomes(), job.case()["carried"]) == ({"c0": "INTERRUPTED"}, 1)


def test_a_scheduler_that_tells_the_cases_too_interrupts_them(tmp_path: Path) -> None:
    """All processes of a job get the signal at once, and a case may have ended before the runner could tell it."""
    save = "trap 'echo 1 > state; exit 0' TERM; echo x > a.out; sleep 60 & wait"
    job = Job(tmp_path, save, **{"continue": RULE})
    with job.start() as process:
        job.wait_for("start")
        [pid] = [record["pid"] for record in job.of("start")]
        wait_until(lambda: list(job.node.glob("*/cases/*/c0/a.out")))
        os.kill(process.pid, signal.SIGSTOP)  # it is slow to notice anything
        os.kill(process.pid, signal.SIGTERM)
        os.killpg(pid, signal.SIGTERM)
        wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=60)
    assert (job.outcomes(), job.case()["carried"]) == ({"c0": "INTERRUPTED"}, 1)
    assert job.case()["why"] == "to be continued: terminated by SIGTERM"


def test_a_case_may_ask_to_be_continued(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        ASKS + "mkdir -p parts/d; echo y > parts/d/p; echo '{}' > r.json; exit 85",
        "exit 85",
        "exit 84",
        "echo 1 > state; echo '{}' > r.json",
        keep=["*.out"],
        result="r.json",
        expect=["r.json"],
        **{"continue": RULE},
    )
    assert job.run() == 0
    assert job.outcomes() == {"c0": "INTERRUPTED", "c1": "FAILED", "c2": "FAILED", "c3": "FINISHED"}
    record = job.case("c0")
    assert (record["exit"], record["carried"], record["kept"], record["files"]) == (85, 2, 1, 4)
    assert (record["why"], record["result"]) == ("to be continued: it asked for that (exit 85)", None)
    assert job.case("c1")["why"] == "it asked to be continued (exit 85) and left none of: state, parts"
    assert job.case("c2")["why"] == "exit 84"
    assert ["carried" in job.case(id) for id in ("c1", "c2", "c3")] == [False] * 3
    assert job.outputs() == {"carry/c0/state": b"1\n", "carry/c0/parts/d/p": b"y\n", "c0/big.out": b"x\n"}


def test_without_the_rule_nothing_is_carried(tmp_path: Path) -> None:
    job = Job(tmp_path, ASKS + "exit 85", deadline_s=600)
    assert job.run() == 0
    assert (job.case()["outcome"], job.case()["why"], job.outputs()) == ("FAILED", "exit 85", {})


def test_a_case_s_own_limits_are_no_continuation(tmp_path: Path) -> None:
    timed_out = {"command": "trap 'exit 85' TERM; echo 1 > state; sleep 60 & wait", "minutes": 0.005}
    use = f"{shlex.quote(sys.executable)} -c \"b = b'x' * 70_000_000; import time; time.sleep(60)\""
    hog = {"command": f"echo 1 > state; {use}", "memory_mb": 50}
    job = Job(tmp_path, timed_out, hog, **{"continue": RULE})
    assert job.run() == 0
    assert job.outcomes() == {"c0": "TIMED_OUT", "c1": "OUT_OF_MEMORY"}
    assert job.outputs() == {}


def test_a_case_that_was_over_its_limit_when_the_job_was_stopped_is_no_continuation(tmp_path: Path) -> None:
    late = {"command": "trap 'echo 1 > state' TERM; while :; do sleep 0.05; done", "minutes": 0.005}
    job = Job(tmp_path, late, grace_s=2, **{"continue": RULE})
    with job.start() as process:
        wait_until(lambda: list(job.node.glob("*/cases/*/c0/state")))
        process.terminate()
        process.communicate(timeout=60)
    assert (job.outcomes(), "carried" in job.case()) == ({"c0": "TIMED_OUT"}, False)
    assert "carry/c0/state" not in job.outputs()


def test_a_case_that_is_killed_while_it_saves_is_not_continued(tmp_path: Path) -> None:
    hog = f"{shlex.quote(sys.executable)} -c \"b = b'x' * 70_000_000; import time; time.sleep(60)\""
    save = "trap 'echo half > state; sh hog' TERM; echo x > a.out; sleep 60 & wait"
    job = Job(tmp_path, save, inputs={"hog": hog.encode()}, memory_mb=50, grace_s=30, **{"continue": RULE})
    with job.start() as process:
        wait_until(lambda: list(job.node.glob("*/cases/*/c0/a.out")))
        process.terminate()
        process.communicate(timeout=60)
    assert (job.outcomes(), "carried" in job.case()) == ({"c0": "INTERRUPTED"}, False)
    assert job.outputs() == {}


def test_carried_files_are_the_case_s_own(tmp_path: Path) -> None:
    """They can be written, keep their mode and order in time, and win over inputs of the same name."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "x").write_text("do not touch")
    command = "cat rec/x state in.txt; echo more >> rec/x; echo more >> in.txt; ./state; mv in.txt real; ln -s real in.txt; exit 85"
    job = Job(
        tmp_path,
        {"command": command, "carried": ["state", "rec/x", "in.txt"], "rendered": ["t.tcl"]},
        "cat rec/x in.txt",
        carry={"c0/state": b"echo run\n", "c0/rec/x": b"mine\n", "c0/in.txt": b"changed\n"},
        inputs={"in.txt": b"input\n"},
        rendered={"c0/t.tcl": b"rendered"},
        shared=[{"name": "rec", "path": str(shared), "files": [["x", 12]]}],
        params_file=True,
        keep=["in.txt"],
        **{"continue": {"files": ["**"], "exit": 85}},
    )
    with zipfile.ZipFile(job.folder / "bundle.zip") as z:
        members = {info: z.read(info) for info in z.infolist()}
    with zipfile.ZipFile(job.folder / "bundle.zip", "w") as z:
        for info, content in members.items():
            if info.filename == "carry/c0/state":
                info.external_attr = 0o555 << 16
            info.date_time = (2020, 2, 2, 2, 2, 4 if info.filename.endswith("in.txt") else 2)
            z.writestr(info, content)
    assert job.run() == 0
    outputs = job.outputs()
    assert outputs.pop("c0/stdout.txt").startswith(b"mine\necho run\nchanged\nrun\n")
    assert outputs == {
        "carry/c0/state": b"echo run\n", "carry/c0/rec/x": b"mine\nmore\n", "carry/c0/in.txt": b"changed\nmore\n", "carry/c0/real": b"changed\nmore\n",
        "c1/stdout.txt": b"do not touchinput\n",
    }  # fmt: skip
    assert (shared / "x").read_text() == "do not touch"
    assert (job.case()["carried"], job.case()["files"]) == (4, 1)
    with zipfile.ZipFile(job.folder / "out-000.zip") as z:
        info = z.getinfo("carry/c0/state")
    assert info.external_attr >> 16 & 0o777 == 0o755
    assert info.date_time == (2020, 2, 2, 2, 2, 2)


def test_links_and_special_files_are_carried_as_they_are_kept(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not yours")
    make = f"echo 1 > state; ln -s state parts; mkfifo pipe; ln -s {tmp_path}/secret out; exit 85"
    files = ["state", "parts", "pipe", "out"]
    job = Job(tmp_path, make, **{"continue": {"files": files, "exit": 85}})
    assert job.run() == 0
    assert job.outputs() == {"carry/c0/state": b"1\n", "carry/c0/parts": b"1\n"}
    assert job.case()["carried"] == 2
    assert job.case()["note"].startswith("2 files not carried")


def test_a_large_checkpoint_is_streamed_and_comes_back_whole(tmp_path: Path) -> None:
    write = "head -c 20000000 /dev/urandom > state; cksum < state; exit 85"
    job = Job(tmp_path / "1", write, **{"continue": RULE})
    assert job.run() == 0
    again = next_job(tmp_path / "2", job, "cksum < state", 1)
    assert again.run() == 0
    assert again.outputs()["c0/stdout.txt"] == job.outputs()["c0/stdout.txt"]


def test_a_checkpoint_that_finds_no_room_is_not_half_carried(tmp_path: Path) -> None:
    # A limit on the size of files stands for a full disk: the ZIP cannot grow beyond it.
    save = "head -c 80000 /dev/urandom > state; head -c 80000 /dev/urandom > parts; exit 85"
    job = Job(tmp_path, *[save] * 3, slots=1, **{"continue": RULE})
    assert job.run(before=["sh", "-c", 'ulimit -f 500; exec "$@"', "sh"]) == 74
    records = job.of("case")
    assert {record["outcome"] for record in records} == {"INTERRUPTED"}
    assert [record.get("carried") for record in records] == [2, *[None] * (len(records) - 1)]
    members = salvage(job.folder / "out-000.zip")
    assert [len(members[f"carry/c0/{name}"]) for name in ("state", "parts")] == [80000, 80000]
    assert job.end()["exit"] == 74


def test_a_checkpoint_written_to_a_full_disk_is_not_believed(tmp_path: Path) -> None:
    save = "trap 'head -c 200000 /dev/zero > state; exit 0' TERM; echo x > a.out; sleep 60 & wait"
    job = Job(tmp_path, save, **{"continue": RULE})
    with job.start(before=["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"]) as process:
        wait_until(lambda: list(job.node.glob("*/cases/*/c0/a.out")))
        process.terminate()
        process.communicate(timeout=60)
    assert (job.outcomes(), process.returncode) == ({"c0": "INTERRUPTED"}, 74)
    assert ("File too large" in job.case()["why"], "carried" in job.case()) == (True, False)
    assert "carry/c0/state" not in job.outputs()


def test_a_case_that_can_go_on_later_is_begun_when_it_will_not_fit(tmp_path: Path) -> None:
    cases: list[Any] = [{"command": "true", "seconds": 1000}, {"command": "true", "minutes": 60}]
    for rule, outcomes in ((None, {}), (RULE, {"c0": "FINISHED", "c1": "FINISHED"})):
        job = Job(tmp_path / str(bool(rule)), *cases, deadline_s=30, **{"continue": rule})
        job.run()
        assert job.outcomes() == outcomes


def test_no_case_is_begun_only_to_be_stopped(tmp_path: Path) -> None:
    lasting = {"command": "trap '' TERM; sleep 60", "seconds": 1000}
    job = Job(
        tmp_path,
        {"command": "sleep 2", "seconds": 2000},
        lasting,
        slots=1,
        deadline_s=6,
        **{"continue": RULE},
    )
    assert job.run() == 143
    assert (job.outcomes(), job.end()["left_out"]) == ({"c0": "FINISHED"}, 1)


def test_how_often_a_case_was_continued_is_its_own(tmp_path: Path) -> None:
    show = "echo $WEFT_CONTINUES"
    job = Job(tmp_path, {"command": show, "continues": 3}, show, slots=1, env={"WEFT_CONTINUES": "9"})
    assert job.run(WEFT_CONTINUES="7") == 0
    assert job.outputs() == {"c0/stdout.txt": b"3\n", "c1/stdout.txt": b"0\n"}
    job = Job(tmp_path / "2", setup=['test -z "$WEFT_CONTINUES"'])
    assert job.run(WEFT_CONTINUES="7") == 0, "nor is it the whole job's"


def test_carried_files_that_are_damaged_end_the_job_before_anything_runs(tmp_path: Path) -> None:
    job = Job(tmp_path, {"command": "cat state", "carried": ["state"]}, carry={"c0/state": b"content"})
    path = job.folder / "bundle.zip"
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent"))
    assert job.run() == 64
    assert ("damaged" in job.end()["why"], job.of("start")) == (True, [])


@pytest.mark.parametrize(
    "carried", [["../x"], ["/etc/x"], ["a/"], ["a/../x"], [""], ["a", "a/b"], ["a", "a"], ["gone"], [1], ["a\0b"]]
)  # fmt: skip
def test_carried_files_that_leave_their_place_are_refused(tmp_path: Path, carried: list[Any]) -> None:
    members = {f"c0/{name}": b"" for name in carried if name != "gone" and "\0" not in str(name)}
    job = Job(tmp_path, {"command": "true", "carried": carried}, carry=members)
    assert job.run() == 64
    assert job.of("start") == []


@pytest.mark.parametrize(
    "settings",
    [
        {"continue": {}},
        {"continue": {"files": []}},
        {"continue": {"files": "state"}},
        {"continue": {"files": [1]}},
        {"continue": {"files": ["a[z-a]"]}},
        {"continue": {"files": ["a"], "exit": 0}},
        {"continue": {"files": ["a"], "exit": 256}},
        {"continue": {"files": ["a"], "exit": True}},
        {"continue": {"files": ["a"]}, "checkpoint_s": -1},
        {"continue": {"files": ["a"]}, "checkpoint_s": float("nan")},
        {"continue": {"files": ["a"]}, "cases": [{"id": "carry", "command": "true"}]},
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    job = Job(tmp_path, "true", **settings)
    assert job.run() == 64
    assert job.of("start") == []


@pytest.mark.parametrize(
    ("exit_", "stopped", "files", "outcome", "why"),
    [
        (0, None, 1, None, None),
        (1, None, 1, None, None),
        (None, None, 1, None, None),  # killed by a signal that was not ours
        (85, None, 2, "INTERRUPTED", "to be continued: it asked for that (exit 85)"),
        (85, None, 0, "FAILED", "it asked to be continued (exit 85) and left none of: a, b*"),
        (0, "told", 1, "INTERRUPTED", "to be continued: told"),
        (None, "told", 1, "INTERRUPTED", "to be continued: told"),
        (85, "told", 0, "INTERRUPTED", "told; it left none of: a, b*"),
    ],
)
def test_what_is_continued(
    exit_: int | None, stopped: str | None, files: int, outcome: str | None, why: str | None
) -> None:
    end = runner.continuation_of(Continuation(["a", "b*"], 85), exit_, stopped, files)
    assert end == ((outcome, why) if outcome else None)


def test_no_exit_code_asks_where_none_was_agreed_on() -> None:
    assert runner.continuation_of(Continuation(["a"], None), 85, None, 1) is None
    assert runner.continuation_of(Continuation(["a"], None), None, None, 1) is None


@pytest.mark.parametrize(
    ("seconds", "checkpoint", "stop_at", "last_grace", "worthwhile"),
    [
        (100, None, 90, 5, 20),
        (100, 5, 85, 5, 20),
        (100, 60, 65, 25, 20),  # not more than a quarter of the job's time
        (3600, 300, 3600 - 72 - 300, 300, 60),
        (100, 0, 90, 0, 20),
    ],
)
def test_time_for_checkpoints_comes_before_that_for_packing(
    seconds: float, checkpoint: float | None, stop_at: float, last_grace: float, worthwhile: float
) -> None:
    deadline = Deadline(seconds, 1000.0, 30.0 if seconds == 3600 else 5.0, checkpoint)
    assert (deadline.stop_at, deadline.last_grace) == (1000 + stop_at, last_grace)
    assert deadline.worthwhile == worthwhile
    assert deadline.finish_until == 1000 + seconds - runner.packing_reserve(seconds) / 2
