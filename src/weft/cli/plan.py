"""``weft plan``: what a run would do now, without doing any of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from weft.cli.options import at, json_option, packing_options, study_argument
from weft.errors import Exit

if TYPE_CHECKING:
    from weft.api import Study
    from weft.core.forecast import Planned
    from weft.core.shapes import Shape, Ways
    from weft.model import Case

FIRST_CASES = 5


@click.command("plan", short_help="Say what a run would do; change nothing.")
@study_argument
@click.option("--cases", "all_cases", is_flag=True, help="List every case that would run.")
@click.option("--commands", is_flag=True, help="Show the command of each listed case.")
@click.option("--requests", is_flag=True, help="Show exactly what each job would ask of the backend (JSON).")
@click.option("--on", metavar="BACKEND", default="", help="Where to run, instead of run.on.")
@packing_options
@json_option("Print one JSON document.")
def command(
    study: str,
    all_cases: bool,
    commands: bool,
    requests: bool,
    on: str,
    prefer: str | None,
    max_su: float | None,
    as_json: bool,
) -> int:
    """Say what `weft run` would do now: new cases, jobs, time, cost, and what has changed. Changes nothing."""
    from weft.api import Study

    loaded = Study.load(study, on=on, prefer=prefer or "", max_su=max_su)
    if requests:
        for request in loaded.requests():
            click.echo(json.dumps(request))
        return Exit.DONE
    planned = loaded.plan()
    if as_json:
        _print_json(loaded, planned, all_cases=all_cases, commands=commands)
        loaded.check_cost(planned)
        return Exit.DONE
    for line in _summary(loaded, planned, at(study)):
        click.echo(line)
    for line in _listing(loaded, planned, commands=commands, most=None if all_cases else FIRST_CASES):
        click.echo(line)
    loaded.check_cost(planned)
    return Exit.DONE


def _summary(study: Study, planned: Planned, place: str) -> Iterator[str]:
    from weft.core.quantities import count
    from weft.render.text import printable

    head = f"{study.spec.name} on {study.spec.backend}"
    yield f"{head}: {count(planned.total, 'case')}, {planned.todo:,} to run"
    counted = (("new", len(planned.new)), ("done", planned.done), ("failed", planned.failed))
    parts = [f"{number:,} {word}" for word, number in counted if number]
    if planned.retired:
        parts.append(f"{planned.retired:,} no longer in the study (their records stay)")
    if parts:
        yield f"  cases     {', '.join(parts)}"
    if planned.bundles:
        yield from _jobs_to_come(study, planned, place)
    for note in planned.notes:
        yield f"  note      {printable(note)}"
    if planned.question is not None:
        yield from _question(planned, place)
    if planned.hold:
        yield f"  held      {printable(planned.hold)}"
        yield f"            nothing runs before `weft retry{place}`"
    if planned.failed:
        yield f"  `weft retry{place}` runs the failed again"


def _jobs_to_come(study: Study, planned: Planned, place: str) -> Iterator[str]:
    """What the jobs get, take and cost."""
    yield f"  jobs      {_jobs(planned)}"
    yield f"  each case {_limits(study)}"
    title = "takes"
    for line in _time(planned, place):
        yield f"  {title:10}{line}"
        title = ""
    if planned.node_hours is not None:
        su = f", {planned.su:,.2f} SU" if planned.su is not None else ""
        yield f"  costs     at most {planned.node_hours:,.2f} node-hours{su}"
    ways = _foretold(planned)
    if ways is not None:
        yield from _ways(ways)


def _jobs(planned: Planned) -> str:
    from weft.core.quantities import count

    slots = max((bundle.slots or 0 for bundle in planned.bundles), default=0)
    return f"{len(planned.bundles):,}" + (f", {count(slots, 'case')} at a time" if slots else "")


def _limits(study: Study) -> str:
    needs = study.spec.resources
    parts = [f"{needs.cores} core{'' if needs.cores == 1 else 's'}"]
    if needs.memory_mb is not None:
        parts.append(f"at most {needs.memory_mb:,} MB")
    if needs.minutes is not None:
        parts.append(f"at most {needs.minutes:g} min")
    return ", ".join(parts)


def _time(planned: Planned, place: str) -> list[str]:
    from weft.core.quantities import duration
    from weft.render.text import WIDTH

    ways = _foretold(planned)
    if ways is not None:
        least, likely, most = ways.chosen.forecast.wall_s
        return [f"about {duration(likely)}, 8 times of 10: {duration(least)} to {duration(most)}"]
    if planned.eta_s is None:
        first, then = "not known before some have run", f"(`weft run{place} --pilot 4` learns it)"
        return [f"{first} {then}"] if len(first) + len(then) < WIDTH - 12 else [first, then]
    return [f"about {duration(planned.eta_s)}, going by the cases that have run"]


def _foretold(planned: Planned) -> Ways | None:
    """The ways, if they rest on more than a guess that is not worth telling."""
    ways = planned.ways
    return ways if ways is not None and ways.told else None


def _ways(ways: Ways) -> Iterator[str]:
    """Where the figures come from, and the ways to pack as a table, with the one that is taken marked."""
    from weft.core.quantities import duration
    from weft.render.text import WIDTH

    title = "by"
    for line in wrap(ways.chosen.forecast.basis, WIDTH - 12):
        yield f"  {title:10}{line}"
        title = ""
    if len(ways.shapes) < 2:
        return
    yield f"  ways      (> is taken: {ways.prefer})"
    head = f"    {'jobs':>5}{'at once':>8}{'nodes':>6}{'slots':>6}{'cases':>7}"
    yield f"{head}  {'takes':26}{_costs(ways.chosen)[0]:>8}{'files':>8}"
    for shape in ways.shapes:
        least, _, most = shape.forecast.wall_s
        mark = ">" if shape is ways.chosen else " "
        at_once = min(shape.at_once, shape.jobs)
        yield (
            f"  {mark} {shape.jobs:>5,}{at_once:>8,}{shape.nodes:>6}{shape.slots or 'any':>6}{shape.cases:>7,}"
            f"  {f'{duration(least)} to {duration(most)}':26}{_costs(shape)[1]:>8}{shape.forecast.files:>8,}"
        )


def _costs(shape: Shape) -> tuple[str, str]:
    """What a way costs, and in what."""
    forecast = shape.forecast
    if forecast.su:
        return "SU", f"{forecast.su[1]:,.2f}"
    return "node-h", f"{forecast.node_hours[1]:,.2f}" if forecast.node_hours else "-"


def _question(planned: Planned, place: str) -> Iterator[str]:
    from weft.core.quantities import count
    from weft.render.text import WIDTH, cut

    question = planned.question
    assert question is not None  # noqa: S101  # the caller looked
    yield f"  changed   {cut(', '.join(question.changed), WIDTH - 12)}"
    yield f"            {count(question.results, 'case')} with results from before:"
    yield f"            `weft run{place} --rerun` runs them again, `weft run{place} --keep` keeps them"


def _listing(study: Study, planned: Planned, *, commands: bool, most: int | None) -> Iterator[str]:
    """The cases that would run: id, is it new, and its parameters or its command."""
    from weft.render.text import WIDTH, cut_lines, on_a_line

    if not planned.todo:
        yield "Nothing to run."
        return
    yield ""
    new = frozenset(planned.new)
    for number, case in enumerate(_chosen(study, planned)):
        if number == most:
            left = planned.todo - number
            yield f"  and {left:,} more (`--cases` lists all)"
            return
        text = _command(study, case) if commands else on_a_line(_params(case))
        line = f"  {case.id}  {'new  ' if case.id in new else 'again'}  {text}"
        yield from [line] if commands or most is None else cut_lines([line], WIDTH)


def _chosen(study: Study, planned: Planned) -> Iterable[Case]:
    """The cases of the planned jobs, in order."""
    return (study.cases[name] for bundle in planned.bundles for name in bundle.cases if name in study.cases)


def _params(case: Case) -> str:
    from weft.core.command import written

    return " ".join(f"{name}={written(value)}" for name, value in case.params.items())


def _command(study: Study, case: Case) -> str:
    from weft.core.command import render_command

    return render_command(study.spec.model.command, case.params, case.id)


def _print_json(study: Study, planned: Planned, *, all_cases: bool, commands: bool) -> None:
    from msgspec import structs

    from weft.cli.progress import print_json

    data = {**structs.asdict(planned), "ways": _ways_data(planned.ways)}
    if all_cases or commands:
        data["cases"] = [
            {"id": case.id, "params": case.params, **({"command": _command(study, case)} if commands else {})}
            for case in _chosen(study, planned)
        ]
    print_json(data)


def _ways_data(ways: Ways | None) -> dict[str, object] | None:
    """The ways to pack as data, without the lists of their cases."""
    from msgspec import structs, to_builtins

    if ways is None:
        return None
    shapes = [
        {**to_builtins(structs.replace(shape, bundles=())), "chosen": shape is ways.chosen}
        for shape in ways.shapes
    ]
    for shape in shapes:
        del shape["bundles"]
    return {"prefer": ways.prefer, "guessed": ways.guessed, "shapes": shapes}
