"""What of a job's outputs is archived: filters, elements, sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.jobs.execution.test_quotas import job

from weft.service.apps.model import ArchiveFilter
from weft.service.jobs.execution import archive, filters
from weft.service.jobs.execution.filters import BadFilter, kept
from weft.service.jobs.model import Job

PATHS = ["a.txt", "b.out", "deep/a.txt", "deep/er/b.out", "deep/c[1].log", "x\ny", "-", "tapisjob.env"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["a.txt", "b.out", "x\ny", "-", "tapisjob.env"]),
        ("**", PATHS),
        ("*.txt", ["a.txt"]),
        ("**.txt", ["a.txt", "deep/a.txt"]),
        ("**/*.txt", ["deep/a.txt"]),
        ("*/*.txt", ["deep/a.txt"]),
        ("deep/**", ["deep/a.txt", "deep/er/b.out", "deep/c[1].log"]),
        ("deep", []),
        ("?.txt", ["a.txt"]),
        ("deep?a.txt", []),
        ("{a,b}.*", ["a.txt", "b.out"]),
        ("{a.txt,deep/er/*}", ["a.txt", "deep/er/b.out"]),
        ("[ab].*", ["a.txt", "b.out"]),
        ("[!a].*", ["b.out"]),
        ("[a-c]*.[!t]*", ["b.out"]),
        ("**[[]1]*", ["deep/c[1].log"]),
        ("**\\[1\\]*", ["deep/c[1].log"]),
        ("[-]", ["-"]),
        ("[--a]", ["-"]),
        ("deep[/]a.txt", BadFilter),
        ("a,txt", []),
        ("A.TXT", []),
        ("REGEX:.*\\.(txt|out)", ["a.txt", "b.out", "deep/a.txt", "deep/er/b.out"]),
        ("REGEX:a", []),
        ("REGEX:[^/]+\\.txt", ["a.txt"]),
        ("", []),
        ("{a", BadFilter),
        ("{a{b}}", BadFilter),
        ("[a", BadFilter),
        ("[]", BadFilter),
        ("[!]", BadFilter),
        ("[z-a]", BadFilter),
        ("a\\", BadFilter),
        ("REGEX:(", BadFilter),
        ("REGEX:*", BadFilter),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, found: Any) -> None:
    if found is BadFilter:
        with pytest.raises(BadFilter, match="archive filter"):
            kept(PATHS, [pattern], [])
    else:
        assert kept(PATHS, [pattern], []) == found
        assert kept(PATHS, [], [pattern]) == [path for path in PATHS if path not in found]


@pytest.mark.parametrize(
    ("includes", "excludes", "left"),
    [
        ([], [], PATHS),
        (["*.txt"], ["a*"], []),
        (["**.txt", "*.out"], ["a.txt"], ["b.out", "deep/a.txt"]),
        ([], ["**"], []),
    ],
)
def test_excludes_go_first(includes: list[str], excludes: list[str], left: list[str]) -> None:
    assert kept(PATHS, includes, excludes) == left


@pytest.mark.parametrize("pattern", ["REGEX:(a*)*b", "*a*a*a*a*a*a*a*a*a*a*a*b", "{a,aa}" * 30 + "b"])
def test_a_pattern_that_takes_for_ever_is_given_up(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "PATIENCE", 1.0)
    with pytest.raises(BadFilter, match="took longer"):
        kept(["a" * 60, "a" * 200], [pattern], [])


def matches(pattern: str, path: str) -> bool:
    """Globs of ``*``, ``**``, ``?`` and plain characters, by their definition."""
    if not pattern:
        return not path
    if pattern.startswith("**"):
        return any(matches(pattern[2:].lstrip("*"), path[at:]) for at in range(len(path) + 1))
    if pattern[0] == "*":
        ends = path.split("/")[0]
        return any(matches(pattern[1:], path[at:]) for at in range(len(ends) + 1))
    if not path or (pattern[0] == "?" and path[0] == "/"):
        return False
    return pattern[0] in ("?", path[0]) and matches(pattern[1:], path[1:])


@given(st.text("ab*?/.", max_size=8), st.lists(st.text("ab/.", max_size=8), max_size=4))
def test_globs_are_matched_by_their_definition(pattern: str, paths: list[str]) -> None:
    assert kept(paths, [pattern], []) == [path for path in paths if matches(pattern, path)]


@given(st.text(max_size=12))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    try:
        kept(["a/b", ""], [pattern.removeprefix("REGEX:")], [])
    except BadFilter:
        pass


def made(wanted: ArchiveFilter | None = None, **given: Any) -> Job:
    base = job()
    parameters = msgspec.structs.replace(base.parameter_set, archive_filter=wanted or ArchiveFilter())
    given = {
        "exec_system_exec_dir": "/run",
        "exec_system_output_dir": "/run/out",
        "archive_system_id": "store",
        "archive_system_dir": "/kept",
        **given,
    }
    return msgspec.structs.replace(base, parameter_set=parameters, **given)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    for name in ("a.txt", "deep/b.out", "tapisjob.env"):
        (tmp_path / name).write_text("12345")
    (tmp_path / "loop").symlink_to(tmp_path)
    return tmp_path


WHOLE = ("tapis://s/run/out", "tapis://store/kept")
SCRIPT = ("tapis://s/run/tapisjob.sh", "tapis://store/kept/tapisjob.sh")
ENVIRONMENT = ("tapis://s/run/tapisjob.env", "tapis://store/kept/tapisjob.env")
TEXT = ("tapis://s/run/out/a.txt", "tapis://store/kept/a.txt")
SAME: dict[str, Any] = {"archive_system_id": "s", "archive_system_dir": "/run/out"}
ONE: dict[str, Any] = {"exec_system_exec_dir": "/run/out"}


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [
        (ArchiveFilter(), {}, [WHOLE, SCRIPT, ENVIRONMENT]),
        (ArchiveFilter(include_launch_files=False), {}, [WHOLE]),
        (ArchiveFilter(), ONE, [WHOLE]),
        (ArchiveFilter(includes=["*.txt"]), {}, [TEXT, SCRIPT, ENVIRONMENT]),
        (ArchiveFilter(includes=["*.txt"], include_launch_files=False), {}, [TEXT]),
        (ArchiveFilter(excludes=["**"], include_launch_files=False), {}, []),
        (ArchiveFilter(excludes=["**"]), {}, [SCRIPT, ENVIRONMENT]),
        (ArchiveFilter(), {**SAME, **ONE}, []),
        (ArchiveFilter(includes=["*.txt"]), {**SAME, **ONE}, []),
        (
            ArchiveFilter(),
            SAME,
            [
                (SCRIPT[0], "tapis://s/run/out/tapisjob.sh"),
                (ENVIRONMENT[0], "tapis://s/run/out/tapisjob.env"),
            ],
        ),
    ],
)
def test_elements(
    output: Path, wanted: ArchiveFilter, given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = archive.elements(made(wanted, **given), output)
    assert [(each.source, each.destination) for each in found] == expected


def test_launch_files_that_filters_chose_are_not_doubled(output: Path) -> None:
    found = archive.elements(made(ArchiveFilter(includes=["*.env"]), **ONE), output)
    assert [each.source.rpartition("/")[2] for each in found] == ["tapisjob.env", "tapisjob.sh"]


def test_who_shared_the_app_lends_his_rights(output: Path) -> None:
    attributes = ["SAC_EXEC_SYSTEM_OUTPUT_DIR"]
    found = archive.elements(made(shared_app_ctx="lender", shared_app_ctx_attribs=attributes), output)
    assert {(each.source_shared_by, each.destination_shared_by) for each in found} == {("lender", "")}


def test_sizes_are_counted_once_and_no_further_than_needed(output: Path) -> None:
    link = os.lstat(output / "loop").st_size
    assert archive.size_of({output, output / "deep"}, 10**9) == 15 + link
    assert archive.size_of({output / "nothing"}, 10) == 0
    assert 1 < archive.size_of({output}, 1) <= 15 + link
