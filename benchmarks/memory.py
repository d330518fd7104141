"""How much memory the controller needs: the peak of `weft run` itself over 100,000 cases.

The peak is VmHWM of exactly the controller's process, read from /proc while it runs. getrusage of children
would not do: it also counts whatever the controller started and waited for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from benchmarks import studies
from benchmarks.measure import BenchmarkError, Check, Options

CASES, QUICK_CASES = 100_000, 2_000
LIMIT_MB = 200.0
SECONDS_PER_CASE = 0.03  # for the time-out only
PAUSE = 0.01  # seconds between looks; VmHWM never falls, so only a rise in the very last pause is missed


def measure(options: Options) -> list[Check]:
    """Runs the study once and returns the controller's peak."""
    count = options.choose(CASES, QUICK_CASES)
    print(f"memory: weft run of {count} cases of `true`; 100,000 take minutes")
    missing = studies.missing_weft()
    if missing is not None:
        raise BenchmarkError(missing)
    study = studies.study_of_true(options.folder / "memory", count)
    try:
        peak = _peak_of_run(study, options, 120 + SECONDS_PER_CASE * count)
        if studies.rows_of_results(study) != count:
            raise BenchmarkError(f"weft run ended without a row for each of the {count} cases")
    except BaseException:
        studies.cancel(study)
        raise
    controller, helper = (size / 1e6 for size in peak)
    print(
        f"  peaks: controller {controller:.0f} MB; largest process that it started for itself {helper:.0f} MB"
    )
    return [Check("peak memory of the controller", controller, LIMIT_MB, unit="MB")]


def _peak_of_run(study: Path, options: Options, timeout: float) -> tuple[int, int]:
    """Returns the peaks that ``_watch`` saw; raises BenchmarkError if the run fails or takes too long."""
    log = options.folder / "memory.log"
    with log.open("wb") as out:
        controller = subprocess.Popen(
            studies.weft("run", str(study)),
            cwd=study.parent,
            env=studies.environment(options.cases),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        peak = _watch(controller, time.monotonic() + timeout)
    except BaseException:
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
        raise
    if controller.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        raise BenchmarkError(f"weft run ended with exit code {controller.returncode}\n{tail}")
    return peak


def _watch(controller: subprocess.Popen[bytes], until: float) -> tuple[int, int]:
    """Returns the peaks in bytes of the controller and of its largest child that is not a job's runner."""
    peak = helper = 0
    while controller.poll() is None:
        if time.monotonic() > until:
            raise BenchmarkError("weft run did not end in time")
        peak = max(peak, _high_water_mark(controller.pid))
        helper = max([helper, *map(_high_water_mark, _own_children(controller.pid))])
        time.sleep(PAUSE)
    return peak, helper


def _own_children(pid: int) -> list[int]:
    """Returns the children in the controller's session; a runner is in one of its own."""
    found = []
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if os.getsid(int(child)) == pid:
                found.append(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass  # one of them has just ended
    return found


def _high_water_mark(pid: int) -> int:
    """Returns VmHWM in bytes, 0 for a process that has just ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
