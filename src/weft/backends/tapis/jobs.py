"""What Tapis tells of jobs: of all of them by one search, which counts the user's other jobs by the way."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from weft.backends.tapis.place import Place
from weft.errors import BackendError
from weft.tapis import lifecycle
from weft.tapis.request import NAME_MAX
from weft.tapis.session import Rejected

Told = Mapping[str, Any]
"""A job as an answer of Tapis shows it."""

UUIDS_AT_ONCE, NAMES_AT_ONCE = 1000, 500
"""How many of them fit into one search, whose text stays below 64 kB."""
CLOSELY_AT_ONCE = 5
"""Jobs that a search did not show and that are looked at one by one, between two looks."""
ATTRIBUTES = (
    "uuid,name,status,condition,lastMessage,execSystemId,execSystemOutputDir,archiveSystemId,archiveSystemDir"
)
ACTIVE = tuple(word for word in lifecycle.PHASES if word not in ("BLOCKED", "PAUSED"))
"""What Tapis counts against its limits of jobs, or, of those that are PENDING, soon will."""


class Jobs:
    """The jobs of one study at one service; ``place`` is asked for when it is first needed."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place
        self._known: dict[str, Told] = {}
        """What was last told of each job, by its native id."""
        self._closely: dict[str, float] = {}
        """When jobs that no search showed were last looked at one by one."""
        self._others = 0
        self._counted_at = -math.inf

    def learn(self, native: str, told: Told) -> None:
        """Keep what was told of a job on another occasion."""
        self._known[native] = told

    def told(self, native: str) -> Told:
        """What is known of a job; after a restart it is asked for. Empty if no search shows it."""
        if native not in self._known:
            self._known.update(self._by_uuid([native]))
        return self._known.get(native, {})

    def others(self, every: float) -> int:
        """How many other jobs the user has at work on the system, counted again after so many seconds."""
        if time.monotonic() - self._counted_at > every:
            self._counted_at = time.monotonic()  # also if no answer comes: this is asked for all the time
            with contextlib.suppress(BackendError):
                self._search("")
        return self._others

    def named(self, names: Sequence[str]) -> list[Told]:
        """The jobs of these names, oldest first; an answer that was lost for long may leave two of one name."""
        wanted = frozenset(names)
        return [
            told
            for some in _parts(names, NAMES_AT_ONCE)
            for told in self._search(f"name IN ({_quoted(some)})")
            if told.get("name") in wanted
        ]

    def look(self, natives: Mapping[str, str], over_by_archive: Callable[[str], bool]) -> dict[str, Told]:
        """What is told of jobs (our id to native id), by native id; those that no answer tells of are left out.

        ``over_by_archive`` says of a job of ours that is hidden whether its archive shows its end.
        """
        told = self._by_uuid([*natives.values()], natives)
        missing = [(job, native) for job, native in natives.items() if native not in told]
        missing.sort(key=lambda pair: self._closely.get(pair[1], -math.inf))  # each gets its turn
        for job, native in missing[:CLOSELY_AT_ONCE]:
            self._closely[native] = time.monotonic()
            one = self._look_closely(job, native, over_by_archive)
            if one is not None:
                told[native] = one
        self._known.update((native, told[native]) for native in natives.values() if native in told)
        return {native: told[native] for native in natives.values() if native in told}

    def _look_closely(self, job: str, native: str, over_by_archive: Callable[[str], bool]) -> Told | None:
        """A job that no search shows: hidden in the portal, perhaps. Its archive tells whether it is over."""
        try:
            told = self._place().session.call("jobs.getJob", jobUuid=native)
            return told if isinstance(told, dict) and told.get("uuid") == native else None
        except Rejected as refusal:
            if refusal.status != 404 or not over_by_archive(job):
                return None
        return {"uuid": native, "status": "FINISHED", "hidden": True}

    def _by_uuid(self, natives: Sequence[str], jobs: Mapping[str, str] | None = None) -> dict[str, Told]:
        """What a search tells of jobs; of one that is over, an active one of the same name in its place.

        Such a twin came of an answer that was lost for long. It was first, and runs the cases.
        """
        found: dict[str, Told] = {}
        names = {job_name(job): native for job, native in (jobs or {}).items()}
        for some in _parts(natives, UUIDS_AT_ONCE):
            answered = self._search(f"uuid IN ({_quoted(some)})", natives)
            asked = frozenset(some)
            found.update((str(one["uuid"]), one) for one in answered if one["uuid"] in asked)
            for one in answered:
                native = names.get(str(one.get("name")), "")
                if found.get(native, {}).get("status") in lifecycle.OVER and one["status"] in ACTIVE:
                    found[native] = one
        return found

    def _search(self, condition: str, ours: Collection[str] = ()) -> list[Told]:
        """Jobs that fit a condition, and all of the user's that are at work on the system, oldest first."""
        place = self._place()
        active = f"(execSystemId = {_quoted([place.system.id])} AND status IN ({_quoted(ACTIVE)}))"
        found = place.session.call(
            "jobs.getJobSearchListByPostSqlStr",
            request_body={"search": [f"{condition} OR {active}" if condition else active]},
            limit=-1,
            orderBy="created(asc)",
            select=ATTRIBUTES,
            safe=True,
        )
        if not isinstance(found, list) or not all(map(_is_job, found)):
            raise BackendError("a search of jobs was answered with something else")
        known = {*ours, *self._known}
        self._others = sum(one["status"] in ACTIVE and one["uuid"] not in known for one in found)
        self._counted_at = time.monotonic()
        return found


def job_name(job: str) -> str:
    """The Tapis name of a job of ours: its id, from the end as much as fits, where it is unique."""
    return job if len(job) <= NAME_MAX else job[-NAME_MAX:].lstrip("-._")


def _is_job(told: Any) -> bool:
    return isinstance(told, dict) and bool(told.get("uuid")) and isinstance(told.get("status"), str)


def _quoted(words: Iterable[str]) -> str:
    return ",".join("'" + word.replace("'", "''") + "'" for word in words)


def _parts(words: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (words[start : start + size] for start in range(0, len(words), size))
