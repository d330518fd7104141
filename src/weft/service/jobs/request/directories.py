"""The directories of a job, on their way from templates to paths below the roots of their systems.

Each may speak of those before it by macro: the system's working directory, the directories on the execution system, the
archive. Defaults are below the working directory; the archive's is the output directory where both are on one system.
"""

from __future__ import annotations

from msgspec import Struct, UnsetType

from weft.service.apps.model import App
from weft.service.jobs.model import SubmitRequest
from weft.service.jobs.request import limits
from weft.service.jobs.request.choices import text
from weft.service.jobs.request.macros import Macros
from weft.service.systems.attributes import NOT_SET
from weft.service.systems.model import System

WORKING_DIR = "${JobWorkingDir}/jobs/${JobUUID}"
OUTPUT_DIR = f"{WORKING_DIR}/output"
ARCHIVE_DIR = "/jobs/${JobUUID}/archive"
"""The defaults."""


class Directories(Struct, frozen=True):
    """The directories of a job, each below the root of its system."""

    exec_dir: str
    input_dir: str
    output_dir: str
    archive_dir: str
    dtn_system_id: str | None = None
    dtn_input_dir: str | None = None
    dtn_output_dir: str | None = None


class Places:
    """The directories of a job on their way from templates to paths; each may speak of those before it."""

    def __init__(
        self, request: SubmitRequest, app: App, system: System, archive_system: System, macros: Macros
    ) -> None:
        self._request = request
        self._app = app
        self._attributes = app.job_attributes
        self._system = system
        self._archive_system = archive_system
        self._macros = macros
        self._chosen: dict[str, str] = {}

    def settle(self) -> Directories:
        """All directories, in the order in which they may speak of each other."""
        asked, attributes, system = self._request, self._attributes, self._system
        self._path("JobWorkingDir", system.job_working_dir or "/", system.id)
        exec_dir = text(asked.exec_system_exec_dir, attributes.exec_system_exec_dir) or WORKING_DIR
        input_dir = text(asked.exec_system_input_dir, attributes.exec_system_input_dir) or WORKING_DIR
        output_dir = text(asked.exec_system_output_dir, attributes.exec_system_output_dir) or OUTPUT_DIR
        archive_dir = text(asked.archive_system_dir, attributes.archive_system_dir)
        if archive_dir is None:
            archive_dir = output_dir if self._archive_system.id == system.id else ARCHIVE_DIR
        dtn_input = self._dtn("Input", asked.dtn_system_input_dir, attributes.dtn_system_input_dir)
        dtn_output = self._dtn("Output", asked.dtn_system_output_dir, attributes.dtn_system_output_dir)
        return Directories(
            exec_dir=self._path("ExecSystemExecDir", exec_dir, system.id),
            input_dir=self._path("ExecSystemInputDir", input_dir, system.id),
            output_dir=self._path("ExecSystemOutputDir", output_dir, system.id),
            archive_dir=self._path("ArchiveSystemDir", archive_dir, self._archive_system.id),
            dtn_system_id=system.dtn_system_id if dtn_input or dtn_output else None,
            dtn_input_dir=dtn_input,
            dtn_output_dir=dtn_output,
        )

    def _path(self, name: str, template: str, system_id: str) -> str:
        self._chosen[name] = template
        path = limits.directory(self._macros.directory(template, name, system_id), name)
        self._macros.set(name, path)
        return path

    def _dtn(self, which: str, given: str | UnsetType, defined: str | None) -> str | None:
        template = text(given, defined)
        dtn = self._system.dtn_system_id
        if dtn is None or template is None or template == NOT_SET:
            return None
        self._macros.set("DtnSystemId", dtn)
        return self._path(f"DtnSystem{which}Dir", template, dtn)

    def shared(self) -> list[str]:
        """Which of the job's places are the app's own, where the app is there by sharing; in the real order."""
        if not self._app.shared_app_ctx or self._attributes.exec_system_id != self._system.id:
            return []
        attributes, asked = self._attributes, self._request.archive_system_dir
        archive = attributes.archive_system_id == self._archive_system.id or (
            not attributes.archive_system_id and self._archive_system.id == self._system.id
        )
        places = (
            ("SAC_EXEC_SYSTEM_ID", True),
            ("SAC_ARCHIVE_SYSTEM_ID", archive),
            ("SAC_EXEC_SYSTEM_INPUT_DIR", self._is("Input", attributes.exec_system_input_dir or WORKING_DIR)),
            ("SAC_EXEC_SYSTEM_EXEC_DIR", self._is("Exec", attributes.exec_system_exec_dir or WORKING_DIR)),
            (
                "SAC_EXEC_SYSTEM_OUTPUT_DIR",
                self._is("Output", attributes.exec_system_output_dir or OUTPUT_DIR),
            ),
            ("SAC_ARCHIVE_SYSTEM_DIR", archive and (not asked or asked == attributes.archive_system_dir)),
        )
        return [name for name, shared in places if shared]

    def _is(self, which: str, template: str) -> bool:
        return self._chosen[f"ExecSystem{which}Dir"] == template
