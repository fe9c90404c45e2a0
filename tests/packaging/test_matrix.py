"""The matrix of releases: its rows agree with what the package declares, and its table with the results."""

import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from indian_core._frameworks import FRAMEWORKS
from tests import matrix

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("torch", "tensorflow", "jax")
RESULT = {
    "releases": {"python": "3.10.13", "torch": "2.4.1+cpu", "numpy": "1.26.4"},
    "smoke": "passed",
    "exit code": 0,
    "tests": {"passed": 7, "skipped": 2},
}


@pytest.fixture
def declared(project: dict[str, Any]) -> dict[str, str]:
    """The oldest releases that pyproject.toml declares, by name."""
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    requirements = [Requirement(text) for each in lists for text in each]
    return {requirement.name: next(iter(requirement.specifier)).version for requirement in requirements}


def test_an_import_refuses_what_pyproject_refuses(declared: dict[str, str]) -> None:
    assert {name: oldest for name, (_, oldest) in FRAMEWORKS.items()} == {
        name: oldest for name, oldest in declared.items() if name != "numpy"
    }


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_oldest_row_has_the_declared_releases(
    project: dict[str, Any], declared: dict[str, str], extra: str
) -> None:
    (row,) = [row for name, row in matrix.ROWS.items() if name.endswith("-oldest") and row.extra == extra]
    assert f">={row.python}" == project["requires-python"]
    pinned = {(found := Requirement(text)).name: found.specifier for text in row.releases}
    names = [Requirement(text).name for text in project["optional-dependencies"][extra]]
    for name in [*names, "numpy"]:
        assert Version(declared[name]) in pinned[name]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_newest_row_pins_nothing(extra: str) -> None:
    (row,) = [row for name, row in matrix.ROWS.items() if name.endswith("-newest") and row.extra == extra]
    assert not row.releases


def test_the_documentation_has_the_declared_releases(declared: dict[str, str]) -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    for name, oldest in declared.items():
        title = FRAMEWORKS[name].title if name in FRAMEWORKS else "NumPy"
        assert re.search(rf"\| {title} \| {re.escape(oldest)} \|", page), name


def test_the_classifiers_name_the_pythons_of_the_rows(project: dict[str, Any]) -> None:
    named = {found[1] for text in project["classifiers"] if (found := re.search(r"Python :: (3\.\d+)$", text))}
    assert named == {row.python for row in matrix.ROWS.values()}


def test_table_shows_counts_and_releases() -> None:
    results = {"torch-oldest": RESULT, "torch-2.8": {"error": "there is no Python 3.12 on this machine"}}
    assert matrix.table(results).splitlines()[2:] == [
        "| torch-oldest | 3.10.13 | torch 2.4.1, numpy 1.26.4 | passed | 7 | 0 | 2 |",
        "| torch-2.8 | 3.12 | there is no Python 3.12 on this machine | | | | |",
    ]


def test_an_environment_is_outdated_if_what_is_in_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    oldest, newest = matrix.ROWS["torch-oldest"], matrix.ROWS["torch-newest"]
    keys = [matrix._key(oldest, None), matrix._key(newest, None)]
    monkeypatch.setattr(matrix.datetime, "date", Tomorrow)
    assert matrix._key(oldest, None) == keys[0]
    assert matrix._key(newest, None) != keys[1]
    monkeypatch.setattr(matrix, "TOOLS", [*matrix.TOOLS, "one more"])
    assert matrix._key(oldest, None) != keys[0]


class Tomorrow(datetime.date):
    @classmethod
    def today(cls) -> datetime.date:
        return datetime.date(2100, 1, 1)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({}, True), ({"smoke": "failed"}, False), ({"exit code": 1}, False), ({"smoke": "not run: pip failed"}, False)],
)
def test_a_row_passes_if_all_of_it_does(changed: dict[str, Any], expected: bool) -> None:
    assert matrix.passed(RESULT | changed) == expected


def test_a_row_that_cannot_run_fails_if_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(matrix, "FOLDER", tmp_path)
    monkeypatch.setattr(matrix, "python_of", lambda version: None)
    assert matrix.main(["--row", "torch-oldest"]) == 1
    assert "there is no Python 3.10 on this machine" in capsys.readouterr().out
    assert matrix.main([]) == 0
