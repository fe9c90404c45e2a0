"""The pinned development environment."""

import importlib.metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {"3.10": "3.10.0", "3.11": "3.11.0"}
"""The oldest release of each Python that has pins of its own."""


@pytest.fixture
def requirements() -> list[Requirement]:
    """The lines of `constraints.txt`."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def applies(marker: Marker | None, python: str) -> bool:
    return marker is None or marker.evaluate({"python_version": python})


def test_installed_versions_are_the_pinned_ones(requirements: list[Requirement]) -> None:
    wrong = {}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate():
            # A local version, such as +cpu, is the same release built otherwise.
            installed = importlib.metadata.version(requirement.name).partition("+")[0]
            if installed not in requirement.specifier:
                wrong[requirement.name] = f"{installed} is installed, {requirement.specifier} is pinned"
    assert wrong == {}


def test_installed_versions_run_on_the_oldest_python_that_they_are_pinned_for(requirements: list[Requirement]) -> None:
    wrong = {}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate():
            (oldest,) = [release for python, release in PYTHONS.items() if applies(requirement.marker, python)][:1]
            needed = importlib.metadata.metadata(requirement.name)["Requires-Python"] or ""
            if oldest not in SpecifierSet(needed):
                wrong[requirement.name] = f"{requirement.specifier} needs Python {needed}"
    assert wrong == {}


@pytest.mark.parametrize("python", PYTHONS)
def test_no_python_has_two_pins_of_a_package(requirements: list[Requirement], python: str) -> None:
    names = [requirement.name for requirement in requirements if applies(requirement.marker, python)]
    assert len(names) == len(set(names))
