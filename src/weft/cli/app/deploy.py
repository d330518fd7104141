"""``weft app deploy``: check an app, upload its archive, register its version, and say how to use it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli.options import json_option
from weft.errors import CheckFailed, Exit, WeftError

if TYPE_CHECKING:
    from weft.tapis.appfolder import AppFolder
    from weft.tapis.deploy import Deployment
    from weft.tapis.linting import Finding

_DONE = {
    "created": "registered",
    "replaced": "replaced",
    "unchanged": "registered already with this content; nothing to do",
}

_NOT_READABLE = (
    "warning: their jobs may not be able to fetch the archive: only the owner of a system may share files of it\n"
    "  remedy: deploy with --system to a system of your own, or with --path to a folder that they may read"
)


@click.command("deploy", short_help="Upload and register an app of your own.")
@click.argument("folder", default=".", metavar="[FOLDER]")
@click.option(
    "--system", metavar="SYS", default="", help="The system for its archive. [default: your storage]"
)
@click.option("--path", metavar="P", default="", help="The folder for its archive on that system.")
@click.option("--version", metavar="V", default="", help="The version, instead of that in app.json.")
@click.option("--share", metavar="USER", multiple=True, help="Let this user use it; may be given again.")
@click.option("--public", is_flag=True, help="Let all users of the tenant use it.")
@click.option("--replace", is_flag=True, help="Change a version that is registered, for all who use it.")
@click.option("--force", is_flag=True, help="Go on in spite of errors that the check found.")
@click.option("--base-url", metavar="URL", default="", help="Which Tapis, with logins at several.")
@json_option("Print one JSON document.")
def command(
    folder: str,
    system: str,
    path: str,
    version: str,
    share: tuple[str, ...],
    public: bool,
    replace: bool,
    force: bool,
    base_url: str,
    as_json: bool,
) -> int:
    """Check the app in FOLDER (default: here), upload its archive and register its version.

    To do it again with the same content changes nothing; a version that is there with another content is left alone.
    """
    from weft.tapis import appfolder, deploy
    from weft.tapis.login import session

    app = appfolder.read(Path(folder))
    with session(base_url) as speaking:
        _stop_at_errors(deploy.check(speaking, app), force)
        done = deploy.deploy(
            speaking,
            app,
            system=system,
            path=path,
            version=version,
            share=share,
            public=public,
            replace=replace,
        )
    _tell(done, app, as_json)
    return Exit.DONE


def _stop_at_errors(found: Sequence[Finding], force: bool) -> None:
    from weft.cli.app.check import errors, show, summary

    show(found, err=True)
    if errors(found) and not force:
        hint = "mend what stands above, or give --force"
        raise CheckFailed(f"{summary(found)}; nothing was uploaded", hint=hint)


def _tell(done: Deployment, app: AppFolder, as_json: bool) -> None:
    if as_json:
        import msgspec

        from weft.cli.progress import print_json

        print_json(msgspec.to_builtins(done))
        return
    click.echo(f"{done.id} {done.version}: {_DONE[done.state]}")
    click.echo(f"archive: {done.image}")
    if done.shared or done.public:
        click.echo(f"shared with: {'everybody' if done.public else ', '.join(done.shared)}")
        if not done.archive_shared:
            click.echo(_NOT_READABLE, err=True)
    click.echo("In a study:")
    for line in ("[run]", 'on = "tapis"', "[tapis]", f'app = "{done.id}"', f'version = "{done.version}"'):
        click.echo(f"  {line}")
    for line in _family(app):
        click.echo(f"  {line}")


def _family(app: AppFolder) -> list[str]:
    """What a study has to say besides of an app whose slots tell too little: what the app's notes say of it."""
    import msgspec

    from weft.tapis.apps import App
    from weft.tapis.families import family_of

    definition = msgspec.json.decode(app.definition)
    try:
        family_of(App.from_definition(definition))
    except WeftError:
        told = ((definition.get("notes") or {}).get("weft") or {}).get("family") or {}
        return ["[tapis.family]", *(f"{key} = {json.dumps(value)}" for key, value in told.items())]
    return []
