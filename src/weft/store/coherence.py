"""Whether the parts of a study fit together: names that are used and defined, files that would hide each
other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from weft.core.command import (
    PARAMS_FILE,
    placeholders,
    refused,
    rendered_name,
    template_placeholders,
    text_placeholders,
)
from weft.core.nearest import did_you_mean
from weft.core.revision import parameter_files
from weft.errors import WeftError
from weft.model import Study
from weft.store.complaints import Complaints, Key
from weft.store.inputs import case_name

_TEMPLATE_BYTES = 10_000_000


def check_names(study: Study, complaints: Complaints, unsound: Iterable[str]) -> None:
    """Complain about parameters that are used but not defined, or defined but not used.

    ``unsound`` are parameters that have been complained about: they count as defined.
    """
    columns = set(study.space.table[0]) if study.space.table else set()
    defined = {*study.parameters, *unsound, *columns}
    uses = {**_command_uses(study, defined, complaints), **_template_uses(study, complaints)}
    used: set[str] = set()
    for key, names in uses.items():
        used |= names
        for name in sorted(names - defined - {"case", "params"}):
            hint = did_you_mean(name, defined) or "define it under [parameters]"
            if key[-1] != "templates":
                hint += f"; to mean the text itself write {{{{{name}}}}}"
            complaints.add(key, f"there is no parameter `{name}`", hint)
    where = _where_uses(study, defined, complaints)
    if "params" in used or where is None:
        return
    for name in study.parameters:
        if name not in used | where:
            hint = (
                f"write {{{name}}} in the command, or {{params}} for a file with all parameters, or remove it"
            )
            complaints.add(("parameters", name), f"the parameter `{name}` is not used", hint)


def _command_uses(study: Study, defined: set[str], complaints: Complaints) -> dict[Key, frozenset[str]]:
    uses: dict[Key, frozenset[str]] = {}
    model, key = study.model, ("model", "command")
    try:
        uses[key] = placeholders(model.command)
        for name, why, hint in refused(model.command, defined):
            complaints.add(key, f"`{{{name}}}` cannot be filled in there: {why}", hint)
            uses[key] |= {name}
    except WeftError as problem:
        complaints.add(key, problem.what, problem.hint)
        uses[key] = frozenset(["params"])  # what it uses is unknown
    for variable, text in model.env.items():
        uses[("model", "env", variable)] = text_placeholders(text)
    _check_once(study, defined, complaints)
    return uses


def _check_once(study: Study, defined: set[str], complaints: Complaints) -> None:
    """Commands that run once have no parameters."""
    commands: list[tuple[Key, str]] = [(("model", "setup"), line) for line in study.model.setup]
    if study.model.finish:
        commands.append((("model", "finish"), study.model.finish))
    for name, step in (("before", study.before), ("after", study.after)):
        if step is not None:
            commands.append(((name, "command"), step.command))
    for key, command in commands:
        try:
            names = placeholders(command) & (defined | {"params"})
        except WeftError as problem:
            complaints.add(key, problem.what, problem.hint)
            continue
        for name in sorted(names):
            what = f"`{{{name}}}` has no value here: this does not run for each case"
            complaints.add(
                key, what, f"use it in model.command, or write {{{{{name}}}}} to mean the text itself"
            )


def _template_uses(study: Study, complaints: Complaints) -> dict[Key, frozenset[str]]:
    names: frozenset[str] = frozenset()
    for template in study.model.templates:
        try:
            text = _text(Path(study.folder, template), template)
            names |= template_placeholders(text, template)
        except WeftError as problem:
            complaints.add_error(problem)
    return {("model", "templates"): names}


def _text(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > _TEMPLATE_BYTES:
            raise WeftError(
                "the template is larger than 10 MB", where=shown, hint="put large data in `inputs`"
            )
        data = path.read_bytes()
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        what = f"not UTF-8: byte 0x{data[problem.start]:02x}"
        raise WeftError(what, where=f"{shown}:{line}", hint="save it as UTF-8") from None
    except OSError as problem:
        raise WeftError(f"the template cannot be read: {problem.strerror}", where=shown) from None


def _where_uses(study: Study, defined: set[str], complaints: Complaints) -> frozenset[str] | None:
    if study.space.where is None:
        return frozenset()
    from weft.core.expressions import compile_expression

    try:
        return compile_expression(study.space.where, defined).names
    except WeftError as problem:
        complaints.add(("space", "where"), problem.what, problem.hint)
        return None


def check_case_directory(study: Study, complaints: Complaints) -> None:
    """Complain about things that would stand at the same place in a case's directory."""
    model = study.model
    places: dict[str, str] = {path: f"the input `{path}`" for path in model.inputs}
    shared = {case_name(entry): f"the shared `{entry}`" for entry in model.shared}
    for path in parameter_files(study):
        if path not in shared and not path.startswith(tuple(f"{name}/" for name in shared)):
            places.setdefault(path, f"the file `{path}` of a parameter")
    entries = [(case_name(entry), f"the shared `{entry}`", "shared") for entry in model.shared]
    entries += [(rendered_name(path), f"the rendered `{path}`", "templates") for path in model.templates]
    if "{params}" in model.command:
        places[PARAMS_FILE] = f"weft's own {PARAMS_FILE}"
    for place, what, key in entries:
        other = _in_the_way(place, places)
        if other:
            hint = "end the template's name with .in" if key == "templates" else "rename one, or list it once"
            complaints.add(
                ("model", key), f"{what} and {other} would both be {place} in a case's directory", hint
            )
        places[place] = what


def _in_the_way(place: str, places: Mapping[str, str]) -> str | None:
    """What stands at this place, above it or below it, if anything."""
    if place in places:
        return places[place]
    above = [place[:i] for i, sign in enumerate(place) if sign == "/"]
    for path, what in places.items():
        if path in above or path.startswith(f"{place}/"):
            return what
    return None
