"""The report: one file with everything in it, and nothing in it that a user or a service could run."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import polars as pl
import pytest
from msgspec import structs
from tests.render import analyses

from weft.core.critical import critical_path
from weft.core.jobtable import table
from weft.errors import WeftError
from weft.render.html import html
from weft.render.reportrows import grouped, strip

ALL = {
    "findings", "forecast", "waited", "timeline", "stacked", "phases", "transfers", "cases", "spreads",
    "unusual", "problems", "jobs",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser makes of the page: elements, addresses, text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.titles: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.depth: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.depth += [] if tag in ("meta", "br", "link", "img") else [tag]
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.addresses += (
                [value or ""] if name in ("src", "href", "xlink:href", "action", "data", "poster") else []
            )
            self.titles += [value or ""] if name == "title" else []
            self.handlers += [name] if name.startswith("on") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self.depth[-1:]}:
            self.text += data
        if self.depth[-1:] == ["th"]:
            self.headings.append(data)

    @property
    def sections(self) -> set[str]:
        return {name for name in self.ids if name in ALL | {"groups"}}


@pytest.fixture(scope="module")
def report() -> str:
    return html(analyses.study())


def test_a_study_s_report_has_every_part(report: str) -> None:
    page = Page(report)
    assert page.sections == ALL
    assert len(page.ids) == len(set(page.ids))
    for words in (
        "Many small files are archived one by one", "29.5 files/s", 'keep = ["disp.out", "reaction.out"]',
        "would save about 21 min 10 s", "figures of a recorded job (May 2025)", "weft retry portal-ida",
        "1 h 00 min to 1 h 47 min, likely 1 h 18 min", "of the jobs’ time went by without any case running",
        "its history cannot be read", "2 events of its history come twice", "5 min 10 s (8 in 10",
        "4 min 50 s", "Cases by scale and record", "246/250", "timed out", "20,276", "3.27 SU",
    ):  # fmt: skip
        assert words in page.text, words


def test_findings_come_first(report: str) -> None:
    page = Page(report)
    assert next(name for name in page.ids if name in ALL) == "findings"
    titles = [page.text.index(each.title) for each in analyses.study().findings]
    assert titles == sorted(titles)


def test_nothing_is_fetched_from_anywhere(report: str) -> None:
    page = Page(report)
    assert all(address.startswith("#") for address in page.addresses)
    assert page.handlers == []
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    without_names = re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", report)
    assert "://" not in without_names
    assert "@import" not in report
    assert not re.search(r"url\((?!#)", report)
    assert "default-src 'none'" in report


def test_parts_that_would_be_empty_are_left_out() -> None:
    assert Page(html(analyses.local())).sections == {"timeline", "phases", "jobs"}


def test_jobs_of_several_apps_and_weeks_are_grouped() -> None:
    page = Page(html(analyses.foreign()))
    assert page.sections == {"stacked", "phases", "transfers", "spreads", "groups", "jobs"}
    assert "from 2026-06-01" in page.text
    assert "without the app running" in page.text


def test_what_users_and_services_write_stays_text() -> None:
    bad = analyses.HOSTILE
    text = html(analyses.named(bad))
    page = Page(text)
    assert page.tags.count("script") == 1
    assert page.handlers == []
    assert page.text.count(bad) > 20
    assert "<script>alert" not in text


def test_control_characters_are_spelt_out() -> None:
    """The converter that draws ends the whole process at some of them."""
    bad = "a\x00b\x1b[31m\x7f\u202e\ufffe\U000e0001"
    text = html(analyses.named(bad))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert Page(text).text.count("a\\x00b\\x1b[31m\\x7f\\x202e\\xfffe\\xe0001") > 20


def test_half_a_character_is_spelt_out() -> None:
    """Names may come from JSON that has such; the table of jobs cannot hold them."""
    analysis = analyses.study("a\ud800b")
    hurt = structs.replace(analysis.findings[0], title="\udfff", jobs=("\ud834",), evidence=("\udc00",))
    drawn = html(structs.replace(analysis, findings=[hurt], parameters={"\ud800": [1, 2]}))
    assert drawn.encode().count(b"a\\xd800b") == 2


def test_long_names_are_cut_where_they_are_labels() -> None:
    long = "x" * 3000
    text = html(analyses.named(long))
    page = Page(text)
    assert page.titles.count(long) >= 5
    finding = page.text[page.text.index("1 job: ") :]
    assert finding[:80].split("\n")[0] == "1 job: " + "x" * 29 + "…" + "x" * 30


def test_a_finding_names_the_first_of_its_jobs() -> None:
    analysis = analyses.study()
    many = structs.replace(analysis.findings[1], jobs=tuple(f"job-{n}" for n in range(9)))
    page = Page(html(structs.replace(analysis, findings=[many])))
    assert "9 jobs: job-0, job-1, job-2, job-3, job-4 and 4 more" in page.text
    assert "1 finding." in page.text


def test_what_is_lost_it_cost() -> None:
    analysis = analyses.study()
    lost = structs.replace(analysis.findings[0], lost=True, gain_s=300.0, gain_su=0.001)
    page = Page(html(structs.replace(analysis, findings=[lost, analysis.findings[2]])))
    assert "cost about 5 min 00 s" in page.text
    assert "cost about 26 min 30 s" in page.text, "there is no remedy for it"
    assert "would save" not in page.text


def test_a_prediction_is_of_the_last_run(report: str) -> None:
    assert "Prediction against fact, of the last run" in Page(report).text


def test_the_same_groups_are_shown_once() -> None:
    """All three apps of these jobs have a system and a queue of their own."""
    foreign = analyses.foreign()
    page = Page(html(foreign))
    assert "By system and by queue the groups are the same." in page.text
    assert page.headings.count("app") == 1
    assert "queue" not in page.headings
    queue = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    other = grouped(structs.replace(foreign, jobs=foreign.jobs.with_columns(queue.alias("queue"))))
    assert [(each["by"], each["also"]) for each in other] == [
        ("app", ["system"]),
        ("queue", []),
        ("week", []),
    ]


def test_time_between_runs_is_said_to_be_left_out() -> None:
    analysis = analyses.local()
    part = critical_path(analysis.profile.jobs)
    night = [structs.replace(each, start=each.start + 4e4, end=each.end + 4e4) for each in part]
    assert "left out" not in html(structs.replace(analysis, waited=part))
    page = Page(html(structs.replace(analysis, waited=[*part, *night])))
    assert "11 h 07 min between runs are left out, at ▾." in page.text


def test_what_is_no_pixel_wide_leaves_no_gap_in_a_bar() -> None:
    found = strip({"PLANNED": 0.005, "UPLOADING": 0.3, "RUNNING": 100.0})
    assert [(each["name"], each["percent"]) for each in found] == [("UPLOADING", 0.299), ("RUNNING", 99.696)]
    assert strip({"RUNNING": 0.0}) == []


def test_small_parts_are_not_the_largest() -> None:
    text = Page(html(analyses.local())).text
    assert "The largest parts: packing (6 %) and unpacking (3 %)." in text
    one = analyses.job(1, {"PLANNED": 0.02, "RUNNING": 100.0}, start=analyses.START, runner=[])
    quick = structs.replace(analyses.local(), profile=analyses.profile("quick", [one]), jobs=table([one]))
    assert "largest parts" not in Page(html(quick)).text


def test_the_same_analysis_gives_the_same_bytes(report: str) -> None:
    assert html(analyses.study()) == report
    assert html(analyses.local()) == html(analyses.local())


def test_a_hundred_thousand_jobs_make_a_small_page() -> None:
    text = html(analyses.great())
    assert len(text.encode()) < 5_000_000
    page = Page(text)
    assert "The first 200, and 99,800 more" in page.text
    assert {"timeline", "stacked", "spreads", "jobs"} <= page.sections


def test_nothing_has_run_yet() -> None:
    analysis = analyses.local()
    page = Page(
        html(
            structs.replace(
                analysis, jobs=analysis.jobs.clear(), profile=structs.replace(analysis.profile, jobs=[])
            )
        )
    )
    assert "There are no jobs to tell of." in page.text
    assert page.sections == set()


def test_one_job_that_has_only_been_planned() -> None:
    """All its figures are none, and the page says so without dividing by them."""
    analysis = analyses.local()
    seconds = [name for name in analysis.jobs.columns if name.endswith("_s")]
    jobs = analysis.jobs.with_columns(
        *(pl.lit(0.0).alias(name) for name in seconds), pl.col("start").alias("end")
    )
    profile = structs.replace(analysis.profile, jobs=[])
    assert "<h1>first-steps</h1>" in html(structs.replace(analysis, jobs=jobs, profile=profile))


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_without_the_packages_that_draw(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WeftError, match="needs the packages altair and vl-convert-python") as told:
        html(analyses.local())
    assert told.value.hint == "pip install 'weft[plots]'"
