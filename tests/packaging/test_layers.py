"""Which module may import which, what stands on top of an adapter, and that no module is left that nobody imports."""

import ast
import graphlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("indian_core", "indian_torch", "indian_tf", "indian_jax")
ADAPTERS = PACKAGES[1:]

OTHER_ADAPTERS = {"indian_torch": set(), "indian_tf": {"indian_torch.functional"}, "indian_jax": set()}
"""What an adapter may import of the others."""


def name_of(path: Path) -> str:
    """The name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def imports(module: str) -> set[str]:
    """What a module imports anywhere in its code, by full names; of the four packages, the modules themselves.

    A string that is a module's name counts as an import: a table of modules, of which one is imported.
    """
    found = set()
    path = MODULES[module]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant):
            found |= {node.value} & MODULES.keys()
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
                source = ".".join([*package[: len(package) - node.level + 1], *([source] if source else [])])
            names = {f"{source}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else source for name in names}
    return found


IMPORTS = {module: imports(module) for module in MODULES}


def in_package(name: str, package: str) -> bool:
    return name.partition(".")[0] == package


def in_room(name: str) -> bool:
    """Whether a module lies in a folder with an underscore, or is that folder."""
    return any(part.startswith("_") for part in name.split("."))


def documented_modules() -> set[str]:
    """The modules that a page of the API documents, or a class or a function of which one does."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    entries = re.findall(r"auto(?:module|class|function):: (\S+)", pages)
    return {name for entry in entries for name in (entry, entry.rpartition(".")[0])} & MODULES.keys()


def test_the_core_imports_numpy_and_nothing_else() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "indian_core"}
    wrong = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if in_package(module, "indian_core") and name.partition(".")[0] not in allowed
    }
    assert wrong == set()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_no_room_imports_what_stands_on_top_of_its_adapter(adapter: str) -> None:
    rooms = {module for module in MODULES if in_package(module, adapter) and in_room(module)}
    assert rooms
    wrong = {
        (room, name) for room in rooms for name in IMPORTS[room] if in_package(name, adapter) and not in_room(name)
    }
    assert wrong == set()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_rooms_of_an_adapter_have_an_order(adapter: str) -> None:
    """If a room imports another, that one does not import it, nor what it stands on: tensors know no norm, no step."""
    rooms = {module: ".".join(module.split(".")[:2]) for module in MODULES if module.startswith(f"{adapter}._")}
    below: dict[str, set[str]] = {room: set() for room in rooms.values()}
    for module, room in rooms.items():
        below[room] |= {rooms[name] for name in IMPORTS[module] & rooms.keys()} - {room}
    assert len(below) > 1
    # Raises an error that names the rooms of a circle.
    list(graphlib.TopologicalSorter(below).static_order())


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_reaches_into_another_through_the_declared_entry_alone(adapter: str) -> None:
    others = set(ADAPTERS) - {adapter}
    found = {
        name
        for module, names in IMPORTS.items()
        for name in names
        if in_package(module, adapter) and name.partition(".")[0] in others
    }
    assert found == OTHER_ADAPTERS[adapter]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_what_stands_on_top_of_an_adapter_is_documented(adapter: str) -> None:
    """What users never import belongs in a room. The one other module on top is `_compat`."""
    folders = {module: path.relative_to(ROOT).parts[:-1] for module, path in MODULES.items()}
    top = {
        module
        for module, parts in folders.items()
        if parts[0] == adapter and not any(part.startswith("_") for part in parts)
    }
    assert top - documented_modules() - {adapter, f"{adapter}._compat"} == set()


def test_every_module_is_imported_or_public() -> None:
    public = documented_modules()
    imported = {name for module, names in IMPORTS.items() for name in names - {module}}
    packages = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    assert MODULES.keys() - public - imported - packages == set()


def test_the_pages_of_the_api_name_modules_that_exist() -> None:
    for page in (ROOT / "docs" / "api").glob("*.md"):
        named = set(re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8")))
        assert named <= MODULES.keys(), page.name
