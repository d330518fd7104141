"""Failures before a job could run: the batch system, the site's own checks, or the app stood in the way. PURE.

One row for each cause; ``causes.py`` says how rows become findings. A refusal by sbatch is final for Tapis: the job has
FAILED and is not sent again. weft takes it for the site's doing, and submits the cases again in another job.
"""

from __future__ import annotations

from weft.core.findings.base import Remedy, Rule
from weft.core.findings.causes import Cause, rules_of
from weft.core.findings.remedies import PLAN, RETRY, SHOW_APP
from weft.core.findings.settings import in_parameters, table

_ASK_FOR_MORE = Remedy(say="If it is used up, have its owner ask for more, or take another one.")
_CHECK_OWN = Remedy(
    say="An app of your own: look at its definition and its wrapper.", command="weft app check FOLDER"
)

CAUSES: tuple[Cause, ...] = (
    Cause(
        id="too-many-jobs-submitted",
        title="The site takes no more jobs from you at once",
        signs=("submit-limit",),
        cause="Slurm's limit of jobs per user is lower than that of Tapis, which lets through what Slurm refuses.",
        ours=(
            Remedy(
                say="Have fewer jobs at once, with more cases each.",
                setting=table("tapis", "jobs = {submit}"),
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Run the cases as a study of weft: many cases in few jobs, never more than the queue takes.",
                setting=table("run", 'on = "tapis"')
                + "\n\n"
                + table("tapis", 'app = "{app}"', "jobs = {submit}"),
                command="weft init",
            ),
        ),
    ),
    Cause(
        id="more-than-the-queue-gives",
        title="The job asked for more than its queue gives",
        signs=("queue-limit",),
        cause="Nodes, cores, memory or minutes were beyond what the queue gives, or gives to one user.",
        ours=(
            Remedy(
                say="Ask for less, or choose a queue that gives it: the plan names them.",
                setting=table("tapis", 'queue = "{queue}"', "nodes = 1", "minutes = 120"),
                command="weft plan{place}",
            ),
            RETRY,
        ),
        others=(
            Remedy(
                say="Ask for less, or for another queue.",
                setting='"execSystemLogicalQueue": "{queue}", "nodeCount": 1, "maxMinutes": 120',
            ),
        ),
    ),
    Cause(
        id="no-allocation",
        title="No allocation to charge the job to",
        signs=("allocation",),
        cause="The allocation is not named, not yours, not valid on this system, has ended, or has nothing left.",
        ours=(
            Remedy(
                say="Name one that the portal lists for you on this system.",
                setting=table("tapis", 'allocation = "ABC-12345"'),
            ),
            _ASK_FOR_MORE,
            RETRY,
        ),
        others=(
            Remedy(
                say="Name one that the portal lists for you on this system.",
                setting=in_parameters(
                    "schedulerOptions", '[{"name": "TACC Allocation", "arg": "-A ABC-12345"}]'
                ),
            ),
            _ASK_FOR_MORE,
        ),
    ),
    Cause(
        id="no-such-queue",
        title="The queue is not there for you",
        signs=("queue-access",),
        cause="The system has no such queue, or only some users may use it.",
        ours=(
            Remedy(
                say="Choose one that is there: the plan names them.",
                setting=table("tapis", 'queue = "{queue}"'),
                command="weft plan{place}",
            ),
            RETRY,
        ),
        others=(Remedy(say="Choose one that is there.", setting='"execSystemLogicalQueue": "{queue}"'),),
    ),
    Cause(
        id="no-such-reservation",
        title="The reservation is not there for you",
        signs=("reservation",),
        cause="Its name is wrong, it has ended or not begun, or it belongs to others.",
        ours=(
            Remedy(say="Take the line `reservation` out of [tapis], or name one that holds now."),
            RETRY,
        ),
        others=(Remedy(say="Leave out the scheduler option `--reservation`, or name one that holds now."),),
    ),
    Cause(
        id="refused-by-the-batch-system",
        title="The batch system refused the job",
        signs=("refused",),
        cause="sbatch did not take it, for a reason that is not known here: its own words are the evidence.",
        ours=(
            PLAN,
            Remedy(say="Mend what it complains of, and run again what failed.", command="weft retry{place}"),
        ),
        others=(Remedy(say="Mend what it complains of, and submit again; Tapis does not by itself."),),
    ),
    Cause(
        id="app-not-usable",
        title="The app itself is broken",
        signs=("app-archive",),
        cause="Its archive or container cannot be fetched or unpacked, its profile is gone, or it is switched off.",
        ours=(
            SHOW_APP,
            Remedy(
                say="Take another version, or another app.",
                setting=table("tapis", 'app = "{app}"', 'version = "VERSION"'),
            ),
            _CHECK_OWN,
        ),
        others=(
            Remedy(
                say="Take another version, or another app.",
                setting='"appId": "{app}", "appVersion": "VERSION"',
            ),
            _CHECK_OWN,
        ),
    ),
)
"""What stands in the way of a job before it runs."""

RULES: tuple[Rule, ...] = rules_of(CAUSES)
