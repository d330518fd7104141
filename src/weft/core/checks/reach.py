"""What a command finds in its directory, and what it makes there. PURE."""

from __future__ import annotations

import posixpath

from weft.core.checks.base import Facts
from weft.core.checks.words import OUTPUTS, lines, words
from weft.core.command import rendered_name
from weft.model import Study


def given(study: Study, facts: Facts, key: str) -> frozenset[str]:
    """What the directory holds in which a command runs."""
    shared = {
        posixpath.basename(path) if path.startswith("/") or "://" in path else path
        for path in study.model.shared
    }
    step = getattr(study, key.partition(".")[0], None)
    if key in ("before.command", "after.command") and step is not None:
        return frozenset({*step.inputs, *shared, "results.csv", "results.parquet"})
    model = study.model
    rendered = (rendered_name(path) for path in model.templates)
    files = (file.path for file in facts.of("parameters"))
    before = study.before.outputs if study.before else ()
    return frozenset({*model.inputs, *shared, *rendered, *files, *before, "params.json"})


def made(study: Study, command: str) -> frozenset[str]:
    """What a case leaves by itself: the study says so, or the command writes it."""
    model, goes_on = study.model, study.continues.files if study.continues else ()
    steps = [step.outputs for step in (study.before, study.after) if step is not None]
    told = {*model.expect, *study.output.keep, *goes_on, *(path for outputs in steps for path in outputs)}
    known = words(command)
    written = {word.text for word in known if word.part in OUTPUTS}
    teed = {word.text for line in lines(command) if line[0].text == "tee" for word in line}
    return frozenset({*told, *written, *teed, model.result or ""})


def among(path: str, given: frozenset[str]) -> bool:
    """Is a path given, or below a folder that is, or a folder above something given?"""
    return any(path == each or path.startswith(f"{each}/") or each.startswith(f"{path}/") for each in given)
