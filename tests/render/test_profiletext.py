"""What `weft profile` shows: findings first, 80 columns, ASCII, and nothing left out without a word."""

from __future__ import annotations

import re

import pytest
from msgspec import structs
from tests.core.scenes import jobs as job_table
from tests.facts import Facts

from weft.core.analysis import Actual, Analysis, Forecast, Waited
from weft.core.critical import critical_path
from weft.core.findings.base import Finding, Remedy, Severity
from weft.core.groups import groups
from weft.core.jobtable import table
from weft.core.normal import Baseline, Drift, Outlier
from weft.core.profile import profile_of
from weft.render.profiletext import FINDINGS_SHOWN, analysis_text, groups_text


def analysis(facts: Facts, **more: object) -> Analysis:
    profile = profile_of(facts.facts)
    made = Analysis(
        title=profile.name,
        made=0.0,
        profile=profile,
        jobs=table(profile.jobs),
        waited=critical_path(profile.jobs),
    )
    return structs.replace(made, **more)


def ran(jobs: int) -> Facts:
    facts = Facts([{"scale": number} for number in range(jobs)])
    for case in facts.ids:
        facts.run(case, wall=30.0)
    return facts


def fits(text: str) -> None:
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii()


@pytest.mark.parametrize("jobs", [1, 12, 40])
def test_a_profile_fits_and_tells_of_jobs_that_it_leaves_out(jobs: int) -> None:
    text = analysis_text(analysis(ran(jobs)))
    fits(text)
    assert text.count("frame-ab12-") == min(jobs, 12)
    assert ("shorter job" in text) == (jobs > 12)


def test_a_profile_says_where_the_time_went() -> None:
    text = analysis_text(analysis(ran(2)))
    assert "1 min 10 s, 2 jobs, 2 runs" in text
    assert "in cases    1 min 00 s, 0.9 at a time" in text
    assert "43 % of the slots' time was spent in cases" in text
    assert "r  RUNNING" in text
    assert "rrrr" in text
    assert "####" in text
    assert "what the wall clock waited for" in text
    assert "the longest runs" in text


def test_a_profile_of_a_study_that_runs_says_so() -> None:
    facts = Facts()
    facts.ran(facts.plan(facts.ids), facts.ids[0])
    text = analysis_text(analysis(facts))
    assert "so far" in text
    assert "1/2" in text
    assert "RUNNING now" in text


def test_a_profile_of_nothing() -> None:
    assert analysis_text(analysis(Facts())) == "frame: nothing has run yet"


LONG = "each of the 5,069 files is a transfer of its own, and the service starts about thirty of them in a second"


def finding(number: int = 1, **more: object) -> Finding:
    made = Finding(
        id="many-small-files-archived",
        title=f"Many small files archived {number}",
        severity=Severity.WASTE,
        jobs=("job-1",),
        where="opensees-mp on cluster, queue normal: 1 job",
        evidence=(LONG, "and so it went on"),
        cause="Because of that.",
        remedies=(
            Remedy(
                say="Bundle what each case leaves.", setting='[output]\nkeep = ["*.out"]', command="weft run"
            ),
        ),
        gain_s=181.0,
        gain_su=0.05,
    )
    return structs.replace(made, **more)


def test_findings_stand_first_with_evidence_remedy_and_gain() -> None:
    text = analysis_text(analysis(ran(2), findings=(finding(),)))
    fits(text)
    assert text.index("Many small files") < text.index("time by phase")
    for words in (
        "waste",
        "would save 3 min 01 s, 0.05 SU",
        "Because of that.",
        'keep = ["*.out"]',
        "weft run",
    ):
        assert words in text
    assert " ".join(text.split()).count("about thirty of them in a second") == 1  # wrapped, and nothing lost


def test_what_is_lost_it_cost() -> None:
    lost = finding(lost=True, gain_su=None)
    assert "  cost 3 min 01 s" in analysis_text(analysis(ran(1), findings=(lost,)))
    assert "  cost 3 min 01 s" in analysis_text(
        analysis(ran(1), findings=(finding(remedies=(), gain_su=None),))
    )


def test_colours_take_no_room() -> None:
    """What colours a text adds letters to it that nobody sees."""
    found = (finding(title="Many small files archived " * 5),)
    told = analysis(ran(1), findings=found)
    coloured = analysis_text(told, style=lambda text, kind: f"\x1b[33m\x1b[1m{text}\x1b[0m")
    assert re.sub(r"\x1b\[\d+m", "", coloured) == analysis_text(told)
    assert coloured.count("\x1b[33m") == coloured.count("\x1b[0m")


def test_what_is_to_be_copied_is_whole() -> None:
    command = f"weft run {'a-long-name/' * 9}study.toml"
    remedy = Remedy(say="Do it.", setting=f'keep = ["{"a" * 99}"]', command=command)
    text = analysis_text(analysis(ran(1), findings=(finding(remedies=(remedy,)),)))
    assert f"$ {command}\n" in text
    assert f'keep = ["{"a" * 99}"]\n' in text


