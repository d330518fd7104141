"""The commands one after the other, as a user gives them: what they print and how they end."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
from pathlib import Path

import pytest

FAILING = "test {i} -ne 2 || { echo no equilibrium at t = {i}.5 >&2; exit 3; }; echo {i} | tee out.txt"


def test_a_study_from_its_file_to_its_table(weft):
    weft.study()
    planned = weft.quick("plan", code=0)
    assert planned.out.startswith("greetings on local: 3 cases, 3 to run\n  cases     3 new\n  jobs      1")
    assert planned.out.count("  new    i=") == 3
    assert not (weft.folder / ".weft").exists()

    ran = weft("run", code=0)
    assert ran.err == ""
    assert weft.tell(ran.out).splitlines()[-2:] == [
        "greetings: 3 of 3 cases done; took TIME",
        "table: .weft/greetings/results.csv (and results.parquet)",
    ]
    assert (weft.folder / ".weft/greetings/results.csv").exists()

    status = weft("status", code=0)
    assert status.err == ""
    assert status.out == "greetings on local: finished\n  cases  3 of 3 cases done\n  jobs   1 ended\n"

    assert weft.quick("plan", code=0).out == (
        "greetings on local: 3 cases, 0 to run\n  cases     3 done\nNothing to run.\n"
    )


def test_a_second_run_runs_nothing(weft):
    weft.study("echo {i} | tee out.txt; echo x >> {count}".replace("{count}", f"'{weft.folder}/count'"))
    weft("run", code=0)
    again = weft("run", code=0)
    assert (weft.folder / "count").read_text() == "x\n" * 3
    assert weft.tell(again.out) == (
        "greetings: 3 of 3 cases done; took TIME\ntable: .weft/greetings/results.csv (and results.parquet)\n"
    )


def test_failed_cases_are_told_with_their_reasons(weft):
    weft.study(FAILING)
    ran = weft("run", code=3)
    case = weft.quick("results", "--failed", "--json", "-", code=0).json["rows"][0]["case"]
    assert weft.tell(ran.out).splitlines()[-5:] == [
        "greetings: 2 of 3 cases done, 1 failed; took TIME",
        f"      1 x exit 3: no equilibrium at t = 2.5 ({case})",
        "table: .weft/greetings/results.csv (and results.parquet)",
        "next: `weft explain CASE` tells a case's story,",
        "      `weft retry` runs the failed again",
    ]
    status = weft("status", code=0)
    assert status.out == (
        "greetings on local: finished, with failed cases\n"
        "  cases  2 of 3 cases done, 1 failed\n"
        "  jobs   1 ended\n"
        "why cases failed:\n"
        f"      1 x exit 3: no equilibrium at t = 2.5 ({case})\n"
        "next: `weft explain CASE` tells a case's story,\n"
        "      `weft retry` runs the failed again\n"
    )
    story = weft.quick("explain", case[:6], code=0).out
    assert case in story
    assert "exit 3" in story
    assert "no equilibrium at t = 2.5" in story
    assert weft.quick("explain", ".", case, code=0).out == story
    assert weft.quick("explain", case, "--json", code=0).json["story"] == story.rstrip("\n").split("\n")


def test_reasons_that_differ_in_numbers_only_are_one(weft):
    weft.study("echo no equilibrium at t = {i}.5 >&2; exit 3", "[1, 2, 3]")
    weft("run", code=3)
    (reason,) = weft.stands()["failures"]
    assert reason["count"] == 3
    assert reason["why"].startswith("exit 3: no equilibrium at t = ")


def test_retry_runs_what_failed_and_nothing_else(weft):
    weft.study("echo {i} >> ../../../../count; test -e {flag} || test {i} -ne 2".replace("{flag}", "FLAG"))
    file = weft.folder / "study.toml"
    count, flag = weft.folder / "count", weft.folder / "flag"
    text = file.read_text().replace("../../../../count", f'"{count}"').replace("FLAG", f'"{flag}"')
    file.write_text(text)
    weft("run", code=3)
    flag.touch()
    assert weft("run", code=3).out  # a failed case stays failed until somebody asks
    retried = weft("retry", code=0)
    assert "3 of 3 cases done" in retried.out
    assert sorted(count.read_text().split()) == ["1", "2", "2", "3"]
    assert weft("retry", code=0).out == "greetings: no case has failed, so there is nothing to retry\n"


def test_retry_begins_with_the_checks_of_a_run(weft):
    script = weft.folder / "case.sh"
    script.write_text("exit $1\n")
    weft.study("sh case.sh {i}", "[0, 1]", model='inputs = ["case.sh"]\nenv = { OMP_NUM_THREADS = "64" }')
    weft("run", code=3)
    assert (
        weft.quick("retry", "--keep", code=3).err
        == "warning: OMP_NUM_THREADS is 64 in model.env, and a case has 1 core\n"
    )
    lines = weft.quick("retry", "--json", code=3).lines
    assert [line["id"] for line in lines if line["type"] == "check"] == ["threads"]
    weft.study("sh case.sh {i}", "[0, 1]")
    jobs = weft.stands()["jobs_ended"]
    for words in (["retry"], ["retry", "study.toml", "--json"]):
        said = weft.quick(*words, code=5)
        assert said.out == ""
        assert "a check failed (files that commands name): `case.sh`" in said.err
        assert (
            f"; `weft {' '.join(words[:2]).removesuffix(' --json')} --no-check` runs it all the same"
            in said.err
        )
    assert weft.stands()["jobs_ended"] == jobs
    assert list((weft.folder / ".weft/greetings/requests").iterdir()) == []
    assert "asked to run 1 case again" in weft.quick("retry", "--no-run", code=0).out
    assert "a check failed" not in weft.quick("retry", "--no-check", "--keep").err


def test_retry_without_a_run_leaves_it_to_the_next_run(weft):
    weft.study(FAILING)
    weft("run", code=3)
    said = weft("retry", "--no-run", code=0)
    assert said.out == "greetings: asked to run 1 case again; `weft run` runs them\n"
    assert "1 failed" in weft("run", code=3).out


def test_hints_can_be_typed_as_they_stand(weft):
    weft.study(FAILING)
    parent, here = weft.folder.parent, weft.folder.rename(weft.folder.with_name("my study"))
    weft.folder = parent
    assert weft("run", "my study", code=3).out.splitlines()[-2:] == [
        "next: `weft explain 'my study' CASE` tells a case's story,",
        "      `weft retry 'my study'` runs the failed again",
    ]
    case = weft.quick("results", "my study", "--failed", "--json", "-", code=0).json["rows"][0]["case"]
    weft.quick("explain", "my study", case, code=0)
    weft("retry", "my study/study.toml", case, code=3)
    weft.folder = here


def test_a_case_that_does_not_exist(weft):
    weft.study()
    weft("run", code=0)
    for words in (
        ["explain", "zzz"],
        ["retry", "zzz"],
        ["cancel", "zzz"],
        ["cancel", "greetings-zzz"],
        ["fetch", "zzz"],
    ):
        answer = weft(*words)
        assert answer.code in (1, 2), words
        assert answer.err.startswith("error: "), words
        assert "zzz" in answer.err, words


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format":1', '"format":99', ["newer weft", "hint: upgrade weft"]),
        ('{"event":"RunStarted"', "}", ["journal.jsonl:", "the journal is damaged", "hint: "]),
    ],
    ids=["newer", "damaged"],
)
def test_a_record_that_cannot_be_read_is_told_and_left_alone(weft, old, new, said):
    weft.study()
    weft("run", code=0)
    journal = weft.folder / ".weft/greetings/journal.jsonl"
    text = journal.read_text().replace(old, new, 1)
    journal.write_text(text)
    for words in (["status"], ["plan"], ["run"], ["results"], ["cancel"], ["retry"], ["profile"]):
        answer = weft.quick(*words, code=1)
        assert answer.out == "", words
        for part in said:
            assert part in answer.err, words
    assert journal.read_text() == text


def test_nothing_to_cancel(weft):
    weft.study()
    weft("run", code=0)
    assert weft("cancel", code=0).out == "greetings: nothing is running, so there is nothing to cancel\n"


def test_a_held_study_says_so(weft):
    weft.study("sleep 0.1; echo {i}; exit 9", "{ range = [0, 20] }")
    file = weft.folder / "study.toml"
    file.write_text(file.read_text().replace("attempts = 1", "attempts = 1\nstop_after = 3"))
    ran = weft("run", code=6)
    assert "held: the first " in ran.out
    assert weft.stands()["hold"]
    status = weft("status", code=0)
    assert "held: " in status.out
    assert "weft retry" in status.out


def test_plan_lists_cases_and_commands(weft):
    weft.study("echo {i} {word}", "{ range = [0, 20] }")
    file = weft.folder / "study.toml"
    file.write_text(file.read_text().replace("[output]", 'word = ["a\\nb"]\n[output]'))
    assert weft.quick("plan", code=0).out.count("word=a\\nb\n") == 5
    file.write_text(file.read_text().replace('"a\\nb"', '"it\'s"'))
    short = weft.quick("plan", code=0).out
    assert short.count("  new    i=") == 5
    assert "and 15 more (`--cases` lists all)" in short
    every = weft.quick("plan", "--cases", "--commands", code=0).out
    commands = [line.split("  new    ")[1] for line in every.splitlines() if "  new    " in line]
    assert len(commands) == 20
    assert (
        subprocess.run(commands[7], shell=True, capture_output=True, text=True, check=True).stdout
        == "7 it's\n"
    )
    document = weft.quick("plan", "--json", "--commands", code=0).json
    assert document["format"] == 1
    assert document["total"] == document["todo"] == len(document["cases"]) == 20
    assert document["cases"][7] == {
        "id": document["new"][7],
        "params": {"i": 7, "word": "it's"},
        "command": commands[7],
    }


def test_adding_a_value_runs_only_the_new_case(weft):
    weft.study()
    weft("run", code=0)
    weft.study(values="[1, 2, 3, 4]")
    planned = weft.quick("plan", code=0).out
    assert planned.startswith("greetings on local: 4 cases, 1 to run\n  cases     1 new, 3 done\n")
    assert planned.count("  new    i=4") == 1
    weft("run", code=0)
    assert weft.stands()["done"] == 4
    weft.study(values="[1]")
    assert "3 no longer in the study" in weft.quick("plan", code=0).out
    weft("run", code=0)
    assert len(weft.quick("results", "--json", "-", code=0).json["rows"]) == 1
    assert len(weft.quick("results", "--json", "-", "--all", code=0).json["rows"]) == 4


def test_a_changed_command_asks_and_without_a_terminal_ends_with_4(weft):
    weft.study("echo {i} | tee out.txt")
    weft("run", code=0)
    weft.study("echo {i} again | tee out.txt")
    planned = weft.quick("plan", code=0).out
    assert "3 cases with results from before" in planned
    for words in (["run"], ["run", "--detach"], ["run", "--json"]):
        answer = weft(*words, code=4)
        assert answer.out == ""
        assert "--rerun" in answer.err
        assert "--keep" in answer.err
    weft("run", "--keep", code=0)
    assert weft.stands()["jobs_ended"] == 1
    weft("run", code=0)
    weft.study("echo {i} once more | tee out.txt")
    weft("run", "--rerun", code=0)
    assert weft.stands()["jobs_ended"] == 2


def test_results_as_files_and_on_the_screen(weft):
    weft.study(FAILING)
    weft("run", code=3)
    screen = weft.quick("results", code=0).out
    assert "failed" in screen
    assert max(map(len, screen.splitlines())) <= 80
    as_csv = weft.quick("results", "--csv", "-", code=0).out
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert as_csv == (weft.folder / ".weft/greetings/results.csv").read_text()
    said = weft.quick("results", "--csv", "a.csv", "--parquet", "a.parquet", "--json", "a.json", code=0)
    assert said.out == ""
    assert (weft.folder / "a.csv").read_text() == as_csv
    assert (weft.folder / "a.parquet").read_bytes()[:4] == b"PAR1"
    document = json.loads((weft.folder / "a.json").read_text())
    assert document["format"] == 1
    assert [row["i"] for row in document["rows"]] == [1, 2, 3]
    assert len(weft.quick("results", "--failed", "--json", "-", code=0).json["rows"]) == 1
    lost = weft.quick("results", "--csv", "absent/a.csv", code=1)
    assert "absent/a.csv" in lost.err


def test_results_into_a_pipe_that_closes(weft):
    weft.study(values="{ range = [0, 300] }", command="true {i}")
    weft("run", code=0)
    words = shlex.join(weft.argv("results", "--csv", "-"))
    piped = subprocess.run(
        ["sh", "-c", f"{words} | head -1"],
        cwd=weft.folder,
        env=weft.env,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert piped.stderr == ""
    assert piped.stdout.startswith('"case"')


def test_fetch_takes_outputs_out_of_the_zips(weft):
    weft.study(FAILING)
    weft("run", code=3)
    rows = weft.quick("results", "--json", "-", code=0).json["rows"]
    first, failed = rows[0]["case"], rows[1]["case"]
    said = weft.quick("fetch", first, "--only", "*.txt", "--to", "here", code=0)
    assert f"here/{first}/out.txt" in said.out
    assert (weft.folder / "here" / first / "out.txt").read_text() == "1\n"
    assert weft.quick("fetch", "--failed", code=0).out == f"outputs/{failed}/stderr.txt\n"
    assert "no equilibrium" in (weft.folder / "outputs" / failed / "stderr.txt").read_text()
    weft.quick("fetch", ".", "--all", "--to", "all", code=0)
    assert len(list((weft.folder / "all").iterdir())) == 3


def test_profile(weft):
    weft.study()
    weft("run", code=0)
    text = weft.quick("profile", code=0).out
    assert max(map(len, text.splitlines())) <= 80
    assert weft.quick("profile", "--json", code=0).json["format"] == 1


def test_run_as_json_lines(weft):
    weft.study(FAILING)
    lines = weft("run", "--json", code=3).lines
    assert {line["format"] for line in lines} == {1}
    assert {line["type"] for line in lines} == {"failure", "progress", "end"}
    end = lines[-1]
    assert (end["type"], end["exit"], end["done"], end["failed"], end["total"]) == ("end", 3, 2, 1, 3)
    assert end["failures"][0]["why"] == "exit 3: no equilibrium at t = 2.5"
    assert Path(end["table"]).exists()


@pytest.mark.parametrize("name", ["-dash", 'it\'s a "Fügung" $HOME `x` *'])
def test_folders_of_any_name(weft, name):
    weft.folder /= name
    weft.folder.mkdir()
    weft.study(FAILING)
    ran = weft("run", code=3)
    assert "2 of 3 cases done" in ran.out
    case = weft.quick("results", "--failed", "--json", "-", code=0).json["rows"][0]["case"]
    weft.quick("fetch", case, code=0)
    assert "exit 3" in weft.quick("explain", case, code=0).out
    weft("retry", code=3)
    weft("status", "./study.toml", code=0)


def test_a_study_whose_name_begins_with_a_dash_is_named_so_that_it_can_be_typed(weft):
    weft.study(FAILING).rename(weft.folder / "-s.toml")
    said = weft("run", "--", "-s.toml", code=3).out.splitlines()
    assert said[-1] == "      `weft retry ./-s.toml` runs the failed again"
    assert weft.quick("status", "./-s.toml", code=0).out.splitlines()[-1] == said[-1]
    (weft.folder / "-s.toml").write_text((weft.folder / "-s.toml").read_text().replace("-ne 2", "-ne 9"))
    assert "`weft run ./-s.toml --keep`" in weft("run", "--", "-s.toml", code=4).err
    assert "  cd ./-d\n" in weft("init", "--", "-d", code=0).out


@pytest.mark.parametrize("template", ["python", "shell", "openseespy"])
def test_a_fresh_study_plans(weft, template):
    said = weft("init", "first one", "--template", template, code=0)
    assert "  study.toml\n" in said.out
    assert "  cd 'first one'\n" in said.out
    assert (weft.folder / "first one" / "study.toml").exists()
    assert "to run" in weft.quick("plan", "first one", code=0).out


@pytest.mark.parametrize("template", ["python", "shell"])
def test_a_fresh_study_runs(weft, template):
    weft("init", "--template", template, code=0)
    assert weft("run").code in (0, 3)
    assert weft.stands()["done"] > 0


def test_doctor(weft):
    said = weft("doctor", code=0)
    assert said.err == ""
    assert "ok       Python" in said.out
    assert "Ready: " in said.out
    assert "altair" in said.out
    assert "ok       tomlkit" in said.out
    (weft.folder / "study.toml").write_text("broken")
    weft("doctor", "study.toml", code=0)
    missing = weft("doctor", "absent", code=1)
    assert "PROBLEM  folder" in missing.out
    assert "Not ready: 1 " in missing.out


def test_explain_without_a_word_tells_why_the_study_stands_as_it_does(weft):
    weft.study(FAILING)
    weft("run", code=3)
    told = weft.quick("explain", code=0).out
    assert "failed" in told
    assert weft.quick("explain", "--json", code=0).json["asked"] == ""


def test_retry_after_a_change_asks_as_run_does_and_leaves_no_request_behind(weft):
    weft.study(FAILING)
    weft("run", code=3)
    weft.study(FAILING.replace("-ne 2", "-ne 9"))
    refused = weft("retry", code=4)
    assert "--keep" in refused.err
    assert list((weft.folder / ".weft/greetings/requests").iterdir()) == []
    weft("retry", "--keep", code=0)
    assert weft.quick("status", code=0).out.startswith("greetings on local: finished")


def test_control_characters_do_not_reach_the_terminal(weft):
    weft.study("printf '\\033]0;owned\\007 bad' >&2; echo {i} > out.txt; exit 3")
    for words in (("run",), ("status",), ("results",)):
        said = weft(*words)
        assert "\x1b" not in said.out
        assert "\x07" not in said.out
    case = weft.quick("results", "--json", "-", code=0).json["rows"][0]["case"]
    assert "\\x1b]0;owned" in weft.quick("explain", case, code=0).out


def test_a_job_is_named_by_its_number(weft):
    weft.study("sleep 60; echo {i}")
    weft("run", "--detach", code=7)
    weft.wait_for(lambda: weft.stands()["active"] == 3)
    weft("cancel", "0001", code=0)
    weft.wait_for(lambda: weft.stands()["failed"] == 3)


def test_the_plan_of_a_held_study_says_so(weft):
    weft.study("sleep 0.1; exit 3; echo {i}", "{ range = [0, 200] }")
    weft("run", code=6)
    assert "held      the first" in weft.quick("plan", code=0).out


def test_advice_names_the_study_that_was_named(weft):
    weft.study(FAILING)
    (weft.folder / "study.toml").rename(weft.folder / "other one.toml")
    weft("run", "other one.toml", code=3)
    case = weft.quick("results", "other one.toml", "--failed", "--json", "-").json["rows"][0]["case"]
    assert (
        f"`weft retry 'other one.toml' {case}`" in weft.quick("explain", "other one.toml", case, code=0).out
    )
    text = (weft.folder / "other one.toml").read_text()
    (weft.folder / "other one.toml").write_text(text.replace("-ne 2", "-ne 9"))
    assert "`weft run 'other one.toml' --rerun`" in weft("run", "other one.toml", code=4).err
