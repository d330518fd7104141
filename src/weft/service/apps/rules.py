"""The rules between the attributes of an app; everything about them lives here."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from weft.service.apps.model import App, ArgSpec, JobAttributes, ParameterSet
from weft.service.systems.attributes import control_characters, repeated, upward, variables

ZIP_SAVE = "--tapis-zip-save"
"""The one container argument that an app of the runtime ZIP may have."""
_URL = re.compile(r"(tapis|tapislocal|https?)://[^/\s]+(/.*)?", re.IGNORECASE)


def complaints(app: App) -> list[str]:
    """What is wrong with a definition, each beginning with the path of the attribute; empty when nothing is."""
    attributes = app.job_attributes
    return [
        *control_characters(msgspec.to_builtins(app)),
        *_runtime(app),
        *_execution(attributes),
        *_parameters(attributes.parameter_set),
        *_inputs(attributes),
        *_arrays(attributes),
    ]


def _runtime(app: App) -> Iterator[str]:
    options = app.runtime_options or []
    if app.runtime == "SINGULARITY" and "SINGULARITY_RUN" not in options:
        yield "runtimeOptions: an app of the runtime SINGULARITY needs the option SINGULARITY_RUN"
    if app.runtime == "ZIP" and not (
        app.container_image.startswith("/") or _URL.fullmatch(app.container_image)
    ):
        yield "containerImage: an app of the runtime ZIP needs an absolute path or a URL"
    for number, each in enumerate(app.job_attributes.parameter_set.container_args):
        if (app.runtime == "ZIP") != (each.arg == ZIP_SAVE):
            path = f"jobAttributes.parameterSet.containerArgs[{number}].arg"
            yield f"{path}: {each.arg!r} is not supported with the runtime {app.runtime}"


def _execution(attributes: JobAttributes) -> Iterator[str]:
    if attributes.dynamic_exec_system and not attributes.exec_system_constraints:
        yield "jobAttributes.execSystemConstraints: a dynamic execution system needs some"
    if attributes.is_mpi and attributes.cmd_prefix:
        yield "jobAttributes.cmdPrefix: cannot be given together with isMpi"


def _parameters(parameters: ParameterSet) -> Iterator[str]:
    path = "jobAttributes.parameterSet"
    yield from _arguments(parameters.app_args, f"{path}.appArgs")
    yield from _arguments(parameters.container_args, f"{path}.containerArgs")
    yield from _arguments(parameters.scheduler_options, f"{path}.schedulerOptions")
    yield from variables(parameters.env_variables, f"{path}.envVariables")
    if parameters.log_config:
        for attribute in ("stdout_filename", "stderr_filename"):
            if "/" in getattr(parameters.log_config, attribute):
                yield f"{path}.logConfig.{attribute[:6]}Filename: is the name of a file, without a directory"


def _arguments(arguments: list[ArgSpec], path: str) -> Iterator[str]:
    yield from repeated([each.name for each in arguments], path)
    for number, each in enumerate(arguments):
        if each.input_mode == "FIXED" and each.arg is None:
            yield f"{path}[{number}].arg: a FIXED argument needs a value"


def _inputs(attributes: JobAttributes) -> Iterator[str]:
    path = "jobAttributes.fileInputs"
    yield from repeated([each.name for each in attributes.file_inputs], path)
    for number, each in enumerate(attributes.file_inputs):
        yield from _env_key(each.env_key, attributes, f"{path}[{number}]")
        yield from upward(each.target_path, f"{path}[{number}].targetPath")
        if each.source_url is not None and not _URL.fullmatch(each.source_url):
            yield f"{path}[{number}].sourceUrl: {each.source_url!r} is no URL that can be fetched"
        if each.input_mode == "FIXED" and each.source_url is None:
            yield f"{path}[{number}].sourceUrl: a FIXED input needs one"


def _arrays(attributes: JobAttributes) -> Iterator[str]:
    path = "jobAttributes.fileInputArrays"
    yield from repeated([each.name for each in attributes.file_input_arrays], path)
    for number, each in enumerate(attributes.file_input_arrays):
        yield from _env_key(each.env_key, attributes, f"{path}[{number}]")
        yield from upward(each.target_dir, f"{path}[{number}].targetDir")
        for place, url in enumerate(each.source_urls):
            if not _URL.fullmatch(url):
                yield f"{path}[{number}].sourceUrls[{place}]: {url!r} is no URL that can be fetched"
        if each.input_mode == "FIXED" and not each.source_urls:
            yield f"{path}[{number}].sourceUrls: a FIXED input needs some"


def _env_key(key: str | None, attributes: JobAttributes, path: str) -> Iterator[str]:
    if key is None:
        return
    if key.startswith("_tapis"):
        yield f"{path}.envKey: {key!r} begins with _tapis, which is reserved"
    if any(variable.key == key for variable in attributes.parameter_set.env_variables):
        yield f"{path}.envKey: {key!r} is the key of an environment variable of the app"
