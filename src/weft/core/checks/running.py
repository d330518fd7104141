"""How the study goes about its cases: where they run, in how many jobs, and when it stops. PURE."""

from __future__ import annotations

import math
import re
from typing import Any

from weft.core.checks.base import Answer, Edit, Facts, Item, edits, passed, warn
from weft.core.checks.requests import node_cores
from weft.core.checks.words import words
from weft.core.margins import USUAL_JOBS
from weft.core.quantities import count, duration
from weft.model import Outcome, Retry, Study

CROWD = 10_000
"""Files at one place, on a disk that many share."""
STORM = 200
"""Python processes that start at the same moment: sites flag hundreds that import large packages from a shared disk."""
LEAST_JOB_S = 600.0
"""Work that a job should hold: Tapis takes two to five minutes for any job, however short."""
MANY_CASES = 1_000
"""Cases that are worth a pilot."""
UNWATCHED_CASES = 100
"""Cases that are many enough to be stopped when the first all fail."""
MOST_ATTEMPTS = 3
"""Runs of a case after which another tells nothing new."""
_PYTHON = re.compile(r"(.*/)?python[\d.]*")


def crowded_work(study: Study, facts: Facts) -> Answer:
    """Do the files of running cases stay off the disks that many share?"""
    where = study.model.workdir
    each = max(facts.past.files, 1)
    at_once = facts.cases * each if study.model.finish else each
    if where == "node" or at_once <= CROWD:
        return passed(f"cases run on the disk of the {where}")
    said = f'about {at_once:,} files stand in the {where} folder at once (workdir = "{where}")'
    fix = edits(Edit(key=("model", "workdir"), do="set", value="node"))
    return warn(said, 'let cases run on the node\'s own disk: workdir = "node"', fix)


def scratch_is_there(study: Study, facts: Facts) -> Answer:
    """Is there a scratch folder for cases that ask for one?"""
    if study.model.workdir != "scratch" or study.backend != "local" or facts.machine.scratch:
        return passed()
    said = 'workdir is "scratch", and $SCRATCH is not set here: cases run in the job\'s folder'
    fix = edits(Edit(key=("model", "workdir"), do="set", value="node"))
    return warn(said, 'set SCRATCH, or say workdir = "node"', fix)


def import_storm(study: Study, facts: Facts) -> Answer:
    """Do not too many interpreters start at once?"""
    python = any(_PYTHON.fullmatch(word.text) for word in words(study.model.command))
    together = min(facts.cases, _jobs(study, facts) * _slots(study, facts))
    if study.backend == "local" or not python or together < STORM:
        return passed()
    said = (
        f"{together:,} Python processes start at the same moment and read their packages from a shared disk"
    )
    return warn(
        said,
        "copy the packages to the node's disk in model.setup, or run fewer at a time: tapis.jobs, tapis.slots",
    )


def work_in_a_job(study: Study, facts: Facts) -> Answer:
    """Is there enough work in each job?"""
    each = facts.past.wall_s or 60 * (study.resources.minutes or 0)
    jobs = min(_jobs(study, facts), facts.cases)
    if study.backend == "local" or not each or jobs < 2:
        return passed()
    work = math.ceil(facts.cases / _slots(study, facts)) * each
    said = f"{count(facts.cases, 'case')} in {jobs} jobs: at most {duration(work / jobs)} of work in each"
    if work / jobs >= LEAST_JOB_S:
        return passed(said)
    fix = edits(Edit(key=("tapis", "jobs"), do="set", value=max(1, int(work / LEAST_JOB_S))))
    return warn(said, "use fewer jobs: each costs minutes of staging and waiting besides", fix)


def _jobs(study: Study, facts: Facts) -> int:
    said: Any = study.settings.get(study.backend, {}).get("jobs")
    if facts.limits is not None:
        return facts.limits.max_jobs
    return said if isinstance(said, int) else USUAL_JOBS


def _slots(study: Study, facts: Facts) -> int:
    said: Any = study.settings.get(study.backend, {}).get("slots")
    if facts.limits is not None and facts.limits.slots:
        return facts.limits.slots
    if isinstance(said, int):
        return said
    return max(1, node_cores(study, facts) // study.resources.cores)


def retries(study: Study, facts: Facts) -> Answer:
    """Do repeated runs not hide a fault of the model?"""
    retry = study.retry
    if retry.attempts <= MOST_ATTEMPTS:
        return passed(f"at most {count(retry.attempts, 'run')} of a case")
    exits = Outcome.FAILED in retry.on
    said = f"a case runs up to {retry.attempts} times" + (" when it exits with an error" if exits else "")
    why = "a model that fails by itself fails again" if exits else "each run has twice the time or memory"
    fix = edits(Edit(key=("retry", "attempts"), do="set", value=Retry().attempts))
    return warn(f"{said}: {why}", f"retry.attempts = {Retry().attempts}, and look at why cases fail", fix)


def stop_after(study: Study, facts: Facts) -> Answer:
    """Is a study held in which everything fails?"""
    if study.retry.stop_after or facts.cases < UNWATCHED_CASES:
        return passed(
            f"after {study.retry.stop_after} failures in a row" if study.retry.stop_after else "few cases"
        )
    said = f"retry.stop_after is 0: all {facts.cases:,} cases run even if every one fails"
    fix = edits(Edit(key=("retry", "stop_after"), do="remove"))
    return warn(said, f"leave it out: the study is held when the first {Retry().stop_after} all fail", fix)


def pilot(study: Study, facts: Facts) -> Answer:
    """Has one case of a large study ever run?"""
    if facts.cases <= MANY_CASES or facts.past.cases:
        ran = facts.past.cases
        return passed(f"{ran:,} of {facts.cases:,} have run" if ran else count(facts.cases, "case"))
    said = f"none of {facts.cases:,} cases has run yet"
    return warn(said, f"`weft run{facts.study} --pilot 8` runs a few first, and learns what a case takes")


ITEMS = (
    Item(
        id="crowded-work",
        title="where cases run",
        rule=f'With `workdir = "job"` or `"scratch"`, more than {CROWD:,} files stand there at once: those of one '
        "case, or with `model.finish` those of all.",
        look=crowded_work,
        fixes=True,
    ),
    Item(
        id="scratch-folder",
        title="scratch is there",
        rule='`workdir` is `"scratch"`, the study runs here, and `$SCRATCH` is not set.',
        look=scratch_is_there,
        fixes=True,
    ),
    Item(
        id="import-storm",
        title="interpreters at once",
        rule=f"On Tapis, {STORM} or more Python processes start at the same moment.",
        look=import_storm,
    ),
    Item(
        id="work-in-a-job",
        title="work in each job",
        rule=f"On Tapis, several jobs hold less than {duration(LEAST_JOB_S)} of work each.",
        look=work_in_a_job,
        fixes=True,
    ),
    Item(
        id="retries",
        title="repeated runs",
        rule=f"`retry.attempts` is above {MOST_ATTEMPTS}.",
        look=retries,
        fixes=True,
    ),
    Item(
        id="stop-after",
        title="stop when all fail",
        rule=f"`retry.stop_after` is 0 in a study of {UNWATCHED_CASES} cases or more.",
        look=stop_after,
        fixes=True,
    ),
    Item(
        id="pilot",
        title="a pilot of a large study",
        rule=f"A study of more than {MANY_CASES:,} cases has none that has finished.",
        look=pilot,
    ),
)
