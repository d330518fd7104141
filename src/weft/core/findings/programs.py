"""Failures by what programs did: the solver, the script, Python, the shell, and the kernel that ended them. PURE.

One row for each cause; ``causes.py`` says how rows become findings.
"""

from __future__ import annotations

from weft.core.findings.base import Remedy, Rule, Severity
from weft.core.findings.causes import Cause, rules_of
from weft.core.findings.environment import STAGED_IN
from weft.core.findings.remedies import (
    AGAIN,
    CASE_MEMORY,
    CHECK,
    CHECKPOINT,
    EXPLAIN,
    MEND_AND_TRY,
    MORE_TIME,
    RESULTS,
    RETRY,
    STAY,
)
from weft.core.findings.settings import in_parameters, table

_MEND = Remedy(say="Mend the script, and try it with one case on a development queue.")
_LESS = Remedy(
    say="Let fewer cases run at a time, so that each has more memory.",
    setting=table("tapis", "slots = {fewer}"),
)
_SERIES_FIRST = Remedy(
    say="Make the series first, and name its tag: `timeSeries Path 10 -dt 0.01 -filePath motion.txt`, "
    "then `pattern UniformExcitation 1 1 -accel 10`."
)
_SOLVER = (
    Cause(
        id="no-convergence",
        title="The solver did not converge",
        signs=("no-convergence", "element-state"),
        cause="A step was too large or the tolerance too strict for the algorithm, or there is no equilibrium.",
        ours=(
            Remedy(
                say="Let the model try smaller steps, then other algorithms (KrylovNewton, NewtonLineSearch), and only "
                "then give up.",
            ),
            Remedy(
                say="If it is a result (collapse), have the model write that to its result and exit with 0.",
                setting=table("model", 'result = "result.json"'),
            ),
            RESULTS,
        ),
        others=(
            Remedy(
                say="Let the model try smaller steps, then other algorithms (KrylovNewton, NewtonLineSearch), and only "
                "then give up; have it exit with another code than 0 when it does.",
            ),
        ),
    ),
    Cause(
        id="singular-matrix",
        title="The system of equations is singular",
        signs=("singular-matrix",),
        cause="Something in the model can move freely: a support, a connection or a stiffness is missing, or is zero.",
        ours=(
            Remedy(
                say="Look for nodes without support or element, and for zero areas, at the parameters that failed."
            ),
            RESULTS,
            MEND_AND_TRY,
        ),
        others=(Remedy(say="Look for nodes without support or element, and for zero areas or stiffnesses."),),
    ),
    Cause(
        id="inline-time-series",
        title="A time series within a pattern is not taken",
        signs=("inline-series",),
        cause='OpenSees 3.7 and later read the quoted series of a pattern ("Path -dt ...") as the tag of one.',
        ours=(
            _SERIES_FIRST,
            MEND_AND_TRY,
        ),
        others=(_SERIES_FIRST,),
    ),
    Cause(
        id="model-error",
        title="The model names what is not there",
        signs=("unknown-material",),
        cause="A type of material, element or algorithm is unknown to this OpenSees, or a node was never made.",
        ours=(
            Remedy(say="Compare its name with the version that the app runs; make nodes first."),
            MEND_AND_TRY,
        ),
        others=(
            Remedy(say="Compare its name with the version that the app runs; make nodes before elements."),
        ),
    ),
    Cause(
        id="tcl-error",
        title="The Tcl script has an error",
        signs=("tcl-command", "tcl-variable", "tcl-error"),
        cause="Tcl stopped at a command or variable that is not there: a typing error, or a parameter not given.",
        ours=(
            Remedy(
                say="Give the variable as a parameter: in a Tcl app, parameters are global variables of their names.",
            ),
            MEND_AND_TRY,
        ),
        others=(_MEND,),
    ),
    Cause(
        id="every-rank-is-rank-0",
        title="Every process took itself for the only one",
        signs=("all-ranks-zero",),
        only_weft=True,
        cause="The program is no parallel one, or its MPI is not the launcher's. As each process would have run "
        "all cases, none was run.",
        ours=(
            Remedy(
                say="Choose an app whose program knows its rank.",
                setting=table("tapis", 'app = "opensees-mp-s3"'),
            ),
            Remedy(
                say="Or run it as one process.",
                setting=table("tapis", "nodes = 1", "cores = 1"),
            ),
            RETRY,
        ),
    ),
    Cause(
        id="mpi-did-not-start",
        title="MPI could not start the processes",
        signs=("mpi-launcher",),
        cause="The launcher is not there, is not that of the MPI the program was built with, or has too few slots.",
        ours=(
            Remedy(
                say="Load the MPI with which the program was built; at TACC start it by `ibrun`, and let the app do it."
            ),
            Remedy(
                say="Cases of one core need no MPI at all: weft runs them side by side.",
                setting=table("model", 'command = "python3 model.py {x}"'),
            ),
        ),
        others=(
            Remedy(
                say="Load the MPI with which the program was built, and let the app start it.",
                setting=in_parameters("appArgs", '[{"name": "UseMPI", "arg": "True"}]'),
            ),
        ),
    ),
)
_PROGRAM = (
    Cause(
        id="missing-file",
        title="A program did not find a file",
        signs=("missing-file",),
        not_in=STAGED_IN,
        cause="It is not among the inputs, lies in another folder than the program looks in, or is called otherwise.",
        ours=(
            Remedy(
                say="List it among the inputs; each case finds it in its directory, under the same relative path.",
                setting=table("model", 'inputs = ["model.tcl", "tables/"]'),
            ),
            CHECK,
            MEND_AND_TRY,
        ),
        others=(
            Remedy(
                say="Put it into the input folder, and name it relative to the folder that the app starts in."
            ),
        ),
    ),
    Cause(
        id="python-error",
        title="The Python program was stopped by an error",
        signs=("python-error",),
        cause="It raised an exception that nothing caught.",
        ours=(EXPLAIN, MEND_AND_TRY),
        others=(_MEND,),
    ),
    Cause(
        id="output-missing",
        title="Cases ended well and left no result",
        signs=("missing-output",),
        cause="The command ended with exit code 0, yet a file of `expect` or `result` is missing or not usable.",
        ours=(
            EXPLAIN,
            Remedy(
                say="Have the model write the result as flat JSON with finite numbers, and fail where it cannot.",
                setting=table("model", 'result = "result.json"'),
            ),
            MEND_AND_TRY,
        ),
    ),
    Cause(
        id="endless-output",
        title="Cases printed without end",
        signs=("log-flood",),
        cause="A loop prints a line in each step, often a warning of a solver that does not get on.",
        ours=(
            Remedy(
                say="Print less: set the print flag of the convergence test to 0, and leave the loop after failures."
            ),
            MEND_AND_TRY,
        ),
    ),
    Cause(
        id="crash",
        title="The program crashed",
        signs=("segfault", "aborted"),
        cause="It is an error within the program, or too small a stack, or bad input that it does not notice.",
        ours=(
            Remedy(
                say="Try a larger stack, which large Fortran and OpenSees models need, in the command itself: a limit "
                "that `setup` sets does not hold for cases.",
                setting=table("model", 'command = "ulimit -s unlimited; PROGRAM"'),
            ),
            RESULTS,
            EXPLAIN,
        ),
        others=(
            Remedy(say="Try a larger stack (`ulimit -s unlimited`) and another version of the program."),
        ),
    ),
    Cause(
        id="other-processor",
        title="The program was built for another processor",
        signs=("illegal-instruction",),
        cause="It uses instructions that the nodes of this queue do not have.",
        ours=(
            Remedy(
                say="Build it on a node of the queue, or take the queue for which it was built.",
                setting=table("tapis", 'queue = "QUEUE"'),
            ),
            RETRY,
        ),
        others=(Remedy(say="Build it on a node of the queue, or take the queue for which it was built."),),
    ),
    Cause(
        id="no-memory-left",
        title="Programs found no memory",
        signs=("no-memory", "killed"),
        cause="All cases on a node share its memory; when it is used up, requests fail and the kernel ends processes.",
        ours=(_LESS, CASE_MEMORY, RETRY),
    ),
)
_SCHEDULER = (
    Cause(
        id="ended-with-the-jobs-time",
        title="Slurm ended programs when the job's time was over",
        signs=("time-limit",),
        cause="The job took longer than it had asked for.",
        ours=(MORE_TIME, CHECKPOINT),
        others=(
            Remedy(say="Ask for more time, or put less into one job.", setting='"maxMinutes": {longer}'),
        ),
    ),
    Cause(
        id="nodes-taken-away",
        title="Nodes failed, or were taken for other jobs",
        signs=("preempted", "node-failure"),
        cause="It is the site's doing: the program is not to blame.",
        ours=(AGAIN, STAY),
        others=(Remedy(say="Submit again, to a queue whose jobs cannot be preempted."),),
        severity=Severity.WASTE,
    ),
)

CAUSES: tuple[Cause, ...] = (*_SOLVER, *_PROGRAM, *_SCHEDULER)

RULES: tuple[Rule, ...] = rules_of(CAUSES)
