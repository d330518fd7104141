"""What messages may carry and nobody should keep: passwords, tokens, keys. PURE.

What programs print on their way out ends up in profiles, reports and the user's history, and those are passed on. A
secret is told by its place (in an address, after a word such as "token") and by its looks; this errs on the side of
masking, but leaves paths, ids of jobs and cases, and plain words alone.
"""

from __future__ import annotations

import re

MASK = "***"

# Nothing here may take more than a moment, whatever a program printed: what repeats is bounded.
_NAMES = r"(?:token|secret|passw(?:or)?d|passphrase|key|credentials?|bearer|signature|authorization)s?"
_PASSWORD = r"(?:secret|passw(?:or)?d|passphrase)"  # noqa: S105  # names of them
_IS = r"""["']?\s{0,3}(?:=>|[:=]|\bis\b|\bwas\b)?\s{0,3}["']?"""
_SIGN = r"[\w+/=.~-]"
_OPAQUE = (
    rf"(?={_SIGN}{{0,99}}\d)(?={_SIGN}{{0,99}}[a-z])(?={_SIGN}{{0,99}}[a-z0-9]{{12}})[\w+=]{_SIGN}{{15,}}"
)
"""Long, with digits and letters, and a run of them that no word, path or name of a job has."""
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<before>-----BEGIN [A-Z ]*PRIVATE KEY-----\s*)(?:(?!-----END)[\s\S])+",
        r"(?P<before>//[^\s/:@]*:)[^\s/]+(?=@)",
        r"(?P<before>//)[^\s/:@]{20,}(?=@)",
        r"(?P<before>[?&;][\w.-]{0,40}(?:token|secret|pass|pwd|key|signature|credential|auth)[\w.-]{0,40}=)[^\s&;#\"'<>]+",
        r"(?P<before>[?&;]sig=)[^\s&;#\"'<>]+",
        r"(?P<before>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token)\s+)[^\s\"',;]+",
        r"(?P<before>\b)eyJ[\w-]{6,}(?:\.[\w-]*)*",
        r"(?P<before>\b)(?:gh[opsur]_|github_pat_|glpat-|xox[abprs]-)[\w-]{16,}",
        rf"(?P<before>{_PASSWORD}[\"']?\s*[:=]\s*(?P<quote>[\"']))[^\"'\n]+(?=(?P=quote))",
        rf"(?P<before>{_PASSWORD}=)[^\s\"'&,;]+",
        rf"(?P<before>{_PASSWORD}:[ \t]{{0,3}})(?=\S{{0,99}}\d)(?=\S{{0,99}}[a-z])[^\s\"',;]{{6,}}",
        rf"(?P<before>{_NAMES}\b{_IS}){_OPAQUE}",
    )
)


def masked_address(url: str) -> str:
    """An address without its password, and without what a query says to prove a right; paths stay."""
    return masked(url) if "@" in url or "?" in url else url


def masked(text: str) -> str:
    """The text with a mask in the place of everything that looks like a secret; the same if it is masked again."""
    if not text:  # most messages: there may be a hundred thousand
        return ""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<before>{MASK}", text)
    return text
