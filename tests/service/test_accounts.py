from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from weft.errors import UsageError, WeftError
from weft.service.accounts import Accounts


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "a folder" / "users.json")


def test_a_user_is_admitted_with_the_right_password_only(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    assert accounts.admits("ann", "correct horse")
    assert not accounts.admits("ann", "correct horsf")
    assert not accounts.admits("bob", "correct horse")
    assert not accounts.admits("ann", "\udcff\0")


def test_the_file_holds_no_password_and_is_the_owners_alone(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    assert b"correct horse" not in accounts.file.read_bytes()
    assert stat.S_IMODE(accounts.file.stat().st_mode) == 0o600


def test_the_same_password_leaves_two_different_hashes(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    accounts.add("bob", "correct horse")
    ann, bob = accounts.find("ann"), accounts.find("bob")
    assert ann and bob and ann.password != bob.password
    assert ann.admin and not bob.admin


def test_what_another_process_adds_is_seen(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    assert accounts.names() == ["ann"]
    Accounts(accounts.file).add("bob", "battery staple")
    assert accounts.names() == ["ann", "bob"]
    Accounts(accounts.file).add("ann", "new password")
    assert accounts.admits("ann", "new password")
    assert accounts.find("ann").admin


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "a" * 65, "é", "a\n", "a/b", "a@b"])
def test_a_name_that_could_mean_something_else_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        accounts.add(name, "correct horse")


def test_a_short_password_is_refused(accounts: Accounts) -> None:
    with pytest.raises(UsageError, match="too short"):
        accounts.add("ann", "1234567")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"ann": 1}', b"\xff"])
def test_a_damaged_file_is_told_and_left_alone(accounts: Accounts, content: bytes) -> None:
    accounts.file.parent.mkdir()
    accounts.file.write_bytes(content)
    with pytest.raises(WeftError, match=r"file of users is damaged") as caught:
        accounts.add("ann", "correct horse")
    assert "hint" in str(caught.value)
    assert accounts.file.read_bytes() == content


def test_parameters_stand_beside_each_hash(accounts: Accounts) -> None:
    """So that old hashes stay valid when the parameters grow."""
    accounts.add("ann", "correct horse")
    stored = msgspec.json.decode(accounts.file.read_bytes())["ann"]["password"].split("$")
    assert stored[0] == "scrypt"
    assert len(stored) == 6
