"""Kill what you like, whenever you like: nothing is lost, nothing runs twice, and the table is the same.

A study of many short cases runs once undisturbed. Then it runs again and again, and each time the controller (or the
runner) is killed with SIGKILL at another moment, and ``weft run`` is given once more. Every case watches over itself:
it leaves a note while it runs, and cries out if an earlier run of it still lives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars
import pytest
from tests.conftest import count

from weft.store.folder import StudyFolder

CASES = count(60, 300)
MOMENTS = count(3, 20)
CASE = """\
#!/bin/sh
# One case: notes that it runs, does a little, and says so if an earlier run of it still lives.
note="$NOTES/$1"
if [ -e "$note" ]; then
    state=$(sed 's/.*) \\(.\\).*/\\1/' "/proc/$(cat "$note")/stat" 2>/dev/null)  # a zombie has ended: only its reaping is due
    case "$state" in "" | Z | X) ;; *) echo "$1 overlaps ($state)" >> "$NOTES/overlaps" ;; esac
fi
echo $$ > "$note"
sleep 0.04
echo "{\\"square\\": $(($1 * $1))}" > result.json
rm "$note"
[ "$1" -ne 7 ] || exit 3
"""
STUDY = """\
name = "crash"
[model]
command = "sh case.sh {{i}}"
inputs = ["case.sh"]
result = "result.json"
env = {{ NOTES = "{notes}" }}
[output]
keep = ["result.json"]
[parameters]
i = {{ range = [0, {cases}] }}
[retry]
attempts = 1
"""


class Trial:
    """One folder with the study in it."""

    def __init__(self, base: Path) -> None:
        self.notes = base / "notes"
        self.notes.mkdir(parents=True)
        self.study = base / "study.toml"
        self.study.write_text(STUDY.format(notes=self.notes, cases=CASES))
        (base / "case.sh").write_text(CASE)
        self.folder = StudyFolder(base, "crash")

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "weft", "run", str(self.study)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def wait_until_begun(self, run: subprocess.Popen[bytes]) -> None:
        """A machine that has much to do may take long to start a program: moments count from its first fact."""
        until = time.monotonic() + 60
        while not self.folder.size and run.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)

    def finish(self) -> None:
        """Run to the end: exit 3, since case 7 fails by nature."""
        run = self.start()
        _, errors = run.communicate(timeout=300)
        assert run.returncode == 3, errors.decode()

    def runner_pids(self) -> list[int]:
        """Live runners of this study."""
        found = []
        for note in self.folder.jobs.glob("*/runner.pid"):
            pid = json.loads(note.read_text())["pid"]
            if _alive(pid):
                found.append(pid)
        return found

    def table(self) -> list[dict[str, Any]]:
        """Parameters, status and results, by case."""
        table = polars.read_parquet(self.folder.parquet)
        return table.select("case", "status", "outcome", "i", "square").sort("i").to_dicts()

    def records(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self.folder.jobs.glob("*/results.jsonl")):
            for line in path.read_bytes().split(b"\n")[:-1]:
                yield json.loads(line)

    def check_books(self) -> None:
        """No overlap, and no start of a case after its success was recorded."""
        overlaps = self.notes / "overlaps"
        assert not overlaps.exists(), overlaps.read_text()
        success: dict[str, float] = {}
        starts: dict[str, list[float]] = defaultdict(list)
        for record in self.records():
            if record["t"] == "start":
                starts[record["case"]].append(record["at"])
            elif record["t"] == "case" and record["outcome"] == "FINISHED":
                assert record["case"] not in success, f"{record['case']} succeeded twice"
                success[record["case"]] = record["end"]
        again = [case for case, end in success.items() if any(at > end for at in starts[case])]
        assert again == []
        assert len(success) == CASES - 1


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, list[dict[str, Any]]]:
    """How long the study takes from its first fact on, and its table, when nothing happens."""
    trial = Trial(tmp_path_factory.mktemp("undisturbed"))
    run = trial.start()
    trial.wait_until_begun(run)
    began = time.monotonic()
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 3, errors.decode()
    wall = time.monotonic() - began
    trial.check_books()
    return wall, trial.table()


def moments(wall: float) -> list[float]:
    """Evenly spread over the undisturbed wall time."""
    return [wall * (k + 0.5) / MOMENTS for k in range(MOMENTS)]


def test_a_killed_controller(undisturbed: tuple[float, list[dict[str, Any]]], tmp_path: Path) -> None:
    wall, expected = undisturbed
    in_flight = 0
    for number, moment in enumerate(moments(wall)):
        trial = Trial(tmp_path / str(number))
        run = trial.start()
        trial.wait_until_begun(run)
        time.sleep(moment)
        in_flight += bool(trial.runner_pids())
        run.kill()
        run.communicate()
        trial.finish()
        trial.check_books()
        assert trial.table() == expected
    assert in_flight >= MOMENTS // 2, f"only {in_flight} of {MOMENTS} kills found a job in flight"


def test_a_killed_runner(undisturbed: tuple[float, list[dict[str, Any]]], tmp_path: Path) -> None:
    wall, expected = undisturbed
    killed = 0
    for number, moment in enumerate(moments(wall)):
        trial = Trial(tmp_path / str(number))
        run = trial.start()
        trial.wait_until_begun(run)
        time.sleep(moment)
        for pid in trial.runner_pids():
            os.kill(pid, signal.SIGKILL)
            killed += 1
        _, errors = run.communicate(timeout=300)
        assert run.returncode == 3, errors.decode()
        trial.check_books()
        assert trial.table() == expected
    assert killed >= MOMENTS // 2, f"only {killed} of {MOMENTS} moments found a runner to kill"


def test_killed_again_and_again(undisturbed: tuple[float, list[dict[str, Any]]], tmp_path: Path) -> None:
    """One study through it all: the controller and the runner in turn, until it is done."""
    wall, expected = undisturbed
    trial = Trial(tmp_path / "all")
    for number in range(MOMENTS):
        run = trial.start()
        time.sleep(0.6 + wall / MOMENTS)
        if number % 2:
            for pid in trial.runner_pids():
                os.kill(pid, signal.SIGKILL)
        run.kill()
        run.communicate()
    trial.finish()
    trial.check_books()
    assert trial.table() == expected
