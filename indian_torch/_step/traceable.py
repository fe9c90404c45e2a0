"""The step of ``differentiable`` and ``capturable``: coefficients may be tensors, which the host never reads."""

from typing import Any

import torch
from torch import Tensor

from indian_core.damping import direction_step
from indian_core.dynamics import StepCoefficients, velocity_step
from indian_core.norms import NormCoefficients, accumulate, preconditioned, scale
from indian_torch._step.family import Family, Mode
from indian_torch._step.state import State, advance_steps_unread
from indian_torch._tensors.dtypes import as_real, at_least_float32

__all__ = ["update"]


def update(
    family: Family,
    settings: Any,
    mode: Mode,
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    are_new: list[bool],
    grad_scale: Tensor | None,
) -> None:
    """Take one step, tensor by tensor.

    Args:
        family: Of the optimizer.
        settings: Of the group.
        mode: That the settings say.
        params: θ, updated in place.
        grads: g.
        states: Of the parameters, with the buffer itself; updated in place.
        are_new: Whether the state of each is new.
        grad_scale: The factor that the gradients contain; they are divided by it in place.
    """
    if grad_scale is not None:
        for grad in grads:
            grad.div_(grad_scale.to(grad.device))
    entries = family.ENTRIES
    scalars = _scalars(family, settings, mode, params, states, are_new)
    for param, grad, state, (coefficients, norm) in zip(params, grads, states, scalars, strict=True):
        theta, buffer = param, state[entries.buffer]
        if norm is not None:
            theta, grad, buffer = map(as_real, (theta, grad, buffer))
        dtype = torch.promote_types(at_least_float32(theta.dtype), buffer.dtype)
        gradient = grad.to(dtype)
        wide_theta, wide_buffer = theta.to(dtype, copy=True), buffer.to(dtype)
        if norm is None:
            displacement, next_buffer = velocity_step(wide_theta, wide_buffer, gradient, coefficients)
        else:
            accumulator = _accumulate(mode, entries.accumulator, gradient, state, norm)
            divisor = scale(accumulator, norm, torch)
            if mode.is_norm_last:
                displacement, next_buffer = direction_step(wide_theta, wide_buffer, gradient, divisor, coefficients)
            else:
                gradient = preconditioned(gradient, divisor)
                displacement, next_buffer = velocity_step(wide_theta, wide_buffer, gradient, coefficients)
        theta.add_(displacement)
        _keep(mode, state, entries.buffer, next_buffer)
    if entries.has_step:
        advance_steps_unread(states)


def _scalars(
    family: Family, settings: Any, mode: Mode, params: list[Tensor], states: list[State], are_new: list[bool]
) -> list[tuple[StepCoefficients, NormCoefficients | None]]:
    """The coefficients of the step and the norm of each parameter."""
    entries = family.ENTRIES
    steps, norms = [], []
    for param, state, is_new in zip(params, states, are_new, strict=True):
        taken = state["step"] if entries.has_step else None
        buffer_dtype = state[entries.buffer].real.dtype
        if mode.norm is not None:
            assert taken is not None
            dtype = torch.promote_types(at_least_float32(buffer_dtype), state[entries.accumulator].real.dtype)
            norms.append(family.traced_norm(settings, taken.to(dtype) + 1, dtype))
        dtype = torch.promote_types(at_least_float32(param.real.dtype), buffer_dtype)
        steps.append(family.traced_coefficients(settings, taken, dtype, is_new=is_new))
    if not norms:
        return [(step, None) for step in steps]
    if torch.compiler.is_compiling() and isinstance(norms[0].root, Tensor):
        return _materialized(steps, norms, with_steps=not mode.starts_apart)
    return list(zip(steps, norms, strict=True))


def _materialized(
    steps: list[StepCoefficients], norms: list[NormCoefficients], *, with_steps: bool
) -> list[tuple[StepCoefficients, NormCoefficients | None]]:
    """The same numbers, those that depend on the count in memory, where a compiled step looks them up.

    A compiler fuses an expression of scalars into the loop over elements and computes it again for each of them, which
    would take half the time of the step. It does not fuse a cumulative sum.

    Args:
        steps: The coefficients of the step of each parameter.
        norms: The norm of each parameter.
        with_steps: Whether the former depend on the count, too.
    """
    scalars: list[Any] = [norm.root for norm in norms]
    if with_steps:
        scalars = scalars + [step.theta_velocity for step in steps] + [step.theta_gradient for step in steps]
    found = list(torch.stack(scalars).expand(2, -1).cumsum(0)[0].unbind())
    number = len(norms)
    # Up to PyTorch 2.8, the compiler cannot trace `_replace`.
    norms = [
        NormCoefficients(c.accumulator, c.square, root, c.epsilon)
        for c, root in zip(norms, found[:number], strict=True)
    ]
    if with_steps:
        steps = [
            StepCoefficients(
                theta_decay=c.theta_decay,
                velocity_decay=c.velocity_decay,
                velocity_velocity=c.velocity_velocity,
                velocity_gradient=c.velocity_gradient,
                theta_velocity=theta_velocity,
                theta_next_velocity=c.theta_next_velocity,
                theta_gradient=theta_gradient,
                gradient_velocity=c.gradient_velocity,
                gradient_decay=c.gradient_decay,
            )
            for c, theta_velocity, theta_gradient in zip(
                steps, found[number : 2 * number], found[2 * number :], strict=True
            )
        ]
    return list(zip(steps, norms, strict=True))


def _accumulate(mode: Mode, name: str, gradient: Tensor, state: State, norm: NormCoefficients) -> Tensor:
    """Update the accumulator and return it in the dtype of the step."""
    accumulator = as_real(state[name])
    dtype = torch.promote_types(gradient.dtype, accumulator.dtype)
    accumulator = accumulate(accumulator.to(dtype), gradient.to(dtype), norm)
    _keep(mode, state, name, accumulator)
    return accumulator


def _keep(mode: Mode, state: State, name: str, tensor: Tensor) -> None:
    """Write a tensor to the state, in its dtype and layout; in place unless autograd may still need the old values."""
    old = state[name]
    if old.is_complex() and not tensor.is_complex():
        tensor = torch.view_as_complex(tensor)
    state[name] = (torch.empty_like(old) if mode.differentiable else old).copy_(tensor)
