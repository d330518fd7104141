"""Everything that is prepared on the execution system: folders, inputs, the app, and the job's two launch files.

On a stand-in host the paths that a job was given are the host's own, which do not exist on this machine: in
``tapisjob.env`` and in the arguments the job's folders are therefore replaced by where they really are. The job's
record keeps the host's view.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from weft.service.apps.model import App
from weft.service.apps.rules import ZIP_SAVE
from weft.service.files.rights import Right, of_a_job
from weft.service.files.transfers import Element
from weft.service.jobs.execution import containers, scripts
from weft.service.jobs.execution.archive import lent, url
from weft.service.jobs.execution.ending import Stop
from weft.service.jobs.execution.images import BadImage, Images, executable, executable_from_now
from weft.service.jobs.execution.scripts import BadOption, Recipe, option
from weft.service.jobs.model import Job
from weft.service.jobs.request.inputs import LOCAL
from weft.service.jobs.request.limits import PROFILE
from weft.service.places import Tree
from weft.service.systems.attributes import NOT_SET
from weft.service.systems.model import SchedulerProfile, System

if TYPE_CHECKING:
    from weft.service.server import Service

_FOLDERS = ("exec", "input", "output")
_REMOTE = ("tapis://", "http://", "https://")


class Staging:
    """Prepares jobs; safe to share between threads, and everything can be repeated."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._images = Images()

    def folders(self, job: Job, system: System, archive: System) -> None:
        """Make the job's folders on the execution system, and the archive's.

        Raises:
            Problem: One of them cannot be made, or its owner may not write there.
        """
        for which in _FOLDERS:
            path = _folder(job, which)
            tree = self._files(job, system, path, lent(job, f"SAC_EXEC_SYSTEM_{which.upper()}_DIR"))
            tree.make(path)
            if which == "output":
                logs = job.parameter_set.log_config
                for name in (logs.stdout_filename, logs.stderr_filename):
                    tree.make(str(PurePosixPath(path, name).parent))
        if job.archive_mode != "NEVER":
            path = job.archive_system_dir
            self._files(job, archive, path, lent(job, "SAC_ARCHIVE_SYSTEM_DIR")).make(path)

    def _files(self, job: Job, system: System, path: str, shared_by: str, need: Right = "MODIFY") -> Tree:
        return of_a_job(self._service, job.owner, system, path, need, shared_by=shared_by)

    def _real(self, job: Job, system: System, which: str) -> Path:
        """One of the job's folders on the execution system, where it really is."""
        path = _folder(job, which)
        return self._files(job, system, path, lent(job, f"SAC_EXEC_SYSTEM_{which.upper()}_DIR")).real(path)

    def inputs(self, job: Job) -> list[Element]:
        """What is to be transferred before the job can begin."""
        return [
            Element(
                each.source_url,
                url(job.exec_system_id, f"{job.exec_system_input_dir}/{each.target_path}"),
                optional=each.optional,
                source_shared_by=each.src_shared_app_ctx,
                destination_shared_by=each.dest_shared_app_ctx,
            )
            for each in job.file_inputs
            if not each.source_url.startswith(LOCAL)
        ]

    def image(self, job: Job, app: App) -> Element | None:
        """The transfer that brings a ZIP app's archive; None where it is on the execution system already."""
        if app.runtime != "ZIP" or not app.container_image.startswith(_REMOTE):
            return None
        target = f"{job.exec_system_exec_dir}/{_image_name(app)}"
        return Element(
            app.container_image,
            url(job.exec_system_id, target),
            source_shared_by=job.shared_app_ctx,
            destination_shared_by=lent(job, "SAC_EXEC_SYSTEM_EXEC_DIR"),
        )

    def files(self, job: Job, app: App, system: System) -> None:
        """Unpack the app and write the launch files.

        Raises:
            Stop: The app or an option of the job is not as it must be.
            Problem, OSError: Something cannot be read or written.
        """
        try:
            program = self._app(job, app, system) if app.runtime == "ZIP" else ""
            recipe = self._recipe(job, app, system, program)
            script, environment = scripts.script(recipe), scripts.environment(recipe)
        except BadOption as error:
            raise Stop(f"JOBS_SCHEDULER_INVALID_OPTION {error}") from error
        folder = Tree(recipe.exec_dir)
        _write(folder, scripts.SCRIPT, script, scripts.SCRIPT_MODE)
        _write(folder, scripts.ENVIRONMENT, environment, scripts.ENVIRONMENT_MODE)

    def _app(self, job: Job, app: App, system: System) -> str:
        """Unpack the archive of a ZIP app into the job's folder; its executable."""
        folder = self._real(job, system, "exec")
        if app.container_image.startswith(_REMOTE):
            image = folder / _image_name(app)
        else:
            path = app.container_image
            image = self._files(job, system, path, job.shared_app_ctx, "READ").real(path)
        try:
            if not image.is_file():
                raise BadImage("there is no such file")
            self._images.unpack(image, folder)
            program = executable(folder)
        except BadImage as error:
            raise Stop(f"JOBS_ZIP_IMAGE The app's archive {app.container_image}: {error}") from error
        return program

    def tidy(self, job: Job, app: App, system: System) -> None:
        """Remove an archive that was brought, unless the job is to keep it."""
        keep = any(arg.arg.startswith(ZIP_SAVE) for arg in job.parameter_set.container_args)
        if app.runtime == "ZIP" and app.container_image.startswith(_REMOTE) and not keep:
            Path(self._real(job, system, "exec"), _image_name(app)).unlink(missing_ok=True)

    def _recipe(self, job: Job, app: App, system: System, program: str) -> Recipe:
        views = self._views(job, system)
        queue = system.queue(job.exec_system_logical_queue)
        return Recipe(
            job=job,
            runtime=app.runtime,
            image=app.container_image,
            executable=program,
            exec_dir=self._real(job, system, "exec"),
            input_dir=self._real(job, system, "input"),
            output_dir=self._real(job, system, "output"),
            variables=self._variables(job, system, views),
            partition=queue.hpc_queue_name if queue else None,
            profile=self._profile(job),
            mounts=list(self._mounts(job, system)),
            arguments=_seen(" ".join(arg.arg for arg in job.parameter_set.app_args), views),
            singularity=containers.singularity(),
        )

    def _profile(self, job: Job) -> SchedulerProfile | None:
        for arg in job.parameter_set.scheduler_options:
            name, value = option(arg.arg)
            if name == PROFILE:
                profile = self._service.systems.profile(job.tenant, value)
                if profile is None:
                    raise Stop(f"JOBS_SCHEDULER_PROFILE There is no scheduler profile {value}")
                return profile
        return None

    def _mounts(self, job: Job, system: System) -> Iterable[tuple[str, str]]:
        for each in job.file_inputs:
            if each.source_url.startswith(LOCAL) and each.auto_mount_local:
                path = each.source_url[len(LOCAL) :].partition("/")[2]
                tree = self._files(job, system, path, each.src_shared_app_ctx, "READ")
                yield str(tree.real(path)), posixpath.join("/TapisInput", each.target_path)

    def _views(self, job: Job, system: System) -> list[tuple[str, str]]:
        """Folders of the job in the host's view, and really; empty where that is the same."""
        if not self._service.systems.host(system).stand_in:
            return []
        root = f"/{(system.root_dir or '').strip('/')}".rstrip("/")
        return sorted(
            {
                (f"{root}{_folder(job, which)}", str(self._real(job, system, which)))
                for which in _FOLDERS
                if job.uuid in _folder(job, which)
            },
            key=lambda view: -len(view[0]),
        )

    def _variables(self, job: Job, system: System, views: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        given = [(each.key, each.value) for each in job.parameter_set.env_variables if each.value != NOT_SET]
        if not self._service.systems.host(system).stand_in:
            return given
        tree = self._service.places.tree(system)
        real = {
            "_tapisSysRootDir": "/",
            "_tapisExecSystemExecDir": str(self._real(job, system, "exec")),
            "_tapisExecSystemInputDir": str(self._real(job, system, "input")),
            "_tapisExecSystemOutputDir": str(self._real(job, system, "output")),
        }
        working = dict(given).get("_tapisJobWorkingDir")
        if working:
            real["_tapisJobWorkingDir"] = str(tree.real(working))
        return [(key, real.get(key) or _seen(value, views)) for key, value in given]


def _folder(job: Job, which: str) -> str:
    return str(getattr(job, f"exec_system_{which}_dir"))


def _seen(text: str, views: Sequence[tuple[str, str]]) -> str:
    """The text with the job's folders where they really are; their paths name the job, so nothing else is meant."""
    if not views:
        return text
    real = dict(views)
    return re.sub("|".join(re.escape(view) for view, _ in views), lambda found: real[found[0]], text)


def _image_name(app: App) -> str:
    name = posixpath.basename(app.container_image.split("?")[0].rstrip("/"))
    if not name:
        raise Stop(f"JOBS_ZIP_IMAGE The app's archive has no name: {app.container_image}")
    return name


def _write(folder: Tree, name: str, text: str, mode: int) -> None:
    """Write a file of the service's own, in place of whatever is there."""
    with folder.spot(name, follow=False) as place:
        if not place.missing:
            os.unlink(place.name, dir_fd=place.folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(place.open(flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text.encode())
    executable_from_now()
