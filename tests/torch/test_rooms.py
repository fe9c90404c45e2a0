"""No import of the adapter runs upward: tensors know no norm, the norm no step, and no room what stands on top."""

import ast
from pathlib import Path

import pytest

import indian_torch

PACKAGE = Path(indian_torch.__file__).parent
ROOMS = ("_tensors", "_norm", "_step")
"""From the bottom up; each may import itself and those before it, and the private names of PyTorch."""


def imported(path: Path) -> set[str]:
    """The modules of the adapter that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("indian_torch.")}


@pytest.mark.parametrize("room", ROOMS)
def test_no_import_runs_upward(room: str) -> None:
    allowed = tuple(f"indian_torch.{each}" for each in ("_compat", *ROOMS[: ROOMS.index(room) + 1]))
    files = list((PACKAGE / room).glob("*.py"))
    assert len(files) > 2
    for file in files:
        assert all(name.startswith(allowed) for name in imported(file)), file
