"""Processes that have the whole model each, and share the batch: DistributedDataParallel, ZeroRedundancyOptimizer."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.torch.distributed import training
from tests.torch.distributed.processes import Processes
from tests.torch.implementations import each_implementation

pytestmark = pytest.mark.xdist_group("distributed")

STEPS = 6


@each_implementation
@pytest.mark.parametrize("micro_batches", [1, 2], ids=["one_batch", "accumulated"])
def test_two_processes_take_the_steps_of_one(
    processes: Processes, assert_trained_alone: Callable[..., None], flags: dict[str, bool], micro_batches: int
) -> None:
    """Accumulation exchanges gradients with the last of the micro-batches only."""
    left, right = processes.run(2, training.together, "DDP", flags, STEPS, micro_batches)
    assert_trained_alone(left)
    for mine, other in zip(left, right, strict=True):
        for name, value in mine.items():
            np.testing.assert_array_equal(value, other[name])


@each_implementation
def test_zero_redundancy_optimizer_takes_the_steps_of_one_process_and_resumes(
    processes: Processes, assert_trained_alone: Callable[..., None], flags: dict[str, bool]
) -> None:
    results = processes.run(2, training.redundancy_free, flags, STEPS, STEPS)
    for iterates, gathered, _ in results:
        assert_trained_alone(iterates)
        assert_trained_alone(training.go_on_alone(flags, gathered, range(STEPS, 2 * STEPS)), first=STEPS)
    # Each of the four parameters has its state in one process.
    own = [own for *_, own in results]
    assert sum(own) == 4
    assert min(own) > 0
