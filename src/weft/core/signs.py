"""What solvers, shells and batch systems print when something goes wrong, as data that findings go by. PURE.

Patterns repeat nothing without a bound and stay within a line, which has a break before it and after it. Two things
make them quick: a pattern is tried only where one of its ``words`` is, in small letters; and what a line bears is kept,
as thousands of cases print much the same.

Sources of the messages: OpenSees 3.7 and its Tcl, by running them; CPython, glibc, bash, pip, Lmod, Slurm 22 to 24;
Tapis Jobs 1.7; TACC's filter for sbatch; and the runners' own records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

LONG = 200
"""Characters of a line from which on it is unlikely to come again."""


class Sign(Struct, frozen=True):
    """One recognised message."""

    id: str
    pattern: str
    """A regular expression, case-insensitive."""
    means: str
    """One sentence."""
    words: tuple[str, ...]
    """One of them is in every text that the pattern matches."""
    unless: tuple[str, ...] = ()
    """Signs beside which this one says nothing new."""


_SOLVERS = (
    Sign(
        "singular-matrix",
        r"matrix (?:is )?singular|singular matrix|aii < 0 \(i, aii\)|returned in factorization dgstrf"
        r"|numeric analysis returns [^\n]{1,20}umfpack",
        "The system of equations has no unique solution.",
        ("singular", "aii < 0", "dgstrf", "umfpack"),
    ),
    Sign(
        "element-state",
        r"failed to get compatible|could not invert (?:element )?(?:initial )?flexibility",
        "A force-based element found no forces that fit its deformations.",
        ("compatible", "flexibility"),
    ),
    Sign(
        "no-convergence",
        r"failed to converge|(?:did|does) not converge|convergencetest object failed|convergence test failed"
        r"|failed to get convergence|the algorithm failed at|analy[sz]e failed"
        r"|no convergence(?:[^\w ]| (?:in|at|after|for|within)\b)",
        "The solver found no equilibrium in a step.",
        ("converge", "algorithm failed", "analyze failed", "analyse failed"),
        ("singular-matrix",),
    ),
    Sign(
        "inline-series",
        r'expected integer but got "-(?:dt|filepath|filetime|time|values|factor)',
        "OpenSees took a time series that stands within a pattern for the tag of one.",
        ("expected integer but got",),
    ),
    Sign(
        "tcl-command",
        r'invalid command name "|wrong # args: should be "',
        "The Tcl script calls a command that this OpenSees does not have, or with other arguments.",
        ("invalid command name", "wrong # args"),
    ),
    Sign(
        "tcl-variable",
        r'can\'t read "[^"\n]{1,120}": no such (?:variable|element)',
        "The Tcl script reads a variable that nobody has set.",
        ("can't read",),
    ),
    Sign(
        "tcl-error",
        r"\(procedure \"[^\"\n]{1,120}\" line \d{1,7}\)|\(file \"[^\"\n]{1,300}\" line \d{1,7}\)|while executing\n",
        "The Tcl script was stopped by an error.",
        ("while executing", '" line '),
        ("tcl-command", "tcl-variable", "inline-series", "missing-file", "foreign-path", "permission"),
    ),
    Sign(
        "unknown-material",
        r"(?:material|element|section|integrator|algorithm) type [^\n]{1,60} is unknown"
        r"|no node [^\n]{1,30}exists in the domain|cannot find node with tag",
        "The model names a type, or a node, that does not exist.",
        ("is unknown", "exists in the domain", "cannot find node"),
    ),
    Sign(
        "all-ranks-zero",
        r"each says that it is rank 0 of 1|exit code:? 69\b",
        "Several processes were started, and each took itself for the only one.",
        ("rank 0 of 1", "exit code"),
    ),
)
_PROGRAMS = (
    Sign(
        "module-missing",
        r"ModuleNotFoundError|ImportError: No module named|: No module named ",
        "A Python package is not installed where the job runs.",
        ("no module named", "modulenotfounderror"),
    ),
    Sign(
        "shared-library",
        r"error while loading shared libraries|cannot open shared object file",
        "A shared library is not found where the job runs.",
        ("shared librar", "shared object"),
    ),
    Sign(
        "glibc",
        r"version .{1,3}(?:GLIBC|GLIBCXX|CXXABI)_[\d.]{1,12}.{1,3} not found",
        "The program was built for a newer system than that of the nodes.",
        ("glibc", "cxxabi"),
    ),
    Sign(
        "illegal-instruction",
        r"illegal instruction|SIGILL\b",
        "The program was built for another kind of processor.",
        ("illegal instruction", "sigill"),
    ),
    Sign(
        "no-memory",
        r"MemoryError|std::bad_alloc|cannot allocate memory|unable to allocate [\d.]{1,12} [KMGT]i?B|malloc failed",
        "The program asked for memory, and there was none.",
        ("memory", "bad_alloc", "unable to allocate", "malloc"),
    ),
    Sign(
        "killed",
        r"oom[-_]kill|out of memory: kill|(?:\n|\d\s{1,12})(?-i:Killed)\s|killed by signal 9\b|128 \+ 9\b"
        r"|exit code:? 137\b",
        "The kernel killed a process, as a rule since memory had run out.",
        ("kill", "128 + 9", "137"),
    ),
    Sign(
        "segfault",
        r"segmentation fault|SIGSEGV\b",
        "The program read or wrote memory that is not its own.",
        ("segmentation fault", "sigsegv"),
    ),
    Sign(
        "aborted",
        r"SIGABRT\b|SIGFPE\b|SIGBUS\b|floating point exception|\(core dumped\)|\bterminate called after",
        "The program ended itself, or was ended, over an error within it.",
        ("sigabrt", "sigfpe", "sigbus", "floating point exception", "core dumped", "terminate called"),
        ("segfault", "illegal-instruction", "no-memory", "glibc"),
    ),
    Sign(
        "foreign-path",
        r"(?:no such file|not found|could ?n[o']t (?:open|read|find)|cannot (?:open|read|find|access|stat))[^\n]{0,300}"
        r"(?:/home/jupyter|/MyData|/MyProjects|/CommunityData|/NHERI-Published|/Users/|\b[C-Z]:[\\/])"
        r"|(?:/home/jupyter|/MyData|/MyProjects|/CommunityData|/NHERI-Published|/Users/|\b[C-Z]:[\\/])[^\n]{0,300}"
        r"(?:no such file|not found|does not exist)",
        "A path of the notebook, or of a personal machine, is not there where the job runs.",
        (
            "/home/jupyter",
            "/mydata",
            "/myprojects",
            "/communitydata",
            "/nheri-published",
            "/users/",
            ":\\",
            ":/",
        ),
    ),
    Sign(
        "missing-file",
        r"no such file or directory|could not open file|cannot open file|unable to open file|FileNotFoundError"
        r"|\b(?:file|path|directory)\b[^\n]{0,300} (?:was not found|not found|does not exist)\b|TAPIS_NOT_FOUND",
        "A file is not there where the job looks for it.",
        ("no such file", "open file", "filenotfounderror", "not found", "does not exist", "not_found"),
        ("foreign-path", "shared-library", "shared-input"),
    ),
    Sign(
        "permission",
        r"permission denied|PermissionError|operation not permitted",
        "A file or folder may not be read, written or executed.",
        ("permission", "not permitted"),
        ("remote-login", "queue-access"),
    ),
    Sign(
        "python-error",
        r"traceback \(most recent call last\)",
        "The Python program was stopped by an error of its own.",
        ("traceback",),
        (
            *("module-missing", "shared-library", "glibc", "no-memory", "foreign-path", "missing-file"),
            *("permission", "no-space", "disk-quota", "open-files", "processes", "no-convergence"),
            *("singular-matrix", "pip"),
        ),
    ),
    Sign(
        "missing-output",
        r"expected output [^\n]{1,300} is (?:missing|empty)|the result [^\n]{1,300} is missing"
        r"|is not JSON: |: '[^'\n]{1,200}' is not finite",
        "The command ended well, and what it should have left is not there, or is no measurement.",
        ("expected output", "the result", "is not json", "is not finite"),
    ),
    Sign(
        "log-flood",
        r"wrote more than \d{1,9} MB to stdout",
        "A case printed without end, and was stopped.",
        ("to stdout",),
    ),
)
_SURROUNDINGS = (
    Sign(
        "module-load",
        r"Lmod has detected the following error|module\(s\) are unknown|unable to locate a modulefile"
        r"|exist but cannot be loaded|\bmodule: (?:command )?not found",
        "A module of the system could not be loaded.",
        ("lmod", "module(s)", "modulefile", "exist but cannot", "module: "),
    ),
    Sign(
        "mpi-launcher",
        r"\b(?:mpiexec|mpirun|ibrun|srun|prun)(?:\.hydra)?: (?:command )?not found|MPI_INIT has failed"
        r"|fatal error in [^\n]{0,20}MPI_Init|PMI[2x]?_Init (?:failed|returned)|not enough slots available",
        "MPI could not start the processes.",
        ("not found", "mpi_init", "pmi", "enough slots"),
    ),
    Sign(
        "command-not-found",
        r"command not found|sh: (?:line )?(?:\d{1,6}: )?[^\n:]{1,120}: not found|exit 127\b|exit code:? 127\b",
        "A program is not installed where the job runs, or not on its PATH.",
        ("not found", "exit 127", "127"),
        ("module-load", "mpi-launcher"),
    ),
    Sign(
        "not-executable",
        r"exec format error|cannot execute binary file|exit 126\b|exit code:? 126\b",
        "A file that should run is no program for these nodes, or may not be executed.",
        ("exec format", "cannot execute", "126"),
        ("permission",),
    ),
    Sign(
        "pip",
        r"ERROR: (?:could not find a version|no matching distribution|could not install packages|failed building wheel)"
        r"|error: subprocess-exited-with-error",
        "pip could not install a package.",
        ("error: ",),
    ),
    Sign(
        "license",
        r"licen[sc]e[^\n]{0,60}(?:checkout failed|not available|has expired|denied|could not be obtained)"
        r"|(?:failed|unable|could not)[^\n]{0,20}(?:check ?out|obtain|acquire)[^\n]{0,30}licen[sc]e",
        "The program got no licence.",
        ("licens", "licenc"),
    ),
    Sign(
        "no-space",
        r"no space left on device|ENOSPC\b",
        "A disk is full.",
        ("no space left", "enospc"),
    ),
    Sign(
        "disk-quota",
        r"disk quota exceeded|EDQUOT\b|quota for filesystem [^\n>]{1,120}\.{3}\s{0,3}FAILED"
        r"|over (?:your |the )?(?:disk|file|block|inode)[^\n]{0,20} quota",
        "The quota of a file system is used up.",
        ("quota",),
    ),
    Sign(
        "open-files",
        r"too many open files|EMFILE\b",
        "More files were open at once than the system allows.",
        ("too many open files", "emfile"),
    ),
    Sign(
        "processes",
        r"can't start new thread|fork: (?:retry: )?resource temporarily unavailable|pthread_create failed",
        "More processes or threads ran at once than the system allows.",
        ("start new thread", "fork: ", "pthread_create"),
    ),
    Sign(
        "shared-input",
        r"shared input [^\n]{1,300}: |exit code:? 66\b",
        "A shared input was missing, or not whole, when the job began.",
        ("shared input", "66"),
    ),
    Sign(
        "setup-failed",
        r"the setup failed|exit code:? 67\b",
        "A line of the study's setup failed, so that no case could run.",
        ("setup failed", "67"),
        (
            *("module-load", "command-not-found", "pip", "module-missing", "missing-file", "foreign-path"),
            *("permission", "shared-library", "no-space", "disk-quota"),
        ),
    ),
    Sign(
        "cannot-write",
        r"exit code:? 74\b|cannot write /[^\n]{1,300}: ",
        "The runner could not write its records or outputs.",
        ("74", "cannot write"),
        ("no-space", "disk-quota", "permission"),
    ),
)
_SUBMISSION = (
    Sign(
        "submit-limit",
        r"QOSMax(?:Submit|Jobs)|Assoc(?:Max|Grp)(?:Submit|Jobs)|max jobs per user[^\n>]{0,20}\.{3}\s{0,3}FAILED"
        r"|too many (?:simultaneous )?jobs in (?:the )?queue|submitted[^\n]{0,20} jobs[^\n]{0,20} exceeds",
        "More jobs were in the queue than the site takes from one user.",
        ("qosmax", "assocmax", "assocgrp", "jobs"),
    ),
    Sign(
        "queue-limit",
        r"QOSMax(?:Wall|Node|Cpu|Mem|Tres)|MaxWallDuration|requested time limit is invalid"
        r"|node count specification invalid|requested node configuration is not available"
        r"|more processors requested than permitted|JOBS_Q_(?:EXCEEDED_MAX|MIN)_|queue limits\.{3}\s{0,3}FAILED",
        "The job asked for more than its queue gives.",
        ("qosmax", "wallduration", "requested", "node count", "jobs_q_", "queue limits"),
        ("allocation",),
    ),
    Sign(
        "allocation",
        r"invalid account\b|account/partition combination|unknown project|projectuser\.map"
        r"|available allocation \([^)\n]{0,80}\)\.{3}\s{0,3}FAILED|exceed the available balance"
        r"|no (?:remaining |valid |active )?allocation\b|insufficient (?:balance|allocation|funds)"
        r"|allocation [^\n>]{0,40}(?:expired|exhausted|overdrawn|not found)|AssocGrp(?:CPU|Billing|TRES)"
        r"|must specify (?:an )?(?:account|allocation)",
        "There is no allocation to charge the job to, or nothing is left of it.",
        (
            "invalid account",
            "account",
            "project",
            "allocation",
            "available balance",
            "insufficient",
            "assocgrp",
        ),
    ),
    Sign(
        "queue-access",
        r"invalid partition|desired queue \([^)\n]{0,80}\)\.{3}\s{0,3}FAILED"
        r"|not permitted to use this partition|JOBS_(?:INVALID|NO)_LOGICAL_QUEUE",
        "The queue does not exist, or you may not use it.",
        ("partition", "desired queue", "logical_queue"),
    ),
    Sign(
        "reservation",
        r"requested reservation is invalid|reservation [^\n>]{0,60}(?:has expired|not found|does not exist)",
        "The reservation is not there, or not yours.",
        ("reservation",),
    ),
    Sign(
        "refused",
        r"batch job submission failed|sbatch: error|JOBS_SUBMIT_ERROR|Slurm did not take the job",
        "The batch system refused the job.",
        ("submission failed", "sbatch: error", "jobs_submit_error", "did not take the job"),
        ("submit-limit", "queue-limit", "allocation", "queue-access", "reservation", "disk-quota"),
    ),
    Sign(
        "remote-login",
        r"auth(?:entication)? fail(?:ed|ure)?\b|no (?:valid )?credentials?\b|could not (?:log in|authenticate)"
        r"|permission denied \(publickey|SYSTEMS?_[A-Z_]{0,40}CRED",
        "Tapis could not log in to the system for you.",
        ("auth", "credential", "could not log in", "publickey", "cred"),
    ),
    Sign(
        "app-archive",
        r"JOBS_ZIP_IMAGE|JOBS_APP_UNPACK_ERROR|JOBS_UNZIP_ERROR|JOBS_APP_NOT_AVAILABLE|JOBS_SCHEDULER_PROFILE"
        r"|tapisjob_app\.sh (?:was )?not found|manifest (?:for [^\n]{1,120} )?(?:unknown|not found)"
        r"|FATAL: {1,9}Unable to",
        "The app itself is broken: its archive, container or scheduler profile is not usable.",
        (
            *("jobs_zip_image", "unpack_error", "unzip_error", "not_available", "scheduler_profile"),
            *("tapisjob_app", "manifest", "fatal:"),
        ),
    ),
)
_SCHEDULER = (
    Sign(
        "time-limit",
        r"DUE TO TIME LIMIT",
        "Slurm ended the job when its time was over.",
        ("time limit",),
    ),
    Sign(
        "preempted",
        r"DUE TO PREEMPTION",
        "A job of higher priority took the nodes.",
        ("preemption",),
    ),
    Sign(
        "node-failure",
        r"DUE TO NODE FAILURE|node_fail\b",
        "A node failed while the job ran.",
        ("node failure", "node_fail"),
    ),
)

SIGNS: tuple[Sign, ...] = (*_SOLVERS, *_PROGRAMS, *_SURROUNDINGS, *_SUBMISSION, *_SCHEDULER)
"""The order in which they are told; a text may bear several."""

BY_ID: Mapping[str, Sign] = {sign.id: sign for sign in SIGNS}


def signs_in(text: str) -> list[str]:
    """Ids of the signs of a text, each once."""
    ids = {sign for line in dict.fromkeys(text.split("\n")) for sign in _signs(line)}
    return [sign.id for sign in SIGNS if sign.id in ids and ids.isdisjoint(sign.unless)] if ids else []


def _signs_of(line: str) -> tuple[str, ...]:
    """Ids of all signs of a line."""
    small, whole = line.lower(), f"\n{line}\n"
    return tuple(
        sign.id
        for sign in SIGNS
        if any(word in small for word in sign.words) and _PATTERNS[sign.id].search(whole)
    )


_kept = lru_cache(maxsize=4096)(_signs_of)


def _signs(line: str) -> tuple[str, ...]:
    """The same, from memory if it was seen lately; what is long comes but once, and is not kept."""
    return _kept(line) if len(line) <= LONG else _signs_of(line)


def place_of(sign: str, text: str) -> tuple[int, int] | None:
    """Where in a text the first match of a sign begins and ends."""
    found = _PATTERNS[sign].search(f"\n{text}\n")
    return (max(0, found.start() - 1), min(len(text), found.end() - 1)) if found else None


_PATTERNS: Mapping[str, re.Pattern[str]] = {
    sign.id: re.compile(sign.pattern, re.IGNORECASE) for sign in SIGNS
}
