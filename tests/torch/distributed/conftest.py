"""Processes that all tests of this folder share, and the comparison of their trajectories."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from tests.torch.distributed.processes import Processes
from tests.torch.distributed.training import Iterates, alone

FLAGS: dict[str, dict[str, bool]] = {"foreach": {"foreach": True}, "for_loop": {"foreach": False}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.xdist_group("distributed"))


@pytest.fixture(params=FLAGS)
def flags(request: pytest.FixtureRequest) -> dict[str, bool]:
    """The flags that choose how the step is computed."""
    return FLAGS[request.param]


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    with Processes(4) as processes:
        yield processes


@cache
def trained_alone(steps: int) -> Iterates:
    return alone({"foreach": False}, steps)


@pytest.fixture
def assert_trained_alone() -> Callable[..., None]:
    """Compare iterates, of every step from ``first`` on, with those of one process that had the batches to itself."""

    def compare(iterates: Iterates, first: int = 0) -> None:
        expected = trained_alone(first + len(iterates))[first:]
        for actual, wanted in zip(iterates, expected, strict=True):
            for name, value in actual.items():
                # The processes add the samples of a batch up in another order. Measured: at most 2e-15.
                np.testing.assert_allclose(value, wanted[name], rtol=0, atol=1e-13, err_msg=name)

    return compare
