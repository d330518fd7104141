"""The yardstick of throughput: the least that runs each case with its own directory and captured output.

``python bare_loop.py FOLDER COUNT`` keeps nothing but the files: no record, no exit code, no time.
"""

# pathlib takes longer, and a slower yardstick would flatter everybody who is measured by it.
# ruff: noqa: PTH102, PTH118, PTH123

from __future__ import annotations

import os
import subprocess
import sys


def run_cases(folder: str, count: int) -> None:
    """Runs ``count`` cases two at a time, each in a new directory below ``folder``."""
    running: dict[int, subprocess.Popen[bytes]] = {}
    for number in range(count):
        if len(running) == 2:
            reap(running)
        directory = os.path.join(folder, str(number))
        os.mkdir(directory)
        with open(directory + "/stdout", "wb") as out, open(directory + "/stderr", "wb") as err:
            case = subprocess.Popen(
                ["/bin/sh", "-c", f"true {number}"], cwd=directory, stdout=out, stderr=err
            )
        running[case.pid] = case
    while running:
        reap(running)


def reap(running: dict[int, subprocess.Popen[bytes]]) -> None:
    """Waits for whichever case ends first; a loop that waits for the oldest would be a slower yardstick."""
    pid, status = os.wait()
    case = running.pop(pid)
    case.returncode = os.waitstatus_to_exitcode(status)
    if case.returncode != 0:
        raise SystemExit(f"case {case.args!r} failed with {case.returncode}")


if __name__ == "__main__":
    run_cases(sys.argv[1], int(sys.argv[2]))
