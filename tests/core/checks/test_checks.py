"""Every item of the checklist: a fault that it finds, and the like just below its threshold."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from weft.core.checks import TABLE, Check, Facts, Verdict, check
from weft.core.checks.base import File, Machine, Past, Script, Stored
from weft.core.checks.inputs import BROKEN, DAY
from weft.core.margins import as_size, enough_memory, enough_minutes
from weft.model import (
    Limits,
    Model,
    Outcome,
    Output,
    Parameter,
    Resources,
    Retry,
    Space,
    Step,
    Study,
)

NOW = 1_000_000_000.0
OK = "PASS"


def study(**said: Any) -> Study:
    """An ordinary study, with what a test says otherwise; parts of the model are said as they are."""
    parts = {name: said.pop(name) for name in (*said,) if name in Model.__struct_fields__}
    usual = Model(command="python3 model.py {x}", inputs=("model.py",), result="result.json")
    return structs.replace(
        Study(
            name="s",
            folder="/study",
            file="study.toml",
            model=structs.replace(usual, **parts),
            parameters={"x": Parameter(values=(1, 2))},
        ),
        **said,
    )


def facts(**said: Any) -> Facts:
    usual = Facts(
        now=NOW,
        cases=20,
        files=(File(path="model.py", role="inputs", entry="model.py", bytes=2000, used=NOW),),
        paths={"python3": "new", "model.py": "file"},
        machine=Machine(
            cores=8, memory_bytes=16_000_000_000, free_bytes=10**12, disk_bytes=10**13, home="/home/ann"
        ),
    )
    return structs.replace(usual, **said)


def tapis(**settings: Any) -> dict[str, Any]:
    """A study that runs on Tapis."""
    return {
        "backend": "tapis",
        "settings": {"tapis": {"app": "a", "minutes": 60, **settings}},
        "resources": Resources(minutes=30),
    }


def files(number: int, role: str = "inputs", entry: str = "data", **said: Any) -> tuple[File, ...]:
    usual: dict[str, Any] = {"bytes": 10, "used": NOW}
    return tuple(
        File(path=f"{entry}/{i}.txt", role=role, entry=entry, **(usual | said))  # type: ignore[arg-type]
        for i in range(number)
    )


def past(**said: Any) -> Past:
    usual = Past(
        cases=10,
        wall_s=60.0,
        wall_p95_s=100.0,
        memory_bytes=200_000_000,
        files=3,
        kept=10,
        output_bytes=1e6,
    )
    return structs.replace(usual, **said)


FOUND: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("many-inputs", "WARN", {}, {"files": files(201)}),
    ("many-inputs", OK, {}, {"files": files(200)}),
    ("large-inputs", "WARN", {}, {"files": files(2, bytes=25_000_001)}),
    ("large-inputs", OK, {}, {"files": files(2, bytes=25_000_000)}),
    ("repeated-inputs", "WARN", {}, {"files": files(2, bytes=100_000, digest="d")}),
    ("repeated-inputs", OK, {}, {"files": files(2, bytes=99_999, digest="d")}),
    ("repeated-inputs", OK, {}, {"files": files(2, bytes=10**9)}),
    (
        "repeated-inputs",
        OK,
        {},
        {"files": (*files(2, bytes=60_000, digest="d"), *files(2, "before", bytes=60_000, digest="d"))},
    ),
    ("study-file-as-input", "WARN", {}, {"files": (File(path="study.toml", role="inputs"),)}),
    ("study-file-as-input", OK, {"file": ""}, {"files": (File(path="study.toml", role="inputs"),)}),
    ("empty-inputs", "WARN", {}, {"files": files(1, bytes=0)}),
    ("empty-inputs", OK, {}, {"files": (File(path="p/__init__.py", role="inputs"),)}),
    ("empty-inputs", OK, {}, {"files": files(1, bytes=0, wrong="it cannot be read")}),
    ("absent-inputs", "FAIL", {}, {"files": files(1, wrong="it cannot be read")}),
    ("absent-inputs", "WARN", {}, {"files": files(1, "shared", wrong=BROKEN)}),
    ("absent-inputs", OK, {}, {"files": ()}),
    ("inputs-of-jobs", "WARN", {"shared": ("/a/.weft/s/jobs/s-0001/out",)}, {}),
    ("inputs-of-jobs", OK, {"shared": ("/a/.weft-old/jobs",)}, {}),
    ("packed-inputs", "WARN", {"command": "unzip d.zip; m {x}"}, {"files": (File(path="d.zip", role="shared", bytes=9),)}),
    ("packed-inputs", OK, {"command": "m d.zip {x}"}, {"files": (File(path="d.zip", role="shared", bytes=9),)}),
    ("crowded-folders", "WARN", {}, {"files": files(5001, "shared")}),
    ("crowded-folders", OK, {}, {"files": files(5000, "shared")}),
    ("scratch-age", "WARN", {}, {"stored": (Stored(name="n", address="a", idle_days=7, purge_days=10),)}),
    ("scratch-age", OK, {}, {"stored": (Stored(name="n", address="a", idle_days=6.9, purge_days=10),)}),
    (
        "scratch-age",
        "WARN",
        {},
        {"files": files(1, "shared", "/s/d", used=NOW - 7.1 * DAY), "machine": Machine(scratch="/s")},
    ),
    (
        "scratch-age",
        OK,
        {},
        {"files": files(1, "shared", "/s/d", used=NOW - 6.9 * DAY), "machine": Machine(scratch="/s")},
    ),
    ("scratch-age", OK, {}, {"files": files(1, "shared", "/s/d", used=0.0), "machine": Machine(scratch="/s")}),
    ("unlisted-files", "FAIL", {"inputs": ()}, {}),
    ("unlisted-files", "WARN", {"command": "m {x} d.csv"}, {"paths": {"d.csv": "file"}}),
    ("unlisted-files", OK, {}, {"paths": {}}),
    ("unlisted-files", "FAIL", {"command": "python3 modle.py {x}"}, {"paths": {"modle.py": "new"}}),
    ("unlisted-files", "WARN", {"command": "m {x} && python3 modle.py"}, {"paths": {"modle.py": "new"}}),
    ("unlisted-files", OK, {"command": "m {x} > modle.py && python3 modle.py"}, {"paths": {"modle.py": "new"}}),
    ("places-on-the-node", "FAIL", {"command": "sh /gone/a.sh {x}"}, {"paths": {"/gone/a.sh": "absent"}}),
    ("places-on-the-node", "WARN", {"command": "m {x} -o /gone/a"}, {"paths": {"/gone/a": "absent"}}),
    ("places-on-the-node", OK, {"command": "m {x} -o /there/a"}, {"paths": {"/there/a": "new"}}),
    ("places-on-the-node", "WARN", {"command": "m {x} /home/ann/a", **tapis()}, {}),
    ("places-on-the-node", "FAIL", {"command": "m {x} /home/jupyter/MyData/a", **tapis()}, {}),
    ("places-on-the-node", OK, {"command": "m {x} /home/bob/a", **tapis()}, {}),
    ("hub-folders", "FAIL", {"shared": ("tapis://d/ann/MyData/r",), **tapis()}, {}),
    ("hub-folders", "FAIL", tapis(inputs={"Mesh": "tapis://d/ann/jupyter/MyData/r"}), {}),
    ("hub-folders", OK, {"shared": ("tapis://d/ann/r",), **tapis()}, {}),
    ("shared-writes", "WARN", {"command": "m {x} > /tmp/a"}, {}),
    ("shared-writes", OK, {"command": "m {x} > /tmp/a{x}; m > /dev/null; m >> /tmp/log"}, {}),
    ("shared-writes", OK, {"command": "m {x} > /tmp/a"}, {"cases": 1}),
    ("names-of-results", "FAIL", {"result": "model.py"}, {}),
    ("names-of-results", "WARN", {"expect": ("model.py",)}, {}),
    ("names-of-results", OK, {"expect": ("out",)}, {}),
    ("same-commands", "WARN", {"space": Space(table=({"x": 1, "y": 1}, {"x": 1, "y": 2}))}, {}),
    ("same-commands", OK, {"space": Space(table=({"x": 1, "y": 1}, {"x": 2, "y": 2}))}, {}),
    ("same-commands", OK, {"command": "m {params}", "space": Space(table=({"y": 1}, {"y": 1}))}, {}),
    ("same-commands", OK, {"space": Space(table=({"x": 1, "y": 1}, {"x": 1, "y": 2}))}, {"texts": {"t": frozenset("y")}}),
    ("line-ends", "FAIL", {"command": "sh a.sh {x}"}, {"scripts": (Script(path="a.sh", crlf=True),)}),
    ("line-ends", OK, {"command": "python3 a.py {x}"}, {"scripts": (Script(path="a.py", crlf=True),)}),
    ("programs", "FAIL", {"command": "./a.sh {x}"}, {"scripts": (Script(path="a.sh"),)}),
    ("programs", OK, {"command": "sh ./a.sh {x}"}, {"scripts": (Script(path="a.sh"),)}),
    (
        "programs",
        "FAIL",
        {"command": "./a.sh {x}"},
        {"scripts": (Script(path="a.sh", executable=True, interpreter="/no/sh", found=False),)},
    ),
    ("expected-outputs", "WARN", {"result": None}, {"cases": 50}),
    ("expected-outputs", OK, {"result": None}, {"cases": 49}),
    ("dropped-outputs", "WARN", {"command": "m {x} > out.txt"}, {}),
    ("dropped-outputs", OK, {"command": "m {x} > out.txt", "output": Output(keep=("*.txt",))}, {}),
    ("dropped-outputs", OK, {"command": "m {x} > mid.txt; n mid.txt > /dev/null 2>&1"}, {}),
    ("keep-everything", "WARN", {"output": Output(keep=("**",))}, {}),
    ("keep-everything", OK, {"output": Output(keep=("out/**",))}, {}),
    ("keep-nothing", "WARN", {"output": Output(keep=("*.out",))}, {"past": past(kept=0)}),
    ("keep-nothing", OK, {"output": Output(keep=("*.out",))}, {"past": past(kept=0, cases=4)}),
    ("huge-outputs", "WARN", {}, {"past": past(output_bytes=2.6e9)}),
    ("huge-outputs", OK, {}, {"past": past(output_bytes=2.5e9)}),
    ("huge-outputs", "FAIL", {}, {"past": past(output_bytes=1e12)}),
    ("output-chunk", "WARN", {"output": Output(chunk_bytes=49_999_999)}, {}),
    ("output-chunk", OK, {"output": Output(chunk_bytes=50_000_000)}, {}),
    ("log-size", "WARN", {"output": Output(log_bytes=50_000_001)}, {}),
    ("log-size", OK, {"output": Output(log_bytes=50_000_000)}, {}),
    ("log-size", "WARN", {}, {"past": past(long_logs=1)}),
    ("disk-space", "WARN", {}, {"machine": Machine(free_bytes=999_999_999, disk_bytes=10**12)}),
    ("disk-space", "FAIL", {}, {"machine": Machine(free_bytes=49_999_999, disk_bytes=10**12)}),
    ("disk-space", OK, {}, {"machine": Machine(free_bytes=1_000_000_000, disk_bytes=10**12)}),
    ("wall-time", "WARN", {"resources": Resources(minutes=1.8)}, {"past": past()}),
    ("wall-time", OK, {"resources": Resources(minutes=1.9)}, {"past": past()}),
    ("wall-time", OK, {"resources": Resources(minutes=1)}, {"past": past(cases=4)}),
    ("wall-time", "WARN", tapis() | {"resources": Resources(minutes=33)}, {"past": past()}),
    ("wall-time", OK, tapis() | {"resources": Resources(minutes=31)}, {"past": past()}),
    ("wall-time", "WARN", tapis(minutes=None) | {"resources": Resources()}, {}),
    ("job-time", "WARN", tapis(minutes=121), {"limits": Limits(max_minutes=120)}),
    ("job-time", OK, tapis(minutes=120), {"limits": Limits(max_minutes=120)}),
    ("job-time", "FAIL", tapis(minutes=29), {}),
    ("memory", "WARN", {"resources": Resources(memory_mb=199)}, {"past": past()}),
    ("memory", OK, {"resources": Resources(memory_mb=200)}, {"past": past()}),
    ("memory", "WARN", {"resources": Resources(memory_mb=16_001)}, {}),
    ("memory", "WARN", {"resources": Resources(memory_mb=2_100)}, {"past": past()}),
    ("memory", OK, {"resources": Resources(memory_mb=2_000)}, {"past": past()}),
    (
        "memory",
        OK,
        {"resources": Resources(memory_mb=500)},
        {"past": past(memory_bytes=20_000_000), "machine": Machine(cores=48, memory_bytes=16_000_000_000)},
    ),
    ("memory", "WARN", {}, {"past": past(memory_bytes=2_100_000_000)}),
    ("memory", OK, {}, {"past": past(memory_bytes=2_000_000_000)}),
    ("cores", "WARN", {"resources": Resources(cores=9)}, {}),
    ("cores", OK, {"resources": Resources(cores=8)}, {}),
    ("cores", OK, tapis() | {"resources": Resources(cores=9)}, {}),
    ("threads", "WARN", {"env": {"OMP_NUM_THREADS": "2"}}, {}),
    ("threads", "WARN", {"command": "OMP_NUM_THREADS=2 m {x}"}, {}),
    ("threads", OK, {"env": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "{x}"}}, {}),
    ("ranks", "WARN", {"command": "mpirun -np 2 m {x}"}, {}),
    ("ranks", "WARN", {"command": "ibrun m {x}"}, {}),
    ("ranks", OK, {"command": "mpiexec -n 1 m {x}; mpirun m"}, {}),
    ("slots", "WARN", {"settings": {"local": {"slots": 9}}}, {}),
    ("slots", OK, {"settings": {"local": {"slots": 8}}}, {}),
    ("crowded-work", "WARN", {"workdir": "job", "finish": "f"}, {"cases": 10_001}),
    ("crowded-work", OK, {"workdir": "job", "finish": "f"}, {"cases": 10_000}),
    ("crowded-work", OK, {"workdir": "job"}, {"cases": 10_001}),
    ("scratch-folder", "WARN", {"workdir": "scratch"}, {}),
    ("scratch-folder", OK, {"workdir": "scratch"}, {"machine": Machine(scratch="/s")}),
    ("import-storm", "WARN", tapis(slots=48, jobs=5), {"cases": 1000}),
    ("import-storm", OK, tapis(slots=48, jobs=4), {"cases": 1000}),
    ("work-in-a-job", "WARN", tapis(jobs=2), {"past": past(wall_s=59.0)}),
    ("work-in-a-job", OK, tapis(jobs=2), {"past": past(wall_s=60.0)}),
    ("retries", "WARN", {"retry": Retry(attempts=4)}, {}),
    ("retries", "WARN", {"retry": Retry(attempts=4, on=(Outcome.FAILED,))}, {}),
    ("retries", OK, {"retry": Retry(attempts=3)}, {}),
    ("stop-after", "WARN", {"retry": Retry(stop_after=0)}, {"cases": 100}),
    ("stop-after", OK, {"retry": Retry(stop_after=0)}, {"cases": 99}),
    ("pilot", "WARN", {}, {"cases": 1001}),
    ("pilot", OK, {}, {"cases": 1000}),
    ("pilot", OK, {}, {"cases": 1001, "past": past()}),
    ("secrets", "WARN", {"env": {"API_TOKEN": "abc"}}, {}),
    ("secrets", "WARN", {"command": "m {x} --password abc"}, {}),
    ("secrets", "WARN", {"setup": ("curl https://ann:abc@site/x",)}, {}),
    ("secrets", OK, {"env": {"API_TOKEN": "$TOKEN", "TOKEN_FILE": "tokens.txt", "KEYWORD": "abc"}}, {}),
    ("purged-storage", "WARN", tapis(storage="tapis://s/scratch/ann"), {"purged": {"tapis.storage": 10.0}}),
    ("purged-storage", OK, tapis(storage="tapis://s/work/ann"), {}),
    ("backend", "FAIL", {}, {"refused": ("there is no queue `x`", "choose another")}),
    ("backend", "WARN", {}, {"silent": "no answer"}),
    ("backend", OK, {}, {"limits": Limits(), "notes": ("the login ends soon",)}),
]  # fmt: skip


def of(item: str, study_said: dict[str, Any], facts_said: dict[str, Any]) -> Check:
    """What one item answers."""
    return next(each for each in check(study(**study_said), facts(**facts_said)) if each.id == item)


@pytest.mark.parametrize(
    ("item", "verdict", "said", "seen"), FOUND, ids=[f"{a}-{b}-{i}" for i, (a, b, *_) in enumerate(FOUND)]
)
def test_an_item_finds_its_fault_and_nothing_below(
    item: str, verdict: str, said: dict[str, Any], seen: dict[str, Any]
) -> None:
    found = of(item, said, seen)
    assert found.verdict.value == verdict, found
    if verdict != OK:
        assert found.evidence
        assert found.remedy


def test_every_item_is_tried_with_each_of_its_verdicts() -> None:
    tried = {(item, verdict) for item, verdict, _, _ in FOUND}
    for item in TABLE:
        assert {(item.id, verdict.value) for verdict in (*item.verdicts, Verdict.PASS)} <= tried, item.id
    assert {item for item, _ in tried} == {item.id for item in TABLE}


def test_what_can_be_mended_is_told() -> None:
    mended = {item for item, _, said, seen in FOUND if of(item, said, seen).fix is not None}
    assert mended <= {item.id for item in TABLE if item.fixes}
    # Those of which the fix depends on more than a test of one item shows are tried on real studies.
    assert {item.id for item in TABLE if item.fixes} - mended <= {"keep-everything"}


def test_an_ordinary_study_passes() -> None:
    assert {each.verdict for each in check(study(), facts())} == {Verdict.PASS}
    assert {each.verdict for each in check(study(**tapis()), facts())} == {Verdict.PASS}


def test_nothing_is_concluded_from_nothing() -> None:
    assert {each.verdict for each in check(study(), Facts())} == {Verdict.PASS}
    assert {each.verdict for each in check(study(**tapis()), Facts())} == {Verdict.PASS}


def test_no_secret_is_repeated() -> None:
    found = of("secrets", {"env": {"API_TOKEN": "sesame"}, "command": "m {x} --password=sesame"}, {})
    assert "sesame" not in found.evidence + found.remedy
    assert "API_TOKEN in model.env" in found.evidence


def test_a_step_has_inputs_of_its_own() -> None:
    before = Step(command="python3 mesh.py > mesh.txt", outputs=("mesh.txt",))
    found = of("unlisted-files", {"before": before}, {"paths": {"mesh.py": "file", "mesh.txt": "file"}})
    assert found.verdict is Verdict.FAIL
    assert found.fix is not None
    assert [(edit.key, edit.value) for edit in found.fix.edits] == [(("before", "inputs"), "mesh.py")]


def test_values_that_are_files_are_seen() -> None:
    values = {"x": Parameter(values=("a.AT2", "b.AT2"))}
    found = of("unlisted-files", {"parameters": values}, {"paths": {"a.AT2": "file", "b.AT2": "file"}})
    assert found.verdict is Verdict.WARN
    shared = of(
        "unlisted-files", {"parameters": values, "shared": ("a.AT2", "b.AT2")}, {"paths": {"a.AT2": "file"}}
    )
    assert shared.verdict is Verdict.PASS


@pytest.mark.parametrize(("place", "word"), [("", "."), (" 'my study/a.toml'", "my study/a.toml")])
def test_what_a_site_may_remove_is_put_back_by_a_command(place: str, word: str) -> None:
    stored = (Stored(name="n", address="a", idle_days=8, purge_days=10),)
    found = of("scratch-age", {}, {"stored": stored, "study": place})
    assert found.fix is not None
    assert found.fix.command == ("store", "refresh", "--", word)
    assert f"`weft store refresh{place}`" in found.remedy


def test_what_is_mended_is_what_the_next_study_is_told_to_ask_for() -> None:
    narrow = Resources(minutes=1, memory_mb=100)
    for item, value in (("wall-time", enough_minutes(100.0)), ("memory", as_size(enough_memory(2e8)))):
        fix = of(item, {"resources": narrow}, {"past": past()}).fix
        assert fix is not None
        assert [edit.value for edit in fix.edits] == [value]


def test_no_more_is_moved_than_must_be() -> None:
    given = (*files(150, entry="a"), *files(100, entry="b"), *files(20, entry="c"))
    found = of("many-inputs", {}, {"files": given})
    assert found.fix is not None
    assert [(edit.do, edit.value) for edit in found.fix.edits] == [("drop", "a"), ("add", "a")]
    assert of("many-inputs", {}, {"files": files(201, entry=".")}).fix is None, (
        "the whole folder cannot be shared"
    )
