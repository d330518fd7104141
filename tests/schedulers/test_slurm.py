"""Slurm's commands, with a real Slurm on the other side; only what a real one cannot be made to do has a stand-in."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import count
from tests.slurm import Cluster

from weft.errors import AnswerLost, BackendError
from weft.schedulers.slurm import Refused, Slurm, State

HOSTILE = """a|b "q" 'x' $(touch hacked) `id` \\ ; --x  %j,[]{}*?<>&! """


@pytest.fixture(params=["slurm", "slurm_accounting"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Either kind."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cluster)
    return found


def script(folder: Path, body: str, *options: str, name: str = "job.sh") -> Path:
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *(f"#SBATCH {option}" for option in options), body, ""]))
    return path


def submit(cluster: Cluster, folder: Path, body: str, *options: str) -> str:
    return cluster.slurm().submit(script(folder, body, *options), folder, comment="a test")


def unique() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


# ---- the life of a job --------------------------------------------------------------------------------------


def test_a_job_waits_runs_and_ends(cluster: Cluster, tmp_path: Path) -> None:
    before = time.time()
    job = submit(cluster, tmp_path, "until [ -e go ]; do sleep 0.1; done; pwd; exit 7", "--hold")
    seen = cluster.slurm().look([job])[job]
    assert (seen.id, seen.state, seen.native) == (job, State.QUEUED, "PENDING")
    assert (seen.exit, seen.started, seen.ended) == ("", None, None)
    assert seen.reason == "JobHeldUser"

    cluster.run("scontrol", "release", job)
    seen = cluster.wait([job], lambda each: each.state is State.RUNNING)[job]
    assert seen.started is not None and seen.started >= before - 2
    assert (seen.exit, seen.ended) == ("", None)

    (tmp_path / "go").touch()
    seen = cluster.wait([job])[job]
    assert (seen.state, seen.native, seen.exit) == (State.FAILED, "FAILED", "7:0")
    assert seen.started is not None and seen.ended is not None
    assert before - 2 <= seen.started <= seen.ended <= time.time() + 2
    assert (tmp_path / f"slurm-{job}.out").read_text() == f"{tmp_path}\n"


def test_how_jobs_end(slurm: Cluster, slurm_accounting: Cluster, tmp_path: Path) -> None:
    """All at once, since a time limit takes Slurm half a minute to see."""
    both = [(slurm, tmp_path / "without"), (slurm_accounting, tmp_path / "with")]
    all_jobs = []
    for cluster, folder in both:
        folder.mkdir()
        all_jobs.append(_ending(cluster, folder))
    for (cluster, _), jobs in zip(both, all_jobs, strict=True):
        seen = cluster.wait(jobs)
        # Where the machine has much to do, n1 answers too late: then its job was not preempted, its node has failed.
        slow = {
            job
            for job, (state, *_) in jobs.items()
            if state is State.PREEMPTED and seen[job].native == "NODE_FAIL"
        }
        told = {job: said for job, said in jobs.items() if job not in slow}
        assert {job: (seen[job].state, seen[job].native) for job in told} == {
            job: (state, native) for job, (state, native, _) in told.items()
        }
        assert {job: seen[job].exit for job, (*_, code) in told.items() if code} == {
            job: code for job, (*_, code) in told.items() if code
        }
        cluster.mend("n2")


def _ending(cluster: Cluster, folder: Path) -> dict[str, tuple[State, str, str]]:
    """Jobs with what they come to: state, Slurm's word, exit code (empty: any)."""
    short = {
        submit(cluster, folder, "exit 0"): (State.FINISHED, "COMPLETED", "0:0"),
        submit(cluster, folder, "exit 3"): (State.FAILED, "FAILED", "3:0"),
        submit(cluster, folder, "exit 255"): (State.FAILED, "FAILED", "255:0"),
        submit(cluster, folder, "kill -SEGV $$"): (State.FAILED, "FAILED", "0:11"),
    }
    late = submit(cluster, folder, "exec sleep 300", "--time=1", "--nodelist=n1")
    weak = submit(
        cluster, folder, "exec sleep 300", "--partition=flex", "--nodelist=n1", "--ntasks=3", "--no-requeue"
    )
    cancelled = submit(cluster, folder, "exec sleep 300", "--nodelist=n2")
    lost = submit(cluster, folder, "exec sleep 300", "--nodelist=n2", "--no-requeue")
    held = submit(cluster, folder, "true", "--hold")
    cluster.wait([late, weak, cancelled, lost], lambda each: each.state is State.RUNNING)
    cluster.wait(short)
    cluster.slurm().cancel([cancelled, held])
    cluster.wait([cancelled, held])
    cluster.run("scontrol", "update", f"jobid={late}", "endtime=now")
    cluster.run("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    strong = submit(
        cluster, folder, "true", "--nodelist=n1", "--ntasks=3"
    )  # n1 has room for it only without weak
    return short | {
        late: (State.TIMED_OUT, "TIMEOUT", "0:15"),
        weak: (State.PREEMPTED, "PREEMPTED", "0:15"),
        cancelled: (State.CANCELLED, "CANCELLED", "0:15"),
        lost: (State.NODE_FAILURE, "NODE_FAIL", ""),  # 0:0 or 0:15: whether its end was heard of
        held: (State.CANCELLED, "CANCELLED", "0:0"),
        strong: (State.FINISHED, "COMPLETED", "0:0"),
    }


