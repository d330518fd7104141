"""What weft costs per case: 10,000 cases of ``true``, against a bare loop and against its peers.

Every contender does the same for a case: a process ``/bin/sh -c 'true I'`` in a directory of its own, with
stdout and stderr in files. They differ in what they keep, which the table shows; README.md tells the rest.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks import studies
from benchmarks.measure import BenchmarkError, Check, Options, Rounds, interleaved, run, seconds_of, table

CASES, QUICK_CASES = 10_000, 1_000
ROUNDS, QUICK_ROUNDS = 3, 1
BARE, WEFT = "bare Python loop", "weft run"
LIMIT_TO_BARE = 1.8  # and less than each peer


@dataclass(frozen=True)
class Contender:
    """One way to run the cases.

    ``argv`` is called with a new empty folder (also the working directory) and the count; ``cases`` names the
    folder below it that must hold one directory per case afterwards, or None if they are packed elsewhere.
    """

    name: str
    keeps: str
    argv: Callable[[Path, int], Sequence[str]]
    cases: str | None = "."
    judged: bool = False  # weft must be faster than this one
    missing: Callable[[], str | None] = lambda: None  # how to get it, if it is not installed


def _script(name: str) -> Callable[[Path, int], Sequence[str]]:
    path = Path(__file__).with_name(name)
    return lambda folder, count: [sys.executable, str(path), str(folder), str(count)]


def _shell(text: str) -> Callable[[Path, int], Sequence[str]]:
    return lambda folder, count: ["/bin/sh", "-c", text.replace("LAST", str(count - 1))]


def _weft(folder: Path, count: int) -> Sequence[str]:
    return studies.weft("run", str(studies.study_of_true(folder, count)))


# The usual line: mkdir is a second process per case.
XARGS = """seq 0 LAST | xargs -P2 -I{} sh -c 'mkdir "$1" && cd "$1" && true "$1" >stdout 2>stderr' sh {}"""
# The most that can be got out of xargs, shown for honesty: one process makes all directories beforehand.
XARGS_BEFOREHAND = """seq 0 LAST | xargs mkdir
seq 0 LAST | xargs -P2 -I{} sh -c 'cd "$1" && true "$1" >stdout 2>stderr' sh {}"""
# --results makes the directory and both files itself; the command only has to step into it.
PARALLEL = "seq 0 LAST | parallel --will-cite -j2 --joblog log --results cases/{}/ 'cd cases/{} && true {}'"

CONTENDERS = [
    Contender(BARE, "nothing but the files", _script("bare_loop.py")),
    Contender(WEFT, "synced records, journal, table", _weft, None, missing=studies.missing_weft),
    Contender("xargs -P2", "one exit code for all", _shell(XARGS), judged=True),
    Contender("xargs -P2, mkdir beforehand", "one exit code for all", _shell(XARGS_BEFOREHAND)),
    Contender(
        "HyperQueue LocalCluster",
        "states in memory",
        _script("hyperqueue_loop.py"),
        "cases",
        True,
        lambda: None if find_spec("hyperqueue") else "pip install hyperqueue",
    ),
    Contender(
        "GNU parallel --joblog --results",
        "a log line per case",
        _shell(PARALLEL),
        "cases",
        True,
        lambda: None if shutil.which("parallel") else "apt-get install parallel",
    ),
]


def measure(options: Options) -> list[Check]:
    """Runs all contenders in turn, prints the table and returns the limits with what was seen."""
    count = options.choose(CASES, QUICK_CASES)
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    print(f"throughput: {count} cases of `true`, two at a time, median of {rounds} interleaved rounds")
    print(f"  directories of the cases in {options.cases.parent}; what weft keeps in {options.folder.parent}")
    missing = {c.name: c.missing() for c in CONTENDERS}
    present = {c.name: _timed(c, options, count) for c in CONTENDERS if missing[c.name] is None}
    result = interleaved(BARE, present, rounds)
    print(
        table(
            ["contender", "ratio", "range", "keeps"], [_row(c, result, missing[c.name]) for c in CONTENDERS]
        )
    )
    print(result.warning(), end="")
    return _checks(result)


def _timed(contender: Contender, options: Options, count: int) -> Callable[[], float]:
    """Returns a call that runs the contender in a new folder, checks its work, and removes the folder."""
    # weft's study is on disk, so that its syncs are real; its cases run where everybody's do.
    place = (options.folder if contender.name == WEFT else options.cases) / "throughput"
    env = studies.environment(options.cases) | {
        "PARALLEL_SHELL": "/bin/sh",  # else GNU parallel takes the caller's login shell, which is slower
        "PARALLEL_HOME": str(options.cases / "parallel"),
    }

    def once() -> float:
        place.mkdir()
        argv = contender.argv(place, count)
        try:
            seconds = seconds_of(lambda: run(argv, cwd=place, env=env, timeout=120 + 0.1 * count))
            _check_work(contender, place, count)
        except BaseException:
            if contender.name == WEFT:
                studies.cancel(place / "study.toml")
            raise
        finally:
            shutil.rmtree(place)
        return seconds

    return once


def _check_work(contender: Contender, place: Path, count: int) -> None:
    """Raises BenchmarkError unless every case left what it should: who skips work is no measure."""
    if contender.cases is None:
        done = studies.rows_of_results(place / "study.toml")
    else:
        directories = (entry for entry in (place / contender.cases).iterdir() if entry.is_dir())
        done = sum((case / "stdout").exists() and (case / "stderr").exists() for case in directories)
    if done != count:
        raise BenchmarkError(f"{contender.name} did {done} of {count} cases")


def _row(contender: Contender, result: Rounds, missing: str | None) -> list[str]:
    if missing is not None:
        return [contender.name, "-", "-", f"not installed: {missing}"]
    return [
        contender.name,
        f"{result.ratio(contender.name):.2f}",
        result.spread(contender.name),
        contender.keeps,
    ]


def _checks(result: Rounds) -> list[Check]:
    ours = result.ratio(WEFT)
    checks = [Check("weft run to the bare loop", ours, LIMIT_TO_BARE, missing_is_failure=True)]
    for contender in CONTENDERS:
        theirs = result.ratio(contender.name)
        if contender.judged and theirs is not None:
            checks.append(
                Check(f"weft run to the bare loop, below {contender.name}", ours, theirs, strict=True)
            )
    return checks
