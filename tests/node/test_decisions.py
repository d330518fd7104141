"""The runner's decisions, as data: pure functions without a process or a file."""

from typing import Any

import pytest

from weft.node import runner
from weft.node.runner import Case, Deadline, Entry

GB = 10**9


@pytest.mark.parametrize(
    ("wanted", "cores", "cores_each", "memory", "memory_mb", "slots", "remark"),
    [
        (None, 8, 1, 64 * GB, 0, 8, None),
        (None, 8, 3, 64 * GB, 0, 2, None),
        (None, 8, 1, 10 * GB, 2250, 4, None),  # 9 of 10 GB are given away, and a GB is 1,000 MB
        (None, 8, 1, 0, 2048, 8, None),  # memory unknown
        (None, 8, 16, 64 * GB, 0, 1, "wants 16 cores"),
        (None, 8, 1, 1 * GB, 2048, 1, "may use 2048 MB, the machine has 1000 MB"),
        (5, 8, 1, 1 * GB, 2048, 5, None),  # decided already
    ],
)
def test_slots_come_from_cores_and_memory(
    wanted: int | None,
    cores: int,
    cores_each: int,
    memory: int,
    memory_mb: int,
    slots: int,
    remark: str | None,
) -> None:
    count, note = runner.count_slots(wanted, cores, cores_each, memory, memory_mb)
    assert count == slots
    assert (remark in note) if remark and note else note is remark


@pytest.mark.parametrize(
    ("now", "estimate", "stop_at", "fits"),
    [
        (0, 1e9, None, True),
        (0, 9, 10, True),
        (0, 10, 10, False),
        (5, 6, 10, False),
        (5, None, 10, True),
        (10, None, 10, False),
    ],
)  # fmt: skip
def test_a_case_fits_if_it_ends_before_we_must_stop(
    now: float, estimate: float | None, stop_at: float | None, fits: bool
) -> None:
    assert runner.fits(now, estimate, stop_at) is fits


@pytest.mark.parametrize(("seconds", "reserve"), [(4, 1), (100, 10), (3600, 72), (172800, 120)])
def test_some_time_before_the_deadline_is_for_packing(seconds: float, reserve: float) -> None:
    assert runner.packing_reserve(seconds) == reserve
    deadline = Deadline(seconds, 1000.0, 5.0)
    assert deadline.stop_at == 1000.0 + seconds - reserve
    assert deadline.grace <= reserve / 2


def test_without_a_deadline_nothing_stops() -> None:
    assert (Deadline(None, 0.0, 5.0).stop_at, Deadline(None, 0.0, 5.0).grace) == (None, 5.0)


def case(id: str, seconds: float | None) -> Case:
    return Case(id, "true", {}, {}, [], [], seconds, None, None)


def test_known_cases_run_longest_first_then_the_unknown_in_order() -> None:
    cases = [case("a", None), case("b", 0), case("c", 5), case("d", None), case("e", 9)]
    assert [c.id for c in runner.longest_first(cases)] == ["e", "c", "b", "a", "d"]


@pytest.mark.parametrize(
    ("text", "value", "complaint"),
    [
        (b'{"a": 1, "b": -2.5e3, "c": "x"}', {"a": 1, "b": -2500.0, "c": "x"}, None),
        (b'{"d": true, "e": null}', {"d": True, "e": None}, None),
        (b"\xef\xbb\xbf{}", {}, None),
        (b"", None, "is not JSON"),
        (b"{'a': 1}", None, "is not JSON"),
        (b"\xff\xfe", None, "is not JSON"),
        (b"[" * 100_000, None, "is not JSON"),
        (b"3", None, "is not a JSON object"),
        (b'{"a": NaN}', None, "'a' is not finite"),
        (b'{"a": Infinity}', None, "'a' is not finite"),
        (b'{"ok": 1, "a": -1e400}', None, "'a' is not finite"),
        (b'{"a": 1' + b"0" * 400 + b"}", None, "'a' is not finite"),
        (b'{"a": []}', None, "'a' is nested"),
        (b'{"a": {"b": NaN}}', None, "'a' is nested"),
    ],
)  # fmt: skip
def test_a_result_is_a_flat_object_of_finite_values(text: bytes, value: Any, complaint: str | None) -> None:
    result, why = runner.read_result(text, "r.json")
    assert result == value
    assert (why is None) if complaint is None else (why is not None and complaint in why and "r.json" in why)


