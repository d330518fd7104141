"""A real Slurm for tests: two pretended nodes, started once for the whole session and stopped at its end.

    def test_something(slurm: Cluster) -> None:
        ... env=os.environ | slurm.environment ...

Debian's packages are installed where they are missing and may be; else the tests are skipped, or fail where
WEFT_NEED_SLURM or CI is set.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from weft.schedulers.slurm import Seen, Slurm

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
PACKAGES = ("munge", "slurm-client", "slurmctld", "slurmd")
PACKAGES_OF_ACCOUNTING = ("mariadb-server", "slurmdbd")


class Cluster:
    """A running cluster. Several tests may use it at a time: ask only about jobs of your own."""

    partitions = ("normal", "debug", "flex")
    """The first is the default, jobs of the second end after 10 minutes, the third's give way to the first's."""
    nodes = ("n1", "n2")

    def __init__(self, folder: Path, *, accounting: bool) -> None:
        self.folder = folder
        self.accounting = accounting
        started = subprocess.run(
            [SCRIPTS / "slurm-cluster", "start", folder, *(["--accounting"] if accounting else [])],
            capture_output=True,
            text=True,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        words = (folder / "environment").read_text().split()
        self.environment = dict(word.split("=", 1) for word in words if "=" in word)
        """To be merged into ``os.environ``."""

    @property
    def conf(self) -> Path:
        return Path(self.environment["SLURM_CONF"])

    def slurm(self, **more: str) -> Slurm:
        """What weft has for speaking to it."""
        return Slurm(os.environ | self.environment | more)

    def run(self, *command: str) -> str:
        """What a command prints that runs with this cluster's environment; it must end well."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    def wait(
        self, ids: Iterable[str], until: Callable[[Seen], bool] = lambda seen: seen.state.ended
    ) -> dict[str, Seen]:
        """Look until this is so for all of them; fails after two minutes."""
        asked, slurm, end = list(ids), self.slurm(), time.monotonic() + 120.0
        while True:
            seen = slurm.look(asked)
            if len(seen) == len(asked) and all(until(each) for each in seen.values()):
                return seen
            assert time.monotonic() < end, f"waited for two minutes, and then: {seen}"
            time.sleep(0.1)

    def mend(self, node: str) -> None:
        """Bring back a node that a test has set down; fails after a minute."""
        environment, end = os.environ | self.environment, time.monotonic() + 60.0
        while not re.fullmatch(
            r"idle|mixed|allocated", self.run("sinfo", "-hN", "-n", node, "-o", "%T").split()[0]
        ):
            # It may come back by itself in between: then this is an error.
            command = ["scontrol", "update", f"nodename={node}", "state=resume"]
            subprocess.run(command, env=environment, capture_output=True, check=False)
            assert time.monotonic() < end, f"{node} does not come back"
            time.sleep(0.1)

    def stop(self) -> None:
        subprocess.run([SCRIPTS / "slurm-cluster", "stop", self.folder], capture_output=True, check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def slurm(pytestconfig: pytest.Config) -> Cluster:
    """A cluster without accounting, as most small ones are."""
    return _once(pytestconfig, accounting=False)


@pytest.fixture(scope="session")
def slurm_accounting(pytestconfig: pytest.Config) -> Cluster:
    """A cluster whose accounts ``sacct`` reads."""
    return _once(pytestconfig, accounting=True)


_running: dict[bool, Cluster] = {}


def _once(config: pytest.Config, *, accounting: bool) -> Cluster:
    if accounting not in _running:
        _installed(PACKAGES + (PACKAGES_OF_ACCOUNTING if accounting else ()))
        folder = Path(tempfile.mkdtemp(prefix="weft-slurm-", dir="/tmp"))  # sockets want short paths
        # One at a time on a machine: ports are looked for, and others that run tests look as well.
        with Path(tempfile.gettempdir(), "weft-slurm-start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _running[accounting] = Cluster(folder, accounting=accounting)
        config.add_cleanup(lambda: _running.pop(accounting).stop())
    return _running[accounting]


def _installed(packages: Iterable[str]) -> None:
    """Skip, or fail where Slurm must be there, with the reason that the installer gives."""
    done = subprocess.run(
        [SCRIPTS / "debian-packages", *packages], capture_output=True, text=True, check=False
    )
    if not done.returncode:
        return
    reason = f"there is no Slurm here: {done.stderr.strip()}"
    if os.environ.get("CI") or os.environ.get("WEFT_NEED_SLURM"):
        pytest.fail(reason)
    pytest.skip(reason)
