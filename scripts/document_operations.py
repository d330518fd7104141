"""Write docs/tapis-operations.md from the service's own tables and the official specifications.

python scripts/document_operations.py            writes docs/tapis-operations.md
python scripts/document_operations.py --check    exits with 1 if it is not up to date
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from weft.service.routes import Operation
from weft.service.web import operations

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tapis-operations.md"
SPECS = ("tenants", "authenticator", "systems", "apps", "files", "jobs")
APART = "tokens"
METHODS = ("get", "put", "post", "delete", "patch")

Key = tuple[str, str]
"""A specification and the id of an operation in it."""

INTRODUCTION = """\
# Operations of the Tapis service

<!-- Written by scripts/document_operations.py: change the tables in src/weft/service/, then run it again. -->

All operations of the official specifications that the package `tapipy` brings along, and what `weft serve` makes of
them: implemented, or answered with status 501 and the reason that stands here.
"""

TOKENS = """\
## tokens

Its official users are the services of a site; they are not counted above.
"""

FURTHER = """\
## Further operations

What newer services have and the packaged specifications do not, what clients also ask for under another path, and,
below `/weft`, what only this service has.
"""


class Unknown(Exception):
    """An operation of a specification is in no table, or one in a table is not as the specification says."""


def page(tables: Sequence[Operation] | None = None) -> str:
    """Return the whole page.

    Raises:
        Unknown: An official operation is in no table, or under another method or path.
    """
    known: dict[Key, list[Operation]] = defaultdict(list)
    for each in operations() if tables is None else tables:
        known[each.spec, each.operation_id].append(each)
    official = {spec: dict(_official(spec)) for spec in (*SPECS, APART)}
    _compare(known, official)
    parts = [INTRODUCTION, "\n".join(_summary(known, official)), ""]
    for spec in SPECS:
        parts += [f"## {spec}\n", *_table(spec, known, official[spec]), ""]
    parts += [TOKENS, *_table(APART, known, official[APART]), ""]
    further = [each for each in _all(known) if not _is_official(each, official)]
    if further:
        parts += [FURTHER, "| request | operation |", "|---|---|"]
        parts += [f"| `{each.method} {_template(each.path)}` | {each.operation_id} |" for each in further] + [
            ""
        ]
    return "\n".join(parts)


def _official(spec: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each operation's id with its method and path; the paths of Jobs leave out their beginning."""
    text = files("tapipy").joinpath("resources").joinpath(f"openapi_v3-{spec}.yml").read_bytes()
    document: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield (
                    item[method]["operationId"],
                    (method.upper(), path if path.startswith("/v3/") else f"/v3{path}"),
                )


def _compare(
    known: Mapping[Key, list[Operation]], official: Mapping[str, Mapping[str, tuple[str, str]]]
) -> None:
    for spec, table in official.items():
        for operation_id, (method, path) in table.items():
            here = {(each.method, _shape(each.path)) for each in known.get((spec, operation_id), [])}
            if (method, _shape(path)) not in here:
                raise Unknown(
                    f"{spec}.{operation_id} must answer to {method} {path}; it answers to {sorted(here)}"
                )


def _is_official(each: Operation, official: Mapping[str, Mapping[str, tuple[str, str]]]) -> bool:
    method, path = official.get(each.spec, {}).get(each.operation_id, ("", ""))
    return (each.method, _shape(each.path)) == (method, _shape(path))


def _all(known: Mapping[Key, list[Operation]]) -> list[Operation]:
    return [each for several in known.values() for each in several]


def _shape(path: str) -> str:
    """The path without the names of its parameters, which are nobody's concern."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def _template(path: str) -> str:
    """The path as the specifications write it."""
    return path.replace(":path}", "}")


def _summary(
    known: Mapping[Key, list[Operation]], official: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    yield from ("| service | operations | implemented | 501 |", "|---|---|---|---|")
    total, absent = 0, 0
    for spec in SPECS:
        missing = sum(bool(known[spec, operation_id][0].reason) for operation_id in official[spec])
        count = len(official[spec])
        yield f"| [{spec}](#{spec}) | {count} | {count - missing} | {missing} |"
        total, absent = total + count, absent + missing
    yield f"| together | {total} | {total - absent} | {absent} |"


def _table(
    spec: str, known: Mapping[Key, list[Operation]], official: Mapping[str, tuple[str, str]]
) -> Iterator[str]:
    yield from ("| operation | request | is |", "|---|---|---|")
    for operation_id, (method, path) in official.items():
        reason = known[spec, operation_id][0].reason
        yield f"| {operation_id} | `{method} {path}` | {f'501: {reason}' if reason else 'implemented'} |"


def main() -> int:
    """Write the page, or say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not same:
            print(f"{PAGE.name} is not up to date: python scripts/document_operations.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
