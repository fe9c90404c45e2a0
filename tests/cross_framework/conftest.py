"""Recording of measured differences, for the table at the end of the test run; the end of the processes."""

from collections.abc import Callable, Iterator

import pytest

from tests.cross_framework.processes import end_processes


@pytest.fixture(scope="session", autouse=True)
def _processes_end_with_the_session() -> Iterator[None]:
    yield
    end_processes()


@pytest.fixture
def record_difference(record_property: Callable[[str, object], None]) -> Callable[[str, str, str, float], None]:
    """A function that notes a measured difference: (dtype or kind of test, implementation, problem, difference)."""

    def record(kind: str, implementation: str, problem: str, difference: float) -> None:
        record_property("parity", [kind, implementation, problem, difference])

    return record
