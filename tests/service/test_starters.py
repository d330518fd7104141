"""The ready systems and apps: definitions that decode, images that run, stand-ins that behave as the real commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weft.schedulers.slurm import Partition
from weft.service.apps import rules as apps_rules
from weft.service.apps.model import App
from weft.service.asking import checked
from weft.service.starters import ready
from weft.service.starters.apps import NAMES, apps
from weft.service.starters.facts import Facts
from weft.service.starters.systems import systems
from weft.service.systems import rules as systems_rules
from weft.service.systems.model import System

STARTERS = Path(ready.__file__).parent
BASH = shutil.which("bash") or "/bin/bash"
STRANGE = ["a b", "it's", '"q"', "$HOME `id` $(id)", "*", "", "-n", "ü;&|<>"]
"""Arguments that a shell takes apart where they are not quoted."""

LIMITLESS = Partition(name="long", nodes=4, cores=48, memory_mb=190_000, minutes=0)
SMALL = Partition(name="small", nodes=1, cores=1, memory_mb=512, minutes=30, default=True)
KINDS = {
    "plain": {},
    "no queue": {"built_in_queue": False},
    "containers": {"containers": ("DOCKER", "SINGULARITY")},
    "slurm": {"partitions": (LIMITLESS, SMALL)},
    "tiny": {"cores": 1, "memory_mb": 1},
}


def facts(folder: Path, **changes: Any) -> Facts:
    given = {"folder": folder, "owner": "weft", "cores": 8, "memory_mb": 16_000, "python": sys.executable}
    return Facts(**{**given, **changes})


# Definitions


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def defined(request: pytest.FixtureRequest, tmp_path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (kind, given["id"]): given for kind, given in ready.ready(facts(tmp_path.resolve(), **request.param))
    }


def test_definitions_are_what_the_service_accepts(defined: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (kind, name), definition in defined.items():
        made: Any = checked(definition, System if kind == "system" else App)
        assert (made.id, made.owner) == (name, "weft")
        known = {field.encode_name for field in msgspec.structs.fields(type(made))}
        assert set(definition) <= known
        assert (systems_rules if kind == "system" else apps_rules).complaints(made) == []


def test_systems_keep_the_rules_between_attributes(defined: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (kind, name), given in defined.items():
        if kind != "system":
            continue
        assert given["canExec"] == (name != "storage")
        if given["canExec"]:
            assert given["jobWorkingDir"] and {"runtimeType": "ZIP"} in given["jobRuntimes"]
        if given.get("canRunBatch"):
            names = [queue["name"] for queue in given["batchLogicalQueues"]]
            assert given["batchDefaultLogicalQueue"] in names
        for queue in given.get("batchLogicalQueues", []):
            for limit in ("NodeCount", "CoresPerNode", "MemoryMB", "Minutes"):
                assert 1 == queue[f"min{limit}"] <= queue[f"max{limit}"]


def test_apps_name_what_is_there(defined: dict[tuple[str, str], dict[str, Any]], tmp_path: Path) -> None:
    ready.build(tmp_path)
    storage = Path(defined["system", "storage"]["rootDir"])
    local = defined["system", "local"]
    for name in NAMES:
        app = defined["app", name]
        job = app["jobAttributes"]
        assert ("system", job["execSystemId"]) in defined
        assert ("system", job["archiveSystemId"]) in defined
        assert (storage / app["containerImage"].removeprefix("tapis://storage/")).is_file()
        for queue in local.get("batchLogicalQueues", []):
            assert job["memoryMB"] <= queue["maxMemoryMB"]
            assert job["maxMinutes"] <= queue["maxMinutes"]


def test_slurm_is_a_system_only_where_it_is_found(tmp_path: Path) -> None:
    assert [system["id"] for system in systems(facts(tmp_path))] == ["storage", "local"]
    [*_, slurm] = systems(facts(tmp_path, partitions=(LIMITLESS, SMALL)))
    queues = {queue["name"]: queue for queue in slurm["batchLogicalQueues"]}
    assert slurm["batchDefaultLogicalQueue"] == "small"
    assert (queues["small"]["maxMinutes"], queues["small"]["maxCoresPerNode"]) == (30, 1)
    assert (queues["long"]["maxMinutes"], queues["long"]["maxNodeCount"]) == (2880, 4)


def test_the_queues_of_this_machine_are_no_partitions(tmp_path: Path) -> None:
    part = Partition(name="normal", nodes=1, cores=1, memory_mb=512, minutes=30)
    [_, local, slurm] = systems(facts(tmp_path, partitions=(part,)))
    names = [{queue["hpcQueueName"] for queue in each["batchLogicalQueues"]} for each in (local, slurm)]
    assert not names[0] & names[1]


def test_slots_have_the_names_of_the_real_apps(tmp_path: Path) -> None:
    slots = {
        app["id"]: [arg["name"] for arg in app["jobAttributes"]["parameterSet"]["appArgs"]]
        for app in apps(facts(tmp_path))
    }
    assert slots == {
        "hello": ["Greeting"],
        "shell-runner": ["Shell command", "CommandLine Arguments"],
        "python": ["Input Script", "CommandLine Arguments"],
        "openseespy": ["Main Program", "Main Script", "UseMPI", "CommandLine Arguments"],
    }


# Images


def test_images_are_the_same_bytes_everywhere(tmp_path: Path) -> None:
    for place in ("one", "two"):
        ready.build(tmp_path / place)
    made = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.zip")]
    assert len(made) == len(NAMES)
    for path in made:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_an_image_is_written_again_only_when_it_is_not_as_it_should_be(tmp_path: Path) -> None:
    ready.build(tmp_path)
    kept, damaged = (tmp_path / "storage" / "apps" / f"{name}-1.0.zip" for name in ("hello", "python"))
    before = kept.stat().st_ino
    damaged.write_bytes(b"torn")
    ready.build(tmp_path)
    assert kept.stat().st_ino == before
    assert zipfile.is_zipfile(damaged)
    assert len(list(kept.parent.iterdir())) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_what_the_runtime_looks_for(name: str, tmp_path: Path) -> None:
    ready.build(tmp_path)
    with zipfile.ZipFile(tmp_path / "storage" / "apps" / f"{name}-1.0.zip") as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes["tapisjob_app.sh"] == 0o755
    assert not [path for path in modes if path.endswith(".pyc")]


SCRIPTS = sorted(
    path
    for path in [*(STARTERS / "commands").iterdir(), *(STARTERS / "images").rglob("*.sh")]
    if path.is_file()
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(STARTERS).as_posix())
def test_scripts_are_sound(script: Path) -> None:
    subprocess.run([BASH, "-n", str(script)], check=True)
    if shutil.which("shellcheck"):  # sees more, and is not on every machine
        found = ["shellcheck", "-x", "-P", str(STARTERS / "images"), "-s", "bash", str(script)]
        subprocess.run(found, check=True)


# What the images do


class Job:
    """An image unpacked into a job's directory, with a name that nobody should have to think about."""

    def __init__(self, name: str, folder: Path) -> None:
        self.root = folder / 'ro\'ot "1"'
        self.folder = self.root / "jobs $x" / "7"
        self.inputs = self.folder / "input Directory's"
        self.inputs.mkdir(parents=True)
        ready.build(folder)
        with zipfile.ZipFile(folder / "storage" / "apps" / f"{name}-1.0.zip") as archive:
            archive.extractall(self.folder)
        (self.folder / "tapisjob_app.sh").chmod(0o755)
        self.environment = {
            "PATH": os.environ["PATH"],
            "WEFT_PYTHON": sys.executable,
            "inputDirectory": self.inputs.name,
            "_tapisJobOwner": "ada",
            "_tapisSysRootDir": str(self.root),
            "_tapisExecSystemExecDir": "/jobs $x/7",
            "_tapisExecSystemInputDir": "/jobs $x/7",
            "_tapisExecSystemOutputDir": "/jobs $x/7",
        }

    def put(self, name: str, text: str) -> None:
        (self.inputs / name).write_text(text, encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["./tapisjob_app.sh", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error; the exit code is what the file says, too."""
        with self.start(*arguments) as process:
            said, complained = process.communicate(timeout=60)
        assert self.noted() == process.returncode
        return process.returncode, said, complained

    def noted(self) -> int:
        return int((self.folder / "tapisjob.exitcode").read_text())


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str], Job]:
    return lambda name: Job(name, tmp_path)


def test_hello_greets_and_leaves_a_file(job: Callable[[str], Job]) -> None:
    hello = job("hello")
    code, said, complained = hello.run("moin")
    assert (code, complained) == (0, "")
    assert said.startswith("moin, ada!\n")
    assert "_tapisJobOwner=ada" in said
    assert (hello.folder / "greeting.txt").read_text() == "moin, ada!\n"


def test_hello_says_when_it_cannot_write(job: Callable[[str], Job]) -> None:
    hello = job("hello")
    (hello.folder / "greeting.txt").mkdir()
    code, _, complained = hello.run()
    assert code == 1
    assert "hello: cannot write " in complained


SHOW = "import sys; print(sys.argv[1:])"
SLOTS: Mapping[str, tuple[str, ...]] = {
    "python": (),
    "openseespy": ("python3",),
}
"""What comes before the script in the arguments of an app that runs Python."""
AFTER = {"python": (), "openseespy": ("False",)}


@pytest.fixture
def opensees(tmp_path: Path) -> Path:
    """A folder with a module of the name of OpenSees."""
    package = tmp_path / "modules" / "openseespy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "opensees.py").write_text("def version():\n    return 'none'\n")
    return package.parent


@pytest.fixture(params=SLOTS)
def runner(request: pytest.FixtureRequest, tmp_path: Path, opensees: Path) -> Callable[..., Any]:
    """Runs a script with one of the apps that do."""
    job = Job(request.param, tmp_path)
    job.environment["PYTHONPATH"] = str(opensees)

    def run(script: str, *arguments: str) -> tuple[int, str, str]:
        return job.run(*SLOTS[request.param], script, *AFTER[request.param], *arguments)

    run.job = job  # type: ignore[attr-defined]
    run.before = SLOTS[request.param]  # type: ignore[attr-defined]
    run.after = AFTER[request.param]  # type: ignore[attr-defined]
    return run


def test_arguments_reach_the_script_as_they_are(runner: Any) -> None:
    runner.job.put("it's a script.py", SHOW)
    code, said, complained = runner("it's a script.py", *STRANGE)
    assert (code, said.strip(), complained) == (0, repr(STRANGE), "")


@pytest.mark.parametrize("name", ["-c.py", "sub folder/m.py"])
def test_a_script_may_have_any_name(name: str, runner: Any) -> None:
    (runner.job.inputs / name).parent.mkdir(exist_ok=True)
    runner.job.put(name, "from pathlib import Path; Path('out.txt').write_text('x')")
    assert runner(name)[0] == 0
    assert (runner.job.inputs / "out.txt").exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("raise ValueError('bad model')", 1),
        ("import os; os._exit(255)", 255),
        ("import os; os.kill(os.getpid(), 11)", 139),
    ],
)
def test_the_exit_code_is_passed_on(text: str, code: int, runner: Any) -> None:
    runner.job.put("m.py", text)
    got, _, complained = runner("m.py")
    assert got == code
    assert f"ended with exit code {code}\n" in complained


def test_a_missing_script_is_named_with_what_is_there(runner: Any) -> None:
    runner.job.put("modle.py", "")
    code, _, complained = runner("model.py")
    assert code == 2
    assert "there is no script model.py" in complained
    assert "    modle.py\n" in complained


def test_no_script_at_all_is_refused(runner: Any) -> None:
    code, _, complained = runner.job.run(*runner.before)
    assert code == 2
    assert "there is no script: give " in complained


def test_a_missing_input_directory_is_told(runner: Any) -> None:
    shutil.rmtree(runner.job.inputs)
    code, _, complained = runner("m.py")
    assert code == 2
    assert "there is no directory input Directory's in " in complained
    del runner.job.environment["inputDirectory"]
    assert 'give "Input Directory" a sourceUrl' in runner("m.py")[2]


def test_where_the_root_is_not_seen_the_directory_of_the_job_counts(runner: Any) -> None:
    """As on a system whose host only stands in for another: its paths are not those of this machine."""
    runner.job.environment.update(_tapisSysRootDir="/", _tapisExecSystemOutputDir="/no/such/place")
    runner.job.put("m.py", "raise SystemExit(4)")
    assert runner("m.py")[0] == 4


def test_another_python_is_taken_where_the_named_one_is_gone(job: Callable[[str], Job]) -> None:
    python = job("python")
    python.environment["WEFT_PYTHON"] = "/no/such/python3"
    python.put("m.py", "print('ran')")
    code, said, complained = python.run("m.py")
    assert (code, said) == (0, "ran\n")
    assert "there is no /no/such/python3 on this machine" in complained


def test_a_signal_reaches_the_script_which_may_put_things_in_order(job: Callable[[str], Job]) -> None:
    python = job("python")
    python.put(
        "m.py",
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "open('ready', 'w').close()\n"
        "time.sleep(60)\n",
    )
    with python.start("m.py") as process:
        while not (python.inputs / "ready").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert (process.returncode, python.noted()) == (7, 7)


def openseespy(job: Callable[[str], Job], text: str) -> Job:
    made = job("openseespy")
    made.put("m.py", text)
    return made


def test_opensees_has_both_names(job: Callable[[str], Job], opensees: Path) -> None:
    made = openseespy(job, "import opensees, openseespy.opensees as ops; print(opensees is ops)")
    made.environment["PYTHONPATH"] = str(opensees)
    assert made.run("python3", "m.py", "False")[:2] == (0, "True\n")


def test_openseespy_says_what_is_missing(job: Callable[[str], Job], opensees: Path) -> None:
    (opensees / "openseespy" / "opensees.py").write_text("raise ImportError('libnone.so')\n")
    (opensees / "openseespylinux.py").write_text("")
    made = openseespy(job, "print('never')")
    made.environment["PYTHONPATH"] = str(opensees)
    code, said, complained = made.run("python3", "m.py", "False")
    assert (code, said) == (2, "")
    assert "libnone.so" in complained
    assert "install openseespy for it" in complained


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("OpenSeesMP", "m.py", "False"), '"Main Program" is "OpenSeesMP"'),
        (("python3", "m.py", "perhaps"), '"UseMPI" is "perhaps"'),
        ((), '"Main Program" is ""'),
    ],
)
def test_openseespy_refuses_what_it_cannot_do(
    arguments: tuple[str, ...], message: str, job: Callable[[str], Job]
) -> None:
    code, _, complained = openseespy(job, "").run(*arguments)
    assert code == 2
    assert message in complained


def test_openseespy_runs_by_ibrun_when_asked(
    job: Callable[[str], Job], opensees: Path, tmp_path: Path
) -> None:
    place = ready.commands(tmp_path)
    (place / "mpiexec").write_text('#!/bin/sh\n[ "$1" = --version ] && exit\necho "$1 $2"\nshift 2\n"$@"\n')
    (place / "mpiexec").chmod(0o755)
    (place / "python3").symlink_to(
        sys.executable
    )  # what lies beside the interpreter is found before all else
    made = openseespy(job, SHOW)
    made.environment.update(
        PYTHONPATH=str(opensees),
        PATH=f"{place}:{os.environ['PATH']}",
        WEFT_PYTHON=str(place / "python3"),
        _tapisNodes="2",
        _tapisCoresPerNode="3",
    )
    assert made.run("python3", "m.py", "True", "x")[:2] == (0, "-n 6\n['x']\n")


def test_openseespy_analyses_a_model(job: Callable[[str], Job]) -> None:
    import importlib.util

    if importlib.util.find_spec("openseespy") is None:
        pytest.skip("openseespy is not installed (pip install 'weft[examples]')")
    made = openseespy(
        job,
        "import opensees as ops\n"
        "ops.model('basic', '-ndm', 1, '-ndf', 1)\n"
        "ops.node(1, 0.0); ops.node(2, 1.0); ops.fix(1, 1); ops.mass(2, 1.0)\n"
        "ops.uniaxialMaterial('Elastic', 1, 4.0)\n"
        "ops.element('zeroLength', 1, 1, 2, '-mat', 1, '-dir', 1)\n"
        "print(round(ops.eigen('-fullGenLapack', 1)[0], 9))\n",
    )
    code, said, complained = made.run("python3", "m.py", "False")
    assert (code, said.splitlines()[-1:]) == (0, ["4.0"]), complained


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run it.sh", "a b", "c"), 5, "a b|c\n"),
        (("bash", "run it.sh", "a b"), 5, "a b|\n"),
        (("printf '%s\\n' b a | sort; exit 4",), 4, "a\nb\n"),
        (("echo", "a  b"), 0, "a  b\n"),
        (("pwd | sed 's|.*/||'",), 0, "input Directory's\n"),
        (("true",), 0, ""),
    ],
)
def test_shell_runner_takes_scripts_programs_and_lines(
    arguments: tuple[str, ...], code: int, said: str, job: Callable[[str], Job]
) -> None:
    shell = job("shell-runner")
    shell.put("run it.sh", 'printf "%s|%s\\n" "$1" "$2"\nexit 5\n')
    got = shell.run(*arguments)
    assert got[:2] == (code, said)


def test_shell_runner_starts_what_is_executable_by_its_own_interpreter(job: Callable[[str], Job]) -> None:
    shell = job("shell-runner")
    shell.put("run.py", f"#!{Path(sys.executable).resolve()}\nprint('python')\n")
    (shell.inputs / "run.py").chmod(0o755)
    assert shell.run("run.py")[:2] == (0, "python\n")


def test_shell_runner_needs_no_input_directory(job: Callable[[str], Job]) -> None:
    shell = job("shell-runner")
    del shell.environment["inputDirectory"]
    assert shell.run("ls", "tapisjob_app.sh")[:2] == (0, "tapisjob_app.sh\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "there is no command"),
        (("",), "there is no command"),
        (("nosuch-program", "x"), "there is neither a script nor a program nosuch-program"),
    ],
)
def test_shell_runner_refuses_what_is_no_command(
    arguments: tuple[str, ...], message: str, job: Callable[[str], Job]
) -> None:
    code, _, complained = job("shell-runner").run(*arguments)
    assert code == 2
    assert message in complained


# Stand-ins


class Site:
    """A job's directory on a machine with nothing but the stand-ins and the least that scripts need."""

    def __init__(self, folder: Path) -> None:
        self.place = ready.commands(folder / "state")
        for name in ("bash", "sh", "cat", "mv", "id", "grep"):
            (self.place / name).symlink_to(shutil.which(name) or f"/bin/{name}")
        self.job = folder / "the job's"
        (self.job / "below").mkdir(parents=True)
        (self.job / "tapisjob.sh").touch()
        self.environment: dict[str, str] = {}

    def __call__(self, command: str, *, cwd: Path | None = None) -> tuple[int, str, str]:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=cwd or self.job,
            env={"PATH": str(self.place), **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def mpi(self, name: str, version: str) -> None:
        """Put a program there that tells how it was started."""
        path = self.place / name
        path.write_text(
            f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; else echo "{name} $@"; fi\n'
        )
        path.chmod(0o755)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_commands_are_executable_even_if_their_modes_were_lost(tmp_path: Path) -> None:
    place = ready.commands(tmp_path)
    (place / "module").chmod(0o644)
    assert ready.commands(tmp_path) == place
    assert {path.name for path in place.iterdir()} == {"ibrun", "module"}
    assert all(os.access(path, os.X_OK) for path in place.iterdir())


def test_modules_are_noted_wherever_the_script_has_gone(site: Site) -> None:
    code, said, complained = site("module load hdf5/1.14.4 opensees && cd below && module list")
    assert (code, said) == (0, "")
    assert "nothing is loaded" in complained
    assert complained.endswith("\nCurrently Loaded Modules:\n  1) hdf5/1.14.4  2) opensees\n\n\n")
    assert (site.job / "tapisjob.modules").read_text() == "hdf5/1.14.4\nopensees\n"


@pytest.mark.parametrize(
    ("commands", "left"),
    [
        ("load a; module load b", ["a", "b"]),
        ("load a/1; module load a/2", ["a/2"]),
        ("load a/1 b; module unload a", ["b"]),
        ("load a/1 ab/1; module rm a/1", ["ab/1"]),
        ("load a; module swap a b/2", ["b/2"]),
        ("load a; module unload a", []),
        ("load a; module --force purge", []),
        ("-q load a -x", ["a"]),
        ("use /some/place; module load a; module save; module reset; module restore", ["a"]),
    ],
)
def test_modules_come_and_go(commands: str, left: list[str], site: Site) -> None:
    code, said, _ = site(f"module {commands}")
    assert (code, said) == (0, "")
    assert (site.job / "tapisjob.modules").read_text().splitlines() == left
    listed = site("module list")[2]
    assert ("No modules loaded" in listed) == (not left)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("load a/1; module is-loaded a", 0),
        ("load a/1; module is-loaded a/1", 0),
        ("load a/1; module is-loaded b", 1),
        ("avail", 0),
        ("spider opensees", 0),
        ("--version", 0),
        ("", 0),
        ("laod a", 1),
    ],
)
def test_module_ends_as_the_real_one(command: str, code: int, site: Site) -> None:
    assert site(f"module {command}")[0] == code


def test_an_unknown_module_command_is_named(site: Site) -> None:
    assert 'module: there is no command "laod"\n' in site("module laod a")[2]


def test_outside_a_job_nothing_is_noted(site: Site, tmp_path: Path) -> None:
    code, _, complained = site("module load a && module list", cwd=tmp_path)
    assert code == 0
    assert "this is no job: nothing is noted" in complained
    assert not list(tmp_path.glob("*.modules"))


def test_away_from_its_directory_a_job_still_notes(site: Site, tmp_path: Path) -> None:
    site.environment = {"_tapisSysRootDir": str(tmp_path), "_tapisExecSystemExecDir": "/the job's"}
    assert site("module load a", cwd=tmp_path)[0] == 0
    assert (site.job / "tapisjob.modules").read_text() == "a\n"


SHOWN = """printf '<%s>' "$@"; exit 6"""


def test_ibrun_without_mpi_runs_once_and_says_so(site: Site) -> None:
    site.environment = {"SLURM_NTASKS": "4"}
    code, said, complained = site(f"ibrun bash -c '{SHOWN.replace(chr(39), chr(34))}' x 'a b' '$HOME'")
    assert code == 6
    assert said == "<a b><$HOME>"
    assert complained == "ibrun: this machine has no mpiexec: bash runs once, not as 4 tasks\n"


@pytest.mark.parametrize("mpi", ["mpiexec", "mpirun"])
@pytest.mark.parametrize(
    ("command", "environment", "started"),
    [
        ("ibrun ./a 'x'", {"SLURM_NTASKS": "4"}, "-n 4 ./a x"),
        ("ibrun ./a", {"_tapisNodes": "2", "_tapisCoresPerNode": "48"}, "-n 96 ./a"),
        ("ibrun -n 3 -o 8 ./a -n 2", {"SLURM_NTASKS": "4"}, "-n 3 ./a -n 2"),
        ("ibrun -np 3 tacc_affinity ./a", {}, "-n 3 ./a"),
        ("ibrun -v -n 010 -- -odd", {}, "-n 10 -odd"),
    ],
)
def test_ibrun_starts_as_many_tasks_as_the_job_has(
    command: str, environment: dict[str, str], started: str, mpi: str, site: Site
) -> None:
    site.mpi(mpi, "HYDRA build details")
    site.environment = environment
    assert site(command) == (0, f"{mpi} {started}\n", "")


def test_ibrun_lets_open_mpi_have_more_tasks_than_cores(site: Site) -> None:
    site.mpi("mpiexec", "mpiexec (Open MPI) 5.0.1")
    said = site("ibrun -n 4 ./a")[1]
    assert said.startswith("mpiexec -n 4 --oversubscribe ")
    assert ("--allow-run-as-root" in said) == (os.getuid() == 0)


def test_ibrun_with_one_task_needs_no_mpi(site: Site) -> None:
    assert site("ibrun bash -c 'echo one'") == (0, "one\n", "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("ibrun", "Usage: ibrun"),
        ("ibrun -n", '-n needs a number, not ""'),
        ("ibrun -n two ./a", '-n needs a number, not "two"'),
        ("ibrun -n 0 ./a", '"0" is no number of tasks'),
        ("SLURM_NTASKS=many ibrun ./a", '"many" is no number of tasks'),
        ("ibrun --fast ./a", "there is no option --fast"),
    ],
)
def test_ibrun_refuses_what_it_does_not_understand(command: str, message: str, site: Site) -> None:
    code, _, complained = site(command)
    assert code == 1
    assert message in complained
