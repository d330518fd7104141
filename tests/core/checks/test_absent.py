"""Scripts that commands name and that are nowhere, and the many ways in which one may be there after all."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from tests.core.checks.test_checks import facts, of, study

from weft.core.checks import Check, Verdict, check
from weft.core.checks.words import paths_in
from weft.model import Step


def looked(command: str, **said: Any) -> Check:
    """What is said of a command, in a folder that has `model.py` and nothing else."""
    asked = study(command=command, **said)
    paths = dict.fromkeys(paths_in(asked), "new") | {"model.py": "file"}
    seen = structs.replace(facts(paths=paths), beside=("model.py", "study.toml"))
    return next(each for each in check(asked, seen) if each.id == "unlisted-files")


@pytest.mark.parametrize(
    "command",
    [
        "python3 modle.py {x}",
        "python3 -u -W ignore modle.py {x}",
        "python3 modle.py {x} | tee out.txt",
        "python3 modle.py --directory {x}",
        "A={x} timeout 60 python3.11 ./modle.py > out.txt",
        "module load opensees; export A=1; OpenSees modle.tcl {x}",
        "mpirun -np 4 OpenSeesMP modle.tcl {x}",
        "sh -e modle.sh {x}",
        "bash -o pipefail modle.sh {x}",
        "./modle.sh {x}",
        "./modle {x}",
        "srun -n 2 ./modle.sh {x}",
        "OpenSees < modle.tcl",
        "Rscript sub/modle.R {x}",
        "for i in 1 2; do julia -t 4 modle.jl $i {x}; done",
        "echo {x} | python3 modle.py",
        "cat > a.txt << EOF\npython3 other.py\nEOF\npython3 modle.py {x}",
    ],
)
def test_what_cannot_be_there_fails(command: str) -> None:
    found = looked(command)
    assert found.verdict is Verdict.FAIL, found
    assert "modle" in found.evidence
    assert "model.command" in found.evidence
    assert "other" not in found.evidence
    assert found.fix is None


def test_the_nearest_name_is_suggested() -> None:
    assert "did you mean `model.py`?" in looked("python3 modle.py {x}").remedy
    assert "did you mean" not in looked("OpenSees bridge.tcl {x}").remedy


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("python3 model.py {x}", {}),
        ("python3 {x}.py", {}),
        ("python3 $HOME/modle.py {x}", {}),
        ("python3 -c 'import a' lib.py {x}", {}),
        ("sh -c 'python3 modle.py {x}'", {}),
        ("sh -ec 'python3 modle.py {x}'", {}),
        ("python3 -m modle {x}", {}),
        ("cat > modle.py << 'EOF'\nprint({x})\nEOF\npython3 modle.py", {}),
        ("echo {x} | tee modle.sh && sh modle.sh", {}),
        ("cp $LIB/modle.py . && python3 modle.py {x}", {}),
        ("cp model.py modle.py && python3 modle.py {x}", {}),
        ("python3 model.py -o modle.tcl {x} && OpenSees modle.tcl", {}),
        ("cd sub && python3 modle.py {x}", {}),
        ("[ -f modle.sh ] && sh modle.sh; python3 model.py {x}", {}),
        (". activate.sh && python3 model.py {x}", {}),
        ("modle.py {x}", {}),
        ("apptainer exec --pwd /opt a.sif python3 modle.py {x}", {}),
        ("docker run a python3 model.py {x} lib/run.py", {}),
        ("python3 model.py --write out.tcl {x}", {}),
        ("echo $((a/2)) {x}", {}),
        ("diff <(python3 model.py {x}) <(sort model.py)", {}),
        ("python3 modle.py {x}", {"setup": ("cp $LIB/modle.py .",)}),
        ("python3 modle.py {x}", {"expect": ("modle.py",)}),
        ("python3 modle.py {x}", {"templates": ("modle.py.in",)}),
        ("python3 modle.py {x}", {"shared": ("/lib/modle.py",)}),
        ("python3 modle.py {x}", {"shared": ("tapis://a/b/modle.py",)}),
        ("python3 lib/modle.py {x}", {"shared": ("tapis://a/b/lib",)}),
        ("OpenSees modle.tcl {x}", {"before": Step(command="m", outputs=("*.tcl",))}),
    ],
)
def test_what_may_be_there_is_not_complained_of(command: str, said: dict[str, Any]) -> None:
    assert looked(command, **said).verdict is Verdict.PASS, looked(command, **said)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("make && ./modle.sh {x}", {}),
        ("python3 modle.py {x}", {"setup": ("git clone https://a/b",)}),
        ("solve modle.py {x}", {}),
        ("python3 -c 'import a' modle.py {x}", {}),
        ("abaqus script=modle.py {x}", {}),
    ],
)
def test_what_something_else_may_make_is_a_doubt(command: str, said: dict[str, Any]) -> None:
    found = looked(command, **said)
    assert found.verdict is Verdict.WARN, found
    assert found.remedy


def test_steps_and_the_finish_are_looked_at_too() -> None:
    step = Step(command="python3 modle.py", inputs=("model.py",))
    for said in ({"before": step}, {"after": step}, {"finish": "python3 modle.py"}):
        found = looked("python3 model.py {x}", **said)
        assert found.verdict is Verdict.FAIL
        assert next(iter(said)) in found.evidence


def test_what_is_certain_is_told_before_what_can_be_mended() -> None:
    said = {"command": "python3 modle.py {x} soil.txt"}
    found = of("unlisted-files", said, {"paths": {"modle.py": "new", "soil.txt": "file"}})
    assert (found.verdict, found.fix) == (Verdict.FAIL, None)
    said = {"command": "m && python3 modle.py {x} soil.txt"}
    found = of("unlisted-files", said, {"paths": {"modle.py": "new", "soil.txt": "file"}})
    assert found.fix is not None, "a doubt does not stand in the way of mending"
    assert "soil.txt" in found.evidence
