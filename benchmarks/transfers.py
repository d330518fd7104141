"""What moving large files through Tapis costs in memory: weft's streams at 1 GiB, and tapipy's own calls beside them.

Every figure is taken in a fresh process against a service in a process of its own. A first transfer of 1 MiB is not
counted: what it loads is not what a large one costs.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Check, Options, repository, run, table
from benchmarks.service import _peak, _served

SIZE, QUICK_SIZE = 2**30, 2**27
BESIDE = 2**26
"""What tapipy is given to move, since it holds all of it in memory, some of it twice."""
LIMIT_GROWTH = 64.0
WEFT, TAPIPY = "weft", "tapipy"
SYSTEM = "storage"
SMALL = 2**20
PATIENCE = 300.0


def measure(options: Options) -> list[Check]:
    """Moves one file up and down through a service, by weft and by tapipy."""
    size = options.choose(SIZE // 2**20, QUICK_SIZE // 2**20) * 2**20
    print(f"transfers: one file of {_mib(size)} up and down; tapipy moves {_mib(BESIDE)}")
    rows, checks, seconds = [], [], {}
    with _served(options.folder / "service") as (_, port, token):
        for what in ("upload", "download"):
            for who, moved in ((WEFT, size), (WEFT, BESIDE), (TAPIPY, BESIDE)):
                growth, seconds[who] = _in_fresh_process(what, who, moved, port, token, options.folder)
                times = f"{seconds[TAPIPY] / seconds[WEFT]:.1f}" if who == TAPIPY else ""
                share = f"{growth * 2**20 / moved:.2f}"
                rows.append([f"{who}, {what}", _mib(moved), f"{growth:.1f} MiB", share, times])
                if moved == size:
                    name = f"memory that the {what} of {_mib(size)} adds"
                    checks.append(Check(name, growth, LIMIT_GROWTH, "MiB", strict=True))
    print(table(["call", "size", "memory added", "of the size", "time, to weft's"], rows))
    return checks


def _mib(size: int) -> str:
    return f"{size // 2**20} MiB"


def _in_fresh_process(
    what: str, who: str, size: int, port: int, token: str, folder: Path
) -> tuple[float, float]:
    """The MiB by which the peak of a process grows that moves so much, and the seconds it takes."""
    words = [what, who, str(size), f"http://127.0.0.1:{port}", token, str(folder)]
    said = run([sys.executable, "-m", "benchmarks.transfers", *words], cwd=repository(), timeout=PATIENCE)
    growth, seconds = said.split()
    return float(growth), float(seconds)


def _child(what: str, who: str, size: int, url: str, token: str, folder: Path) -> None:
    """Move a file and print what it took; a download brings what the same size has put there."""
    from tapipy.tapis import Tapis

    client = Tapis(base_url=url, access_token=token)
    mover = _by_weft(client) if who == WEFT else _by_tapipy(client)
    for moved in (SMALL, size):
        local = folder / f"{what}-{who}-{moved}"
        if what == "upload":
            local.touch()
            os.truncate(local, moved)
        before = _peak(os.getpid(), reset=True)
        began = time.perf_counter()
        mover[what](local, f"weft/{who}-{moved}")
        seconds = time.perf_counter() - began
        growth = max(0, _peak(os.getpid()) - before) / 2**20
        assert local.stat().st_size == moved
        local.unlink()
    print(growth, seconds)


def _by_weft(client: Any) -> dict[str, Any]:
    from weft.tapis.files import Files
    from weft.tapis.session import Session

    files = Files(Session(client))
    return {
        "upload": lambda local, path: files.upload(local, SYSTEM, path),
        "download": lambda local, path: files.download(SYSTEM, path, local),
    }


def _by_tapipy(client: Any) -> dict[str, Any]:
    return {
        "upload": lambda local, path: client.upload(str(local), SYSTEM, path),
        "download": lambda local, path: local.write_bytes(
            client.files.getContents(systemId=SYSTEM, path=path)
        ),
    }


if __name__ == "__main__":
    _what, _who, _size, _url, _token, _folder = sys.argv[1:]
    _child(_what, _who, int(_size), _url, _token, Path(_folder))