@pytest.mark.parametrize(
    ("exit_", "signal_", "missing", "bad", "outcome", "why"),
    [
        (0, None, None, None, "FINISHED", None),
        (0, None, "no a", "bad b", "FAILED", "no a"),
        (0, None, None, "bad b", "FAILED", "bad b"),
        (2, None, "no a", None, "FAILED", "exit 2"),
        (127, None, None, None, "FAILED", "exit 127: a command was not found"),
        (139, None, None, None, "FAILED", "exit 139 (128 + 11 SIGSEGV)"),
        (None, 9, "no a", None, "FAILED", "killed by signal 9 SIGKILL"),
    ],
)
def test_a_case_is_finished_only_if_all_is_well(
    exit_: int | None,
    signal_: int | None,
    missing: str | None,
    bad: str | None,
    outcome: str,
    why: str | None,
) -> None:
    assert runner.judge(exit_, signal_, missing, bad) == (outcome, why)


@pytest.mark.parametrize(
    ("size", "limit", "parts"),
    [(0, 10, (0, 0, 0)), (10, 10, (10, 0, 0)), (11, 10, (5, 1, 5)), (100, 9, (4, 91, 5))],
)
def test_a_log_beyond_its_limit_loses_its_middle(size: int, limit: int, parts: tuple[int, int, int]) -> None:
    assert runner.log_parts(size, limit) == parts


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*.out", ["a.out", ".out", "a b.out", "ü.out", "a\nb.out"], ["d/a.out", "a.outx", "a.ou"]),
        ("**/*.out", ["a.out", "d/a.out", "d/e/a.out"], ["a.txt"]),
        ("**", ["a", "d/e/f"], []),
        ("d", ["d", "d/a", "d/e/a"], ["da", "e/d"]),
        ("d/", ["d/a"], ["e/d/a"]),
        ("d/*.out", ["d/a.out"], ["d/e/a.out", "a.out"]),
        ("d/**", ["d/a", "d/e/a"], ["a"]),
        ("d/**/a", ["d/a", "d/e/f/a"], ["a", "d/b"]),
        ("a[0-9].out", ["a1.out"], ["ax.out", "a.out"]),
        ("a[!0-9]b", ["axb"], ["a1b", "a/b"]),
        ("a?b", ["axb"], ["a/b", "ab"]),
        ("a+(b).o^t", ["a+(b).o^t"], ["aab.o^t"]),
        ("./a", ["a"], ["b"]),
        ("a[", ["a["], ["a"]),
    ],
)  # fmt: skip
def test_keep_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    assert [name for name in matching + other if runner.matches(pattern, name)] == matching


def test_only_a_case_s_own_regular_files_count_as_its_output() -> None:
    files = [
        Entry("a.out", "", "other", 5, 0.0),
        Entry("b.out", "", "file", 0, 0.0),
        Entry("c.out", "", "link", 3, 0.0),
    ]
    assert runner.missing_output(["c.out", "*.out"], files) is None
    assert runner.missing_output(["a.out"], files) == "expected output a.out is missing"
    assert runner.missing_output(["b.out"], files) == "expected output b.out is empty"


def test_the_setup_s_changes_are_shown_without_secrets() -> None:
    before = {"PATH": "/bin", "SAME": "1", "GONE": "1"}
    after = {"PATH": "/opt:/bin", "SAME": "1", "my_api_key": "x", "PWD": "/", "LONG": "y" * 3000}
    changed = runner.changed_variables(before, after)
    assert changed == {"PATH": "/opt:/bin", "my_api_key": "***", "LONG": "y" * 2000}


def test_the_tail_of_a_log_is_short() -> None:
    assert runner.text_tail(b"\n".join(b"%d" % n for n in range(50)) + b"\n\n") == "\n".join(
        str(n) for n in range(30, 50)
    )
    assert len(runner.text_tail(b"x" * 9000)) == 2000
    assert runner.text_tail(b"\xff\n") == "\ufffd"
