"""Imports run down only: the house's one structural rule, read from the sources themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import weft

SOURCE = Path(weft.__file__).parent
LAYERS = [
    {"errors", "home"},
    {"model"},
    {"core"},
    {"schedulers", "tapis"},
    {"store", "backends", "node", "service"},
    {"engine", "foresight", "render"},
    {"writer", "notice", "profiling"},
    {"api"},
    {"cli"},
    {"__main__"},
]
"""From the ground up; what stands in one set may import only what is below, or its own package."""
ALLOWED_BESIDE = {("backends", "store"), ("store", "node")}
"""Neighbours that may look at each other: a backend reads where things lie, a bundle ships the runner's file."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if "starters" in path.parts:
            continue
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


THE_WHOLE = "service.server"
"""What the parts of the service are put together in. Each keeps it, to reach the others, and so names its type."""


def imported(path: Path, *, names_of_types: bool = True) -> Iterator[str]:
    """Dotted names below ``weft`` that a file imports, wherever in it the import stands.

    Without ``names_of_types`` what stands below ``if TYPE_CHECKING`` is left out: it is never imported.
    """
    tree = ast.parse(path.read_text())
    if not names_of_types:
        tree = _Running().visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name[5:] for alias in node.names if alias.name.startswith("weft."))
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "weft":
                yield from (alias.name for alias in node.names)
            elif node.module.startswith("weft."):
                yield from (f"{node.module[5:]}.{alias.name}" for alias in node.names)


class _Running(ast.NodeTransformer):
    """What is left of a module when it runs."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node


def known(name: str, names: set[str]) -> str:
    """The longest prefix of a dotted name that is a module."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def arrows(*, names_of_types: bool = True) -> set[tuple[str, str]]:
    found = dict(modules())
    names = set(found) - {""}
    return {
        (source, target)
        for source, path in found.items()
        for name in imported(path, names_of_types=names_of_types)
        if (target := known(name, names)) and target != source
    }


def test_every_module_has_a_layer() -> None:
    tops = {name.split(".")[0] for name, _ in modules() if name}
    assert tops <= set(LEVEL), f"give these a layer: {tops - set(LEVEL)}"


def test_imports_run_down() -> None:
    upward = []
    for source, target in arrows():
        above, below = source.split(".")[0], target.split(".")[0]
        if not source or above == below or (above, below) in ALLOWED_BESIDE:
            continue
        if LEVEL[below] >= LEVEL[above]:
            upward.append(f"{source} imports {target}")
    assert upward == []


def test_only_one_command_starts_the_service() -> None:
    inside = {source for source, target in arrows() if target.split(".")[0] == "service"}
    assert {source for source in inside if source.split(".")[0] != "service"} == {"cli.serve"}


def test_the_service_and_the_client_know_nothing_of_each_other() -> None:
    allowed = {"service", "schedulers", "errors", "weft"}
    beyond = {target for source, target in arrows() if source.split(".")[0] == "service"}
    assert {target for target in beyond if target.split(".")[0] not in allowed} == set()


def test_the_runner_imports_nothing_of_ours() -> None:
    assert [target for source, target in arrows() if source == "node.runner"] == []


def test_there_are_no_circles() -> None:
    targets: dict[str, set[str]] = {}
    running = arrows(names_of_types=False)
    for source, target in arrows():
        if target != THE_WHOLE or (source, target) in running:
            targets.setdefault(source, set()).add(target)
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in finished:
            for target in sorted(targets.get(name, ())):
                visit(target, (*path, name))
            finished.add(name)

    for name in sorted(targets):
        visit(name, ())


def test_the_core_is_pure() -> None:
    """No files, clock, random, network or logging in core/."""
    banned = {"os", "pathlib", "time", "random", "socket", "subprocess", "logging", "io", "secrets", "shutil"}
    for name, path in modules():
        if name.split(".")[0] != "core":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            used = {n.split(".")[0] for n in names} & banned
            assert not used, f"{name} imports {used}"
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"), name


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "helpers", "common", "manager", "util", "misc"}
    assert [name for name, _ in modules() if name.split(".")[-1] in vague] == []
