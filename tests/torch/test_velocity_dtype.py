"""Parameters in 16 bits with the velocity in more, or in less, than their own precision."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from indian_core.dynamics import pre_form, velocity_step
from indian_torch import INDIAN
from tests.torch.implementations import implementations

HYPERPARAMETERS: dict[str, Any] = {"lr": 0.05, "alpha": 0.5, "beta": 0.2, "weight_decay": 0.1}

DTYPES = [
    (torch.bfloat16, torch.float32),
    (torch.float16, torch.float32),
    (torch.bfloat16, torch.float64),
    (torch.float32, torch.float64),
    (torch.float32, torch.bfloat16),
]

each_dtype = pytest.mark.parametrize(("dtype", "velocity_dtype"), DTYPES, ids=lambda d: str(d).removeprefix("torch."))
each_implementation = implementations("default", "foreach", "for_loop", "fused", "capturable", "differentiable")

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


def start(dtype: torch.dtype, velocity_dtype: torch.dtype | None, flags: dict[str, bool]) -> tuple[Tensor, INDIAN]:
    param = torch.linspace(-2, 2, 37).to(dtype)
    return param, INDIAN([param], **HYPERPARAMETERS, velocity_dtype=velocity_dtype, **flags)


def train(param: Tensor, optimizer: INDIAN, ks: range) -> None:
    for k in ks:
        param.grad = torch.cos(torch.arange(37.0) + k).to(param.dtype)
        optimizer.step()


@each_implementation
@each_dtype
def test_step_rounds_each_of_the_two_once(
    dtype: torch.dtype, velocity_dtype: torch.dtype, flags: dict[str, bool]
) -> None:
    """Next to the step in float64, from the same parameters and velocity each time."""
    param, optimizer = start(dtype, velocity_dtype, flags)
    for k in range(6):
        theta = param.detach().double()
        velocity = optimizer.velocity(param).double() if k else torch.zeros_like(theta)
        train(param, optimizer, range(k, k + 1))
        assert param.grad is not None
        coefficients = pre_form(0.05, 0.5, 0.2, weight_decay=0.1, first=k == 0)
        displacement, velocity = velocity_step(theta, velocity, param.grad.double(), coefficients)
        assert optimizer.velocity(param).dtype == velocity_dtype
        # Half a unit in the last place, and that of the float32 in between.
        for actual, exact in ((param, theta + displacement), (optimizer.velocity(param), velocity)):
            eps = torch.finfo(actual.dtype).eps
            tolerance = eps / 2 + 4 * torch.finfo(torch.promote_types(torch.float32, velocity_dtype)).eps
            torch.testing.assert_close(actual.detach().double(), exact, rtol=tolerance, atol=tolerance / 4)


@each_implementation
@each_dtype
def test_state_has_the_dtype_and_keeps_it_through_a_checkpoint(
    dtype: torch.dtype, velocity_dtype: torch.dtype, flags: dict[str, bool]
) -> None:
    """To the last bit, although the base class rounds what it loads to the dtype of the parameter."""
    param, optimizer = start(dtype, velocity_dtype, flags)
    train(param, optimizer, range(3))
    saved = copy.deepcopy(optimizer.state_dict())
    assert saved["state"][0]["velocity"].dtype == velocity_dtype
    other_param, other = start(dtype, None, flags)
    other_param.copy_(param)
    other.load_state_dict(copy.deepcopy(saved))
    torch.testing.assert_close(other.state_dict()["state"], saved["state"], rtol=0, atol=0)
    train(param, optimizer, range(3, 6))
    train(other_param, other, range(3, 6))
    torch.testing.assert_close(other_param, param, rtol=0, atol=0)


# Fused refuses complex parameters.
@implementations("default", "foreach", "for_loop", "capturable", "differentiable")
def test_velocity_of_complex_parameters_stays_complex(flags: dict[str, bool]) -> None:
    param, plain = (torch.tensor([1 + 2j, -1j]) for _ in range(2))
    optimizer = INDIAN([param], **HYPERPARAMETERS, velocity_dtype=torch.float64, **flags)
    other = INDIAN([plain], **HYPERPARAMETERS, **flags)
    for k in range(4):
        param.grad = torch.tensor([k + 1j, 2 - 1j])
        plain.grad = param.grad.clone()
        optimizer.step()
        other.step()
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert optimizer.velocity(param).dtype == torch.complex64
    torch.testing.assert_close(param, plain, rtol=1e-6, atol=1e-6)


@each_implementation
@pytest.mark.parametrize(("before", "after"), [(torch.float64, None), (None, torch.float64), (None, torch.bfloat16)])
def test_dtype_may_change_between_steps(
    flags: dict[str, bool], before: torch.dtype | None, after: torch.dtype | None
) -> None:
    param = torch.ones(3)
    optimizer = INDIAN([param], **HYPERPARAMETERS, velocity_dtype=before, **flags)
    for k in range(4):
        if k == 2:
            optimizer.param_groups[0]["velocity_dtype"] = after
        param.grad = torch.full((3,), 1.0 + k)
        optimizer.step()
    plain = torch.ones(3, dtype=torch.float64)
    other = INDIAN([plain], **HYPERPARAMETERS)
    for k in range(4):
        plain.grad = torch.full((3,), 1.0 + k, dtype=torch.float64)
        other.step()
    assert optimizer.velocity(param).dtype == (after or torch.float32)
    torch.testing.assert_close(param.double(), plain, rtol=1e-2, atol=1e-2)


def test_groups_have_dtypes_of_their_own() -> None:
    params = [torch.ones(3, dtype=torch.bfloat16) for _ in range(3)]
    groups = [{"params": [params[0]]}, {"params": [params[1]], "velocity_dtype": torch.float64}]
    optimizer = INDIAN(groups, velocity_dtype=torch.float32)
    optimizer.add_param_group({"params": [params[2]], "velocity_dtype": None})
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert [optimizer.velocity(p).dtype for p in params] == [torch.float32, torch.float64, torch.bfloat16]


def test_steps_smaller_than_the_precision_of_a_16_bit_velocity_add_up() -> None:
    """What the wider velocity is for: a small gradient that is always there, beside a velocity that is large."""

    def final_velocity(velocity_dtype: torch.dtype | None) -> float:
        param = torch.zeros(1, dtype=torch.bfloat16)
        optimizer = INDIAN([param], lr=0.001, alpha=0.0, beta=1.0, initial_speed=0.0, velocity_dtype=velocity_dtype)
        for k in range(200):
            param.grad = torch.full_like(param, 1.0 if k == 0 else -1.0)
            optimizer.step()
        return optimizer.velocity(param).item()

    assert final_velocity(torch.float32) == pytest.approx(1.0 - 0.001 + 199 * 0.001, rel=1e-4)
    assert final_velocity(None) == 1.0  # each step is rounded away
