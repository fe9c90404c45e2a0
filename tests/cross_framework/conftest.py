"""Recording of measured differences, for the table at the end of the test run; the end of the processes."""

from collections.abc import Callable, Iterator

import pytest

from tests.cross_framework.cases import Case
from tests.cross_framework.network import NetworkCase
from tests.cross_framework.processes import end_processes
from tests.scopes import scope_of

STEPS = {"fast": 300, "usual": 300}
"""Of every case at most, by scope; in a run of all tests, as many as the case has."""


@pytest.fixture(scope="session", autouse=True)
def _processes_end_with_the_session() -> Iterator[None]:
    yield
    end_processes()


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case | NetworkCase:
    """The case that a test is parametrized with; unless the run takes all tests, its first steps."""
    steps = STEPS.get(scope_of(request.config))
    return request.param if steps is None else request.param.first_steps(steps)


@pytest.fixture
def record_difference(record_property: Callable[[str, object], None]) -> Callable[[str, str, str, float], None]:
    """A function that notes a measured difference: (dtype or kind of test, implementation, problem, difference)."""

    def record(kind: str, implementation: str, problem: str, difference: float) -> None:
        record_property("parity", [kind, implementation, problem, difference])

    return record