def test_findings_that_are_left_out_are_counted() -> None:
    text = analysis_text(analysis(ran(1), findings=tuple(finding(n) for n in range(FINDINGS_SHOWN + 3))))
    assert "and 3 more" in text


def test_colours_are_the_callers() -> None:
    kinds: set[str] = set()

    def style(text: str, kind: str) -> str:
        kinds.add(kind)
        return text

    analysis_text(analysis(ran(1), findings=(finding(),)), style=style)
    assert kinds == {"title", "waste", "code"}


def test_what_a_finding_quotes_cannot_steer_the_terminal() -> None:
    text = analysis_text(analysis(ran(1), findings=(finding(evidence=("\x1b[2J says the job",)),)))
    assert "\x1b" not in text
    assert "\\x1b[2J says the job" in text


def test_prediction_stands_beside_the_fact() -> None:
    forecast = Forecast(
        wall_s=(60.0, 90.0, 110.0), su=(0.5, 0.5, 1.0), files=5, spans={}, jobs=1, basis="site figures"
    )
    actual = Actual(forecast=forecast, wall_s=100.0, su=0.75, files=6, spans={})
    text = analysis_text(analysis(ran(1), actual=actual))
    assert "1 min 00 s to 1 min 50 s, likely 1 min 30 s" in text
    assert "1 min 40 s" in text
    assert "0.50 to 1.00 SU" in text


def test_what_is_out_of_line_is_named() -> None:
    usual = Baseline(count=20, median=30.0, p10=20.0, p90=40.0, spread=5.0)
    later = structs.replace(usual, median=300.0)
    text = analysis_text(
        analysis(
            ran(1),
            outliers=(Outlier(job="job-7", what="queued_s", value=9000.0, normal=usual),),
            drifts=(
                Drift(
                    app="python",
                    system="s",
                    queue="q",
                    what="archiving_s",
                    since=0.0,
                    before=usual,
                    after=later,
                ),
            ),
        )
    )
    fits(text)
    assert "job-7" in text
    assert "2 h 30 min" in text
    assert "was 30 s" in text


def test_what_is_out_of_line_and_not_shown_is_counted() -> None:
    usual = Baseline(count=20, median=30.0, p10=20.0, p90=40.0, spread=5.0)
    late = [Outlier(job=f"job-{n}-" + "j" * 90, what="queued_s", value=9e3, normal=usual) for n in range(7)]
    text = analysis_text(analysis(ran(1), outliers=late))
    fits(text)
    assert text.count("  QUEUED  2 h 30 min  usually 30 s\n") == 5
    assert "  and 2 more: `--json` has all" in text


def test_what_the_wall_clock_waited_for_adds_up() -> None:
    names = ["RUNNING", "QUEUED", "ARCHIVING", "STAGING_INPUTS", "STAGING_JOB", "PENDING", "COLLECTING", ""]
    waited = [
        Waited(start=100.0 * n, end=100.0 * n + 100.0 - n, job="j" if name else "", name=name)
        for n, name in enumerate(names)
    ]
    lines = analysis_text(analysis(ran(1), waited=waited)).splitlines()
    place = lines.index("what the wall clock waited for")
    told = [line.split() for line in lines[place + 1 : place + 8]]
    assert [line[0] for line in told] == [*names[:6], "all"]
    assert told[-1] == ["all", "else", "3", "min", "07", "s", "24", "%"]
    assert sum(int(line[-2]) for line in told) in (99, 100, 101)
    few = analysis_text(analysis(ran(1), waited=waited[-2:]))
    assert "(no job under way)" in few
    assert "all else" not in few


def test_problems_are_told_and_cut() -> None:
    text = analysis_text(analysis(ran(1), problems=[f"job {n}: no such job" for n in range(9)]))
    assert text.count("no such job") == 5
    assert "and 4 more" in text


@pytest.mark.parametrize("by", ["app", "system", "queue", "study", "week", "outcome", "phase"])
def test_groups_fit(by: str) -> None:
    jobs = job_table(
        {}, {"app": "a-name-of-an-app-that-is-quite-long-for-one", "outcome": "FAILED"}, {"su": None}
    )
    text = groups_text(groups(jobs, by), by)
    fits(text)
    assert "share" in text if by == "phase" else "jobs" in text


def test_a_long_name_of_a_group_leaves_room_for_its_figures() -> None:
    name = "opensees-mp-" + "of-a-colleague-" * 20 + "s3"
    jobs = job_table({"app": name, "su": 1234.5}, {"app": name, "outcome": "FAILED"}, {"app": "p\x1b[2J"})
    head, long, short = groups_text(groups(jobs, "app"), "app").splitlines()
    assert head.split() == ["app", "jobs", "failed", "median", "p90", "SU", "run", "queue", "stage"]
    assert long.startswith("ope...")
    assert long.split()[1:4] == ["2", "50", "%"]
    assert long.endswith("1,235.25  95 %    2 %    1 %")
    assert len(long) == len(short) == 80
    assert short.startswith("p\\x1b[2J ")


def test_no_groups() -> None:
    assert groups_text(groups(job_table({}).clear(), "app"), "app") == "no jobs"
