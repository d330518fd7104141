"""Signs: each in messages as they are printed, and none in what ordinary programs print."""

from __future__ import annotations

import re

import pytest

from weft.core.signs import BY_ID, SIGNS, place_of, signs_in

NEWTON = (
    "WARNING: CTestNormDispIncr::test() - failed to converge \n"
    "after: 5 iterations  current Norm: 800 (max: 1e-08, Norm deltaR: 800)\n"
    "NewtonRaphson::solveCurrentStep() -the ConvergenceTest object failed in test()\n"
    "StaticAnalysis::analyze() - the Algorithm failed at step: 0 with domain at load factor 1\n"
    "OpenSees > analyze failed, returned: -3 error flag"
)
SINGULAR = (
    "WARNING BandGenLinLapackSolver::solve() -factorization failed, matrix singular U(i,i) = 0, i= 1\n"
    "WARNING NewtonRaphson::solveCurrentStep() -the LinearSysOfEqn failed in solve()\n"
    "StaticAnalysis::analyze() - the Algorithm failed at step: 0 with domain at load factor 1\n"
    "OpenSees > analyze failed, returned: -3 error flag"
)
TRACEBACK = 'Traceback (most recent call last):\n  File "/tmp/weft/case/model.py", line 3, in <module>\n'
LOGIN_NODE = (
    "JOBS_SUBMIT_ERROR2 ZipLauncher received exit code 1 when submitting job 785f-007 using command "
    "\"cd '/scratch/01234/ada/tapis/785f-007';sbatch tapisjob.sh\". Result: Welcome to the Stampede3 Supercomputer "
    "No reservation for this job --> Verifying valid submit host (login2)...OK --> Verifying valid jobname...OK "
    "--> Verifying access to desired queue (skx)...OK --> Checking available allocation (ABC-12345)...OK "
)
POLICY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)"
)
APP_FAILURE = 'JOBS_USER_APP_FAILURE The user application (5228789) ended with remote status "FAILED" and returned exit code: {}.'

