"""How every figure is measured: timed commands, interleaved rounds, medians, ratios, tables and verdicts.

Everything about measuring lives here; the other files only say what is measured and what limit it must keep.
"""

from __future__ import annotations

import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STEADY = 1.25  # the yardstick's slowest round over its fastest, from which on ratios are not to be trusted
CORES = 2  # every contender gets the same two cores, so a larger machine gives comparable ratios


class BenchmarkError(Exception):
    """A figure could not be measured; the message says what went wrong and where."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for, and two temporary folders that are removed afterwards.

    ``folder`` lies on disk; ``cases`` is where cases get their directories, in memory unless asked otherwise:
    a disk's file system can cost more per case than every contender, and never twice the same.
    """

    folder: Path
    cases: Path
    quick: bool = False
    count: int | None = None

    def choose(self, full: int, quick: int) -> int:
        """Returns how many cases to use: what was asked for, else the quick or the full count."""
        return self.count or (quick if self.quick else full)

    @property
    def judged(self) -> bool:
        """Whether limits decide the exit code: they are stated for full counts only."""
        return not self.quick and self.count is None


@dataclass(frozen=True)
class Check:
    """One promised limit against the value seen; ``value`` None means it could not be judged."""

    what: str
    value: float | None
    limit: float
    unit: str = "x"
    strict: bool = False  # the value must lie below the limit, not on it
    least: bool = False  # the value must reach the limit: less is worse
    missing_is_failure: bool = False  # True where what is missing is weft itself, not an optional peer

    @property
    def missed(self) -> bool:
        """Whether the limit is broken."""
        if self.value is None:
            return self.missing_is_failure
        if self.least:
            return self.value < self.limit
        return self.value >= self.limit if self.strict else self.value > self.limit

    def line(self) -> str:
        """Returns the check as one line of plain text."""
        sign = ">=" if self.least else "<" if self.strict else "<="
        seen = "not judged" if self.value is None else f"{self.value:.2f} {self.unit}"
        word = "MISSED" if self.missed else ("-" if self.value is None else "held")
        return f"  {word:<7} {self.what}: {seen} (limit {sign} {self.limit:.2f} {self.unit})"


def run(argv: Sequence[str], *, cwd: Path, timeout: float, env: Mapping[str, str] | None = None) -> str:
    """Runs a command to its end and returns its stdout.

    Raises BenchmarkError on an exit code other than 0, and, having killed it, after ``timeout`` seconds.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException as problem:  # Ctrl-C too: nothing started here may outlive the benchmark
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(problem, subprocess.TimeoutExpired):
            raise BenchmarkError(f"no end after {timeout:.0f} s: {' '.join(argv)[:200]}") from problem
        raise
    if process.returncode != 0:
        tail = "\n".join((stderr or stdout).splitlines()[-10:])
        raise BenchmarkError(f"exit code {process.returncode}: {' '.join(argv)[:200]}\n{tail}")
    return stdout


def seconds_of(action: Callable[[], object]) -> float:
    """Returns the wall time of one call, in seconds."""
    os.sync()  # what the run before left to write must not be charged to this one
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_fresh_process(module: str, function: str, *arguments: str, timeout: float) -> float:
    """Returns the seconds that ``module.function(*arguments)`` takes in an interpreter of its own.

    Start-up and imports are not counted, and nothing that ran before in this process can weigh on the call.
    """
    argv = [sys.executable, "-m", "benchmarks.call", module, function, *arguments]
    return float(run(argv, cwd=repository(), timeout=timeout).split()[-1])


def repository() -> Path:
    """Returns the repository's root, from where ``python -m benchmarks`` finds its own files."""
    return Path(__file__).resolve().parent.parent


@dataclass
class Rounds:
    """Times of several contenders, taken in turn."""

    base: str
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, name: str) -> float | None:
        """Returns median over the base's median, or None for a contender that was not run."""
        if name not in self.seconds:
            return None
        return statistics.median(self.seconds[name]) / statistics.median(self.seconds[self.base])

    def spread(self, name: str) -> str:
        """Returns the smallest and largest ratio within one round: how noisy the machine was."""
        ratios = [a / b for a, b in zip(self.seconds[name], self.seconds[self.base], strict=True)]
        return f"{min(ratios):.2f}..{max(ratios):.2f}"

    def warning(self) -> str:
        """Returns a line to print when the yardstick itself did not repeat, else nothing."""
        times = self.seconds[self.base]
        varied = max(times) / min(times)
        if varied < STEADY:
            return ""
        return f"  NOISY: `{self.base}` alone varied by {varied:.1f} x between rounds; use an idle machine\n"

    def rows(self, names: Sequence[str]) -> list[list[str]]:
        """Returns name, ratio and spread of each, for a table."""
        return [[name, f"{self.ratio(name):.2f}", self.spread(name)] for name in names]


def interleaved(base: str, contenders: Mapping[str, Callable[[], float]], rounds: int) -> Rounds:
    """Calls every contender once per round, so that a slow minute of the machine meets all of them.

    The order moves on by one each round: nobody always runs right after the same other one.
    """
    names = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(contenders[name]())
    return Rounds(base, times)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as aligned plain text."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def hold_to_two_cores() -> None:
    """Binds this process and all it starts to two cores.

    Raises BenchmarkError where there is one core or no core binding: the ratios would mean nothing.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise BenchmarkError("the benchmarks need Linux: they bind every contender to the same two cores")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < CORES:
        raise BenchmarkError(f"the benchmarks need {CORES} cores, this machine gives {len(cores)}")
    os.sched_setaffinity(0, cores[:CORES])


def machine() -> str:
    """Returns one line that says where the figures were taken."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()[0]
    return (
        f"machine: {model}, {os.cpu_count()} cores ({CORES} used), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load before the start {load:.1f}"
    )
