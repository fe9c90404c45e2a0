"""The step of one parameter group: coefficients from the core, applied to tensors in place."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused

from indian_core.dynamics import StepCoefficients, post_form, pre_form, velocity_step
from indian_core.scaled_velocity import averaging_scale, nesterov_scale
from indian_torch import kernel, one_by_one, together
from indian_torch.batches import How, batches
from indian_torch.state import State, initialize, match_velocity_dtype, unscale_velocity

__all__ = ["as_number", "step_group"]

_HYPERPARAMETERS = ("lr", "alpha", "beta", "initial_speed", "weight_decay")

_FLOAT_OR_NONE = frozenset({float, type(None)})

_LARGEST_SCALE = 2.0**16
"""The velocity is kept as a multiple by at most this, and at least its inverse, so that nothing over- or underflows."""

_Form: TypeAlias = Callable[..., StepCoefficients]


class _Plan(NamedTuple):
    """What the hyperparameters of a group, as numbers, amount to."""

    pre: StepCoefficients
    post: StepCoefficients
    first: StepCoefficients
    scale: float
    has_kernel: bool


def step_group(
    group: dict[str, Any],
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    grad_scale: Tensor | None = None,
) -> None:
    """Take one step of the parameters of a group that have a gradient.

    Args:
        group: The parameter group: hyperparameters and flags.
        params: The parameters, updated in place.
        grads: Their gradients.
        states: The state of each, updated in place; filled in where it is empty.
        grad_scale: What the gradients are multiplied by; they are divided by it in place.

    Raises:
        RuntimeError: ``fused`` is True, and a parameter is not on a device that the kernel supports.
    """
    if not params:
        return
    for param, state in zip(params, states, strict=True):
        if not state:
            if group["fused"]:
                _device_dtype_check_for_fused(param)
            initialize(param, state, group["velocity_dtype"], capturable=group["capturable"])
    # torch.compile sets capturable while it traces.
    if group["differentiable"] or group["capturable"]:
        _step_with_tensors(group, params, grads, states, grad_scale)
    else:
        _step_with_numbers(group, params, grads, states, grad_scale)


def _step_with_tensors(
    group: dict[str, Any], params: list[Tensor], grads: list[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """The path of ``differentiable`` and ``capturable``: the coefficients may be tensors, never read by the host."""
    if grad_scale is not None:
        torch._foreach_div_(grads, grad_scale)
    for param, grad, state in zip(params, grads, states, strict=True):
        unscale_velocity(state)
        match_velocity_dtype(param, state, group["velocity_dtype"])
        if group["capturable"] and state["step"].device != param.device:
            state["step"] = state["step"].to(param.device)
        dtype = torch.promote_types(one_by_one.at_least_float32(param.dtype), state["velocity"].dtype)
        real_dtype = torch.promote_types(one_by_one.at_least_float32(param.real.dtype), state["velocity"].real.dtype)
        first = (state["step"] == 0).to(real_dtype)
        numbers = [_as_scalar(group[name], real_dtype) for name in _HYPERPARAMETERS]
        coefficients = _coefficients(pre_form, numbers, group["maximize"], first)
        displacement, velocity = velocity_step(
            param.to(dtype, copy=True), state["velocity"].to(dtype), grad.to(dtype), coefficients
        )
        param.add_(displacement)
        if group["differentiable"]:
            # Autograd may still need the old velocity.
            state["velocity"] = velocity.to(state["velocity"].dtype)
        else:
            state["velocity"].copy_(velocity)
        state["step"] += 1


def _step_with_numbers(
    group: dict[str, Any], params: list[Tensor], grads: list[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """The usual path: the coefficients are Python numbers, common to many parameters."""
    values = [group[name] for name in _HYPERPARAMETERS]
    numbers = tuple(values) if _FLOAT_OR_NONE.issuperset(map(type, values)) else tuple(map(as_number, values))
    plan = _plan(numbers, group["maximize"], bool(group["fused"]))
    for kind, batch in batches(group, params, grads, states, plan.scale, plan.has_kernel).items():
        how, scale, first, *_ = kind
        if how is How.KERNEL:
            next_scale = kernel.update(batch.params, batch.grads, batch.velocities, plan.post, scale, grad_scale)
            if next_scale != scale:
                for state in batch.states:
                    state["scale"] = next_scale
            continue
        if grad_scale is not None:
            torch._foreach_div_(batch.grads, grad_scale.item())
        coefficients = plan.first if first else plan.pre
        if how is How.TOGETHER:
            together.update(batch.params, batch.grads, batch.velocities, coefficients, scale)
        else:
            one_by_one.update(batch.params, batch.grads, batch.velocities, coefficients)
    for state in states:
        state["step"] += 1


@lru_cache(maxsize=64)
def _plan(numbers: tuple[Any, ...], maximize: bool, fused: bool) -> _Plan:
    """The coefficients, what to multiply the velocity by, and whether the kernel can take the steps."""
    pre, post = (_coefficients(form, numbers, maximize, False) for form in (pre_form, post_form))
    first = _coefficients(pre_form, numbers, maximize, True)
    has_kernel = fused and _is_usable(nesterov_scale(post))
    _, alpha, beta, *_ = numbers
    average = -averaging_scale(alpha, beta) if maximize else averaging_scale(alpha, beta)
    scale = nesterov_scale(post) if has_kernel else average
    return _Plan(pre, post, first, scale if _is_usable(scale) else 1.0, has_kernel)


def _is_usable(scale: float) -> bool:
    return 1 / _LARGEST_SCALE <= abs(scale) <= _LARGEST_SCALE


def _coefficients(form: _Form, numbers: Iterable[Any], maximize: bool, first: Any) -> StepCoefficients:
    lr, alpha, beta, initial_speed, weight_decay = numbers
    coefficients = form(lr, alpha, beta, initial_speed=initial_speed, weight_decay=weight_decay, first=first)
    return coefficients.ascent() if maximize else coefficients


def as_number(value: Any) -> Any:
    """The Python number of a hyperparameter, which may be a number of any type, an array of one element, or None."""
    if value is None or isinstance(value, float):
        return value
    return float(value.item() if hasattr(value, "item") else value)


def _as_scalar(value: Any, dtype: torch.dtype) -> float | Tensor | None:
    return value.reshape(()).to(dtype) if isinstance(value, Tensor) else as_number(value)
