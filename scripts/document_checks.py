"""Write docs/check.md from the table of checks, so that the two cannot differ.

python scripts/document_checks.py            writes docs/check.md
python scripts/document_checks.py --check    exits with 1 if it is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from weft.core.checks import TABLE, Item, inputs, outputs, paths, requests, running, site

PAGE = Path(__file__).resolve().parent.parent / "docs" / "check.md"

INTRODUCTION = """\
# The checklist before submission

<!-- Written by scripts/document_checks.py: change the texts in src/weft/core/checks/, then run it again. -->

`weft check` goes through a list before anything is sent: the study's files, its command, what it keeps, what it asks
for, and where it runs. Each item passes, warns or fails, with the figures that say why and what to do about it. The
exit code is 5 if an item failed, else 0. Nothing is changed, and only the last item asks a service.

`weft run` and `weft retry` begin with the same list, less the last item, which every run looks at by itself. They stop
where an item fails, and tell the first warnings in a line each. `--no-check` leaves the list out. Jobs that are at work
already are looked after in any case.

`weft check --fix` mends what needs no decision: it shows the difference to the study file, says what else it
would do, and asks; `--yes` agrees beforehand. Comments, order and line ends stay as they are. A change after which the
file would be no study is not made. A second `--fix` finds nothing left to do.

In a notebook, `Study.check()` gives the same list:

<!-- file: study.toml -->
```toml
[model]
command = "echo {x} > out.txt"

[parameters]
x = [1, 2, 3]
```

```python
import weft

for check in weft.Study.load().check():
    if check.verdict != "PASS":
        print(check.verdict.value, check.title, check.evidence, sep=": ")
```

What earlier cases took is read from the newest part of the study's journal and from its newest outputs. Where there are
none, nothing is concluded.

"mends" says that `--fix` can mend it.
"""

TOPICS: Mapping[str, Sequence[Item]] = {
    "What cases are given": inputs.ITEMS,
    "What commands name": paths.ITEMS,
    "What cases leave": outputs.ITEMS,
    "What cases ask for": requests.ITEMS,
    "How the study runs": running.ITEMS,
    "Where it runs": site.ITEMS,
}


def page() -> str:
    """Return the whole page."""
    assert tuple(item for items in TOPICS.values() for item in items) == TABLE
    parts = [INTRODUCTION]
    for topic, items in TOPICS.items():
        parts += [f"## {topic}\n", *_table(items), ""]
    return "\n".join(parts)


def _table(items: Sequence[Item]) -> Iterator[str]:
    yield from ("| item | is | does not pass when | |", "|---|---|---|---|")
    for item in items:
        verdicts = " or ".join(verdict.value for verdict in item.verdicts)
        mends = f"{verdicts}; mends" if item.fixes else verdicts
        yield f"| `{item.id}` | {item.title} | {item.rule} | {mends} |"


def main() -> int:
    """Write the page, or say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not same:
            print(f"{PAGE.name} is not up to date: python scripts/document_checks.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
