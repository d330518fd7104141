"""``weft app show``: what an app takes, what weft makes of it, and the settings that a study needs for it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli.options import json_option
from weft.errors import Exit, UsageError, WeftError

if TYPE_CHECKING:
    from weft.tapis.apps import App, Slot
    from weft.tapis.families import Family

WIDTH = 80
_INDENT = 2


@click.command("show", short_help="Say what an app takes, and what a study needs for it.")
@click.argument("app")
@click.argument("version", default="")
@click.option("--base-url", metavar="URL", default="", help="Which Tapis, with logins at several.")
@json_option("Print one JSON document.")
def command(app: str, version: str, base_url: str, as_json: bool) -> int:
    """Say what an app takes: its slots, what weft makes of them, and a [tapis] table to paste into a study.

    APP is the id of an app, or a file with a definition (`app.json`). Without VERSION the latest is shown.
    """
    from weft.tapis.families import family_of

    shown = _from_file(Path(app), version) if app.endswith(".json") else _from_service(app, version, base_url)
    try:
        family, why_not = family_of(shown), None
    except WeftError as problem:
        family, why_not = None, problem
    if as_json:
        _print_json(shown, family, why_not)
    else:
        for line in _lines(shown, family, why_not):
            click.echo(line)
    return Exit.DONE


def _from_service(name: str, version: str, base_url: str) -> App:
    from weft.tapis.catalogue import find_app
    from weft.tapis.login import session

    with session(base_url, in_person=True) as speaking:
        return find_app(speaking, name, version)


def _from_file(file: Path, version: str) -> App:
    from weft.tapis.apps import App

    if version:
        raise UsageError("a file holds one version", where=str(file), hint="leave the version out")
    try:
        definition = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            "there is no such file", where=str(file), hint="an app's id does not end in .json"
        ) from None
    except (ValueError, RecursionError) as problem:
        raise WeftError(
            f"not JSON: {problem}", where=str(file), hint="a definition is one JSON object"
        ) from None
    return App.from_definition(definition, str(file))


def _print_json(app: App, family: Family | None, why_not: WeftError | None) -> None:
    import msgspec

    from weft.cli.progress import print_json

    print_json(
        {
            "app": msgspec.to_builtins(app),
            "family": msgspec.to_builtins(family) if family else None,
            "cannot": list(family.limitations) if family else [],
            "why_not": why_not.what if why_not else None,
            "table": "\n".join(table(app, family)) if family else None,
        }
    )


# The definition in words


def _lines(app: App, family: Family | None, why_not: WeftError | None) -> Iterator[str]:
    from weft.render.text import on_a_line, printable

    yield printable(
        f"{app.id} {app.version}" + (f": {app.label}" if app.label and app.label != app.id else "")
    )
    yield from _wrapped(app.description)
    for name, what in _facts(app):
        yield from _wrapped(what, name)
    yield ""
    yield "It takes (weft itself fills what is marked *):" if app.slots else "It takes nothing."
    for slot in app.slots:
        yield from _slot(slot, family)
    yield ""
    if family is None:
        yield from _wrapped(str(why_not), indent=0)
        return
    yield "weft's use of it:"
    for sentence in _use(app, family):
        yield from _wrapped(sentence, "-")
    yield ""
    yield "For study.toml:"
    yield ""
    yield from map(on_a_line, table(app, family))


def _facts(app: App) -> Iterator[tuple[str, str]]:
    from weft.core.quantities import count

    place = f" on {app.system}" if app.system else ""
    queue = f", queue {app.queue}" if app.queue else ""
    mpi = f"; started by {app.mpi_command or 'MPI'}" if app.is_mpi else ""
    yield "runs", f"{app.job_type or 'FORK or BATCH'}{place}{queue}; runtime {app.runtime}{mpi}"
    size = f"{count(app.nodes, 'node')} of {count(app.cores_per_node, 'core')}, {app.memory_mb:,} MB each"
    yield "asks for", f"{size}; {count(app.minutes, 'minute')} (unless the study says otherwise)"
    if app.archive_dir or app.archive_system:
        yield (
            "archives",
            f"to {app.archive_system or 'the execution system'}: {app.archive_dir} (weft says its own)",
        )
    limits = [str(limit) for limit in (app.max_jobs, app.max_jobs_per_user) if limit]
    if limits:
        yield "limits", f"{' and '.join(limits)} live jobs, of all and of one user"


def _slot(slot: Slot, family: Family | None) -> Iterator[str]:
    from weft.tapis.apps import Kind

    kinds = {
        Kind.ARG: "argument",
        Kind.CONTAINER: "container option",
        Kind.SCHEDULER: "scheduler option",
        Kind.ENV: "variable",
        Kind.INPUT: "input",
        Kind.ARRAY: "list of inputs",
    }
    mode = slot.mode.value.lower().replace("_", " ")
    value = f", {slot.value}" if slot.value else ""
    offered = f"; one of {', '.join(slot.choices)}" if slot.choices else ""
    mark = "*" if family and _is_ours(slot, family) else "-"
    yield from _wrapped(f"{kinds[slot.kind]} {slot.name or '(no name)'}: {mode}{value}{offered}", mark)
    if slot.description:
        yield from _wrapped(slot.description, indent=2 * _INDENT + 2)


def _is_ours(slot: Slot, family: Family) -> bool:
    """Does weft fill it itself, or keep it empty?"""
    from weft.tapis.apps import Kind

    if slot.kind is Kind.INPUT:
        return slot.name == family.input
    return slot.address in (family.script, family.arguments, *family.given)


def _use(app: App, family: Family) -> Iterator[str]:
    if not family.known:
        yield "weft knows this app by its slots only, and takes nothing for granted"
    yield f"`{family.starting(family.runner_file)}` goes into `{family.script}`, the job's folder into `{family.input}`"
    for address, value in family.given.items():
        slot = app.slot(address)
        if slot and slot.mode.value != "FIXED":
            yield f"`{address}` is {value}"
    if app.slot(family.arguments):
        yield f"`{family.arguments}` stays empty: what a case is given stands in model.command"
    if family.ranks:
        yield "every core runs one process, and each takes its share of the cases"
    if family.archives_to_owner:
        yield "its own archive is a folder of the app's owner; weft always names another"
    for sentence in family.limitations:
        yield f"it cannot {sentence}"
    end = "" if family.trust_exit_code else "the job's end says nothing of the cases: "
    yield f"{end}{family.why_finished}. A case is done only when its own record says so"


# The settings for it


def table(app: App, family: Family) -> list[str]:
    """The lines of a ``[tapis]`` table that runs a study in the app."""
    lines = ["[run]", 'on = "tapis"', "", "[tapis]", _line("app", app.id), _line("version", app.version)]
    if app.system:
        lines.append(_line("system", app.system))
    if app.job_type:
        lines.append(_line("type", app.job_type))
    if app.queue and app.job_type != "FORK":
        lines.append(_line("queue", app.queue))
    if _pays(app, family):
        lines.append('allocation = "..."  # who pays')
    if family.runner == "tcl":
        lines += [f"nodes = {app.nodes}", f"cores = {app.cores_per_node}"]
    lines.append(f"minutes = {app.minutes}")
    lines.append('# storage = "tapis://SYSTEM/FOLDER"  # for the files of jobs')
    return [*lines, *_asked(app, family)]


def _pays(app: App, family: Family) -> bool:
    from weft.tapis.request import job_type_of, needs_allocation
    from weft.tapis.systems import System

    system = System(id=app.system, host="", can_run_batch=True)  # as far as it is known without asking
    return needs_allocation(system, family, job_type_of(app, system))


def _asked(app: App, family: Family) -> Iterator[str]:
    """What the app requires and does not give itself, to be filled in."""
    from weft.tapis.apps import Kind, Mode
    from weft.tapis.filling import asks_for
    from weft.tapis.request import ALLOCATION

    tables = {
        "args": (Kind.ARG, Kind.CONTAINER, Kind.SCHEDULER),
        "env": (Kind.ENV,),
        "inputs": (Kind.INPUT, Kind.ARRAY),
    }
    for name, kinds in tables.items():
        slots = [
            slot
            for slot in app.of(*kinds)
            if slot.mode is Mode.REQUIRED and slot.value is None and slot.name
            if not _is_ours(slot, family) and slot.name != ALLOCATION
        ]
        if slots:
            yield from ("", f"[tapis.{name}]")
        for slot in slots:
            yield f"{_line(slot.name, slot.choices[0] if slot.choices else '...')}  # {asks_for(slot)}"


def _line(key: str, value: str) -> str:
    bare = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
    return f"{key if bare else json.dumps(key)} = {json.dumps(value)}"


def _wrapped(text: str, name: str = "", indent: int = _INDENT) -> Iterator[str]:
    """Text in lines that fit, below each other after a name."""
    from weft.render.text import printable

    head = " " * indent + (f"{name:<{1 if len(name) < 2 else 8}} " if name else "")
    for part in printable(text).splitlines():
        yield from textwrap.wrap(
            part,
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_on_hyphens=False,
            break_long_words=False,
        )
        head = " " * len(head)
