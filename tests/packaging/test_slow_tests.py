"""What a fast run of the tests takes."""

import pytest

from tests.slow_tests import FAST_CASES

pytest_plugins = ["pytester"]

MODULE = """
import pytest

@pytest.mark.parametrize("k", range(100))
def test_many(k): ...

@pytest.mark.parametrize("k", range(3))
def test_few(k): ...

@pytest.mark.slow
def test_slow(): ...
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setattr("tests.slow_tests.SLOW_PATHS", ())
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(MODULE)
    return pytester


def test_a_fast_run_spreads_over_the_parameters(project: pytest.Pytester) -> None:
    result = project.inline_run("-p", "tests.slow_tests", "--fast")
    passed = [report.nodeid.partition("::")[2] for report in result.listoutcomes()[0]]
    many = [name for name in passed if name.startswith("test_many")]
    assert len(many) == FAST_CASES
    assert {"test_many[0]", "test_many[99]"} <= set(many)
    assert [name for name in passed if name not in many] == [f"test_few[{k}]" for k in range(3)]


def test_another_run_takes_all(project: pytest.Pytester) -> None:
    project.inline_run("-p", "tests.slow_tests").assertoutcome(passed=104)
