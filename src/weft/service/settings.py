"""How one service is set up: what ``weft serve`` was told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

PaceName = Literal["instant", "tapis"]
ForkExit = Literal["tapis", "real"]


class Settings(Struct, frozen=True, kw_only=True):
    """``database`` is empty for the SQLite file in the folder; ``output_limit`` is in bytes, 0 for none.

    ``slurm`` is None to use Slurm where it is found. ``fork_exit`` says whose word counts for a FORK job:
    "tapis" believes the file ``tapisjob.exitcode`` and takes its absence for success, as the real service does;
    "real" takes the exit code of the process.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    database: str = ""
    tenant: str = "local"
    site: str = "weft"
    pace: PaceName = "instant"
    speed: float = 1.0
    seed: int | None = None
    fork_exit: ForkExit = "tapis"
    slurm: bool | None = None
    allow_http_sources: bool = False
    allow_remote_webhooks: bool = False
    output_limit: int = 0
    processes: int = 64
    faults: Path | None = None
    access_ttl: int = 14_400
    refresh_ttl: int = 31_536_000

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.folder / 'service.sqlite'}"
