"""The Python code of the README and of the documentation runs, and prints what the pages say it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "docs" / name
    for name in (
        "coming_from.md",
        "quickstart/pytorch.md",
        "quickstart/keras.md",
        "quickstart/jax.md",
        "hyperparameters.md",
        "mathematics.md",
        "norms.md",
        "trust_region.md",
        "quickstart/trust_region_jax.md",
    )
]

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


class Program(NamedTuple):
    """Code to run, and what it must print."""

    code: str
    output: str


def programs(page: Path) -> list[Program]:
    """The Python blocks of a page; a block of plain text right after one is its output."""
    found: list[Program] = []
    last_language = ""
    for fence in _FENCED.finditer(page.read_text(encoding="utf-8")):
        language, body = fence["language"], fence["body"]
        if language == "python":
            found.append(Program(body, output=""))
        elif language == "text" and last_language == "python":
            found[-1] = found[-1]._replace(output=body)
        last_language = language
    return found


def run(program: Program, directory: Path) -> None:
    """Run a program in its own process, since a process has but one Keras backend, and compare what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", program.code],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == program.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    blocks = programs(page)
    assert blocks
    run(Program("\n".join(b.code for b in blocks), "".join(b.output for b in blocks)), tmp_path)


@pytest.mark.parametrize("framework", ["torch", "keras", "jax"])
def test_readme_usage_is_complete(framework: str, tmp_path: Path) -> None:
    (program,) = [p for p in programs(ROOT / "README.md") if f"import {framework}\n" in p.code]
    run(program, tmp_path)


def test_every_python_block_of_the_readme_is_run() -> None:
    assert len(programs(ROOT / "README.md")) == 3
