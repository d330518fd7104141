"""What goes wrong outside weft is told clearly, and nothing is lost by it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from tests.journeys.place import Place

STUDY = """\
name = "study"
[model]
command = "COMMAND"
[parameters]
i = { range = [0, 40] }
[retry]
stop_after = 0
"""


def study(command: str) -> str:
    return STUDY.replace("COMMAND", command)


def test_a_full_disk_is_told_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: it stops the journal in the middle of the study."""
    place = Place(tmp_path, study("echo {i} >> ../log.txt").replace("[0, 40]", "[0, 2000]"))
    limited = ["sh", "-c", 'ulimit -f 600; exec "$0" -m weft run', sys.executable]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (1, 6), done.stderr
    assert "hint:" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    before = {
        row["case"]
        for row in json.loads(place.weft("results", "--json", "-"))["rows"]
        if row["status"] == "done"
    }
    place.weft("retry" if "held" in place.weft("status") else "run", timeout=300)
    rows = place.table()
    assert len(rows) == 2000
    assert all(row["status"] == "done" for row in rows)
    assert before <= {row["case"] for row in rows}


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    place = Place(tmp_path, study("true {i}"))
    place.write(".weft", "somebody's file\n")
    place.weft("run", code=1)
    assert ".weft" in place.errors
    assert "hint:" in place.errors


def test_a_command_that_does_not_exist_holds_the_study_after_the_first_cases(tmp_path: Path) -> None:
    # Slow enough that there is something left to hold back when weft first looks.
    command = study("sleep 0.1; no-such-program {i}")
    place = Place(tmp_path, command.replace("stop_after = 0", "stop_after = 5"))
    place.weft("run", code=6)
    said = place.weft("status")
    assert "held" in said
    assert "all failed" in said
    case = place.table()[0]["case"]
    told = place.weft("explain", case)
    assert "127" in told
    assert "no-such-program" in told
    place.edit("study.toml", "no-such-program", "true")
    place.weft("run")
    assert {row["status"] for row in place.table()} == {"done"}


def test_one_bad_case_harms_only_itself(tmp_path: Path) -> None:
    """Floods, orphans, deafness and broken results, all in one study."""
    command = """\
case {i} in
    1) yes | head -c 20000000 ;;
    2) setsid sleep 4321 & ;;
    3) trap '' TERM; while :; do sleep 0.1; done ;;
    4) echo '{{"v": NaN}}' > result.json; exit 0 ;;
    5) echo '{{"v": 1' > result.json; exit 0 ;;
    6) exit 0 ;;
    7) kill -9 $$ ;;
esac
echo '{{"v": 1}}' > result.json
"""
    place = Place(
        tmp_path,
        f"""\
name = "study"
[model]
command = '''{command.replace("{{", "{").replace("}}", "}")}'''
result = "result.json"
[parameters]
i = {{ range = [0, 12] }}
[resources]
minutes = 0.05
[retry]
attempts = 1
""",
    )
    place.weft("run", code=3)
    rows = {row["i"]: row for row in place.table()}
    assert {i for i, row in rows.items() if row["status"] == "done"} == {0, 1, 2, 8, 9, 10, 11}
    assert rows[3]["outcome"] == "TIMED_OUT"
    for i, word in ((4, "finite"), (5, "JSON"), (6, "result.json"), (7, "SIGKILL")):
        assert word in rows[i]["weft_why"], rows[i]
    assert sleepers("sleep 4321") == []


def sleepers(command: str) -> list[int]:
    """Live processes with exactly this command line."""
    wanted = command.replace(" ", "\0").encode() + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == wanted:
                found.append(int(path.parent.name))
    return found


def test_a_lost_journal_is_no_new_study(tmp_path: Path) -> None:
    place = Place(tmp_path, study("true {i}"))
    place.weft("run")
    place.folder.journal.write_bytes(b"")
    place.weft("run", code=1)
    assert "the journal is empty or gone" in place.errors
    assert "hint:" in place.errors
