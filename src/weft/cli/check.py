"""``weft check``: the checklist before submission, and mending what can be mended."""

from __future__ import annotations

import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli.options import at, json_option, study_argument
from weft.cli.screen import is_terminal, say_next
from weft.errors import Exit, NeedsDecision, WeftError
from weft.store.selfstart import argv

if TYPE_CHECKING:
    from weft.api import Study
    from weft.core.checks import Check, Fix

ROUNDS = 3
"""What is mended may show what else is to be mended; after so many rounds the rest is for the user."""
COLOURS = {"FAIL": "red", "WARN": "yellow", "PASS": "green"}
_INDENT = " " * 8


@click.command("check", short_help="Go through the checklist before submission.")
@study_argument
@click.option("--on", metavar="BACKEND", default="", help="Where to run, instead of run.on.")
@click.option("--all", "all_items", is_flag=True, help="Also show what passed.")
@click.option("--fix", is_flag=True, help="Mend what can be mended; shows first what would change, and asks.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@json_option("Print one JSON document.")
def command(study: str, on: str, all_items: bool, fix: bool, yes: bool, as_json: bool) -> int:
    """Check a study before anything is sent: its files, its command, outputs, limits, and where it runs.

    Exits with 5 if a check failed; warnings leave the exit code 0. `weft run` begins with the same checks.
    """
    from weft.api import Study

    loaded, place = Study.load(study, on=on), at(study)
    found = loaded.check(place=place)
    mended: list[Check] = []
    for _ in range(ROUNDS if fix else 0):
        known = {check.id for check in mended}
        todo = [check for check in found if check.fix is not None and check.id not in known]
        if not todo or not _mend(loaded, todo, yes=yes, as_json=as_json):
            break
        mended += todo
        loaded = Study.load(study, on=on)
        found = loaded.check(place=place)
    if as_json:
        _print_json(loaded, found, mended)
    else:
        for line in _lines(loaded, found, all_items=all_items):
            click.echo(line)
        _say_what_mends(found, f"weft check{place}{f' --on {on}' if on else ''}")
    return Exit.CHECK_FAILED if _those(found, "FAIL") else Exit.DONE


def _those(found: Sequence[Check], verdict: str) -> list[Check]:
    return [check for check in found if check.verdict.value == verdict]


# Mending


def _mend(study: Study, todo: Sequence[Check], *, yes: bool, as_json: bool) -> bool:
    """Show what would be done, ask, and do it; returns whether anything was done."""
    from weft.store import studyedit

    file = Path(study.spec.file)
    fixes = [check.fix for check in todo if check.fix]
    before = studyedit.read_exactly(file)
    after = studyedit.edited(before, [edit for fix in fixes for edit in fix.edits])
    others = [fix for fix in fixes if fix.unix_lines or fix.executable or fix.command]
    if after == before and not others:
        return False
    if not as_json:
        for line in (*_difference(str(file), before, after), *_in_words(others, Path(study.spec.folder))):
            click.echo(line)
    _agree(yes, as_json)
    changed = [Path(study.spec.folder, path) for fix in others for path in fix.unix_lines]
    for each in (*changed, *([file] if after != before else [])):
        studyedit.must_be_writable(each)
    if after != before:
        studyedit.replace(file, after)
    for fix in others:
        _do(fix, Path(study.spec.folder))
    return True


def _in_words(fixes: Sequence[Fix], folder: Path) -> Iterator[str]:
    """What would be done besides the changes of the study file."""
    from weft.render.text import printable

    for fix in fixes:
        for path in fix.unix_lines:
            yield printable(f"end the lines of `{path}`{_leads(folder / path)} with LF, not CR LF")
        for path in fix.executable:
            yield printable(f"make `{path}`{_leads(folder / path)} executable")
        if fix.command:
            yield printable(f"$ {shlex.join(('weft', *fix.command))}")


def _leads(file: Path) -> str:
    return f", a link to {file.resolve()}," if file.is_symlink() else ""


def _do(fix: Fix, folder: Path) -> None:
    from weft.store import scriptedit

    for path in fix.unix_lines:
        scriptedit.end_lines(folder / path)
    for path in fix.executable:
        scriptedit.make_executable(folder / path)
    if fix.command:
        _run(fix.command)


def _difference(name: str, before: str, after: str) -> Iterator[str]:
    import difflib

    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, f"{name} (mended)", lineterm=""
    )
    for line in lines:
        colour = {"+": "green", "-": "red"}.get(line[:1])
        yield click.style(line, fg=colour) if colour else line


def _agree(yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not is_terminal(sys.stdin):
        raise NeedsDecision("nothing was changed: there is nobody to ask", hint="`--yes` says that you agree")
    if not click.confirm("Do this?", default=True):
        raise click.exceptions.Abort


def _run(words: Sequence[str]) -> None:
    """Run a command of weft where the user stands; no module that lies there is imported."""
    done = subprocess.run(argv(*words), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().removeprefix("error: ")
        what = f"`{shlex.join(('weft', *words))}` did not work: {said}"
        raise WeftError(what, hint="what was changed before stands")


# Showing


def _lines(study: Study, found: Sequence[Check], *, all_items: bool) -> Iterator[str]:
    failed, warned, passed = (_those(found, verdict) for verdict in ("FAIL", "WARN", "PASS"))
    shown = [*failed, *warned]
    counted = ((len(failed), "failed"), (len(warned), "warned"), (len(passed), "passed"))
    parts = ", ".join(f"{number} {word}" for number, word in counted if number)
    yield f"{study.spec.name} on {study.spec.backend}: {len(found)} checks: {parts}"
    for check in shown:
        yield from _about(check)
    for check in passed if all_items else ():
        mark = click.style("PASS", fg=COLOURS["PASS"])
        yield from _wrapped(
            f"{check.title}: {check.evidence}" if check.evidence else check.title, f"  {mark}  ", 8
        )


def _say_what_mends(found: Sequence[Check], command: str) -> None:
    wrong = [check for check in found if check.verdict.value != "PASS"]
    mendable = sum(check.fix is not None for check in wrong)
    if mendable:
        part = f"{mendable} of these" if mendable < len(wrong) else "all of it"
        say_next(f"`{command} --fix` mends {part}")


def _about(check: Check) -> Iterator[str]:
    mark = click.style(check.verdict.value, fg=COLOURS[check.verdict.value], bold=True)
    yield f"  {mark}  {check.title}"
    yield from _wrapped(check.evidence, _INDENT)
    yield from _wrapped(check.remedy, f"{_INDENT}remedy: ")


def _wrapped(text: str, first: str, width: int | None = None) -> list[str]:
    from weft.render.text import WIDTH, printable

    plain = " " * (width if width is not None else len(first))
    lines = textwrap.wrap(
        printable(text), WIDTH - len(plain), break_long_words=False, break_on_hyphens=False
    ) or [""]
    return [f"{first}{lines[0]}".rstrip(), *(f"{plain}{line}" for line in lines[1:])]


def as_data(check: Check) -> dict[str, object]:
    return {
        "id": check.id,
        "title": check.title,
        "verdict": check.verdict.value,
        "evidence": check.evidence,
        "remedy": check.remedy,
        "fixable": check.fix is not None,
    }


def _print_json(study: Study, found: Sequence[Check], mended: Sequence[Check]) -> None:
    from weft.cli.progress import print_json

    print_json(
        {
            "name": study.spec.name,
            "backend": study.spec.backend,
            "failed": len(_those(found, "FAIL")),
            "warned": len(_those(found, "WARN")),
            "checks": [as_data(check) for check in found],
            "fixed": [check.id for check in mended],
        }
    )
