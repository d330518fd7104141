"""What of a job would be archived, and where: by asking its filter about files that every job has. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from weft.tapis.linting.finding import Level
from weft.tapis.linting.lines import Path
from weft.tapis.linting.view import Fault, View, entries

_W, _E = Level.WARNING, Level.ERROR
_OF_THE_USER = re.compile(r"\$\{(JobOwner|EffectiveUserId)\}|HOST_EVAL\(")
_ELSEWHERE = re.compile(r"\$\{(JobWorkingDir|ExecSystem\w+)\}|/?jobs/|!tapis_not_set")
"""Beginnings of directories that belong to the job, not to a user."""
_ANY_FILES = ("a file.txt", "a folder/a file.txt")
"""Stand for all files of an input."""


_OWN_PLACE = '"${JobOwner}/tapis-jobs-archive/${JobCreateDate}/${JobName}-${JobUUID}"'
_APART = "another execSystemOutputDir, as ${JobWorkingDir}/output, or an archiveFilter that leaves them out"
_FILTER: Path = ("jobAttributes", "parameterSet", "archiveFilter")


def place(view: View, _: bool) -> Iterator[Fault]:
    """Whose directory the results go to."""
    target, path = view.text("archiveSystemDir"), ("jobAttributes", "archiveSystemDir")
    if not target and view.job.get("archiveMode") != "NEVER":
        why = "results stay in the job's directory on the execution system, which may be purged"
        yield Fault(("jobAttributes",), _W, "archive-place", "there is no archiveSystemDir", why, _OWN_PLACE)
    elif "${EffectiveUserId}" in target and "${JobOwner}" not in target:
        what = "results go to the directory of ${EffectiveUserId}"
        why = "where the execution system has one user for all jobs, it is the same place for everybody"
        yield Fault(path, _W, "archive-place", what, why, _OWN_PLACE)
    elif target and not _OF_THE_USER.search(target) and not _ELSEWHERE.match(target):
        what = f"the results of all users go to {target}"
        why = "others may not write there, and their results would lie among the owner's if they could"
        yield Fault(path, _E, "archive-place", what, why, _OWN_PLACE)


def inputs_again(view: View, _: bool) -> Iterator[Fault]:
    """Are inputs carried along with the results, or results thrown away with the inputs?"""
    output, inputs = _place(view, "Output"), _place(view, "Input")
    if not _within(inputs, output):
        return
    for number, each in enumerate(entries(view.job.get("fileInputs"))):
        path, name, target = ("jobAttributes", "fileInputs", number), each.get("name"), each.get("targetPath")
        if not isinstance(target, str):
            continue
        below = (
            f"{inputs[len(output) :]}/{target}".strip("/").removesuffix("/.") if target != "*" else "input"
        )
        files = [f"{below}/{file}".removeprefix("./") for file in _ANY_FILES]
        if all(_archives(view, file) for file in files):
            why = "they are transferred a second time, file by file where there is a filter"
            yield Fault(path, _W, "inputs-archived", f"the input {name!r} is archived again", why, _APART)
        elif all(_excluded(view, file) for file in files):
            what = f"all that a program writes into the input {name!r} is thrown away"
            why = "excludes come first: no job, and no study, can have it archived by asking for it"
            yield Fault(
                _FILTER, _W, "results-excluded", what, why, _APART.replace("leaves them out", "has includes")
            )


def image_too(view: View, has_wrapper: bool) -> Iterator[Fault]:
    """Is the ZIP of the app carried along with the results?"""
    image = view.text("containerImage")
    unpacked = view.text("runtime") == "ZIP" and (has_wrapper or image.startswith(("tapis:", "http")))
    name = image.rpartition("/")[2] or "the image.zip"
    if unpacked and _within(_place(view, "Exec"), _place(view, "Output")) and _archives(view, name):
        what = "the app's own archive and wrapper are archived too"
        yield Fault(
            _FILTER, _W, "image-archived", what, "each job carries them along with its results", _APART
        )


def _place(view: View, kind: str) -> str:
    """The directory of a job, after the defaults of Tapis."""
    default = "${JobWorkingDir}/jobs/${JobUUID}" + ("/output" if kind == "Output" else "")
    return (view.text(f"execSystem{kind}Dir") or default).rstrip("/")


def _within(place: str, above: str) -> bool:
    return place == above or place.startswith(f"{above}/")


def _archives(view: View, path: str) -> bool:
    """Would a file of the output directory be archived? Excludes come first, then includes."""
    includes = view.filter("includes")
    return not _excluded(view, path) and (not includes or any(_matches(path, each) for each in includes))


def _excluded(view: View, path: str) -> bool:
    return any(_matches(path, each) for each in view.filter("excludes"))


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("REGEX:"):
        try:
            return bool(re.fullmatch(pattern[6:], path))
        except (re.error, RecursionError, OverflowError):
            return False
    text = (
        re.escape(pattern)
        .replace(r"\*\*", "\0")
        .replace(r"\*", "[^/]*")
        .replace("\0", ".*")
        .replace(r"\?", "[^/]")
    )
    return bool(re.fullmatch(text, path))
