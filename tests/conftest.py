"""What all tests share: how many trials a property gets, and which seed is replayed."""

from __future__ import annotations

import os
from typing import Any

import hypothesis
import pytest

# How long one example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile(
    "weft", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("weft")

pytest_plugins = ["tests.slurm", "tests.postgresql"]

PROVE = os.environ.get("WEFT_PROVE") == "1"
"""Set by ``make prove``: full counts instead of reduced ones."""


@pytest.fixture(scope="session", autouse=True)
def home_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests run is not in the history of whoever runs them."""
    os.environ["WEFT_HOME"] = str(tmp_path_factory.mktemp("home-of-nobody"))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A process that dies ends the run: with a new one in its place, ``--dist loadfile`` may wait for ever."""
    if error:
        shares = node.config.pluginmanager.getplugin("dsession").sched.assigned_work.get(node, {})
        left = [test for share in shares.values() for test, done in share.items() if not done]
        pytest.exit(f"a process of tests died: {error}; it was at {left[:1]}", returncode=1)


def count(fast: int, full: int) -> int:
    """How many trials: ``full`` under ``make prove``, else ``fast``."""
    return full if PROVE else fast


def seeds(fast: int, full: int) -> range | list[int]:
    """The seeds of a property's trials; ``WEFT_SEED=n`` replays a single one."""
    chosen = os.environ.get("WEFT_SEED")
    return [int(chosen)] if chosen else range(count(fast, full))
