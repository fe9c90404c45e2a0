"""The step of ``differentiable`` and ``capturable``: coefficients may be tensors, which the host never reads."""

import torch
from torch import Tensor

from indian_core.dynamics import velocity_step
from indian_core.norms import NORMS, Norm, NormCoefficients, accumulate, preconditioned, scale
from indian_torch._step.coefficients import norm_scalars, traced_coefficients
from indian_torch._step.settings import Settings
from indian_torch._step.state import State, advance_steps_unread
from indian_torch._tensors.dtypes import as_real, at_least_float32

__all__ = ["update"]


def update(
    settings: Settings, params: list[Tensor], grads: list[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """Take one step, tensor by tensor.

    Args:
        settings: Of the group.
        params: θ, updated in place.
        grads: g.
        states: Of the parameters, with the velocity itself; updated in place.
        grad_scale: The factor that the gradients contain; they are divided by it in place.
    """
    if grad_scale is not None:
        for grad in grads:
            grad.div_(grad_scale.to(grad.device))
    norms = [None] * len(params) if settings.norm is None else _norms(settings, NORMS[settings.norm], states)
    for param, grad, state, norm in zip(params, grads, states, norms, strict=True):
        theta, velocity = param, state["velocity"]
        if norm is not None:
            theta, grad, velocity = map(as_real, (theta, grad, velocity))
        dtype = torch.promote_types(at_least_float32(theta.dtype), velocity.dtype)
        real_dtype = torch.promote_types(at_least_float32(theta.real.dtype), velocity.real.dtype)
        gradient = grad.to(dtype)
        if norm is not None:
            gradient = _precondition(settings, gradient, state, norm)
        first = (state["step"] == 0).to(real_dtype)
        coefficients = traced_coefficients(settings, first, real_dtype)
        wide_theta, wide_velocity = theta.to(dtype, copy=True), velocity.to(dtype)
        displacement, next_velocity = velocity_step(wide_theta, wide_velocity, gradient, coefficients)
        theta.add_(displacement)
        _keep(settings, state, "velocity", next_velocity)
    advance_steps_unread(states)


def _norms(settings: Settings, norm: Norm, states: list[State]) -> list[NormCoefficients]:
    """The norm of each parameter at its step."""
    found = []
    for state in states:
        dtype = torch.promote_types(at_least_float32(state["velocity"].real.dtype), state["accumulator"].real.dtype)
        count = state["step"].to(dtype) + 1
        found.append(norm.coefficients(count, *norm_scalars(settings, dtype), torch))
    roots = [coefficients.root for coefficients in found]
    if torch.compiler.is_compiling() and isinstance(roots[0], Tensor):
        # Up to PyTorch 2.8, the compiler cannot trace `_replace`.
        return [
            NormCoefficients(c.accumulator, c.square, root, c.epsilon)
            for c, root in zip(found, _materialized(roots), strict=True)
        ]
    return found


def _materialized(scalars: list[Tensor]) -> list[Tensor]:
    """The same numbers, which a compiled step looks up in memory.

    A compiler fuses an expression of scalars into the loop over elements and computes it again for each of them, which
    would take half the time of the step. It does not fuse a cumulative sum.
    """
    return list(torch.stack(scalars).expand(2, -1).cumsum(0)[0].unbind())


def _precondition(settings: Settings, gradient: Tensor, state: State, norm: NormCoefficients) -> Tensor:
    """Update the accumulator and return A⁻¹g."""
    accumulator = as_real(state["accumulator"])
    dtype = torch.promote_types(gradient.dtype, accumulator.dtype)
    accumulator = accumulate(accumulator.to(dtype), gradient.to(dtype), norm)
    _keep(settings, state, "accumulator", accumulator)
    return preconditioned(gradient, scale(accumulator, norm, torch))


def _keep(settings: Settings, state: State, name: str, tensor: Tensor) -> None:
    """Write a tensor to the state, in its dtype and layout; in place unless autograd may still need the old values."""
    old = state[name]
    if old.is_complex() and not tensor.is_complex():
        tensor = torch.view_as_complex(tensor)
    state[name] = (torch.empty_like(old) if settings.differentiable else old).copy_(tensor)
