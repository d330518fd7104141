"""Write docs/findings.md from the table of findings, so that the two cannot differ.

python scripts/document_findings.py            writes docs/findings.md
python scripts/document_findings.py --check    exits with 1 if it is not up to date
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from weft.core.findings.base import Rule, Severity
from weft.core.findings.endings import ENDINGS, Ending
from weft.core.findings.table import TABLE
from weft.core.findings.weighing import LEAST_S, LEAST_SHARE, LEAST_SU
from weft.core.quantities import share

PAGE = Path(__file__).resolve().parent.parent / "docs" / "findings.md"

INTRODUCTION = """\
# Findings

<!-- Written by scripts/document_findings.py: change the rules in src/weft/core/findings/, then run it again. -->

`weft profile` says not only where the time went, but what that means. Each finding has an id, figures as evidence, the
cause in a sentence, remedies as exact settings or commands with the best one first, and what that one would gain (or,
of failures, what they cost): in seconds of waiting over all jobs concerned, and in SU where jobs are charged.

A gain goes by your own ended jobs of the same app, system and queue where there are enough, else by figures of recorded
jobs; each finding says which. Where nobody can tell, no gain is told. No second is gained twice: of findings about the
same time of the same jobs, a later one has only what it gains besides. Where two would set the same thing in two ways,
the first one holds.

Jobs of the same study, app, system and queue make one finding, not one each; at most 20 are named, those that lost most
first.
"""

ENDINGS_SAY = """\
## How jobs end

The conditions of Tapis and the end states of Slurm. `job-failed`, `job-ended-by-the-site` and `job-cancelled` go by
this table, where no closer finding explains how a job ended.

| word | what it means | whose doing | what to do |
|---|---|---|---|
"""

SECTIONS = {
    Severity.FAILURE: ("Failures", "Jobs or cases are lost."),
    Severity.WASTE: (
        "Waste",
        (
            f"Time or SU are lost that a remedy would save: {LEAST_S:g} s or more, {share(LEAST_SHARE)} of the jobs' "
            f"time, or {LEAST_SU:g} SU. Less is not told, and where nobody can tell how much, it is a note."
        ),
    ),
    Severity.NOTE: ("Notes", "Worth knowing; nothing need be done."),
}


def page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for severity, (title, means) in SECTIONS.items():
        rules = [rule for rule in TABLE if rule.severity is severity]
        if rules:
            means = "\n".join(_wrapped(means))
            parts += [f"## {title}\n\n{means}\n", *("\n".join(_about(rule)) for rule in rules)]
    rows = "".join(f"{_row(ending)}\n" for ending in ENDINGS.values())
    return "\n".join([*parts, f"{ENDINGS_SAY}{rows}"])


def _about(rule: Rule) -> Iterator[str]:
    yield from (f"### {rule.id}", "")
    yield from (*_wrapped(f"**{rule.title}.** {rule.rule}"), "")
    yield from (*_wrapped(f"To do: {rule.remedy}"), "")


def _row(ending: Ending) -> str:
    to_do = " ".join(remedy.say for remedy in ending.remedies)
    return f"| {ending.word} | {ending.means} | {ending.whose.value} | {to_do} |"


def _wrapped(text: str, width: int = 120) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def main() -> int:
    """Write the page, or say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not same:
            print(f"{PAGE.name} is not up to date: python scripts/document_findings.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
