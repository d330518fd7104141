"""The error of a run that does not begin, since checks have failed. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from weft.core.checks.base import Check
from weft.errors import CheckFailed


def refusal(failed: Sequence[Check], *, where: str, see: str, mend: str, anyway: str) -> CheckFailed:
    """``see`` shows all that was found, ``mend`` mends what can be mended, ``anyway`` runs it nevertheless."""
    remedy = f"{failed[0].remedy}; " if len(failed) == 1 else ""
    mends = f" and {mend} mends it" if mend and all(check.fix for check in failed) else ""
    hint = f"{remedy}{see} tells all{mends}; {anyway} runs it all the same"
    return CheckFailed(_failures(failed), where=where, hint=hint)


def _failures(failed: Sequence[Check]) -> str:
    if len(failed) == 1:
        return f"a check failed ({failed[0].title}): {failed[0].evidence}"
    lines = (f"\n  {check.title}: {check.evidence}" for check in failed)
    return f"{len(failed)} checks failed{''.join(lines)}"
