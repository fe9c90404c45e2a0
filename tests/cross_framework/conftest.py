"""Recording of measured differences, for the table at the end of the test run."""

from collections.abc import Callable

import pytest


@pytest.fixture
def record_difference(record_property: Callable[[str, object], None]) -> Callable[[str, str, str, float], None]:
    """A function that notes a measured difference: (dtype or kind of test, implementation, problem, difference)."""

    def record(kind: str, implementation: str, problem: str, difference: float) -> None:
        record_property("parity", [kind, implementation, problem, difference])

    return record
