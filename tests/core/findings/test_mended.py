"""What failed in a study of which every case is done by now."""

from __future__ import annotations

from tests.core.scenes import scene

from weft.core.findings.base import Severity
from weft.core.findings.table import find

FAILED = {"failed_cases": 40}


def test_what_has_been_done_since_is_no_failure_any_more() -> None:
    before, after = find(scene(FAILED)), find(scene(FAILED, mended=True))
    assert [each.severity for each in before] == [Severity.FAILURE]
    assert [(each.id, each.severity) for each in after] == [(before[0].id, Severity.NOTE)]
    assert after[0].evidence == (*before[0].evidence, "all cases of the study have been done since")
