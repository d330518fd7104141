"""Write docs/commands.md from the command line itself, so that the two cannot differ.

python scripts/document_commands.py            writes docs/commands.md
python scripts/document_commands.py --check    exits with 1 if it is not up to date
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from weft.cli.main import COMMANDS, weft

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

INTRODUCTION = """\
# Commands

<!-- Written by scripts/document_commands.py: change the texts in src/weft/cli/, then run it again. -->

`weft COMMAND --help` (or `-h`) says the same on the screen. `weft --help` lists the commands, `weft --version` says
which weft it is.

STUDY is a study file, or a folder with a `study.toml`; without it, that is the current folder. Where other words may
follow, the first word is the study if it ends in `.toml`, has a slash in it, or is a folder with a `study.toml`.

A CASE or JOB may be given by the first letters of its id, as long as no other id begins so; of a job's id the number at
its end will do.
"""

CODES = """\
## Exit codes

The same for every command, for scripts to rely on.

| code | means |
|---|---|
| 0 | all is done |
| 1 | a problem; the message says which, and what to do |
| 2 | wrong usage, or a study file that makes no sense |
| 3 | finished, and some cases failed |
| 4 | a decision is needed, and there is no terminal to ask on: `--rerun` or `--keep`, `--yes`, which login |
| 5 | a check failed before anything was sent: an app or queue that is not there, a fault of an app, a purged file |
| 6 | held: `weft status` says why |
| 7 | still running, without this terminal (`--detach`) |
| 10 | there is no study here, or it has not run yet |
| 11 | another process runs the study |
| 12 | not logged in, or not any more: `weft login`, then the same again; jobs go on meanwhile |
| 130 | interrupted by Ctrl-C or by `weft cancel` before all was done |
| 141 | the reader of the output went away (`weft results \\| head`) |

## JSON

With `--json`, a command prints documents for programs: one, or one per line where it shows progress. Each has
`"format": 1`; keys are only ever added. Paths and ids are as on the screen, times are seconds, memory is in bytes
unless its name says otherwise. A line of progress has a `type`: `progress` (the counts), `failure` (a case and why),
`end` (exit code, counts, reasons of failures, the table's path), `detached` (the process id), `check` (an item of the
[checklist](check.md) that did not pass). The counts are the fields of [Summary](python.md#summary).

## Environment variables

| variable | does |
|---|---|
| `WEFT_NODE_DIR` | where cases run with `workdir = "node"`; else `TMPDIR`, else the system's temporary folder |
| `SCRATCH` | where cases run with `workdir = "scratch"` |
| `WEFT_HOME` | where weft keeps logins and the like; else `~/.weft` |
| `WEFT_TAPIS_URL` | which Tapis, with logins at several |
| `NO_COLOR` | no colours |
| `TERM=dumb` | no progress that is redrawn in place |
"""


def page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION, *(_command(name) for name in COMMANDS), CODES]
    return "\n".join(parts)


def _command(name: str) -> str:
    with click.Context(weft, info_name="weft") as above:
        command = weft.get_command(above, name)
        assert command is not None
        return "\n".join(_section(command, name, above, "##"))


def _section(command: click.Command, name: str, above: click.Context, heading: str) -> Iterator[str]:
    """The lines about a command, and below it those about the commands of a group."""
    with click.Context(command, info_name=name, parent=above) as context:
        yield from (f"{heading} {context.command_path}", "", f"`{_usage(command, context)}`", "")
        yield from (*_help(command), "")
        options = list(_options(command, context))
        if options:
            yield from ("| option | does |", "|---|---|", *options, "")
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                below = command.get_command(context, each)
                if below is not None:
                    yield from _section(below, each, context, f"{heading}#")


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _help(command: click.Command) -> list[str]:
    """The help text, a line for each paragraph."""
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [*_wrapped(" ".join(paragraph.split())), ""]
    return lines[:-1]


def _wrapped(text: str, width: int = 120) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:  # told once, at the top
            name, told = record
            yield f"| `{_cell(name)}` | {_cell(told)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write the page, or say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not same:
            print(f"{PAGE.name} is not up to date: python scripts/document_commands.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
