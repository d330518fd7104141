"""What changes a revision, and what must not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from weft.core.revision import normal_command, revision
from weft.model import Model, Output, Parameter, Resources, Retry, Step, Study

B = Parameter(values=(1, 2), default=1, has_default=True)
A = Parameter(values=(1, 2))
RECORD = Parameter(values=("r/1.AT2", "r/2.AT2"), is_file=True)
STUDY = Study(
    name="s",
    folder="/s",
    file="study.toml",
    model=Model(command="run --a {a}", inputs=("m.py",), env={"X": "1"}, setup=("module load x",)),
    parameters={"a": A, "record": RECORD},
)
DIGESTS = {"m.py": "11", "r/1.AT2": "22", "r/2.AT2": "33"}


def changed(study: Study = STUDY, **what: Any) -> Study:
    model = {key: value for key, value in what.items() if key in Model.__struct_fields__}
    rest = {key: value for key, value in what.items() if key not in model}
    return msgspec.structs.replace(study, model=msgspec.structs.replace(study.model, **model), **rest)


@pytest.mark.parametrize(
    "what",
    [
        {"command": "run --a {a} --fast"},
        {"command": "run --a '{{a}}  x'"},
        {"setup": ()},
        {"env": {"X": "2"}},
        {"env": {}},
        {"expect": ("x.out",)},
        {"result": "r.json"},
        {"before": Step(command="make")},
    ],
)
def test_what_changes_a_result_changes_the_revision(what: dict[str, Any]) -> None:
    assert revision(changed(**what), DIGESTS) != revision(STUDY, DIGESTS)


@pytest.mark.parametrize(
    "what",
    [
        {"command": "  run   --a \t{a} "},
        {"command": "run \\\n  --a {a}\n"},
        {"finish": "sum"},
        {"workdir": "job"},
        {"name": "t"},
        {"folder": "/t"},
        {"file": "t.toml"},
        {"output": Output(keep=("*",))},
        {"resources": Resources(cores=9)},
        {"retry": Retry(attempts=9)},
        {"after": Step(command="plot")},
        {"backend": "slurm"},
    ],
)
def test_what_changes_no_result_leaves_the_revision(what: dict[str, Any]) -> None:
    assert revision(changed(**what), DIGESTS) == revision(STUDY, DIGESTS)


def test_contents_count() -> None:
    assert revision(STUDY, {**DIGESTS, "m.py": "12"}) != revision(STUDY, DIGESTS)
    assert revision(STUDY, DIGESTS, {"t": "x"}) != revision(STUDY, DIGESTS, {"t": "y"})
    assert revision(STUDY, {**DIGESTS, "t": "1"}) != revision(STUDY, {**DIGESTS, "t": "2"})


def test_before_and_its_parts_count() -> None:
    steps = [Step(command="make"), Step(command="make x"), Step(command="make", outputs=("y",))]
    assert len({revision(changed(before=step), DIGESTS) for step in steps}) == 3


def test_another_file_as_a_value_changes_nothing_and_an_edited_one_does() -> None:
    more = changed(
        parameters={"a": A, "record": msgspec.structs.replace(RECORD, values=(*RECORD.values, "r/3.AT2"))}
    )
    digests = {**DIGESTS, "r/3.AT2": "44"}
    assert revision(more, digests, first=DIGESTS) == revision(STUDY, DIGESTS)
    edited = {**digests, "r/1.AT2": "99"}
    assert revision(more, edited, first=digests) != revision(STUDY, DIGESTS)
    assert revision(more, digests, first=digests) == revision(STUDY, DIGESTS)  # put back


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("run --a {a}", "run --a {a} --b {b}"),
        ("run --a {a}", "run --b {b} --a {a}"),
        ("run --a {a}", "run --b={b} --a {a}"),
        ("run --a {a}", "run {b} --a {a}"),
        ("run --a {a}", 'run --a {a} --b "{b}"'),
        ("run --a {a}", "run --a {a} \\\n  --b {b}"),
        ("run --a {a} | tee x", "run --a {a} --b {b} | tee x"),
        ("run --a {a}; next", "run --a {a} --b {b}; next"),
        ("run --a {a} > x", "run --a {a} --b {b} > x"),
        ("run --a {a}\nnext", "run --a {a} --b {b}\nnext"),
        ('x "$(run {a})"', 'x "$(run {a})" -b {b}'),
    ],
)
def test_a_word_for_a_parameter_with_a_default_may_be_added(before: str, after: str) -> None:
    optional = changed(command=after, parameters={"a": A, "b": B})
    assert revision(optional, {}) == revision(changed(command=before, parameters={"a": A}), {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("run --a {a}", "run --a {a},{b}"),
        ("run --a {a}", "run --a {a} extra {b}"),
        ("run --a {a} --b {a}", "run --a {a} --b --c {b}"),
        ("run --a {a}", "run2 --a {a} --b {b}"),
        ("run --a {a}", "run --a {a} --b\n{b}"),
    ],
)
def test_other_changes_beside_it_are_noticed(before: str, after: str) -> None:
    optional = changed(command=after, parameters={"a": A, "b": B})
    assert revision(optional, {}) != revision(changed(command=before, parameters={"a": A}), {})


def test_the_environment_of_a_parameter_with_a_default_may_be_added() -> None:
    optional = changed(env={"X": "1", "B": "{b}"}, parameters={"a": A, "b": B})
    assert revision(optional, {}) == revision(changed(parameters={"a": A}), {})


def test_in_a_template_a_parameter_with_a_default_counts_as_its_default() -> None:
    optional = changed(parameters={"a": A, "b": B})
    before = revision(optional, {}, {"t": "set b 1\nset a {{ a }}"})
    assert revision(optional, {}, {"t": "set b {{ b }}\nset a {{ a }}"}) == before
    assert revision(optional, {}, {"t": "set b {{ b }}\nset a 1"}) != before


@pytest.mark.parametrize(
    ("command", "normal"),
    [
        ("a   b\tc", "a b c"),
        (" a 'b  c'  \"d  e\" ", "a 'b  c' \"d  e\""),
        ("a ;b &&  c | d", "a;b&& c| d"),
        ("a\n\n  b\n", "a\nb"),
        ("a \\\n b", "a b"),
        ("a 2>x", "a 2>x"),
        ("a 2 >x", "a 2 >x"),
        ("a\\ ;b", "a\\ ;b"),
        ('echo "x\n\n  y"', 'echo "x\n\n  y"'),
    ],
)
def test_blanks_count_only_inside_quotes(command: str, normal: str) -> None:
    assert normal_command(command, ()) == normal


def test_revisions_never_change() -> None:
    """Results on users' disks carry them."""
    assert revision(STUDY, DIGESTS) == "73d1578ff7fb"
