"""The report: one file with everything in it, and nothing in it that a user or a service could run."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import polars as pl
import pytest
from msgspec import structs
from tests.render import analyses

from weft.core.findings.base import Finding, Remedy, Severity
from weft.errors import WeftError
from weft.render.html import html

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
            self.handlers += [name] if name.startswith("on") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self.depth[-1:]}:
            self.text += data

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
    analysis = analyses.study(bad)
    finding = Finding(
        id="x", title=bad, severity=Severity.NOTE, jobs=(bad,), where=bad, evidence=(bad,), cause=bad,
        remedies=(Remedy(say=bad, setting=bad, command=bad),), gain_s=1.0, basis=bad,
    )  # fmt: skip
    assert analysis.cases is not None
    assert analysis.actual is not None
    cases = analysis.cases.with_columns((bad + pl.col("record")).alias(bad))
    jobs = [
        structs.replace(job, id=f"{bad}{n}", name=f"{bad}{n}", notes=[bad])
        for n, job in enumerate(analysis.profile.jobs)
    ]
    names = {name: pl.lit(bad) for name in ("app", "system", "queue", "study", "word", "why", "tail")}
    table = analysis.jobs.with_columns(
        (bad + pl.int_range(pl.len()).cast(pl.String)).alias("job"),
        (bad + pl.int_range(pl.len()).cast(pl.String)).alias("name"),
        pl.lit([bad], dtype=pl.List(pl.String)).alias("notes"),
        *(
            pl.when(pl.int_range(pl.len()) > 1).then(value).otherwise(pl.lit("b")).alias(name)
            for name, value in names.items()
        ),
    )
    hostile = structs.replace(
        analysis,
        findings=[finding],
        jobs=table,
        profile=structs.replace(analysis.profile, jobs=jobs),
        waited=[structs.replace(each, job=bad, name=bad) for each in analysis.waited],
        actual=structs.replace(
            analysis.actual, forecast=structs.replace(analysis.actual.forecast, basis=bad)
        ),
        outliers=[structs.replace(each, job=bad, what=bad) for each in analysis.outliers],
        drifts=[structs.replace(each, app=bad, what=bad) for each in analysis.drifts],
        cases=cases,
        parameters={
            bad: [bad + value for value in cases["record"].unique(maintain_order=True)],
            "scale": analysis.parameters["scale"],
        },
        problems=[bad],
    )
    text = html(hostile)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert page.handlers == []
    assert page.text.count(bad) > 20
    assert "<script>alert" not in text


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
    assert "Nothing has run yet." in page.text
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
