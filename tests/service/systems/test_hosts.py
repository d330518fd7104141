"""Hosts: this machine, and stand-ins whose files are a folder of the service."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.service.systems.hosts import Host


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "127.0.0.1", socket.gethostname()])
def test_this_machine_is_no_stand_in(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("API_KEY", "secret")
    host = Host.of(name, tmp_path)
    assert not host.stand_in
    assert host.folder() == Path("/")
    assert host.evaluate("HOME", "ann") == "/home/me"
    assert host.evaluate("API_KEY", "ann") is None
    assert "API_KEY" not in host.environment("ann")


def test_a_stand_in_has_folders_of_its_own(tmp_path: Path) -> None:
    host = Host.of("Cluster.Example.ORG", tmp_path)
    assert host.stand_in
    assert host.folder() == tmp_path / "hosts" / "cluster.example.org"
    assert host.evaluate("SCRATCH", "ann") == "/scratch/00000/ann"
    assert host.evaluate("WORK", "ann") == "/work/00000/ann"
    assert host.evaluate("HOME", "ann") == "/home/ann"
    assert host.evaluate("USER", "ann") == "ann"
    assert host.evaluate("PATH", "ann") is None
    environment = host.environment("ann")
    assert environment["USER"] == "ann"
    for variable in ("HOME", "WORK", "SCRATCH"):
        real = Path(environment[variable])
        assert real.is_dir()
        seen = host.evaluate(variable, "ann")
        assert seen is not None
        assert real == host.folder() / seen.lstrip("/")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=10))
def test_no_name_leads_out_of_the_folder(name: str, user: str, variable: str) -> None:
    state = Path("/state")
    try:
        host = Host.of(name, state)
        seen = host.evaluate("HOME", user)
    except ValueError:
        return
    assert host.evaluate(f"{variable} x", user) is None
    if host.stand_in:
        assert host.folder().parent == state / "hosts"
        assert host.folder().name not in (".", "..")
        assert seen == f"/home/{user}"
        assert "/" not in user
        assert user not in ("", ".", "..")
