"""``weft store``: the common inputs that lie on Tapis systems for studies to share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from weft.cli.options import HERE, json_option, split_study, words_argument
from weft.cli.screen import is_terminal, say_next
from weft.errors import Exit, NeedsDecision, UsageError

if TYPE_CHECKING:
    from weft.tapis.shared import Refreshed, SharedStore
    from weft.tapis.standing import Standing
    from weft.tapis.storebook import Book, Kept, Where

Function = TypeVar("Function", bound=Callable[..., Any])

FILES_NAMED = 5


@click.group("store", short_help="Look after the inputs that studies share on Tapis systems.")
def command() -> None:
    """Look after the inputs that studies share on Tapis systems.

    Each lies there once, known by its content, for all studies that use it. A site may remove what
    nobody has used for some days: `verify` sees it and `refresh` puts it back.
    """


def _study_argument(function: Function) -> Function:
    return click.argument("study", default="", metavar="[STUDY]")(function)


def _service_option(function: Function) -> Function:
    return click.option("--base-url", metavar="URL", default="", help="Which Tapis, with logins at several.")(
        function
    )


@command.command("list", short_help="List what is in the store.")
@_study_argument
@click.option("--remote", is_flag=True, help="Look whether it is really there.")
@_service_option
@json_option("Print one JSON document.")
def list_(study: str, remote: bool, base_url: str, as_json: bool) -> int:
    """List what is in the store, or what of it a study uses, as weft remembers it."""
    from weft.tapis.standing import remembered

    asked = _Asked(study, base_url)
    if remote:
        with asked.stores() as stores:
            found = [(store.where, store.entries(look=True, study=asked.folder)) for store in stores]
    else:
        found = [(book.where, remembered(book, asked.folder)) for book in asked.books(asked.base_url)]
    _show([(where, [_seen(each) for each in entries]) for where, entries in found], as_json)
    return Exit.DONE


@command.command("verify", short_help="Look whether it is there and whole.")
@_study_argument
@_service_option
@json_option("Print one JSON document.")
def verify(study: str, base_url: str, as_json: bool) -> int:
    """Look whether what is in the store, or what of it a study uses, is there and whole.

    One listing per entry. Exits with 5 if something is missing.
    """
    asked = _Asked(study, base_url)
    with asked.stores() as stores:
        found = [(store.where, store.entries(look=True, study=asked.folder)) for store in stores]
    _show([(where, [_seen(each) for each in entries]) for where, entries in found], as_json)
    if all(each.whole for _, entries in found for each in entries):
        return Exit.DONE
    if not as_json:
        say_next(f"`weft store refresh{asked.place}` puts back what is missing")
    return Exit.CHECK_FAILED


@command.command("refresh", short_help="Put back what is missing.")
@_study_argument
@_service_option
@json_option("Print one JSON document.")
def refresh(study: str, base_url: str, as_json: bool) -> int:
    """Put back what is missing, from where it came, if that is still the same.

    Nothing is touched that is there. Exits with 1 if something could not be put back.
    """
    asked = _Asked(study, base_url)
    shown, lost = [], False
    with asked.stores() as stores:
        for store in stores:
            done = store.refresh(each.kept for each in store.entries(study=asked.folder))
            shown.append((store.where, [_outcome(each) for each in done]))
            lost = lost or any(each.lost for each in done)
    _show(shown, as_json)
    if lost and not as_json:
        say_next("put those files back here and refresh again; `weft run` uploads what has changed")
    return Exit.PROBLEM if lost else Exit.DONE


@command.command("forget", short_help="Remove entries from the store.")
@words_argument("[ENTRIES]...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_service_option
@json_option("Print one JSON document.")
def forget(words: tuple[str, ...], yes: bool, base_url: str, as_json: bool) -> int:
    """Remove entries, named by name or hash, or all that only this study uses, from their systems.

    Jobs that still wait for one fail at their start.
    """
    study, named = split_study(words)
    study = study if len(named) < len(words) else ""
    if not study and not named:
        raise UsageError(
            "nothing is named", where="weft store forget", hint="name entries or a study: `weft store list`"
        )
    asked = _Asked(study, base_url)
    with asked.stores() as stores:
        chosen = [(store, _chosen(store, named, asked.folder)) for store in stores]
        _check_found(named, [kept for _, entries in chosen for kept in entries])
        if not named:
            chosen = [(store, _unshared(entries, asked.folder)) for store, entries in chosen]
        _agree([kept for _, entries in chosen for kept in entries], yes)
        for store, entries in chosen:
            store.forget(entries)
    _show([(store.where, [_row(each, "forgotten") for each in kept]) for store, kept in chosen], as_json)
    return Exit.DONE


def _unshared(entries: Sequence[Kept], study: str) -> list[Kept]:
    """The entries that no other study uses; says which are kept because one does."""
    for kept in entries:
        others = [folder for folder in kept.studies if folder != study]
        if others:
            click.echo(f"{kept.name} stays: {others[0]} uses it, too (name it to remove it)", err=True)
    return [kept for kept in entries if set(kept.studies) <= {study}]


class _Asked:
    """What a command is about: all stores of a service, or what one study uses."""

    def __init__(self, study: str, base_url: str) -> None:
        from weft.tapis.login import address

        self.folder = self.place = self._system = ""
        if study:
            from weft.api import Study
            from weft.cli.options import at

            spec = Study.load(study).spec
            settings = spec.settings.get("tapis", {})
            self.folder = spec.folder
            self.place = " ." if study == HERE else at(study)
            base_url = base_url or str(settings.get("base_url") or "")
            self._system = str(settings.get("system") or "")
        self.base_url = address(base_url) if base_url else ""

    def books(self, base_url: str) -> list[Book]:
        from weft.tapis.storebook import books

        return [book for book in books(base_url) if self._system in ("", book.where.system)]

    @contextmanager
    def stores(self) -> Iterator[list[SharedStore]]:
        """The stores of the user who is logged in."""
        from weft.tapis.login import session
        from weft.tapis.shared import store_on

        with session(self.base_url) as speaking:
            yield [
                store_on(speaking, book.where.system, book.where.root_dir)
                for book in self.books(speaking.base_url)
                if book.where.user == speaking.user
            ]


def _chosen(store: SharedStore, named: Sequence[str], study: str) -> list[Kept]:
    kept = [each.kept for each in store.entries(study=study)]
    return [each for each in kept if not named or any(_fits(each, word) for word in named)]


def _fits(kept: Kept, word: str) -> bool:
    return word in (kept.name, kept.address) or (len(word) >= 4 and kept.hash.startswith(word))


def _check_found(named: Sequence[str], found: Sequence[Kept]) -> None:
    for word in named:
        if not any(_fits(kept, word) for kept in found):
            raise UsageError(
                f"there is no entry `{word}`", hint="`weft store list` shows their names and hashes"
            )


def _agree(entries: Sequence[Kept], yes: bool) -> None:
    """Ask whether these may be removed; Abort if not."""
    if yes or not entries:
        return
    from weft.core.quantities import count, size

    what = f"{count(sum(len(kept.files) for kept in entries), 'file')}, {size(sum(kept.bytes for kept in entries))}"
    if not is_terminal(sys.stdin):
        raise NeedsDecision(f"{what} would be removed", hint="--yes removes them without asking")
    for kept in entries:
        users = f", used by {', '.join(kept.studies)}" if kept.studies else ""
        click.echo(f"  {kept.hash}  {kept.name}, {size(kept.bytes)}{users}", err=True)
    click.confirm(f"Remove {what}?", abort=True, err=True)


Row = dict[str, Any]
"""An entry as ``--json`` shows it."""


def _row(kept: Kept, state: str, **more: Any) -> Row:
    from msgspec import to_builtins

    files = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in kept.files]
    return {**to_builtins(kept), "files": files, "bytes": kept.bytes, "state": state, **more}


def _seen(standing: Standing) -> Row:
    state = ""
    if standing.looked:
        parts = [("missing", standing.missing), ("another size", standing.wrong)]
        state = "; ".join(f"{word}: {_named(paths)}" for word, paths in parts if paths) or "whole"
    found = {"missing": standing.missing, "wrong": standing.wrong} if standing.looked else {}
    return _row(standing.kept, state, warning=standing.warning, **found)


def _outcome(done: Refreshed) -> Row:
    parts = [f"put back: {_named(done.put_back)}"] if done.put_back else []
    parts += [f"not put back: {path or 'the file'} ({why})" for path, why in done.lost[:FILES_NAMED]]
    if len(done.lost) > FILES_NAMED:
        parts.append(f"and {len(done.lost) - FILES_NAMED:,} more not put back")
    lost = [{"path": path, "why": why} for path, why in done.lost]
    return _row(done.kept, "; ".join(parts) or "whole", put_back=done.put_back, lost=lost)


def _named(paths: Sequence[str]) -> str:
    from weft.core.quantities import count

    if list(paths) == [""]:
        return "the file"
    named = ", ".join(paths[:FILES_NAMED]) + (", ..." if len(paths) > FILES_NAMED else "")
    return f"{count(len(paths), 'file')} ({named})"


def _show(stores: Sequence[tuple[Where, Sequence[Row]]], as_json: bool) -> None:
    if as_json:
        from msgspec import to_builtins

        from weft.cli.progress import print_json

        print_json({"stores": [{**to_builtins(where), "entries": rows} for where, rows in stores]})
        return
    for where, rows in stores:
        if rows:
            click.echo(f"{where.system} at {where.base_url}, {where.user}:")
        for row in rows:
            _print(row)
    if not any(rows for _, rows in stores):
        click.echo("there is nothing in the store; a study with `shared` inputs that runs on Tapis fills it")


def _print(row: Row) -> None:
    from weft.core.quantities import count, moment, size
    from weft.render.text import printable

    now = time.time()
    state = f": {row['state']}" if row["state"] else ""
    told = f"{row['name']}, {count(len(row['files']), 'file')}, {size(row['bytes'])}{state}"
    click.echo(f"  {row['hash']}  {printable(told)}")
    if not row["state"]:
        click.echo(f"    {printable(row['address'])}")
        click.echo(f"    last used {moment(row['used_at'], now)}, seen whole {moment(row['seen_at'], now)}")
        for study in row["studies"]:
            click.echo(f"    used by {printable(study)}")
    if row.get("warning"):
        click.echo(f"    warning: {printable(row['warning'])}")
