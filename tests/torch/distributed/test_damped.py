"""DampedAdamW in several processes: its state is distributed, gathered and loaded as that of INDIAN."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.torch.distributed import training
from tests.torch.distributed.processes import Processes
from tests.torch.implementations import each_implementation

pytestmark = pytest.mark.xdist_group("distributed")

STEPS = 5
DAMPED: dict[str, Any] = {"damping": 3.0}


def assert_close(actual: training.Iterates, expected: training.Iterates) -> None:
    for one, other in zip(actual, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_allclose(value, other[name], rtol=0, atol=1e-12, err_msg=name)


@each_implementation
@pytest.mark.parametrize("wrapper", ["DDP", "FSDP2"])
def test_two_processes_take_the_steps_of_one(processes: Processes, flags: dict[str, Any], wrapper: str) -> None:
    expected = training.alone(DAMPED | {"foreach": False}, STEPS)
    for iterates in processes.run(2, training.together, wrapper, DAMPED | flags, STEPS):
        assert_close(iterates, expected)


@each_implementation
def test_zero_redundancy_optimizer_resumes(processes: Processes, flags: dict[str, Any]) -> None:
    expected = training.alone(DAMPED | {"foreach": False}, 2 * STEPS)
    for iterates, gathered, _ in processes.run(2, training.redundancy_free, DAMPED | flags, STEPS, STEPS):
        assert_close(iterates, expected)
        assert_close(training.go_on_alone(DAMPED | flags, gathered, range(STEPS, 2 * STEPS)), expected[STEPS:])


@each_implementation
@pytest.mark.parametrize("flatten", [False, True])
def test_distributed_checkpoint_of_fsdp2(
    processes: Processes, tmp_path: Path, flags: dict[str, Any], flatten: bool
) -> None:
    expected = training.alone(DAMPED | {"foreach": False}, 2 * STEPS)[STEPS:]
    processes.run(2, training.save, "FSDP2", DAMPED | flags, STEPS, str(tmp_path), flatten)
    steps = range(STEPS, 2 * STEPS)
    for iterates in processes.run(2, training.resume, "FSDP2", DAMPED | flags, steps, str(tmp_path), flatten):
        assert_close(iterates, expected)
