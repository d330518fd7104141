"""The map between mounted paths, addresses and host paths: there and back again, and never by accident."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import UsageError, WeftError
from weft.tapis.paths import Address, Mount, Places, Purge, Tenant, tidy
from weft.tapis.tenants import _book, tenant

FACTS = {"user": "ann", "gid": "01234"}
PROJECTS = {"PRJ-1234": "11111111-2222", "PRJ-12345": "33333333-4444"}
ROOTS = {"stampede3": "/", "cloud.data": "/", "storage": "/srv/weft/storage", "local": "/srv/weft/local/"}
HUB = Places(tenant("designsafe"), facts=FACTS, projects=PROJECTS, roots=ROOTS)

NAMES = st.text(
    st.characters(exclude_characters="/", exclude_categories=["C", "Zl", "Zp"]), min_size=1
).filter(lambda name: name not in (".", ".."))
RESTS = st.lists(NAMES | st.sampled_from(["MyData", "Work", "work", "home", "ann"]), max_size=4).map("/".join)
SYSTEMS = st.sampled_from(
    ["designsafe.storage.default", "cloud.data", "stampede3", "project-11111111-2222", "x"]
)


@pytest.mark.parametrize(
    ("mounted", "address"),
    [
        ("MyData/a b/c", "designsafe.storage.default/ann/a b/c"),
        ("MyData", "designsafe.storage.default/ann"),
        ("CommunityData/x", "designsafe.storage.community/x"),
        ("CommunityData", "designsafe.storage.community/"),
        ("NHERI-Published/PRJ-9", "designsafe.storage.published/PRJ-9"),
        ("Work/stampede3/gm", "cloud.data/work/01234/ann/stampede3/gm"),
        ("MyProjects/PRJ-1234/x", "project-11111111-2222/x"),
        ("MyProjects/PRJ-12345/x", "project-33333333-4444/x"),
    ],
)
def test_what_the_hub_of_designsafe_shows(mounted: str, address: str) -> None:
    path, said = f"/home/jupyter/{mounted}", f"tapis://{address}"
    assert str(HUB.address(path)) == said
    assert HUB.mounted(Address.parse(said)) == path


@pytest.mark.parametrize(
    "path",
    [
        "/scratch/ann/MyData/x",
        "/home/ann/home/jupyter/MyData/x",
        "/home/jupyter/projects/MyData",
        "/home/jupyter/MyDataset/x",
        "/home/jupyter/MyData/../elsewhere",
        "/home/jupyter",
        "MyData/x",
        "home/jupyter/MyData/x",
        "/home/jupyter/mydata/x",
        "",
    ],
)
def test_what_only_looks_like_a_mount_is_left_alone(path: str) -> None:
    assert HUB.address(path) is None


@given(st.sampled_from(HUB.folders), RESTS)
def test_from_mounted_to_address_and_back(folder: str, rest: str) -> None:
    path = f"{folder}/{rest}".rstrip("/")
    address = HUB.address(path)
    assert address is not None
    assert HUB.mounted(address) == path
    assert Address.parse(str(address)) == address


@given(SYSTEMS, st.sampled_from(["", "ann", "anna", "work/01234/ann", "work2/01234/ann"]), RESTS)
def test_from_address_to_mounted_and_back(system: str, above: str, rest: str) -> None:
    address = Address(system, tidy(f"{above}/{rest}"))
    mounted = HUB.mounted(address)
    if mounted is not None:
        back = HUB.address(mounted)
        assert back is not None
        assert HUB.on(system, back) == address


@given(st.sampled_from(sorted(ROOTS)), RESTS)
def test_from_address_to_host_and_back(system: str, rest: str) -> None:
    address = Address(system, rest)
    path = HUB.host_path(address)
    assert path.startswith("/")
    assert "//" not in path
    assert HUB.from_host(system, path) == address


@given(RESTS)
def test_one_storage_seen_from_two_systems(rest: str) -> None:
    seen = Address("cloud.data", f"work/{rest}".rstrip("/"))
    there = HUB.on("stampede3", seen)
    assert there == Address("stampede3", f"work2/{rest}".rstrip("/"))
    assert there is not None
    assert HUB.on("cloud.data", there) == seen
    assert HUB.on("ls6", seen) is None
    assert HUB.on("cloud.data", seen) == seen
    assert HUB.on("stampede3", Address("cloud.data", f"works/{rest}")) is None


def test_a_path_outside_of_the_root_has_no_address() -> None:
    assert HUB.from_host("storage", "/srv/weft/storage2/x") is None
    assert HUB.from_host("storage", "/srv/weft/storage/../x") is None
    assert HUB.from_host("storage", "srv/weft/storage/x") is None
    assert HUB.from_host("unknown", "/x") is None
    with pytest.raises(WeftError, match="root directory of system unknown"):
        HUB.host_path(Address("unknown", "x"))


def test_only_mounts_that_exist_are_used() -> None:
    some = Places(tenant("designsafe"), facts=FACTS, mounted=["/home/jupyter/MyData"])
    assert "/home/jupyter/Work" in some.folders
    assert some.address("/home/jupyter/MyData/x") == Address("designsafe.storage.default", "ann/x")
    assert some.address("/home/jupyter/CommunityData/x") is None
    assert some.mounted(Address("designsafe.storage.community", "x")) is None


def test_what_is_missing_for_an_address_is_said() -> None:
    bare = Places(tenant("designsafe"), facts={"user": "ann"})
    with pytest.raises(WeftError, match=r"takes your gid, which is not known\n  hint: give its tapis://"):
        bare.address("/home/jupyter/Work/stampede3/x")
    with pytest.raises(WeftError, match="UUID of project PRJ-1234 is not known"):
        bare.address("/home/jupyter/MyProjects/PRJ-1234/x")
    assert bare.address("/home/jupyter/MyProjects") is None


def test_the_deepest_mount_counts() -> None:
    both = Tenant(
        home="/h",
        mounts=(Mount(folder="a", address="tapis://one"), Mount(folder="a/b", address="tapis://two/deep")),
    )
    places = Places(both)
    assert places.address("/h/a/b/c") == Address("two", "deep/c")
    assert places.address("/h/a/bc") == Address("one", "bc")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/home/x", "is not an address on Tapis"),
        ("https://tapis.io/x", "is not an address on Tapis"),
        ("tapis:/system/x", "is not an address on Tapis"),
        ("tapis://", "the system is missing"),
        ("tapis:///x", "the system is missing"),
        ("tapis://sy stem/x", "`sy stem` is not the name of a system"),
        ("tapis://system/../x", "cannot go up"),
        ("tapis://system/a\nb", "no control characters"),
    ],
)
def test_what_is_no_address_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as problem:
        Address.parse(text)
    assert problem.value.hint


def test_an_address_is_read_as_it_stands() -> None:
    address = Address.parse("tapis://my.system-1//a/./b%20c #?/")
    assert address == Address("my.system-1", "a/b%20c #?")
    assert (address.name, str(address)) == ("b%20c #?", "tapis://my.system-1/a/b%20c #?")
    assert address / "d" == Address("my.system-1", "a/b%20c #?/d")
    assert (address / "d/e").below(address) == "d/e"
    assert address.below(address) == ""
    assert address.below(Address("my.system-1", "a/b")) is None
    assert address.below(Address("other")) is None


@given(st.text())
def test_tidying_twice_changes_nothing(path: str) -> None:
    try:
        once = tidy(path)
    except UsageError:
        assert ".." in path or re.search(r"[\x00-\x1f\x7f]", path)
        return
    assert tidy(once) == once
    assert not once.startswith("/")


# ---- the data


@pytest.mark.parametrize("name", sorted(_book()))
def test_the_data_of_every_tenant_holds_together(name: str) -> None:
    known = tenant(name)
    date.fromisoformat(known.as_of)
    places = Places(known, facts=FACTS, projects=PROJECTS)
    assert str(places.storage()).endswith("/ann/weft")
    assert len(places.folders) == len(known.mounts) + (len(PROJECTS) if known.projects else 0)
    for system, path in known.stores.items():
        assert tidy(places.filled(path)), system
    for group in known.same:
        assert len({Address.parse(each).system for each in group}) == len(group)
    for rule in known.purges:
        assert known.purge_days(Address.parse(rule.below) / "ann") == rule.days


def test_a_tenant_is_found_by_its_address_and_may_be_unknown() -> None:
    assert tenant("", "https://designsafe.tapis.io/").name == "designsafe"
    assert tenant("local", "https://designsafe.tapis.io").name == "local"
    nobody = Places(tenant("nobody", "https://x"), facts=FACTS)
    assert nobody.folders == ()
    with pytest.raises(WeftError, match="no storage is known for tenant nobody"):
        nobody.storage()


def test_work_is_never_purged_and_scratch_is() -> None:
    known = tenant("designsafe")
    assert known.purge_days(Address.parse("tapis://stampede3/scratch/01234/ann/x")) == 10
    assert known.purge_days(Address.parse("tapis://stampede3/work2/01234/ann/x")) is None
    assert known.purge_days(Address.parse("tapis://stampede3/scratches/x")) is None
    two = Tenant(purges=(Purge(below="tapis://a", days=9), Purge(below="tapis://a/b", days=3)))
    assert two.purge_days(Address("a", "b/c")) == 3
