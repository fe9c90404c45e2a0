"""Processes that all tests of this folder share, and the comparison of their trajectories."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import torch

from tests.releases import is_older
from tests.torch.distributed.processes import Processes
from tests.torch.distributed.training import Iterates, alone
from tests.torch.implementations import NORMS

OF_FSDP2 = ("test_fully_sharded", "test_documentation")


@pytest.fixture(autouse=True)
def _skip_what_needs_fsdp2(request: pytest.FixtureRequest) -> None:
    if is_older(torch, "2.6") and ("FSDP2" in request.node.name or request.path.stem in OF_FSDP2):
        pytest.skip(f"torch {torch.__version__} lacks FSDP2 as a public part, which came with 2.6")


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    with Processes(4) as processes:
        yield processes


@cache
def trained_alone(steps: int, norm: str) -> Iterates:
    return alone({"foreach": False} | NORMS[norm], steps)


@pytest.fixture
def assert_trained_alone() -> Callable[..., None]:
    """Compare iterates, of every step from ``first`` on, with those of one process that had the batches to itself."""

    def compare(iterates: Iterates, first: int = 0, norm: str | None = None) -> None:
        expected = trained_alone(first + len(iterates), norm or "euclidean")[first:]
        for actual, wanted in zip(iterates, expected, strict=True):
            for name, value in actual.items():
                # The processes add the samples of a batch up in another order. Measured: at most 2e-15.
                np.testing.assert_allclose(value, wanted[name], rtol=0, atol=1e-13, err_msg=name)

    return compare
