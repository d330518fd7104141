"""What a solver that takes one Tcl script can run, seen before anything is sent to it."""

from __future__ import annotations

from weft.core.cases import expand
from weft.core.command import render_command
from weft.core.tclbundle import script_of
from weft.errors import CheckFailed
from weft.model import Study


def check_tcl(study: Study) -> None:
    """See that a solver which takes one Tcl script can run what the study asks for; CheckFailed says what it cannot."""
    model = study.model
    where, hint = (
        study.file or "Study(...)",
        "choose an app that runs Python or a shell, or do it in the Tcl script",
    )
    impossible = {
        "model.setup": model.setup,
        "model.finish": model.finish,
        "continue without an exit code": study.continues is not None and study.continues.exit is None,
    }
    for what, asked in impossible.items():
        if asked:
            raise CheckFailed(
                f"the app starts its solver with one Tcl script, which cannot do {what}",
                where=where,
                hint=hint,
            )
    case = next(iter(expand(study)))
    steps = [step.command for step in (study.before, study.after) if step is not None]
    for command in (render_command(model.command, case.params, case.id), *steps):
        script_of(command)
