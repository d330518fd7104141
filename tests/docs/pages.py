"""What the tests of the documentation share: pages, their sections and blocks, and how a block is tried.

A comment of HTML before a block says what it is, since readers do not see it:

    <!-- file: model.py -->            the block is this file of the trial's folder
    <!-- edit study.toml: old line --> the block stands in the file from now on, in place of that line
    <!-- given: a.csv records/x.AT2 -->  these files exist (what is in them does not matter)
    <!-- needs: pandas -->             where such a module is missing, the block is left out
    <!-- not run: reason -->           the block is not tried at all
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weft.core.cases import expand
from weft.model import Study
from weft.store.studyfile import load, study_from_python
from weft.store.tomlfile import parse

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in ("build", "dist") for part in path.relative_to(ROOT).parts)
)
TRIED = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
STORIES = ("README.md", "tutorial.md")
"""Pages whose blocks build on each other from top to bottom; elsewhere each ``##`` section stands alone."""
LANGUAGES = ("toml", "python", "console", "sh", "r", "matlab")
"""What must be tried, or say why it is not."""
PATIENCE = 60.0
"""Seconds after which a command counts as hanging."""
PROBLEMS = (1, 2, 10, 11)
"""Exit codes with which no command of an example may end, unless its output is shown."""

_FENCE = re.compile(r"```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--\s*(file|edit|given|needs|not run)(?:\s+(\S+))?:\s*(.*?)\s*-->")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass
class Block:
    """A fenced block and what the comments directly before it say."""

    page: str
    line: int
    language: str
    text: str
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By word (file, edit, given, needs, not run): the argument before the colon, and the text after it."""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def lacks(self) -> str:
        """The module that it needs and that is not here; empty if it can be tried."""
        modules = self.told.get("needs", ("", ""))[1].split()
        return next((name for name in modules if find_spec(name) is None), "")


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found, end = [], 0
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 1
        block = Block(name_of(page), line, fence[1], fence[2])
        for comment in _COMMENT.finditer(text, end, fence.start()):
            near = not _COMMENT.sub("", text[comment.end() : fence.start()]).strip()
            if near or comment[1] == "given":
                block.told[comment[1]] = (comment[2] or "", comment[3])
        found.append(block)
        end = fence.end()
    return found


def trials() -> Iterator[tuple[str, list[Block]]]:
    """What is tried in one folder: a page that is a story, or a section of another."""
    for page in TRIED:
        titles = [
            (number, line[3:].strip())
            for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
            if line.startswith("## ")
        ]
        parts: dict[str, list[Block]] = {}
        for block in blocks(page):
            if block.language in LANGUAGES or "file" in block.told:
                above = [title for number, title in titles if number < block.line]
                title = above[-1] if above and page.name not in STORIES else ""
                parts.setdefault(f"{block.page} {title}".strip(), []).append(block)
        yield from parts.items()


class Trial:
    """A folder in which the blocks of a page or section are tried, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = self.here = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def block(self, block: Block) -> None:
        """Try one block; AssertionError says what is wrong with it."""
        for name in block.told.get("given", ("", ""))[1].split():
            self._write(name, "1\n")
        if "not run" in block.told:
            assert block.told["not run"][1], f"{block.where}: say why it is not run"
            return
        if "edit" in block.told:
            self._edit(block)
        elif "file" in block.told:
            self._write(block.told["file"][1], block.text)
        if block.language == "toml":
            self._study(block)
        elif "file" in block.told or "edit" in block.told:
            return
        elif block.language == "python":
            os.chdir(self.here)  # whoever made the trial's folder goes back in the end
            exec(compile(block.text, block.where, "exec"), self.names)
        elif block.language == "console":
            self._console(block)
        elif block.language == "sh":
            code, said = self._shell(block.text)
            assert code == 0, f"{block.where} ended with {code}: {said}"
        else:
            raise AssertionError(f"{block.where}: a block of {block.language} is not run: say why")

    def _write(self, name: str, text: str) -> None:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _edit(self, block: Block) -> None:
        name, old = block.told["edit"]
        path = self.here / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{block.where}: {name} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, block.text.rstrip("\n")), encoding="utf-8")

    def _study(self, block: Block) -> None:
        """A whole study is loaded; of a fragment, together with the least that a study needs."""
        if "edit" in block.told:
            study = load(self.here / block.told["edit"][0])
        elif "command" in parse(block.text, block.where).get("model", {}):  # type: ignore[operator]
            if "file" not in block.told:
                self._write("study.toml", block.text)
            study = load(self.here / block.told.get("file", ("", "study.toml"))[1])
        else:
            study = self._fragment(block)
        assert expand(study), block.where

    def _fragment(self, block: Block) -> Study:
        sections: dict[str, Any] = {"name": "fragment", **parse(block.text, block.where)}
        sections["model"] = {"command": "run {params}", **sections.get("model", {})}
        sections.setdefault("parameters", {"i": [1]})
        return study_from_python(folder=self.here, **sections)

    def _console(self, block: Block) -> None:
        for command, expected in commands(block.text):
            if command.startswith("cd ") and not expected:
                self.here = self.here / command[3:].strip()
                continue
            code, said = self._shell(command)
            if expected:
                wrong = mismatch(expected, said.splitlines())
                assert not wrong, f"{block.where}: $ {command}\n{wrong}\nit said:\n{said}"
            else:
                assert code not in PROBLEMS, f"{block.where}: $ {command} ended with {code}:\n{said}"

    def _shell(self, command: str) -> tuple[int, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {
            **os.environ,
            "PATH": path,
            "NO_COLOR": "1",
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.here,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout.decode()


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, without their comments, each with the output that is shown."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((re.sub(r"\s+# .*", "", line[2:]), []))
        elif line.strip():
            assert found, f"output without a command: {line}"
            found[-1][1].append(line)
    return found


# Comparing what is shown with what is said

_VARYING = (
    (re.compile(r"\b\d+ (?:min|h) \d\d (?:s|min)\b|\b\d+(?:\.\d+)? (?:ms|s|min|h)\b"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "<clock>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<date>"),
    (re.compile(r"-[0-9a-f]{6}-(\d{4})\b"), r"-<key>-\1"),
    (re.compile(r"\bprocess \d+\b"), "process <pid>"),
    (re.compile(r"\d+(?:\.\d+)? (?:MB|kB|GB)\b"), "<size>"),
)


def normal(line: str) -> str:
    """A line without what differs from run to run: times, process ids, the random part of a job's id, blanks."""
    for pattern, word in _VARYING:
        line = pattern.sub(word, line)
    return " ".join(line.split())


def mismatch(expected: list[str], said: list[str]) -> str:
    """Why what was said is not what is shown; ``...`` stands for any rest of a line, alone for any lines."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in normal(line).split("...")) + r"\n"
    text = "".join(f"{normal(line)}\n" for line in said if line.strip())
    return "" if re.fullmatch(pattern, text) else "is shown with another output:\n" + "\n".join(expected)