EXAMPLES: list[tuple[str, str]] = [
    ("singular-matrix", SINGULAR),
    ("singular-matrix", "ProfileSPDLinDirectSolver::solve() -  aii < 0 (i, aii): (1, 0)"),
    ("singular-matrix", "WARNING: numeric analysis returns 1 -- Umfpackgenlinsolver::solve"),
    ("singular-matrix", "WARNING SuperLU::solve(void)-  Error 1 returned in factorization dgstrf()"),
    ("singular-matrix", TRACEBACK + "numpy.linalg.LinAlgError: Singular matrix"),
    ("element-state", "WARNING - ForceBeamColumn2d::update - failed to get compatible element forces & deformations"),
    ("element-state", "ForceBeamColumn3d::update() - could not invert element flexibility matrix"),
    ("no-convergence", NEWTON),
    ("no-convergence", TRACEBACK + "RuntimeError: analysis did not converge at t = 3.2"),
    ("no-convergence", "no convergence"),
    ("no-convergence", "no convergence at step 12"),
    ("inline-series", 'expected integer but got "-dt"\n    while executing\n"pattern Plain 10 "Path -dt 0.01""'),
    ("tcl-command", 'invalid command name "foo"\n    while executing\n"foo bar"\n    (file "model.tcl" line 7)'),
    ("tcl-command", 'wrong # args: should be "set varName ?newValue?"'),
    ("tcl-variable", 'can\'t read "mass": no such variable\n    while executing\n"puts $mass"\n    (procedure "p" line 1)'),
    ("tcl-variable", 'can\'t read "a(3)": no such element in array'),
    ("tcl-error", 'divide by zero\n    while executing\n"expr {1/0}"\n    (file "model.tcl" line 7)'),
    ("unknown-material", "WARNING material type Nope is unknown"),
    ("unknown-material", "WARNING Domain::addElement - In element 7\n no Node 99 exists in the domain"),
    ("unknown-material", "ERROR cannot find node with tag 2"),
    ("all-ranks-zero", "48 processes were started, and each says that it is rank 0 of 1: no case was run"),
    ("all-ranks-zero", APP_FAILURE.format("69:0")),
    ("module-missing", TRACEBACK + "ModuleNotFoundError: No module named 'openseespy'"),
    ("module-missing", "/usr/bin/python3: No module named pandas"),
    (
        "shared-library",
        TRACEBACK + "ImportError: libblas.so.3: cannot open shared object file: No such file or directory\n"
        "During handling of the above exception, another exception occurred:\n"
        "RuntimeError: Failed to import openseespy on Linux.",
    ),
    ("shared-library", "OpenSees: error while loading shared libraries: libhdf5.so.310: cannot open shared object file"),
    ("glibc", "./solver: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by ./solver)"),
    ("glibc", TRACEBACK + "ImportError: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by x.so)"),
    ("illegal-instruction", "tapisjob_app.sh: line 12: 4711 Illegal instruction     (core dumped) ./solver"),
    ("illegal-instruction", "killed by signal 4 SIGILL"),
    ("no-memory", TRACEBACK + "MemoryError"),
    ("no-memory", TRACEBACK + "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array"),
    ("no-memory", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"),
    ("no-memory", "OSError: [Errno 12] Cannot allocate memory"),
    ("killed", "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=12.batch. Some of your processes may have been killed by the cgroup out-of-memory handler."),
    ("killed", "case.sh: line 3: 12345 Killed                  python3 model.py"),
    ("killed", "Killed"),
    ("killed", "killed by signal 9 SIGKILL"),
    ("killed", "exit 137 (128 + 9 SIGKILL)"),
    ("killed", APP_FAILURE.format("137")),
    ("segfault", "tapisjob_app.sh: line 40: 4711 Segmentation fault      (core dumped) OpenSees model.tcl"),
    ("segfault", "exit 139 (128 + 11 SIGSEGV)"),
    ("aborted", "killed by signal 6 SIGABRT"),
    ("aborted", "Floating point exception (core dumped)"),
    ("foreign-path", TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: '/home/jupyter/MyData/motions/a.AT2'"),
    ("foreign-path", 'couldn\'t open "/home/jupyter/CommunityData/a.txt": no such file or directory'),
    ("foreign-path", "cat: 'C:\\Users\\ada\\model.tcl': No such file or directory"),
    ("missing-file", TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: 'motion.txt'"),
    ("missing-file", "WARNING - PathSeries::PathSeries() - could not open file none.txt"),
    ("missing-file", 'couldn\'t read file "nofile.tcl": no such file or directory\n    while executing\n"source nofile.tcl"'),
    ("missing-file", "unable to open file out/disp.out"),
    ("missing-file", "FILES_CLIENT_ERR path ada/inputs/model.tcl on system designsafe.storage.default was not found"),
    ("permission", TRACEBACK + "PermissionError: [Errno 13] Permission denied: '/work2/01234/bob/records/a.txt'"),
    ("permission", "bash: ./run.sh: Permission denied"),
    ("python-error", TRACEBACK + "KeyError: 'peak'"),
    ("missing-output", "expected output disp.out is empty"),
    ("missing-output", "the result result.json is missing"),
    ("missing-output", "result.json: 'peak' is not finite"),
    ("log-flood", "wrote more than 256 MB to stdout and stderr"),
    ("module-load", 'Lmod has detected the following error:  The following module(s) are unknown: "opensees/9"'),
    ("module-load", "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for 'hdf5'"),
    ("module-load", "setup.sh: line 1: module: command not found"),
    ("mpi-launcher", "tapisjob_app.sh: line 9: ibrun: command not found"),
    ("mpi-launcher", "Fatal error in internal_Init: Other MPI error\nFatal error in PMPI_Init: Other MPI error, error stack:"),
    ("mpi-launcher", "There are not enough slots available in the system to satisfy the 48 slots"),
    ("command-not-found", "bash: OpenSees: command not found"),
    ("command-not-found", "sh: 1: OpenSees: not found"),
    ("command-not-found", "exit 127: a command was not found"),
    ("command-not-found", APP_FAILURE.format("127:0")),
    ("not-executable", "bash: ./solver: cannot execute binary file: Exec format error"),
    ("pip", "ERROR: Could not find a version that satisfies the requirement openseespy==9 (from versions: none)"),
    ("pip", "ERROR: No matching distribution found for nopackage"),
    ("pip", "error: subprocess-exited-with-error"),
    ("license", "License checkout failed for ANSYS."),
    ("license", "Failed to obtain a license from 27000@server"),
    ("no-space", TRACEBACK + "OSError: [Errno 28] No space left on device"),
    ("disk-quota", "cp: error writing 'out.zip': Disk quota exceeded"),
    ("disk-quota", "--> Verifying that quota for filesystem /home1/01234/ada is at 100.00% allocated...FAILED"),
    ("open-files", TRACEBACK + "OSError: [Errno 24] Too many open files: 'disp.out'"),
    ("processes", TRACEBACK + "RuntimeError: can't start new thread"),
    ("processes", "bash: fork: retry: Resource temporarily unavailable"),
    ("shared-input", "shared input records: /scratch/x/records/kt-02.txt: No such file or directory; `weft store refresh`"),
    ("shared-input", APP_FAILURE.format("66:0")),
    ("setup-failed", "the setup failed at `false` with exit 1"),
    ("setup-failed", "its runner ended with exit code 67"),
    ("cannot-write", APP_FAILURE.format("74:0")),
    ("submit-limit", LOGIN_NODE + "sbatch: error: QOSMaxSubmitJobPerUserLimit " + POLICY),
    ("submit-limit", "sbatch: error: AssocMaxSubmitJobLimit\n" + POLICY),
    ("queue-limit", LOGIN_NODE + "sbatch: error: QOSMaxWallDurationPerJobLimit " + POLICY),
    ("queue-limit", "sbatch: error: Batch job submission failed: Requested node configuration is not available"),
    ("queue-limit", "JOBS_Q_EXCEEDED_MAX_MINUTES Job 1-007 requested 9000 maxMinutes on system stampede3 using queue skx."),
    ("allocation", LOGIN_NODE + "ERROR: Unknown project NOPE-1 (in accounting.pl). FAILED"),
    ("allocation", "--> Checking available allocation (NOPE-1)...FAILED"),
    ("allocation", "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"),
    ("allocation", "sbatch: error: bank_limit plugin: The requested time can not exceed the available balance.\nsbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)"),
    ("queue-access", "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified"),
    ("queue-access", "--> Verifying access to desired queue (private)...FAILED"),
    ("reservation", LOGIN_NODE + "sbatch: error: Batch job submission failed: Requested reservation is invalid"),
    ("refused", LOGIN_NODE + "sbatch: error: Batch job submission failed: Unspecified error"),
    ("remote-login", "ssh: Permission denied (publickey,password)."),
    ("remote-login", "SYSLIB_ERR Authentication failed for user ada on host stampede3.tacc.utexas.edu"),
    ("app-archive", "JOBS_ZIP_IMAGE The app's archive has no name: tapis://cloud.data"),
    ("app-archive", "FATAL:   Unable to handle docker://nope/nope uri: failed to get checksum"),
    ("time-limit", "slurmstepd: error: *** JOB 1874224 ON c401-001 CANCELLED AT 2026-05-07T22:17:17 DUE TO TIME LIMIT ***"),
    ("preempted", "slurmstepd: error: *** JOB 12 ON c401-001 CANCELLED AT 2026-05-07T22:17:17 DUE TO PREEMPTION ***"),
    ("node-failure", "slurmstepd: error: *** JOB 12 ON c401-001 CANCELLED AT 2026-05-07T22:17:17 DUE TO NODE FAILURE ***"),
]  # fmt: skip

ORDINARY = [
    "",
    "exit 1",
    "exit 3",
    "exit 66",
    APP_FAILURE.format("1:0"),
    LOGIN_NODE.partition("Result: ")[2] + "Submitted batch job 1874224",
    "--> Enforcing max jobs per user...OK --> Verifying job request is within current queue limits...OK",
    "--> Verifying that quota for filesystem /home1/01234/ada is at  3.87% allocated...OK",
    "Setting job status to FINISHED.",
    "Process 0 Terminating",
    "OpenSees -- Open System For Earthquake Engineering Simulation\nPacific Earthquake Engineering Research Center",
    "(c) Copyright 1999-2026 The Regents of the University of California\nAll Rights Reserved",
    "converged in 4 iterations; current Norm: 1.2e-09\nConvergence test passed",
    "no convergence problems",
    "memory used: 812 MB of 4000 MB; 0 errors, 0 warnings",
    "TACC:  Starting up job 1874224\nTACC:  Starting parallel tasks...\nTACC:  Shutdown complete. Exiting.",
    "PMIU_write error; fd=5 buf=:cmd=finalize",
    "Collecting numpy\nSuccessfully installed numpy-2.1.0\nWARNING: You are using pip version 22",
    "Loading module opensees/3.7.1\nLmod is automatically replacing gcc with intel",
    "The following have been reloaded with a version change: 1) python/3.9 => python/3.12",
    "license: BSD-3-Clause, free for research",
    "it is killed softly; skilled workers",
    "step 137 of 300, 127 nodes, 66 elements, 69 sections, file 74",
    "rank 0 of 48: 20 cases",
    "allocated 48 slots on c401-001; project ABC-12345, account of ada",
    "RuntimeWarning: invalid value encountered in divide",
    "x = 1.0, y = 2.0\n" * 40,
]  # fmt: skip


@pytest.mark.parametrize(("sign", "text"), EXAMPLES)
def test_a_message_bears_its_sign_and_no_other(sign: str, text: str) -> None:
    assert signs_in(text) == [sign]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_output_bears_none(text: str) -> None:
    assert signs_in(text) == []


def test_every_sign_has_an_example() -> None:
    assert {sign for sign, _ in EXAMPLES} == set(BY_ID)


def test_ids_are_unique_and_known_where_they_are_named() -> None:
    assert len(BY_ID) == len(SIGNS)
    assert {each for sign in SIGNS for each in sign.unless} <= set(BY_ID)
    assert all(sign.means.endswith(".") for sign in SIGNS)


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.id)
def test_patterns_repeat_nothing_without_a_bound_and_stay_within_a_line(sign: object) -> None:
    pattern = BY_ID[getattr(sign, "id")].pattern  # noqa: B009
    plain = re.sub(r"\\.", "", pattern)
    assert "*" not in plain
    assert "+" not in plain
    assert "." not in re.sub(r"\[[^\]]*\]|\.\{1,3\}", "", plain)


def test_words_are_small_and_hide_nothing() -> None:
    """The words of a sign are in every example of it, so that they never keep its pattern from being tried."""
    for sign in SIGNS:
        assert all(word == word.lower() for word in sign.words)
        for _, text in EXAMPLES:
            for line in text.split("\n"):
                if re.search(sign.pattern, f"\n{line}\n", re.IGNORECASE):
                    assert any(word in line.lower() for word in sign.words), (sign.id, line)


def test_signs_are_told_in_the_order_of_the_table_and_once() -> None:
    text = "No space left on device\nSegmentation fault\nNo space left on device"
    assert signs_in(text) == ["segfault", "no-space"]


def test_the_closer_sign_is_told_alone() -> None:
    assert signs_in(NEWTON + "\n" + SINGULAR) == ["singular-matrix"]


def test_where_a_sign_stands() -> None:
    text = "first\nbash: nope: command not found\nlast"
    start, end = place_of("command-not-found", text) or (0, 0)
    assert text[start:end] == "command not found"
    assert place_of("segfault", text) is None


def test_a_long_line_does_not_take_long() -> None:
    """Each repetition has a bound: a text of a few kB without a break is nothing special."""
    assert signs_in("could not " * 2000) == []
    assert signs_in("no such file " + "/a" * 5000 + " /MyDat") == []
