"""The step of one parameter group: coefficients from the core, applied to tensors in place."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from indian_core.dynamics import StepCoefficients, post_form, pre_form, velocity_step
from indian_core.scaled_velocity import averaging_scale, nesterov_scale
from indian_torch import kernel
from indian_torch.shards import local_parts
from indian_torch.state import add_step, initialize, scale_velocity, unscale_velocity

__all__ = ["as_number", "at_least_float32", "step_group"]

State: TypeAlias = dict[str, Any]
_Form: TypeAlias = Callable[..., StepCoefficients]
_Update: TypeAlias = Callable[..., float]

_HYPERPARAMETERS = ("lr", "alpha", "beta", "initial_speed", "weight_decay")

_FULL_PRECISION = frozenset({torch.float32, torch.float64, torch.complex64, torch.complex128})

_LARGEST_SCALE = 2.0**16
"""The velocity is kept as a multiple by at most this, and at least its inverse, so that nothing over- or underflows."""

_ROUNDING = 1e-15
"""How far 1 − ρ and a weight may differ that would be equal but for rounding."""

_PIECE = 2**18
"""Elements to compute at a time where temporaries are needed, so that no temporary is of the size of the model."""


class _Batch(NamedTuple):
    params: list[Tensor]
    grads: list[Tensor]
    velocities: list[Tensor]
    states: list[State]

    def add(self, param: Tensor, grad: Tensor, velocity: Tensor, state: State) -> None:
        self.params.append(param)
        self.grads.append(grad)
        self.velocities.append(velocity)
        self.states.append(state)


def step_group(
    group: dict[str, Any], params: Sequence[Tensor], states: list[State], grad_scale: Tensor | None = None
) -> None:
    """Take one step of the parameters of a group that have a gradient.

    Args:
        group: The parameter group: hyperparameters and flags.
        params: The parameters, updated in place.
        states: The state of each, updated in place; filled in where it is empty.
        grad_scale: What the gradients are multiplied by; they are divided by it in place.
    """
    if not params:
        return
    for param, state in zip(params, states, strict=True):
        if not state:
            initialize(param, state, group["velocity_dtype"], capturable=group["capturable"])
    # torch.compile sets capturable while it traces.
    if group["differentiable"] or group["capturable"]:
        if grad_scale is not None:
            _unscale([param.grad for param in params if param.grad is not None], grad_scale)
        _step_with_tensors(group, params, states)
    else:
        _step_with_numbers(group, params, states, grad_scale)


def _step_with_tensors(group: dict[str, Any], params: Sequence[Tensor], states: Sequence[State]) -> None:
    """The path of ``differentiable`` and ``capturable``: the coefficients may be tensors, never read by the host."""
    for param, state in zip(params, states, strict=True):
        assert param.grad is not None
        unscale_velocity(state)
        dtype, real_dtype = at_least_float32(param.dtype), at_least_float32(param.real.dtype)
        first = (state["step"] == 0).to(real_dtype)
        convert = partial(_as_scalar, dtype=real_dtype)
        numbers = [convert(group[name]) for name in _HYPERPARAMETERS]
        coefficients = _coefficients(numbers, group["maximize"], pre_form, first)
        displacement, velocity = velocity_step(
            param.to(dtype, copy=True), state["velocity"].to(dtype), param.grad.to(dtype), coefficients
        )
        param.add_(displacement)
        if group["differentiable"]:
            # Autograd may still need the old velocity.
            state["velocity"] = velocity.to(state["velocity"].dtype)
        else:
            state["velocity"].copy_(velocity)
        state["step"] += 1


def _step_with_numbers(
    group: dict[str, Any], params: Sequence[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """The usual path: the coefficients are Python numbers, common to many parameters."""
    numbers = tuple(as_number(group[name]) for name in _HYPERPARAMETERS)
    coefficients = partial(_cached_coefficients, numbers, group["maximize"])
    scale_of_new, fused = _cheapest_scale(group, coefficients)
    # Parameters whose steps have all numbers in common, by what these are: function, form, scale, first step or later.
    batches: dict[tuple[_Update, _Form, float, bool], _Batch] = {}
    for param, state in zip(params, states, strict=True):
        assert param.grad is not None
        first = "scale" not in state and state["step"].item() == 0
        if _has_primitives(group, param):
            if "scale" not in state:
                scale_velocity(state, scale_of_new)
            tensors = local_parts(param, param.grad, state["scaled_velocity"])
            in_kernel = fused and not first and kernel.fits(*tensors)
            how = (kernel.update, post_form) if in_kernel else (_update_together, pre_form)
        else:
            unscale_velocity(state)
            tensors = local_parts(param, param.grad, state["velocity"])
            how = (_update_each, pre_form)
        key = (*how, state.get("scale", 1.0), first)
        if key not in batches:
            batches[key] = _Batch([], [], [], [])
        batches[key].add(*tensors, state)
    for (update, form, scale, first), batch in batches.items():
        next_scale = update(batch.params, batch.grads, batch.velocities, coefficients(form, first), scale, grad_scale)
        if next_scale != scale:
            for state in batch.states:
                state["scale"] = next_scale
    add_step(states)


def _cheapest_scale(group: dict[str, Any], coefficients: Callable[..., StepCoefficients]) -> tuple[float, bool]:
    """What to multiply a velocity by that is new to these steps, and whether the kernel can express them."""
    if group["fused"]:
        scale = nesterov_scale(coefficients(post_form, False))
        if _is_usable(scale):
            return scale, True
    scale = averaging_scale(coefficients(pre_form, False))
    return (scale if _is_usable(scale) else 1.0), False


def _is_usable(scale: float) -> bool:
    return 1 / _LARGEST_SCALE <= abs(scale) <= _LARGEST_SCALE


def _has_primitives(group: dict[str, Any], param: Tensor) -> bool:
    """Whether the flags ask for a multi-tensor primitive, and there is one that rounds θ once in a step.

    In 16 bits that matters, and only the kernel does it.
    """
    if group["velocity_dtype"] not in (None, param.dtype) and not param.is_complex():
        return False
    if param.dtype in _FULL_PRECISION:
        return bool(group["fused"]) or group["foreach"] is not False
    return bool(group["fused"]) and as_number(group["weight_decay"]) == 0 and kernel.is_right(param.device, param.dtype)


def _update_together(
    params: list[Tensor],
    grads: list[Tensor],
    velocities: list[Tensor],
    c: StepCoefficients,
    scale: float,
    grad_scale: Tensor | None,
) -> float:
    """Update all in a few calls; the velocities are multiples by ``scale`` and stay so."""
    _unscale(grads, grad_scale)
    weight = scale * c.velocity_gradient
    is_average = math.isclose(weight, 1 - c.velocity_velocity, rel_tol=0, abs_tol=_ROUNDING)
    lists: list[Any] = [params, grads, velocities]
    groups: dict[Any, Any] = Optimizer._group_tensors_by_device_and_dtype(lists)
    for (thetas, gradients, momenta), _ in groups.values():
        if c.theta_decay != 0:
            torch._foreach_add_(momenta, thetas, alpha=scale * c.velocity_decay)
            torch._foreach_mul_(thetas, 1 + c.theta_decay)
        torch._foreach_add_(thetas, momenta, alpha=c.theta_velocity / scale)
        torch._foreach_add_(thetas, gradients, alpha=c.theta_gradient)
        if is_average:
            torch._foreach_lerp_(momenta, gradients, weight)
        else:
            torch._foreach_mul_(momenta, c.velocity_velocity)
            torch._foreach_add_(momenta, gradients, alpha=weight)
    return scale


def _update_each(
    params: list[Tensor],
    grads: list[Tensor],
    velocities: list[Tensor],
    c: StepCoefficients,
    scale: float,
    grad_scale: Tensor | None,
) -> float:
    """Update one after the other; the velocities are what they are, ``scale`` is 1."""
    _unscale(grads, grad_scale)
    for param, grad, velocity in zip(params, grads, velocities, strict=True):
        if param.dtype == velocity.dtype and param.dtype in _FULL_PRECISION:
            _update_in_place(c, param, grad, velocity)
        else:
            for piece in _pieces(param, grad, velocity):
                _update_rounding_once(c, *piece)
    return scale


def _update_in_place(c: StepCoefficients, param: Tensor, grad: Tensor, velocity: Tensor) -> None:
    if c.theta_decay != 0:
        velocity.add_(param, alpha=c.velocity_decay)
        param.mul_(1 + c.theta_decay)
    param.add_(velocity, alpha=c.theta_velocity).add_(grad, alpha=c.theta_gradient)
    velocity.mul_(c.velocity_velocity).add_(grad, alpha=c.velocity_gradient)


def _update_rounding_once(c: StepCoefficients, param: Tensor, grad: Tensor, velocity: Tensor) -> None:
    dtype = torch.promote_types(at_least_float32(param.dtype), velocity.dtype)
    displacement, next_velocity = velocity_step(param.to(dtype), velocity.to(dtype), grad.to(dtype), c)
    param.add_(displacement)
    velocity.copy_(next_velocity)


def _pieces(*tensors: Tensor) -> Iterator[Any]:
    """Views of tensors of one shape, of at most `_PIECE` elements or, if memory is in another order, rows."""
    size = tensors[0].numel()
    if size <= _PIECE:
        return iter([tensors])
    if all(tensor.is_contiguous() for tensor in tensors):
        return zip(*(tensor.view(-1).split(_PIECE) for tensor in tensors), strict=True)
    rows = max(1, _PIECE * len(tensors[0]) // size)
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _unscale(grads: list[Tensor], grad_scale: Tensor | None) -> None:
    if grad_scale is not None:
        torch._foreach_div_(grads, grad_scale.item())


def _coefficients(hyperparameters: Sequence[Any], maximize: bool, form: _Form, first: Any) -> StepCoefficients:
    lr, alpha, beta, initial_speed, weight_decay = hyperparameters
    coefficients = form(lr, alpha, beta, initial_speed=initial_speed, weight_decay=weight_decay, first=first)
    return coefficients.ascent() if maximize else coefficients


_cached_coefficients = lru_cache(maxsize=64)(_coefficients)


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute in: in bfloat16, 1 − αγ would be 1."""
    return torch.promote_types(dtype, torch.float32)


def as_number(value: Any) -> float:
    """The Python number of a hyperparameter: a number of any type, or a tensor or array of one element."""
    if isinstance(value, int | float):
        return float(value)
    return float(value.item() if hasattr(value, "item") else value)


def _as_scalar(value: Any, dtype: torch.dtype) -> float | Tensor:
    return value.reshape(()).to(dtype) if isinstance(value, Tensor) else as_number(value)
