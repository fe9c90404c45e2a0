"""The step of one parameter group: coefficients from the core, applied to tensors in place."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, _get_scalar_dtype

from indian_core.dynamics import StepCoefficients, pre_form, velocity_step

__all__ = ["as_number", "at_least_float32", "step_group"]


def step_group(group: dict[str, Any], params: Sequence[Tensor], states: Sequence[dict[str, Any]]) -> None:
    """Take one step of the parameters of a group that have a gradient.

    Args:
        group: The parameter group: hyperparameters and flags.
        params: The parameters, updated in place.
        states: The state of each, updated in place; filled in where it is empty.
    """
    for param, state in zip(params, states, strict=True):
        if not state:
            step_device = param.device if group["capturable"] else "cpu"
            state["step"] = torch.zeros((), dtype=_get_scalar_dtype(), device=step_device)
            state["velocity"] = torch.zeros_like(param, memory_format=torch.preserve_format)
    # torch.compile sets capturable while it traces.
    if group["differentiable"] or group["capturable"]:
        _step_with_tensors(group, params, states)
    else:
        _step_with_numbers(group, params, states)
    for state in states:
        state["step"] += 1


def _step_with_numbers(group: dict[str, Any], params: Sequence[Tensor], states: Sequence[dict[str, Any]]) -> None:
    """The usual path: the coefficients are Python numbers, common to all parameters that are past their first step."""
    update = _update_each if group["foreach"] is False else _update_together
    first_steps = [state["step"].item() == 0 for state in states]
    for first in {*first_steps}:
        chosen = [i for i, is_first in enumerate(first_steps) if is_first == first]
        update(
            [params[i] for i in chosen],
            [params[i].grad for i in chosen],
            [states[i]["velocity"] for i in chosen],
            _coefficients(group, as_number, first),
        )


def _step_with_tensors(group: dict[str, Any], params: Sequence[Tensor], states: Sequence[dict[str, Any]]) -> None:
    """The path of ``differentiable`` and ``capturable``: the coefficients may be tensors, never read by the host."""
    for param, state in zip(params, states, strict=True):
        assert param.grad is not None
        dtype, real_dtype = at_least_float32(param.dtype), at_least_float32(param.real.dtype)
        first = (state["step"] == 0).to(real_dtype)
        displacement, velocity = velocity_step(
            param.to(dtype, copy=True),
            state["velocity"].to(dtype),
            param.grad.to(dtype),
            _coefficients(group, partial(_as_scalar, dtype=real_dtype), first),
        )
        param.add_(displacement)
        if group["differentiable"]:
            # Autograd may still need the old velocity.
            state["velocity"] = velocity.to(param.dtype)
        else:
            state["velocity"].copy_(velocity)


def _coefficients(
    group: dict[str, Any], convert: Callable[[float | Tensor], float | Tensor], first: bool | Tensor
) -> StepCoefficients:
    coefficients = pre_form(
        convert(group["lr"]),
        convert(group["alpha"]),
        convert(group["beta"]),
        initial_speed=convert(group["initial_speed"]),
        weight_decay=convert(group["weight_decay"]),
        first=first,
    )
    return coefficients.ascent() if group["maximize"] else coefficients


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute in: in bfloat16, 1 − αγ would be 1."""
    return torch.promote_types(dtype, torch.float32)


def as_number(value: Any) -> float:
    """The Python number of a hyperparameter: a number of any type, or a tensor or array of one element."""
    return float(value.item() if hasattr(value, "item") else value)


def _as_scalar(value: Any, dtype: torch.dtype) -> float | Tensor:
    return value.reshape(()).to(dtype) if isinstance(value, Tensor) else as_number(value)


def _update_each(params: list[Any], grads: list[Any], velocities: list[Any], c: StepCoefficients) -> None:
    for param, grad, velocity in zip(params, grads, velocities, strict=True):
        if c.theta_decay != 0:
            velocity.add_(param, alpha=c.velocity_decay)
            param.mul_(1 + c.theta_decay)
        param.add_(velocity, alpha=c.theta_velocity).add_(grad, alpha=c.theta_gradient)
        velocity.mul_(c.velocity_velocity).add_(grad, alpha=c.velocity_gradient)


def _update_together(params: list[Any], grads: list[Any], velocities: list[Any], c: StepCoefficients) -> None:
    groups: dict[Any, Any] = Optimizer._group_tensors_by_device_and_dtype([params, grads, velocities])
    for (thetas, gradients, momenta), _ in groups.values():
        if c.theta_decay != 0:
            torch._foreach_add_(momenta, thetas, alpha=c.velocity_decay)
            torch._foreach_mul_(thetas, 1 + c.theta_decay)
        torch._foreach_add_(thetas, momenta, alpha=c.theta_velocity)
        torch._foreach_add_(thetas, gradients, alpha=c.theta_gradient)
        torch._foreach_mul_(momenta, c.velocity_velocity)
        torch._foreach_add_(momenta, gradients, alpha=c.velocity_gradient)
