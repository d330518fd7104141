"""Remedies that several findings give: the same one is the same value, so that a terminal prints it once. PURE.

What a remedy leaves open, as in ``weft retry{place}``, ``filled`` fills in for the jobs that it is for. Jobs that weft
did not launch know no commands of a study: they get what stands for it with them, or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import structs

from weft.core.findings.alike import Alike
from weft.core.findings.base import QueueFacts, Remedy, Scene
from weft.core.findings.fitting import a_study_of
from weft.core.findings.settings import in_request, table
from weft.core.margins import USUAL_JOBS, enough_job_minutes
from weft.core.packing import ENDS, GROWTH
from weft.core.quantities import count
from weft.model import Study

FULL_S = 1800.0
"""A job that computes for so long is worth what it costs besides: an empty one takes the service 100 to 200 s."""
FIRST_MINUTES = 120
"""Minutes to try first, where it is not known what was asked for."""

EXPLAIN = Remedy(say="Read the whole story of one of these jobs.", command="weft explain{place} {job}")
RESULTS = Remedy(say="See which cases failed, and with which parameters.", command="weft results{place}")
RETRY = Remedy(say="Then run again what failed.", command="weft retry{place}")
AGAIN = Remedy(say="Nothing is lost but time: the cases run again by themselves.", command="weft run{place}")
CHECK = Remedy(say="Look at the study's inputs before the next run.", command="weft check{place}")
PLAN = Remedy(say="See before the next run what app, queue and allocation give.", command="weft plan{place}")
SHOW_APP = Remedy(
    say="See how the app is defined, and which versions there are.", command="weft app show {app}"
)
ASK = Remedy(
    say="If it comes again, send the job's id and its last message to the support of the tenant or site."
)
STAY = Remedy(
    say="If it happens often, take a queue whose jobs cannot be preempted, or make jobs shorter.",
    setting=table("tapis", 'queue = "QUEUE"'),
)
MORE_TIME = Remedy(say="Ask for more time.", setting=table("tapis", "minutes = {longer}"))
CASE_MEMORY = Remedy(
    say="Say what a case needs: weft then runs no more at a time than fit, and gives more after a failure.",
    setting=table("resources", 'memory = "4 GB"'),
)
CHECKPOINT = Remedy(
    say="Let cases leave a checkpoint, and go on from it in the next job.",
    setting=table("continue", 'files = ["state.json"]'),
)
ATTEMPTS = Remedy(
    say="Let cases run again by themselves: each further run has twice the time, or twice the memory.",
    setting=table("retry", "attempts = 3", 'on = ["time-out", "memory"]'),
)
KEEP_LESS = Remedy(
    say="Keep fewer files of each case: what no pattern names is dropped on the node.",
    setting=table("output", 'keep = ["*.out"]'),
)
FINISH = Remedy(
    say="Or reduce what the cases leave on the node, and keep only what that writes.",
    setting=table("model", 'finish = "python3 reduce.py"'),
)
ON_THE_NODE = Remedy(
    say="Run cases on the node's own disk; what is to be kept is packed into one ZIP from there.",
    setting=table("model", 'workdir = "node"'),
)
SHARED = Remedy(
    say="Name what is large, or many files, as shared: it is uploaded once to the store and read there.",
    setting=table("model", 'shared = ["FOLDER/"]'),
)
VENV = Remedy(
    say="Install once into Work, on a login node, and only activate it in each job.",
    setting=table("model", 'setup = ["source $WORK/venv/bin/activate"]'),
    command="python3 -m venv $WORK/venv && $WORK/venv/bin/pip install -r requirements.txt",
)
MEND_AND_TRY = Remedy(
    say="Mend the script, try a few cases, then run again what failed.", command="weft run{place} --pilot 4"
)

_LOOK = Remedy(say="Look at the job's history, and at its last message.", command="weft profile {its}")
_SUBMIT = Remedy(say="Mend it, then submit the job again.")
_ELSEWHERE = {
    EXPLAIN: _LOOK,
    RETRY: _SUBMIT,
    AGAIN: Remedy(say="Submit the job again: it was not to blame."),
    CHECK: Remedy(say="See that every input is there, and that you may read it."),
    PLAN: Remedy(say="Compare what it asks for with what app, queue and allocation give."),
    CASE_MEMORY: Remedy(
        say="Run fewer processes on each node, or take a queue with larger nodes.",
        setting='"coresPerNode": {fewer}',
    ),
}
"""What stands for a remedy with jobs that weft did not launch."""
_ON_THIS_MACHINE = {
    VENV: Remedy(
        say="Install what it needs into the Python that the command starts.",
        command="python3 -m pip install -r requirements.txt",
    ),
}
"""What stands for a remedy with cases that run here."""


def as_a_study(group: Alike) -> Remedy:
    """How jobs that weft did not launch get what weft does by itself."""
    return a_study_of(group.backend, group.app)


def fewer_jobs(scene: Scene, group: Alike) -> Remedy:
    """How the same cases go in fewer jobs: all that are alike, in as few as compute for ``FULL_S`` each."""
    if not group.weft:
        return as_a_study(group)
    number, computing_s = scene.sizes[group.all]
    kept = full_jobs(number, computing_s)
    if kept == number or group.backend != "tapis":
        return Remedy(
            say="Nothing need be changed: each job has enough to do, and the service is busy at times."
        )
    minutes = max(enough_job_minutes(computing_s / kept), least_minutes(scene, group))
    return Remedy(
        say=f"Put more cases into each job: {count(kept, 'job')} would do, of {minutes} min at most.",
        setting=table("tapis", f"jobs = {kept}", f"minutes = {minutes}"),
    )


def full_jobs(number: int, computing_s: float) -> int:
    """How many jobs the same cases fill, if each computes for about ``FULL_S``; never more than there are."""
    return min(number, max(1, round(computing_s / FULL_S)))


def more_jobs(scene: Scene, group: Alike) -> Remedy:
    """How the same cases go in more jobs: twice as many at a time, as far as the queue takes them."""
    queue = scene.queues.get((group.system, group.queue))
    jobs = min(2 * jobs_at_a_time(scene, group), (queue.submit if queue else None) or 1000)
    return Remedy(say="Spread the cases over more jobs.", setting=table(group.backend, f"jobs = {jobs}"))


def study_of(scene: Scene, group: Alike) -> Study | None:
    """The study whose jobs these are, if it is at hand."""
    return scene.study if scene.study is not None and scene.study.name == group.study else None


def said_of_jobs(scene: Scene, group: Alike) -> Mapping[str, Any]:
    """What the study says of its jobs; nothing if it is not at hand."""
    study = study_of(scene, group)
    return study.settings.get(group.backend, {}) if study is not None else {}


def jobs_at_a_time(scene: Scene, group: Alike) -> int:
    """How many jobs at a time the study asks for."""
    return int(said_of_jobs(scene, group).get("jobs") or USUAL_JOBS)


def least_minutes(scene: Scene, group: Alike) -> int:
    """Minutes that a job must have since one case may take so long; 0 where that is not known, or cases go on."""
    study = study_of(scene, group)
    if study is None or study.continues is not None or not study.resources.minutes:
        return 0
    return math.ceil(study.resources.minutes + ENDS)


def job_setting(group: Alike, **asked: str | float) -> str:
    """What a job asks for, as its study, its request or its batch script says it; empty where that is no matter."""
    if group.weft:
        lines = [f"{name} = {_quoted(value)}" for name, value in asked.items()]
        return table("tapis", *lines) if group.backend == "tapis" else ""
    return in_request(group.backend, {name: _quoted(value) for name, value in asked.items()})


def _quoted(value: str | float) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def filled(remedies: Iterable[Remedy], scene: Scene, group: Alike) -> Iterator[Remedy]:
    """The remedies with what they leave open: the study's place, the app, a job, better figures.

    Left out is one whose setting or command needs what is not known, as an app.
    """
    values = _values(scene, group)
    instead = _ELSEWHERE if not group.weft else _ON_THIS_MACHINE if group.backend == "local" else {}
    for remedy in remedies:
        each = instead.get(remedy, remedy)
        setting, command = _fill(each.setting, values), _fill(each.command, values)
        if setting or command or not (each.setting or each.command):
            yield structs.replace(each, setting=setting, command=command)


def _fill(text: str, values: Mapping[str, str | None]) -> str:
    """The text with these values; nothing where one of them is not known."""
    for name, value in values.items():
        if name in text and value is None:
            return ""
        text = text.replace(name, value or "")
    return text


def _values(scene: Scene, group: Alike) -> Mapping[str, str | None]:
    facts = scene.queues.get((group.system, group.queue))
    known = {"tapis": f"--tapis {group.jobs[0]}", "slurm": f"--slurm {group.jobs[0]}"}
    return {
        "{place}": scene.place,
        "{job}": group.jobs[0],
        "{its}": known.get(group.backend),
        "{app}": group.app or None,
        "{system}": group.system or None,
        "{queue}": _another_queue(scene, group),
        "{submit}": str((facts and facts.submit) or 2),
        "{fewer}": str(max(1, int(group.figures.get("slots" if group.weft else "cores", 0.0)) // 2)),
        "{longer}": _longer(group.figures.get("minutes", 0.0), facts),
    }


def _longer(minutes: float, facts: QueueFacts | None) -> str | None:
    """More minutes for a job, as far as the queue gives them; None where it gives no more."""
    wanted = int(minutes * GROWTH) or FIRST_MINUTES
    most = int((facts and facts.minutes) or wanted)
    return str(min(wanted, most)) if most > minutes else None


def _another_queue(scene: Scene, group: Alike) -> str:
    """Another queue of the same system: the cheapest that takes jobs so long; QUEUE where none is known."""
    minutes = group.figures.get("minutes", 0.0)
    others = [
        ((facts.minutes or 0.0) < minutes, facts.rate or math.inf, -(facts.minutes or 0.0), queue)
        for (system, queue), facts in scene.queues.items()
        if system == group.system and queue != group.queue
    ]
    return min(others)[-1] if others else "QUEUE"
