"""The step of one parameter group: coefficients from the core, applied to tensors in place."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused

from indian_core.dynamics import StepCoefficients, post_form, pre_form, velocity_step
from indian_core.norms import accumulate, norm_coefficients, preconditioned, scale
from indian_core.scaled_velocity import averaging_scale, nesterov_scale
from indian_torch import kernel, one_by_one, together
from indian_torch.batches import How, Kind, batches
from indian_torch.norm import precondition_one_by_one, precondition_together
from indian_torch.pieces import pieces_of_lists
from indian_torch.state import State, initialize, match_dtypes, unscale_velocity

__all__ = ["as_number", "step_group"]

_HYPERPARAMETERS = ("lr", "alpha", "beta", "initial_speed", "weight_decay")

_NORM_HYPERPARAMETERS = ("norm_decay", "norm_epsilon")

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
        ValueError: The group has a norm, and a state no accumulator.
    """
    if not params:
        return
    for param, state in zip(params, states, strict=True):
        if not state:
            if group["fused"]:
                _device_dtype_check_for_fused(param)
            initialize(param, state, group)
        elif group["norm"] is not None and "accumulator" not in state:
            raise ValueError(
                f"norm must be None, as it was in earlier steps, or the state empty, got {group['norm']!r}"
            )
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
        match_dtypes(param, state, group)
        if group["capturable"] and state["step"].device != param.device:
            state["step"] = state["step"].to(param.device)
        theta, velocity = param, state["velocity"]
        if group["norm"] is not None and param.is_complex():
            theta, grad, velocity = map(torch.view_as_real, (theta, grad, velocity))
        dtype = torch.promote_types(one_by_one.at_least_float32(theta.dtype), velocity.dtype)
        real_dtype = torch.promote_types(one_by_one.at_least_float32(theta.real.dtype), velocity.real.dtype)
        gradient = grad.to(dtype)
        if group["norm"] is not None:
            gradient = _preconditioned_with_tensors(group, gradient, state, real_dtype)
        first = (state["step"] == 0).to(real_dtype)
        numbers = [_as_scalar(group[name], real_dtype) for name in _HYPERPARAMETERS]
        coefficients = _coefficients(pre_form, numbers, group["maximize"], first)
        displacement, next_velocity = velocity_step(
            theta.to(dtype, copy=True), velocity.to(dtype), gradient, coefficients
        )
        theta.add_(displacement)
        _keep(state, "velocity", next_velocity, in_place=not group["differentiable"])
        state["step"] += 1


def _preconditioned_with_tensors(
    group: dict[str, Any], gradient: Tensor, state: State, real_dtype: torch.dtype
) -> Tensor:
    """A⁻¹g; v takes g in."""
    accumulator = state["accumulator"]
    if accumulator.is_complex():
        accumulator = torch.view_as_real(accumulator)
    dtype = torch.promote_types(gradient.dtype, accumulator.dtype)
    decay, epsilon = (_as_scalar(group[name], real_dtype) for name in _NORM_HYPERPARAMETERS)
    coefficients = norm_coefficients(group["norm"], state["step"].to(real_dtype) + 1, decay, epsilon, torch)
    accumulator = accumulate(accumulator.to(dtype), gradient.to(dtype), coefficients)
    _keep(state, "accumulator", accumulator, in_place=not group["differentiable"])
    return preconditioned(gradient, scale(accumulator, coefficients, torch))


def _keep(state: State, name: str, tensor: Tensor, *, in_place: bool) -> None:
    """Let the state hold a tensor, in its own dtype and layout; in place unless autograd may still need the old one."""
    old = state[name]
    if old.is_complex() and not tensor.is_complex():
        tensor = torch.view_as_complex(tensor)
    state[name] = (old if in_place else torch.empty_like(old)).copy_(tensor)


def _step_with_numbers(
    group: dict[str, Any], params: list[Tensor], grads: list[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """The usual path: the coefficients are Python numbers, common to many parameters."""
    values = [group[name] for name in _HYPERPARAMETERS]
    numbers = tuple(values) if _FLOAT_OR_NONE.issuperset(map(type, values)) else tuple(map(as_number, values))
    plan = _plan(numbers, group["maximize"], bool(group["fused"]))
    for kind, batch in batches(group, params, grads, states, plan.scale, plan.has_kernel).items():
        step = _step_of_gradients if group["norm"] is None else _step_in_norm
        next_scale = step(group, kind, plan, batch.tensors, grad_scale)
        if next_scale != kind.scale:
            for state in batch.states:
                state["scale"] = next_scale
    for state in states:
        state["step"] += 1


def _step_in_norm(
    group: dict[str, Any], kind: Kind, plan: _Plan, tensors: tuple[list[Tensor], ...], grad_scale: Tensor | None
) -> float:
    """Take one step in the norm of the group; returns what the velocities are multiples by after it."""
    decay, epsilon = (as_number(group[name]) for name in _NORM_HYPERPARAMETERS)
    coefficients = norm_coefficients(group["norm"], kind.number, decay, epsilon)
    precondition = precondition_one_by_one if kind.how is How.ONE_BY_ONE else precondition_together
    divisor = None if grad_scale is None else grad_scale.item()
    next_scale = kind.scale
    for params, grads, velocities, accumulators in pieces_of_lists(*tensors):
        if divisor is not None:
            torch._foreach_div_(grads, divisor)
        gradients = precondition(grads, accumulators, coefficients)
        next_scale = _step_of_gradients(group, kind, plan, (params, gradients, velocities), None)
    return next_scale


def _step_of_gradients(
    group: dict[str, Any], kind: Kind, plan: _Plan, tensors: tuple[list[Tensor], ...], grad_scale: Tensor | None
) -> float:
    """Take one step by the gradients, or by what stands for them; returns as `_step_in_norm`."""
    params, grads, velocities = tensors
    if kind.how is How.KERNEL:
        return kernel.update(params, grads, velocities, plan.post, kind.scale, grad_scale)
    if grad_scale is not None:
        torch._foreach_div_(grads, grad_scale.item())
    coefficients = plan.first if kind.number == 1 else plan.pre
    if kind.how is How.TOGETHER:
        together.update(params, grads, velocities, coefficients, kind.scale)
    else:
        one_by_one.update(params, grads, velocities, coefficients)
    return kind.scale


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
