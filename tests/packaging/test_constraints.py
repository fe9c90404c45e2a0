"""The pinned development environment."""

import importlib.metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pinned() -> dict[str, str]:
    """The versions in `constraints.txt`, by name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {requirement.name: next(iter(requirement.specifier)).version for requirement in requirements}


def test_installed_versions_are_the_pinned_ones_and_run_on_the_oldest_python(pinned: dict[str, str]) -> None:
    oldest = "3.11.0"
    wrong = {}
    for name, version in pinned.items():
        distribution = importlib.metadata.distribution(name)
        # A local version, such as +cpu, is the same release built otherwise.
        if distribution.version.partition("+")[0] != version:
            wrong[name] = f"{distribution.version} is installed, {version} is pinned"
        elif oldest not in SpecifierSet(distribution.metadata["Requires-Python"] or ""):
            wrong[name] = f"{version} needs Python {distribution.metadata['Requires-Python']}"
    assert wrong == {}
