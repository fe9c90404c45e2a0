"""Saving and resuming: the trajectory goes on, to the last bit unless the state holds a multiple of the velocity."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from indian_torch import INDIAN
from tests.torch.implementations import each_norm

TakeStep = Callable[..., None]

HYPERPARAMETERS: dict[str, Any] = {"lr": 0.05, "alpha": 1.3, "beta": 0.4, "initial_speed": 0.5, "weight_decay": 0.1}


def make(flags: dict[str, bool], dtype: torch.dtype = torch.float32, **hyperparameters: Any) -> INDIAN:
    params = [torch.ones(3, dtype=dtype), torch.full((2, 2), 2.0, dtype=dtype)]
    groups = [{"params": params[:1]}, {"params": params[1:], "alpha": 0.25}]
    return INDIAN(groups, **HYPERPARAMETERS | hyperparameters, **flags)


def parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def through_file(state: Any) -> Any:
    """Through torch.save and torch.load, which takes nothing but tensors and plain Python."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def resumed(optimizer: INDIAN, flags: dict[str, bool], transport: Callable[[Any], Any]) -> INDIAN:
    """A new optimizer with other hyperparameters, loaded with the state and parameters of ``optimizer``."""
    other = make(flags, lr=9.0, alpha=8.0, beta=7.0, initial_speed=6.0)
    for p, q in zip(parameters(other), parameters(optimizer), strict=True):
        p.copy_(q)
    other.load_state_dict(transport(optimizer.state_dict()))
    return other


def assert_same_trajectory(
    take_step: TakeStep, left: INDIAN, right: INDIAN, steps: int, tolerance: float = 0.0
) -> None:
    for k in range(100, 100 + steps):
        take_step(left, k)
        take_step(right, k)
        for p, q in zip(parameters(left), parameters(right), strict=True):
            assert p is not q
            torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance)
    saved = (optimizer.state_dict()["state"] for optimizer in (left, right))
    torch.testing.assert_close(*saved, rtol=tolerance, atol=tolerance)


@each_norm
@pytest.mark.parametrize("steps_before", [0, 1, 5])
@pytest.mark.parametrize(
    "transport",
    [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state)), through_file],
    ids=["deepcopy", "pickle", "torch_save"],
)
def test_resumes(
    take_step: TakeStep,
    implementation: dict[str, Any],
    norm: dict[str, Any],
    transport: Callable[[Any], Any],
    steps_before: int,
) -> None:
    """Saving turns the multiples of ``fused`` into velocities, which rounds them; the others go on to the last bit."""
    tolerance = 1e-6 if implementation["fused"] else 0.0
    implementation = implementation | norm
    optimizer = make(implementation)
    for k in range(steps_before):
        take_step(optimizer, k)
    other = resumed(optimizer, implementation, transport)
    for mine, loaded in zip(optimizer.param_groups, other.param_groups, strict=True):
        assert {**mine, "params": None} == {**loaded, "params": None}
    assert_same_trajectory(take_step, optimizer, other, 5, tolerance)


@pytest.mark.parametrize(
    "copy_of", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"]
)
def test_copy_of_the_optimizer_goes_on_by_itself(
    take_step: TakeStep, implementation: dict[str, bool], copy_of: Callable[[INDIAN], INDIAN]
) -> None:
    optimizer = make(implementation)
    take_step(optimizer, 0)
    other = copy_of(optimizer)
    assert_same_trajectory(take_step, optimizer, other, 5)
    torch.testing.assert_close(list(optimizer.state.values()), list(other.state.values()), rtol=0, atol=0)


def test_numbers_of_other_types_do_not_get_in_the_way(take_step: TakeStep) -> None:
    """torch.load with weights_only=True refuses NumPy's numbers."""
    optimizer = make({}, lr=np.float64(0.05), beta=np.float32(0.5))
    optimizer.add_param_group({"params": [torch.ones(1)], "alpha": np.float64(0.1)})
    take_step(optimizer, 0)
    groups = through_file(optimizer.state_dict())["param_groups"]
    assert [group["alpha"] for group in groups] == [1.3, 0.25, 0.1]


def test_tensor_learning_rate_is_saved(take_step: TakeStep) -> None:
    optimizer = make({}, lr=torch.tensor(0.05))
    take_step(optimizer, 0)
    other = resumed(optimizer, {}, through_file)
    assert isinstance(other.param_groups[0]["lr"], torch.Tensor)
    assert_same_trajectory(take_step, optimizer, other, 3)


def test_state_of_a_float32_model_in_a_float64_model(take_step: TakeStep, implementation: dict[str, bool]) -> None:
    """As in every optimizer of PyTorch: the velocity takes the parameter's dtype, the step number keeps its own."""
    optimizer = make(implementation)
    take_step(optimizer, 0)
    other = make(implementation, torch.float64)
    other.load_state_dict(optimizer.state_dict())
    for p, q in zip(parameters(optimizer), parameters(other), strict=True):
        assert other.velocity(q).dtype == torch.float64
        assert other.state[q]["step"].dtype == torch.float32
        assert other.state[q]["step"] == 1
        torch.testing.assert_close(other.velocity(q), optimizer.velocity(p).double())
    take_step(other, 1)
    assert all(other.velocity(q).dtype == torch.float64 for q in parameters(other))


def test_wrong_number_of_parameters_is_refused(take_step: TakeStep) -> None:
    optimizer = make({})
    take_step(optimizer, 0)
    with pytest.raises(ValueError, match="parameter group"):
        INDIAN([torch.ones(3)]).load_state_dict(optimizer.state_dict())
