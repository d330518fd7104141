"""The built-in queue: which batch jobs run where there is no Slurm, and how many processes FORK jobs may have at once.

First come, first served, and nobody overtakes: a job that needs more cores than are free holds up those behind it, so
that it gets them in the end. A job that asks for more than there is gets all there is. Nothing is stored: after a
restart the jobs themselves say again who runs (``occupy``) and who waits (``ask``).
"""

from __future__ import annotations

import bisect
import threading


class Queue:
    """Places for jobs, in cores; safe to share between threads."""

    def __init__(self, cores: int) -> None:
        self.cores = max(1, cores)
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._waiting: list[tuple[int, str, int]] = []

    def ask(self, uuid: str, order: int, cores: int = 1) -> bool:
        """Whether the job may run now; it has its place from then on. ``order`` is its rank among those that wait."""
        with self._lock:
            entry = (order, uuid, self._granted(cores))
            if uuid not in self._running and entry not in self._waiting:
                bisect.insort(self._waiting, entry)
                self._admit()
            return uuid in self._running

    def occupy(self, uuid: str, cores: int = 1) -> None:
        """Count a job that runs already."""
        with self._lock:
            self._running[uuid] = self._granted(cores)

    def leave(self, uuid: str) -> list[str]:
        """Take the job out, whether it ran or waited; the jobs that may run now because of it."""
        with self._lock:
            self._running.pop(uuid, None)
            self._waiting = [entry for entry in self._waiting if entry[1] != uuid]
            return self._admit()

    def _granted(self, cores: int) -> int:
        return max(1, min(cores, self.cores))

    def _admit(self) -> list[str]:
        admitted: list[str] = []
        free = self.cores - sum(self._running.values())
        while self._waiting and self._waiting[0][2] <= free:
            _, uuid, cores = self._waiting.pop(0)
            self._running[uuid] = cores
            free -= cores
            admitted.append(uuid)
        return admitted