def test_many_jobs_in_one_question(slurm: Cluster, tmp_path: Path) -> None:
    slurm_, path = slurm.slurm(), script(tmp_path, "true", "--hold", "--output=/dev/null")
    with ThreadPoolExecutor(8) as pool:
        jobs = list(
            pool.map(lambda _: slurm_.submit(path, tmp_path, comment="a test"), range(count(200, 1000)))
        )
    asked = Counted(slurm_)
    seen = asked.look([*jobs, *jobs, "99999999"])
    assert asked.commands == ["squeue", "sacct"]
    assert list(seen) == jobs, "in the order asked for, each once, and without the one that nobody knows"
    assert {each.state for each in seen.values()} == {State.QUEUED}
    slurm_.cancel(jobs)
    assert {each.state for each in slurm.wait(jobs).values()} == {State.CANCELLED}


class Counted(Slurm):
    """Notes which commands are run."""

    def __init__(self, other: Slurm) -> None:
        super().__init__(other.environment)
        self.commands: list[str] = []

    def _run(self, command: Any, *more: Any) -> Any:
        self.commands.append(command[0])
        return super()._run(command, *more)


def test_elements_of_an_array(cluster: Cluster, tmp_path: Path) -> None:
    body = '[ "$SLURM_ARRAY_TASK_ID" = 2 ] && exit 4; until [ -e go ]; do sleep 0.1; done'
    job = submit(cluster, tmp_path, body, "--array=1-3,7,90-3000:100%2")
    ids = [f"{job}_{number}" for number in (1, 2, 3, 7, 90, 2990)]
    cluster.wait(ids[:3], lambda each: each.state is not State.QUEUED)
    seen = cluster.wait(ids[1:2])
    assert seen[ids[1]].exit == "4:0"
    seen = cluster.slurm().look([job, *ids, f"{job}_8"])
    assert list(seen) == [job, *ids], "8 is none of its elements"
    assert seen[job].state is State.RUNNING
    assert seen[ids[5]].state is State.QUEUED

    cluster.slurm().cancel([ids[3]])
    assert ids[3] not in cluster.slurm().look(ids), "Slurm keeps no record of it"
    cluster.slurm().cancel([job])
    seen = cluster.wait([job, ids[0], ids[1]])
    assert [each.state for each in seen.values()] == [State.FAILED, State.CANCELLED, State.FAILED]


# ---- submitting ---------------------------------------------------------------------------------------------


