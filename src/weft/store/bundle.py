"""The bundle of a job as one ZIP: what the runner gets, written beside the journal before the job is submitted.

The format is told in ``node/runner.py``, which reads it. Everything that depends on parameters (commands,
environment, templates) is rendered here, so that the node needs nothing but a Python.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import weft.node
from weft.core import tclbundle
from weft.core.books import STEPS, CaseState, JobState
from weft.core.command import (
    placeholders,
    render_command,
    render_env,
    render_template,
    rendered_name,
    text_placeholders,
)
from weft.core.packing import memory_for, run_minutes
from weft.core.plan import job_resources
from weft.core.state import State
from weft.errors import WeftError
from weft.model import Case, Kind, Limits, Model, Node, Resources, SharedInput, Study
from weft.store.archive import Torn, carried, not_carried, read
from weft.store.folder import StudyFolder, disk_problem
from weft.store.inputs import case_name, digests

FORMAT = 1
TCL_RUNNER = "runner.tcl"

Share = Callable[[Sequence[SharedInput]], Mapping[str, dict[str, Any]]]
"""``Backend.share``: where nodes find these inputs."""


class BundleWriter:
    """Writes the job folders of one study, remembering what every bundle needs."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        cases: Mapping[str, Case],
        limits: Limits,
        node: Node,
        share: Share,
    ) -> None:
        self.study = study
        self.folder = folder
        self.cases = cases
        self.limits = limits
        self.node = node
        self._share = share
        self._shared: list[SharedInput] | None = None
        self._there: list[dict[str, Any]] | None = None
        self._covered = _covered(study)

    def write(self, job: JobState, state: State) -> Path:
        """Make the job's folder with ``bundle.zip`` and the runner, replacing what a crash left; returns the folder."""
        where = self.folder.job(job.id)
        aside = where / ".bundle.zip.part"
        try:
            where.mkdir(parents=True, exist_ok=True)
            runner = self.node.runner
            shutil.copyfile(Path(weft.node.__file__).with_name(runner), where / runner)
            with zipfile.ZipFile(
                aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
            ) as archive:
                members = self._members(job)
                for name, path in members.items():
                    archive.write(path, f"inputs/{name}")
                rendered = self._templates(job, archive)
                carried = self._carried(job, state, archive)
                content = self._content(job, state, rendered, carried)
                archive.writestr("bundle.json", msgspec.json.encode(content))
                if runner == TCL_RUNNER:
                    archive.writestr("bundle.tcl", tclbundle.render(content))
            aside.replace(self.folder.bundle(job.id))
        except OSError as error:
            raise disk_problem(error, error.filename or where) from error
        return where

    def _content(
        self, job: JobState, state: State, rendered: list[str], carried: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        study, step, at = self.study, self._step(job.kind), self.node
        model, needs = study.model, job_resources(study, job.kind)
        return {
            "format": FORMAT,
            "study": study.name,
            "job": job.id,
            "revision": job.revision,
            "setup": model.setup,
            "env": {} if step is None else _plain_env(model.env),
            "shared": self.shared(),
            "workdir": model.workdir,
            "expect": model.expect if step is None else step.outputs if job.kind is Kind.BEFORE else (),
            "result": model.result if step is None else None,
            "keep": study.output.keep if step is None else step.outputs,
            "chunk_bytes": study.output.chunk_bytes,
            "log_bytes": study.output.log_bytes,
            "finish": model.finish if step is None else None,
            "cores": job.cores,
            "memory_mb": job.memory_mb,
            "minutes": self._minutes(self._first(job, state), needs),
            "slots": job.slots,
            "deadline_s": job.minutes * 60 if job.minutes else None,
            "grace_s": 5.0,
            "params_file": step is None and _wants_params_file(model),
            "claim": f"{at.claims}/{job.id}" if at.claims else None,
            "ranks": at.ranks,
            "continue": _continue(study) if step is None else None,
            "cases": [self._step_case(job)]
            if step is not None
            else [self._case_entry(self.cases[case_id], state, rendered, carried) for case_id in job.cases],
        }

    def _first(self, job: JobState, state: State) -> CaseState:
        """The state of a step; for a job of cases that of one which has learnt nothing (the others say so)."""
        return state.steps[STEPS[job.kind]] if job.kind in STEPS else CaseState()

    def _minutes(self, case: CaseState, needs: Resources) -> float | None:
        return run_minutes(case, needs, self.limits, continues=self.study.continues is not None)

    def _step(self, kind: Kind) -> Any:
        return {Kind.BEFORE: self.study.before, Kind.AFTER: self.study.after}.get(kind)

    def _step_case(self, job: JobState) -> dict[str, Any]:
        return {"id": STEPS[job.kind], "command": self._step(job.kind).command, "params": {}}

    def _case_entry(
        self, case: Case, state: State, rendered: list[str], carried: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        model, needs = self.study.model, self.study.resources
        entry: dict[str, Any] = {
            "id": case.id,
            "command": render_command(model.command, case.params, case.id),
            "params": case.params,
        }
        if model.env:
            entry["env"] = render_env(model.env, case.params, case.id)
        if rendered:
            entry["rendered"] = rendered
        own = self._own_files(case)
        if own:
            entry["files"] = own
        known = state.cases[case.id]
        if known.wall:
            entry["seconds"] = known.wall
        if known.timeouts:
            entry["minutes"] = self._minutes(known, needs)
        if known.ooms:
            entry["memory_mb"] = memory_for(known, needs, self.limits)
        if known.continues:
            entry["continues"] = known.continues
            entry["carried"] = carried.get(case.id, [])
        return entry

    def _own_files(self, case: Case) -> list[str]:
        """Files that are this case's parameters and that no bundle-wide or shared input brings along."""
        return [
            value
            for name, parameter in self.study.parameters.items()
            if parameter.is_file
            and isinstance(value := case.params.get(name), str)
            and not self._covered(value)
        ]

    def _members(self, job: JobState) -> dict[str, Path]:
        """Members of ``inputs/``: name in a case's directory to the file."""
        base = Path(self.study.folder)
        step = self._step(job.kind)
        names: Iterable[str] = self.study.model.inputs if step is None else step.inputs
        members = {name: base / name for name in names}
        if step is None:
            for case_id in job.cases:
                members.update((name, base / name) for name in self._own_files(self.cases[case_id]))
        if step is None and self.study.before is not None:
            members.update(_files_below(self.folder.before))
        if job.kind is Kind.AFTER:
            members.update({path.name: path for path in (self.folder.csv, self.folder.parquet)})
        return members

    def _templates(self, job: JobState, archive: zipfile.ZipFile) -> list[str]:
        """Render the templates of every case into the archive; returns their names in a case's directory."""
        if self._step(job.kind) is not None:
            return []
        base = Path(self.study.folder)
        names = []
        for template in self.study.model.templates:
            text = (base / template).read_text(encoding="utf-8")
            name = rendered_name(template)
            names.append(name)
            for case_id in job.cases:
                content = render_template(text, self.cases[case_id].params, case_id, template)
                archive.writestr(f"cases/{case_id}/{name}", content)
        return names

    def _carried(self, job: JobState, state: State, archive: zipfile.ZipFile) -> dict[str, list[str]]:
        """Put what cases go on from into the archive; its paths in each case's directory.

        Raises FolderError where it should be in the outputs of an earlier job, and is not.
        """
        found: dict[str, list[str]] = {}
        if job.kind in STEPS:
            return found
        by_job: dict[str, dict[str, int]] = {}
        for case_id in job.cases:
            known = state.cases[case_id]
            if known.carry:
                by_job.setdefault(known.carry, {})[case_id] = known.carried
        for earlier, wanted in by_job.items():
            for member in carried(self.folder, earlier, wanted):
                info = zipfile.ZipInfo(f"carry/{member.case}/{member.path}", member.written)
                info.external_attr, info.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                try:
                    with archive.open(info, "w", force_zip64=True) as file:
                        for piece in read(member):
                            file.write(piece)
                except Torn:
                    raise not_carried(self.folder, earlier, member.case) from None
                found.setdefault(member.case, []).append(member.path)
        return found

    def shared(self) -> list[dict[str, Any]]:
        """The shared inputs as the backend's nodes find them, with every file's size for the runner to check."""
        if self._there is None:
            self.provide()
        return self._there or []

    def provide(self) -> None:
        """See that the shared inputs are where nodes find them; the bundles written from now on name these places."""
        if self._shared is None:
            self._shared = shared_inputs(self.study, self.folder.digests)
        there = self._share(self._shared) if self._shared else {}
        self._there = [{"name": one.name, **there[one.name]} for one in self._shared]


def _wants_params_file(model: Model) -> bool:
    texts = [placeholders(model.command), *map(text_placeholders, model.env.values())]
    return any("params" in names for names in texts)


def _plain_env(env: Mapping[str, str]) -> dict[str, str]:
    """Environment that holds no placeholder, for the steps."""
    return {name: value for name, value in env.items() if "{" not in value}


def _covered(study: Study) -> Callable[[str], bool]:
    whole = frozenset(study.model.inputs) | frozenset(study.model.shared)
    below = tuple(f"{name.rstrip('/')}/" for name in study.model.shared)
    return lambda name: name in whole or name.startswith(below)


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _continue(study: Study) -> dict[str, Any] | None:
    if study.continues is None:
        return None
    return {"files": study.continues.files, "exit": study.continues.exit}


def shared_inputs(study: Study, cache: Path | None = None) -> list[SharedInput]:
    """The shared inputs of a study, with their files' contents where they lie on this machine."""
    if not study.model.shared:
        return []
    known = digests(study, cache)
    return [_shared_input(Path(study.folder), name, known) for name in study.model.shared]


def _shared_input(base: Path, name: str, known: Mapping[str, str]) -> SharedInput:
    shown = case_name(name)
    path = base / name
    if "://" in name or (name.startswith("/") and not path.exists()):
        return SharedInput(name=shown, source=name)
    path = path.resolve()
    if not path.exists():
        raise WeftError(
            f"the shared input {name!r} is not there",
            where=str(path),
            hint="put it back, or take it out of model.shared",
        )
    if path.is_file():
        return SharedInput(name=shown, source=str(path), files=(("", path.stat().st_size, known[name]),))
    files = tuple((rel, found.stat().st_size, known[f"{name}/{rel}"]) for rel, found in _files_below(path))
    return SharedInput(name=shown, source=str(path), files=files)
