"""What a run of the tests takes."""

import pytest

from tests.scopes import FAST_CASES

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


def test_a_fast_run_spreads_over_the_parameters(project: pytest.Pytester) -> None:
    result = project.inline_run("-p", "tests.scopes", "--scope=fast")
    passed = [report.nodeid.partition("::")[2] for report in result.listoutcomes()[0]]
    many = [name for name in passed if name.startswith("test_many")]
    assert len(many) == FAST_CASES
    assert {"test_many[0]", "test_many[99]"} <= set(many)
    assert [name for name in passed if name not in many] == [f"test_few[{k}]" for k in range(3)]


@pytest.mark.parametrize(("options", "number"), [((), 105), (("--scope=all",), 105), (("--scope=usual",), 104)])
def test_other_runs_take_all_sets(project: pytest.Pytester, options: tuple[str, ...], number: int) -> None:
    project.inline_run("-p", "tests.scopes", *options).assertoutcome(passed=number)
