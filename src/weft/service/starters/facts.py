"""What the definitions depend on: this machine, and where the service keeps its state."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from weft.schedulers.slurm import Partition


class Facts(Struct, frozen=True, kw_only=True):
    """``cores`` and ``memory_mb`` are what all jobs on this machine may use together."""

    folder: Path
    """The service's state folder; the roots of the systems lie in it."""
    owner: str
    cores: int
    memory_mb: int
    python: str
    """Path of the interpreter that the apps ``python`` and ``openseespy`` start."""
    containers: tuple[str, ...] = ()
    """Runtimes besides ZIP that work on this machine, of DOCKER and SINGULARITY."""
    built_in_queue: bool = True
    """Do BATCH jobs of the system ``local`` go to the service's own queue? Otherwise it takes FORK jobs only."""
    partitions: tuple[Partition, ...] = ()
    """Of the Slurm on this machine; empty where there is none."""
