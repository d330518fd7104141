"""What a job gets: its bundle, as the runner finds it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.facts import Facts, study

from weft.backends.local import LocalBackend
from weft.core.cases import expand
from weft.core.state import State
from weft.errors import FolderError
from weft.model import Continue, Limits, Model, Node, Outcome
from weft.store.bundle import BundleWriter
from weft.store.folder import StudyFolder


def test_an_input_older_than_zip_can_tell_is_packed(tmp_path: Path) -> None:
    (tmp_path / "mesh.dat").write_bytes(b"mesh")
    os.utime(tmp_path / "mesh.dat", (0, 0))  # times in a ZIP begin with 1980
    spec = study(folder=str(tmp_path), model=Model(command="true", inputs=("mesh.dat",)))
    facts = Facts()
    job = facts.plan(facts.ids)
    state = State()
    for fact in facts.facts:
        state.apply(fact)
    cases = {name: replace(case, id=name) for name, case in zip(facts.ids, expand(spec), strict=True)}

    folder = StudyFolder(tmp_path, "frame")
    BundleWriter(spec, folder, cases, Limits(), Node(), LocalBackend(folder, {}).share).write(
        state.jobs[job], state
    )

    with zipfile.ZipFile(folder.bundle(job)) as bundle:
        assert bundle.read("inputs/mesh.dat") == b"mesh"


def test_a_checkpoint_that_is_damaged_is_told(tmp_path: Path) -> None:
    spec = study(folder=str(tmp_path), continues=Continue(files=("state",)))
    facts = Facts()
    earlier = facts.run(facts.ids[0], Outcome.INTERRUPTED, carried=1)
    job = facts.plan(facts.ids)
    state = State()
    state.apply_all(facts.facts)
    cases = {name: replace(case, id=name) for name, case in zip(facts.ids, expand(spec), strict=True)}
    folder = StudyFolder(tmp_path, "frame")
    folder.job(earlier).mkdir(parents=True)
    outputs = folder.job(earlier) / "out-000.zip"
    with zipfile.ZipFile(outputs, "w") as made:
        made.writestr(f"carry/{facts.ids[0]}/state", b"0123456789")
    outputs.write_bytes(outputs.read_bytes().replace(b"0123456789", b"0123406789"))

    writer = BundleWriter(spec, folder, cases, Limits(), Node(), LocalBackend(folder, {}).share)
    with pytest.raises(FolderError, match="not whole"):
        writer.write(state.jobs[job], state)
