"""Help, version, wrong commands and options, and the ways in which output can fail."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click
import pytest

from weft import __version__
from weft.cli import main
from weft.cli.screen import say_next
from weft.errors import WeftError


def test_version(weft):
    assert weft("--version", code=0).out == f"weft {__version__}\n"


def test_no_command_shows_the_help(weft):
    bare, asked = weft(code=0), weft("--help", code=0)
    assert bare.out == asked.out
    for name in main.COMMANDS:
        assert f"\n  {name} " in bare.out


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name):
    command = main.weft.get_command(click.Context(main.weft), name)
    assert command is not None
    assert command.name == name
    assert command.help
    assert command.get_short_help_str().endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_fits_the_screen(weft, name):
    text = weft.quick(name, "--help", code=0).out
    assert text.startswith(f"Usage: weft {name}")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "error: there is no command `rnu`\n  hint: did you mean `run`?"),
        (
            ["run", "--pilto", "3"],
            "error: `weft run` has no option `--pilto`\n  hint: did you mean `--pilot`?",
        ),
        (["run", "--pilot", "many"], "error: weft run: invalid value for '--pilot'"),
        (["run", "--pilot", "0"], "error: weft run: invalid value for '--pilot'"),
        (["run", "--pilot"], "error: weft run: option '--pilot' requires an argument"),
        (["run", "one", "two"], "error: weft run: got unexpected extra argument (two)"),
        (["--versoin"], "error: `weft` has no option `--versoin`\n  hint: did you mean `--version`?"),
        (["init", "--template", "fortran"], "error: weft init: invalid value for '--template'"),
        (["explain", "a", "b"], "error: say one thing to explain"),
        (["store"], "error: weft store: say what: forget, list, refresh, verify"),
        (["store", "list", "--jsno"], "error: `weft store list` has no option `--jsno`"),
        (["app", "show"], "error: weft app show: missing argument 'APP'"),
        (["fetch"], "error: say which cases"),
        (["fetch", "--all", "--failed"], "error: say which cases"),
    ],
)
def test_wrong_words_end_with_2_and_a_hint(weft, words, said):
    answer = weft.quick(*words, code=2)
    assert answer.out == ""
    assert answer.err.startswith(said)
    assert "\n  hint: " in answer.err


def test_advice_takes_no_value_of_an_option_for_the_study(weft):
    weft.study()
    weft.study().rename(weft.folder / "other.toml")
    for words, named in ((["--to", "out/x"], ""), (["other.toml", "--to", "out/x"], " other.toml")):
        assert f"hint: `weft results{named}` lists the cases\n" in weft.quick("fetch", *words, code=2).err
    said = weft.quick("results", "other.toml", "--csv", "out/a.csv", code=10).err
    assert "`weft run other.toml`" in said


@pytest.mark.parametrize("word", ["x" * 300, "a\x00b", "x" * 300 + ".toml"])
@pytest.mark.parametrize("command", ["explain", "status"])
def test_a_word_that_no_file_can_be_called_is_told(weft, command, word):
    weft.study()
    said = weft.quick(command, word)
    assert said.code in (2, 10), said
    assert said.err.startswith("error: ")
    assert "bug" not in said.err


@pytest.mark.parametrize("words", [["init"], ["profile"], ["app", "check"], ["app", "new", "a", "--folder"]])
def test_a_name_that_is_too_long_is_no_bug(weft, words):
    said = weft.quick(*words, "x" * 300, code=1)
    assert "File name too long" in said.err
    assert "bug" not in said.err


def test_output_to_a_closed_pipe_ends_quietly(weft):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nowhere:
        done = subprocess.run(
            weft.argv("--help"), env=weft.env, stdout=nowhere, stderr=subprocess.PIPE, timeout=30, check=False
        )
    assert done.stderr == b""
    assert done.returncode == main.BROKEN_PIPE


def test_a_full_disk_under_the_output_is_told(weft):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            weft.argv("--version"), env=weft.env, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "error: standard output: the disk is full\n"
        "  hint: make room, then give the same command again: what was recorded stands\n"
    )


def test_a_bug_is_one_sentence_and_its_traceback_a_file(monkeypatch, capsys, tmp_path):
    @click.command("plan")
    def broken() -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(main.Commands, "get_command", lambda self, ctx, name: broken)
    assert main.run(["plan"]) == 1
    out, err = capsys.readouterr()
    (saved,) = tmp_path.glob("weft-traceback-*.txt")
    assert out == ""
    assert err == (
        f"error: this is a bug in weft: KeyError: 'no such thing'; its traceback is in {saved}\n"
        "  hint: please report it, with that file\n"
    )
    assert "in broken" in saved.read_text()


def test_a_bug_on_a_full_disk_is_still_told(monkeypatch, capsys):
    @click.command("plan")
    def broken() -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    monkeypatch.setattr(main.Commands, "get_command", lambda self, ctx, name: broken)
    assert main.run(["plan"]) == 1
    assert "its traceback could not be saved" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [KeyboardInterrupt, click.Abort])
def test_interrupted_is_130(monkeypatch, capsys, kind):
    @click.command("plan")
    def broken() -> None:
        raise kind

    monkeypatch.setattr(main.Commands, "get_command", lambda self, ctx, name: broken)
    assert main.run(["plan"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_each_error_ends_with_its_own_code(monkeypatch, capsys):
    class Special(WeftError):
        exit_code = 12

    @click.command("plan")
    def broken() -> None:
        raise Special("not logged in", where="portal", hint="log in")

    monkeypatch.setattr(main.Commands, "get_command", lambda self, ctx, name: broken)
    assert main.run(["plan"]) == 12
    assert capsys.readouterr().err == "error: portal: not logged in\n  hint: log in\n"


def test_an_error_cannot_steer_the_terminal(monkeypatch, capsys):
    @click.command("plan")
    def broken() -> None:
        raise WeftError("the service says: \x1b[2J\x07", where="a\rb", hint="\x9bmend it")

    monkeypatch.setattr(main.Commands, "get_command", lambda self, ctx, name: broken)
    assert main.run(["plan"]) == 1
    assert capsys.readouterr().err == (
        "error: a\\x0db: the service says: \\x1b[2J\\x07\n  hint: \\x9bmend it\n"
    )


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ("`weft run` runs what is waiting", "next: `weft run` runs what is waiting\n"),
        (
            "`weft explain CASE` tells a case's story, `weft retry` runs the failed again",
            "next: `weft explain CASE` tells a case's story,\n      `weft retry` runs the failed again\n",
        ),
        (
            f"`weft run '{'a b ' * 12}'` takes it up again, `weft cancel '{'a b ' * 30}'` stops it",
            f"next: `weft run '{'a b ' * 12}'` takes it up\n      again,\n      `weft cancel '{'a b ' * 30}'`\n      stops it\n",
        ),
    ],
)
def test_what_to_do_next_fits_and_no_command_is_broken(capsys, step, shown):
    say_next(step)
    assert capsys.readouterr().out == shown
    say_next(step, err=True)
    assert capsys.readouterr() == ("", shown)


def test_a_narrow_encoding_does_not_stop_a_command(weft):
    weft.study("echo \u2192 {i}")
    answer = weft("plan", "--commands", code=0, PYTHONIOENCODING="latin-1")
    assert "echo ? 1" in answer.out
