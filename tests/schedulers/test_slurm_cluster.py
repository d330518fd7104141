"""The script that starts a Slurm for trials: it may be called at any time, and leaves nothing behind."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tests.slurm
from tests.slurm import PACKAGES, SCRIPTS, _installed


def cluster(
    verb: str, folder: Path, *options: str, before: str = "", code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the script; ``before`` is a folder to look for programs in first."""
    environment = {**os.environ, "PATH": f"{before}:{os.environ['PATH']}"}
    done = subprocess.run(
        [SCRIPTS / "slurm-cluster", verb, folder, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose name no configuration of Slurm could hold; stopped at the end."""
    _installed(PACKAGES)
    found = tmp_path / 'it\'s a "folder" # of mine'
    yield found
    if found.is_dir():
        cluster("stop", found)
    assert alive(tmp_path) == []
    if (found / "home").exists():
        shutil.rmtree((found / "home").read_text())


def alive(folder: Path) -> list[str]:
    """Processes of clusters in this folder: their names, without those that only wait to be reaped."""
    homes = [path.read_text() for path in folder.rglob("home")] + [str(folder)]
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            where, state = (
                str((proc / "cwd").readlink()),
                (proc / "stat").read_text().rpartition(")")[2].split()[0],
            )
        except OSError:
            continue
        if state != "Z" and any(where == home or where.startswith(f"{home}/") for home in homes):
            found.append((proc / "comm").read_text().strip())
    return found


def shell(folder: Path, command: str) -> str:
    """What a command prints that was given in a shell that has read ``environment``."""
    line = f". {shlex.quote(str(folder / 'environment'))} && {command}"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_started_and_stopped_any_number_of_times(folder: Path) -> None:
    folder.mkdir()
    assert "not running" in cluster("status", folder, code=3).stdout
    assert "was not running" in cluster("stop", folder).stdout
    first = cluster("start", folder, "--nodes=3")
    assert "stands in for it" in first.stderr
    again = cluster("start", folder)
    assert "already running" in again.stderr
    assert again.stdout == first.stdout == (folder / "environment").read_text()
    assert "running in" in cluster("status", folder).stdout
    assert len(shell(folder, "sinfo -hN -p normal").splitlines()) == 3

    # Work that resists: it ignores the signal, leaves its session, and forgets its environment.
    body = "trap '' TERM; setsid sleep 600 & env -i setsid sleep 600 & sleep 600"
    job = shell(folder, f"sbatch --parsable --wrap {shlex.quote(body)}").strip()
    while len([name for name in alive(folder.parent) if name == "sleep"]) < 3:
        time.sleep(0.05)
    assert cluster("stop", folder).stdout == "stopped\n"
    assert alive(folder.parent) == []
    assert "not running" in cluster("status", folder, code=3).stdout

    cluster("start", folder)
    assert int(shell(folder, "sbatch --parsable --wrap true")) > int(job), "old jobs are known, ids go on"


def test_a_controller_that_was_killed(folder: Path) -> None:
    cluster("start", folder)
    shell(folder, "sbatch --wrap 'env -i setsid sleep 600 & sleep 600'")
    while alive(folder.parent).count("sleep") < 2:
        time.sleep(0.05)
    lines = (folder / "processes").read_text().splitlines()
    pids = dict(line.split()[:2] for line in lines)
    os.kill(int(pids["slurmctld"]), signal.SIGKILL)
    while "slurmctld\t" + pids["slurmctld"] + "\trunning" in cluster("status", folder, code=3).stdout:
        time.sleep(0.05)
    assert cluster("stop", folder).stdout == "stopped\n"
    assert alive(folder.parent) == []


def test_a_machine_whose_name_is_no_loopback_address(folder: Path) -> None:
    """As most servers are: here with a name that stands for nothing."""
    rename = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && "$@"', "sh"]
    if subprocess.run([*rename, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not give the machine another name")
    script = [str(SCRIPTS / "slurm-cluster"), "start", str(folder)]
    done = subprocess.run([*rename, *script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ports are open to the network" in done.stderr
    told = shell(folder, "sbatch --wait --wrap 'echo $SLURMD_NODENAME'; cat slurm-*.out")
    assert told.endswith("n1\n")


@pytest.mark.parametrize("program", ["munged", "slurmctld", "slurmd"])
def test_a_start_that_fails_half_way(folder: Path, tmp_path: Path, program: str) -> None:
    broken = tmp_path / "bin" / program
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no luck today >&2\nexit 1\n")
    broken.chmod(0o755)
    done = cluster("start", folder, before=str(broken.parent), code=1)
    assert "has ended at once" in done.stderr
    assert "no luck today" in done.stderr
    assert alive(tmp_path) == []
    assert not (folder / "environment").exists()
    cluster("start", folder)


def test_an_interrupted_start(folder: Path, tmp_path: Path) -> None:
    """The node hangs, so that the start is certainly under way."""
    hanging = tmp_path / "bin" / "slurmd"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    environment = {**os.environ, "PATH": f"{hanging.parent}:{os.environ['PATH']}"}
    command = [SCRIPTS / "slurm-cluster", "start", folder]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as start:
        while "sleep" not in alive(tmp_path):
            time.sleep(0.05)
        start.terminate()
        _, told = start.communicate(timeout=60)
    assert start.returncode == 130
    assert "nothing was left running" in told
    assert alive(tmp_path) == []


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    script = (SCRIPTS / "slurm-cluster").read_text().replace(":/usr/local/sbin:/usr/sbin:/sbin", "")
    (tmp_path / "script").write_text(script)
    done = subprocess.run(
        [sys.executable, tmp_path / "script", "start", tmp_path / "cluster", "--accounting"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "debian-packages mariadb-server munge slurm-client slurmctld slurmd slurmdbd\n" in done.stderr
    assert "no folder" in cluster("stop", tmp_path / "none", code=1).stderr


@pytest.mark.parametrize(
    ("needed", "outcome"),
    [("", pytest.skip.Exception), ("CI", pytest.fail.Exception), ("WEFT_NEED_SLURM", pytest.fail.Exception)],
)
def test_tests_without_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: str, outcome: type[BaseException]
) -> None:
    refusing = tmp_path / "debian-packages"
    refusing.write_text("#!/bin/sh\necho 'not installed: no root' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(tests.slurm, "SCRIPTS", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("WEFT_NEED_SLURM", raising=False)
    if needed:
        monkeypatch.setenv(needed, "1")
    with pytest.raises(outcome, match="there is no Slurm here: not installed: no root"):
        _installed(PACKAGES)
