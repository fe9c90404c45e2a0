"""FSDP2: parameters, gradients and state are DTensors, of which each process has a shard."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.torch.distributed import training
from tests.torch.distributed.processes import Processes
from tests.torch.implementations import each_implementation, each_implementation_and_norm

pytestmark = pytest.mark.xdist_group("distributed")

STEPS = 6


@each_implementation_and_norm
@pytest.mark.parametrize("micro_batches", [1, 2], ids=["one_batch", "accumulated"])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_sharded_training_takes_the_steps_of_one_process(
    processes: Processes,
    assert_trained_alone: Callable[..., None],
    flags: dict[str, Any],
    number: int,
    micro_batches: int,
) -> None:
    for iterates in processes.run(number, training.together, "FSDP2", flags, STEPS, micro_batches):
        assert_trained_alone(iterates, norm=flags.get("norm"))


@each_implementation
def test_step_works_on_the_shards_without_communication(processes: Processes, flags: dict[str, bool]) -> None:
    for operators in processes.run(2, training.operators_of_a_step, flags):
        assert any(operator.startswith("Optimizer.step") for operator in operators)
        assert not any(word in operator for operator in operators for word in ("c10d", "gloo"))
        assert any("_fused_" in operator for operator in operators) == (flags["fused"] is True)


@each_implementation
@pytest.mark.parametrize("at", [0, 3], ids=["first_step", "later_step"])
def test_overflow_in_one_shard_leaves_no_trace_in_any(
    processes: Processes, assert_trained_alone: Callable[..., None], flags: dict[str, bool], at: int
) -> None:
    for iterates in processes.run(2, training.with_overflow, flags, STEPS, at):
        assert_trained_alone(iterates)


def test_shards_differ_in_size_and_may_be_empty(processes: Processes) -> None:
    """So the test above covers such shards."""
    sizes = processes.run(4, training.shard_sizes, {})
    assert [sum(of_param) for of_param in zip(*sizes, strict=True)] == [15, 5, 10, 2]
    assert len({tuple(of_process) for of_process in sizes}) > 1
    assert any(0 in of_process for of_process in sizes)


@each_implementation_and_norm
def test_whole_state_is_that_of_one_process(processes: Processes, flags: dict[str, bool]) -> None:
    whole, nothing = processes.run(2, training.whole_state, flags, STEPS)
    assert not nothing
    alone = training.state_alone(flags, STEPS)
    assert whole.keys() == alone.keys()
    for name, state in alone.items():
        assert (
            whole[name].keys()
            == state.keys()
            == {"step", "velocity"} | ({"accumulator"} if flags.get("norm") else set())
        )
        for key, value in state.items():
            np.testing.assert_allclose(whole[name][key], value, rtol=0, atol=1e-13)
