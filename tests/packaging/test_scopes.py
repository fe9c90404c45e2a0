"""What a run of the tests takes."""

import pytest

from tests.scopes import CASES

pytest_plugins = ["pytester"]

MODULE = """
import pytest

@pytest.mark.parametrize("k", range(100))
def test_many(k): ...

@pytest.mark.parametrize("k", range(3))
def test_few(k): ...

@pytest.mark.slow
def test_slow(): ...

@pytest.mark.thorough
def test_thorough(): ...
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setattr("tests.scopes.SLOW_PATHS", ())
    pytester.makeini("[pytest]\nmarkers =\n    slow\n    thorough")
    pytester.makepyfile(MODULE)
    return pytester


@pytest.mark.parametrize("scope", ["fast", "usual"])
def test_a_part_spreads_over_the_parameters(project: pytest.Pytester, scope: str) -> None:
    result = project.inline_run("-p", "tests.scopes", f"--scope={scope}")
    passed = [report.nodeid.partition("::")[2] for report in result.listoutcomes()[0]]
    many = [name for name in passed if name.startswith("test_many")]
    assert len(many) == CASES[scope]
    assert {"test_many[0]", "test_many[99]"} <= set(many)
    others = [name for name in passed if name not in many]
    assert others == [f"test_few[{k}]" for k in range(3)] + ["test_slow"] * (scope == "usual")


@pytest.mark.parametrize("options", [(), ("--scope=all",)])
def test_other_runs_take_all(project: pytest.Pytester, options: tuple[str, ...]) -> None:
    project.inline_run("-p", "tests.scopes", *options).assertoutcome(passed=105)
