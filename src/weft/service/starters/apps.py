"""The apps that are there from the start: ``hello``, ``shell-runner``, ``python`` and ``openseespy``.

Each has a ZIP image with a ``tapisjob_app.sh`` that passes on the exit code of what it ran. All folders of a job are
one, as with the real apps, so what a script writes beside itself is archived. They are FORK jobs on ``local`` unless a
request says otherwise: ``jobType: BATCH``, another system, or both.
"""

from __future__ import annotations

from typing import Any

from weft.service.starters.facts import Facts
from weft.service.starters.systems import LOCAL, STORAGE

VERSION = "1.0"
IMAGES = "apps"
"""The folder of the images on the system ``storage``."""
NAMES = ("hello", "shell-runner", "python", "openseespy")

_MEMORY_MB = 1000
_MINUTES = 60
_INPUTS = "inputDirectory"


def apps(facts: Facts) -> list[dict[str, Any]]:
    """Return the definitions."""
    return [_hello(facts), _shell_runner(facts), _python(facts), _openseespy(facts)]


def image_name(name: str) -> str:
    """The file name of an app's image."""
    return f"{name}-{VERSION}.zip"


def _hello(facts: Facts) -> dict[str, Any]:
    args = [
        _arg(
            "Greeting",
            "INCLUDE_BY_DEFAULT",
            "What to say. Put quotes around what the shell would take apart.",
            arg="hello",
            notes={"enum_values": [{"hello": "Hello"}, {"hola": "Hola"}, {"moin": "Moin"}]},
        )
    ]
    about = "Says hello, tells where it runs, and writes greeting.txt."
    return _app(facts, "hello", about, args, [], label="Hello", category="Utilities")


def _shell_runner(facts: Facts) -> dict[str, Any]:
    args = [
        _arg(
            "Shell command",
            "REQUIRED",
            "A script of the Input Directory with its arguments, as in `run.sh 3`, a program with its arguments, or "
            "in one pair of quotes a line of bash, as in `'ls *.out'`. Tapis takes none of & > < | ; and backquotes "
            "in an argument: what needs them belongs into a script.",
        ),
        _ARGUMENTS,
    ]
    inputs = _directory("OPTIONAL", "The directory with the script and what it reads.")
    about = "Runs a shell script or a command."
    return _app(facts, "shell-runner", about, args, [inputs], label="Shell Runner", category="Utilities")


def _python(facts: Facts) -> dict[str, Any]:
    args = [_script("Input Script", "model.py"), _ARGUMENTS]
    inputs = _directory("REQUIRED", "The directory with the script and what it reads.")
    about = "Runs a Python script with the Python of this service."
    return _app(facts, "python", about, args, [inputs], label="Python", category="Data Processing")


def _openseespy(facts: Facts) -> dict[str, Any]:
    args = [
        _arg(
            "Main Program",
            "REQUIRED",
            "What runs the script. Only python3 is there.",
            arg="python3",
            notes={"enum_values": [{"python3": "Python"}]},
        ),
        _script("Main Script", "Ex1a.Canti2D.Push.py"),
        _arg(
            "UseMPI",
            "REQUIRED",
            "True starts the script by ibrun, once per task; False starts it once.",
            arg="False",
            notes={"enum_values": [{"True": "True: by ibrun"}, {"False": "False: once"}]},
        ),
        _ARGUMENTS,
    ]
    inputs = _directory(
        "REQUIRED", "The directory with the script, the ground motions and what else it reads."
    )
    about = (
        "Runs an OpenSees model in Python: `import openseespy.opensees as ops`, or `import opensees as ops`."
    )
    return _app(
        facts, "openseespy", about, args, [inputs], label="OpenSeesPy", category="Simulation", icon="OpenSees"
    )


def _app(
    facts: Facts,
    name: str,
    description: str,
    args: list[dict[str, Any]],
    inputs: list[dict[str, Any]],
    **notes: str,
) -> dict[str, Any]:
    return {
        "id": name,
        "version": VERSION,
        "description": description,
        "owner": facts.owner,
        "runtime": "ZIP",
        "containerImage": f"tapis://{STORAGE}/{IMAGES}/{image_name(name)}",
        "jobType": "FORK",
        "maxJobs": -1,
        "maxJobsPerUser": -1,
        "strictFileInputs": True,
        "jobAttributes": _job(facts, args, inputs),
        "tags": [],
        "notes": {**notes, "hideNodeCountAndCoresPerNode": False, "isInteractive": False},
    }


def _job(facts: Facts, args: list[dict[str, Any]], inputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "execSystemId": LOCAL,
        "execSystemExecDir": "${JobWorkingDir}",
        "execSystemInputDir": "${JobWorkingDir}",
        "execSystemOutputDir": "${JobWorkingDir}",
        "archiveSystemId": STORAGE,
        "archiveSystemDir": "${JobOwner}/tapis-jobs-archive/${JobCreateDate}/${JobName}-${JobUUID}",
        "archiveOnAppError": True,
        "isMpi": False,
        "parameterSet": {
            "appArgs": args,
            "containerArgs": [],
            "schedulerOptions": [],
            "envVariables": [],
            "archiveFilter": {"includes": [], "excludes": [], "includeLaunchFiles": True},
        },
        "fileInputs": inputs,
        "fileInputArrays": [],
        "nodeCount": 1,
        "coresPerNode": 1,
        "memoryMB": max(min(_MEMORY_MB, facts.memory_mb), 1),
        "maxMinutes": _MINUTES,
        "subscriptions": [],
        "tags": [],
    }


def _arg(
    name: str, mode: str, description: str, *, arg: str | None = None, notes: dict[str, Any] | None = None
) -> dict[str, Any]:
    spec = {"name": name, "inputMode": mode, "description": description, "notes": notes or {}}
    return spec if arg is None else {**spec, "arg": arg}


def _script(name: str, example: str) -> dict[str, Any]:
    description = f"The name of the script in the Input Directory, as in `{example}`."
    return _arg(name, "REQUIRED", description, notes={"inputType": "fileInput"})


def _directory(mode: str, description: str) -> dict[str, Any]:
    return {
        "name": "Input Directory",
        "inputMode": mode,
        "targetPath": _INPUTS,
        "envKey": _INPUTS,
        "description": description,
        "notes": {"selectionMode": "directory"},
    }


_ARGUMENTS = _arg(
    "CommandLine Arguments",
    "INCLUDE_ON_DEMAND",
    "What follows the script on its command line, as in `--scale 2`.",
)
