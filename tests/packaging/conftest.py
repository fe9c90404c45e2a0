"""Fixtures: fresh interpreters, the built wheel, and environments that hold the wheel and little else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest installs it

ROOT = Path(__file__).resolve().parents[2]


def _python(executable: str | Path, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python away from the repository, so that it finds installed packages only."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [executable, *arguments],
        cwd=cwd,
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The table ``project`` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture
def run_here(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program, given as text, in a new process of this environment."""

    def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return _python(sys.executable, "-c", program, cwd=tmp_path, **environment)

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    built = _python(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT), cwd=folder)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def run_in_wheel_environment(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run a program in a virtual environment that holds nothing but the wheel with some extras, say ``"[jax]"``.

    The releases are those of `constraints.txt`, or those that are named, say ``"jax==0.8"``.
    """
    folder = tmp_path_factory.mktemp("wheel_environments")
    pythons: dict[tuple[str, ...], Path] = {}

    def run(extras: str, program: str, *releases: str) -> subprocess.CompletedProcess[str]:
        key = (extras, *releases)
        if key not in pythons:
            given = releases or ("--constraint", str(ROOT / "constraints.txt"))
            pythons[key] = _install((f"{wheel}{extras}", *given), folder / f"environment{len(pythons)}")
        return _python(pythons[key], "-c", program, cwd=folder)

    yield run
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def run_tool(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a module of a tool for wheels or their users, in a virtual environment that holds the tools alone."""
    folder = tmp_path_factory.mktemp("tools")
    pythons: list[Path] = []

    def run(*arguments: str, cwd: Path = folder) -> subprocess.CompletedProcess[str]:
        if not pythons:
            pythons.append(_install(("twine", "check-wheel-contents", "basedpyright"), folder / "environment"))
        return _python(pythons[0], "-m", *arguments, cwd=cwd)

    return run


def _install(requirements: tuple[str, ...], folder: Path) -> Path:
    """Make a virtual environment with what pip is to install, and return its Python."""
    made = _python(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=ROOT)
    assert made.returncode == 0, made.stdout + made.stderr
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = ("-m", "pip", "--python", str(python), "install", "--quiet")
    installed = _python(sys.executable, *pip, *requirements, cwd=folder)
    assert installed.returncode == 0, installed.stderr[-2000:]
    return python
