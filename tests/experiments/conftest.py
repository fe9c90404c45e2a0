"""Runs Python in the root of the repository, as a reader of the README does."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

RunPython = Callable[..., subprocess.CompletedProcess[str]]
Figures = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="session")
def run_python() -> RunPython:
    """Run Python with some arguments, and return its exit code and what it printed."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def figures() -> Figures:
    """The bytes of the figures in a folder by name, after a check that each is there as PNG and as SVG."""

    def read(folder: Path) -> dict[str, bytes]:
        found = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".png", ".svg")}
        stems = {Path(name).stem for name in found}
        assert set(found) == {stem + suffix for stem in stems for suffix in (".png", ".svg")} != set()
        for name, content in found.items():
            if name.endswith(".png"):
                assert content.startswith(b"\x89PNG\r\n\x1a\n")
            else:
                assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
        return found

    return read