def test_nothing_in_comments_paths_and_environments_is_taken_for_more(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / 'it\'s a "folder" $(touch hacked); --wait'
    folder.mkdir()
    path = script(folder, 'printf "%s\n" "$TEXT"; pwd', "--output=out", name="-p it's; $(touch hacked) %j.sh")
    comment = HOSTILE + unique()
    text = "two\nlines; $(touch hacked)"
    commands = cluster.slurm()
    job = commands.submit(path, folder, comment=comment, environment=commands.environment | {"TEXT": text})
    assert commands.find(comment) == job
    assert commands.find(comment + "x") is None
    assert commands.find(comment[:-1]) is None
    assert cluster.wait([job])[job].state is State.FINISHED
    assert (folder / "out").read_text() == f"{text}\n{folder}\n"
    assert not list(tmp_path.rglob("hacked"))
    assert commands.find(comment) == job, "also when it has ended"


def test_a_job_is_found_in_the_accounts(slurm_accounting: Cluster, tmp_path: Path) -> None:
    comment = HOSTILE + unique()
    path = script(tmp_path, "exit 5")
    job = slurm_accounting.slurm().submit(path, tmp_path, comment=comment)
    ended = slurm_accounting.wait([job])[job]
    forgetful = stand_in(slurm_accounting, tmp_path / "bin", squeue="exit 0")
    end = time.monotonic() + 60  # the accounts are written some seconds later
    while (
        forgetful.find(comment) != job or not (found := forgetful.look([job])) or not found[job].state.ended
    ):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert (found[job].state, found[job].exit) == (State.FAILED, "5:0")
    assert (found[job].started, found[job].ended) == (ended.started, ended.ended)
    assert forgetful.find(comment + "x") is None


def test_a_comment_belongs_to_its_user(slurm: Cluster, tmp_path: Path) -> None:
    """Nobody can pass a job of theirs off as ours."""
    if os.getuid():
        pytest.skip("only root can submit jobs of another user")
    tmp_path.chmod(0o777)
    comment = unique()
    told = slurm.run("sbatch", "--parsable", "--hold", "--uid=65534", f"--comment={comment}", "--wrap=true")
    assert slurm.slurm().find(comment) is None
    slurm.slurm().cancel([told.strip()])


@pytest.mark.parametrize("comment", ["", "(null)", "two\nlines", "caf\u00e9", "x" * 1001, "tab\t"])
def test_a_comment_that_would_not_be_found_again_is_not_sent(comment: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Slurm({}).submit(tmp_path / "job.sh", tmp_path, comment=comment)
    with pytest.raises(ValueError, match="printable ASCII"):
        Slurm({}).find(comment)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--partition=nowhere", "invalid partition specified: nowhere"),
        ("--nodes=40", "More processors requested than permitted|Node count specification invalid"),
        ("--partition=debug --time=300", "Requested time limit is invalid"),
        ("--no-such-option", "unrecognized option"),
    ],
)
def test_slurm_says_no(slurm: Cluster, tmp_path: Path, option: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        submit(slurm, tmp_path, "true", option)


def test_a_script_or_folder_that_is_not_there(slurm: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Unable to open file"):
        slurm.slurm().submit(tmp_path / "none.sh", tmp_path, comment="a test")
    with pytest.raises(BackendError, match="no such folder"):
        slurm.slurm().submit(script(tmp_path, "true"), tmp_path / "none", comment="a test")


def stand_in(cluster: Cluster, folder: Path, **bodies: str) -> Slurm:
    """The cluster with some of its commands replaced by shell scripts."""
    folder.mkdir()
    for name, body in bodies.items():
        script(folder, body, name=name).chmod(0o755)
    return cluster.slurm(PATH=f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("echo 'sbatch: error: ... Socket timed out on send/recv operation' >&2; exit 1", AnswerLost),
        ("echo 'Unable to contact slurm controller (receive failure)' >&2; exit 1", AnswerLost),
        ("echo 'Zero Bytes were transmitted or received' >&2; exit 1", AnswerLost),
        ("kill -KILL $$", AnswerLost),
        ("echo Welcome", AnswerLost),
        ("echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1", BackendError),
        ("echo 'Resource temporarily unavailable' >&2; exit 1", BackendError),
        ("echo 'sbatch: error: Munge encode failed: ...' >&2; exit 1", BackendError),
        ("echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1", Refused),
        ("echo 'sbatch: error: invalid partition specified: backup' >&2; exit 1", Refused),
        ("exit 1", Refused),
    ],
)
def test_what_a_failed_sbatch_means(
    slurm: Cluster, tmp_path: Path, body: str, kind: type[BackendError]
) -> None:
    commands = stand_in(slurm, tmp_path / "bin", sbatch=body)
    with pytest.raises(BackendError) as caught:
        commands.submit(script(tmp_path, "true"), tmp_path, comment="a test")
    assert type(caught.value) is kind


def test_a_page_of_greetings_is_no_answer(slurm: Cluster, tmp_path: Path) -> None:
    greeting = "echo 'Welcome to 2 of our 4000 nodes'; echo '--> Verifying 12...OK'"
    commands = stand_in(slurm, tmp_path / "bin", sbatch=f'{greeting}; exec {shlex.quote(_real())} "$@"')
    job = commands.submit(script(tmp_path, "true"), tmp_path, comment="a test")
    assert slurm.wait([job])[job].state is State.FINISHED


def _real() -> str:
    path = Slurm(os.environ)._path("sbatch")
    assert path
    return path


# ---- when it does not answer --------------------------------------------------------------------------------

QUESTIONS: dict[str, Callable[[Slurm, Path], object]] = {
    "look at one": lambda commands, _: commands.look(["1"]),
    "look at two": lambda commands, _: commands.look(["1", "2"]),
    "find": lambda commands, _: commands.find("a test"),
    "cancel": lambda commands, _: commands.cancel(["1"]),
    "partitions": lambda commands, _: commands.partitions(),
    "submit": lambda commands, path: commands.submit(path, path.parent, comment="a test"),
}


@pytest.fixture
def down(slurm_accounting: Cluster, tmp_path: Path) -> Slurm:
    """A cluster whose controller nobody has started."""
    return slurm_accounting.slurm(SLURM_CONF=str(_conf(slurm_accounting, tmp_path, "SlurmctldPort")))


def _conf(cluster: Cluster, folder: Path, port: str) -> Path:
    """The cluster's configuration with a port where nobody listens."""
    lines = [line for line in cluster.conf.read_text().splitlines() if not line.startswith(f"{port}=")]
    path = folder / "slurm.conf"
    path.write_text("\n".join([*lines, f"{port}=1", "MessageTimeout=2", ""]))
    return path


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_controller_that_is_away_is_no_answer(
    down: Slurm, tmp_path: Path, question: Callable[[Slurm, Path], object]
) -> None:
    with pytest.raises(BackendError, match="Unable to contact slurm controller") as caught:
        question(down, script(tmp_path, "true"))
    assert type(caught.value) is BackendError, "neither refused nor perhaps there"


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_command_that_hangs_is_no_answer(
    slurm: Cluster, tmp_path: Path, question: Callable[[Slurm, Path], object]
) -> None:
    names = ("sbatch", "squeue", "sacct", "scancel", "sinfo")
    commands = stand_in(slurm, tmp_path / "bin", **dict.fromkeys(names, "exec sleep 60"))
    commands.timeout = 0.2
    with pytest.raises(BackendError, match=r"said nothing for 0\.2 s") as caught:
        question(commands, script(tmp_path, "true"))
    assert isinstance(caught.value, AnswerLost) == (question is QUESTIONS["submit"])


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_machine_without_slurm(tmp_path: Path, question: Callable[[Slurm, Path], object]) -> None:
    commands = Slurm({"PATH": str(tmp_path)})
    with pytest.raises(BackendError, match=r"there is no s[a-z]+ here"):
        question(commands, script(tmp_path, "true"))
    assert not commands.available()


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_command_that_cannot_be_started(
    slurm: Cluster, tmp_path: Path, question: Callable[[Slurm, Path], object]
) -> None:
    names = ("sbatch", "squeue", "scancel", "sinfo")
    commands = stand_in(slurm, tmp_path / "bin", **dict.fromkeys(names, ""))
    for name in names:
        (tmp_path / "bin" / name).write_text("#!/no/such/interpreter\n")
    with pytest.raises(BackendError, match="could not be started"):
        question(commands, script(tmp_path, "true"))


def test_accounts_that_are_away_conclude_nothing(slurm_accounting: Cluster, tmp_path: Path) -> None:
    commands = slurm_accounting.slurm(
        SLURM_CONF=str(_conf(slurm_accounting, tmp_path, "AccountingStoragePort"))
    )
    job = submit(slurm_accounting, tmp_path, "true")
    slurm_accounting.wait([job])
    seen = commands.look([job, "99999999"])
    assert seen[job].state is State.FINISHED, "the controller knows it"
    assert seen["99999999"].state is State.UNKNOWN, "and what only the accounts may know has not ended"
    assert "refused" in seen["99999999"].reason
    with pytest.raises(BackendError, match="sacct failed"):
        commands.find(unique())


def test_a_cluster_without_the_command_for_accounts(slurm: Cluster, tmp_path: Path) -> None:
    """Its own commands only, without sacct."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel", "sinfo"):
        path = slurm.slurm()._path(name)
        assert path
        (folder / name).symlink_to(path)
    commands = slurm.slurm(PATH=str(folder))
    assert commands.available()
    assert commands.look(["99999999"]) == {}
    assert commands.find(unique()) is None


# ---- the rest -----------------------------------------------------------------------------------------------


def test_jobs_that_nobody_knows_are_unseen(cluster: Cluster) -> None:
    commands = cluster.slurm()
    assert commands.look([]) == {}
    assert commands.look(["99999999"]) == {}
    assert commands.look(["99999998", "99999999"]) == {}
    assert commands.find(unique()) is None
    commands.cancel([])
    commands.cancel(["99999999"])
    commands.cancel(["99999998", "99999999"])


def test_a_job_is_cancelled_twice(cluster: Cluster, tmp_path: Path) -> None:
    job = submit(cluster, tmp_path, "true")
    cluster.wait([job])
    cluster.slurm().cancel([job])
    cluster.slurm().cancel([job, "99999999"])
    assert cluster.slurm().look([job])[job].state is State.FINISHED


@pytest.mark.parametrize("job", ["", "x", "1;2", "--all", "1_", "1_x", "1,2", "-1"])
def test_what_is_no_job_id_is_not_asked_for(job: str) -> None:
    with pytest.raises(ValueError, match="no job ids"):
        Slurm({}).look(["1", job])
    with pytest.raises(ValueError, match="no job ids"):
        Slurm({}).cancel(["1", job])


def test_what_users_set_for_their_eyes_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    comment = unique()
    job = cluster.slurm().submit(script(tmp_path, "exit 6"), tmp_path, comment=comment)
    commands = cluster.slurm(
        SQUEUE_FORMAT="%j",
        SQUEUE_STATES="RUNNING",
        SQUEUE_USERS="nobody",
        SQUEUE_PARTITION="flex",
        SACCT_FORMAT="user",
        SINFO_FORMAT="%N",
        SCANCEL_INTERACTIVE="1",
        SLURM_TIME_FORMAT="relative",
        LC_ALL="de_DE.UTF-8",
    )
    expected = cluster.wait([job])
    assert commands.look([job]) == expected
    assert commands.find(comment) == job
    assert len(commands.partitions()) == 3
    commands.cancel([job])


def test_partitions(slurm: Cluster) -> None:
    commands = slurm.slurm()
    assert commands.available()
    facts = [
        (part.name, part.nodes, part.cores, part.minutes, part.default) for part in commands.partitions()
    ]
    assert facts == [
        ("normal", 2, 4, 2880, True),
        ("debug", 2, 4, 10, False),
        ("flex", 2, 4, 2880, False),
    ]
