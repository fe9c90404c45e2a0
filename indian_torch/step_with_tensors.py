"""The step of ``differentiable`` and ``capturable``: coefficients may be tensors, which the host never reads."""

from typing import Any

import torch
from torch import Tensor

from indian_core.dynamics import velocity_step
from indian_core.norms import NormCoefficients, accumulate, norm_coefficients, preconditioned, scale
from indian_torch.coefficients import norm_scalars, step_coefficients
from indian_torch.one_by_one import at_least_float32
from indian_torch.state import State, match_dtypes, unscale_velocity

__all__ = ["step_with_tensors"]


def step_with_tensors(
    group: dict[str, Any], params: list[Tensor], grads: list[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """Take one step, tensor by tensor; arguments as of `indian_torch.step.step_group`."""
    if grad_scale is not None:
        torch._foreach_div_(grads, grad_scale)
    for param, state in zip(params, states, strict=True):
        unscale_velocity(state)
        match_dtypes(param, state, group)
        if group["capturable"] and state["step"].device != param.device:
            state["step"] = state["step"].to(param.device)
    norms = _norms(group, states) if group["norm"] is not None else [None] * len(params)
    for param, grad, state, norm in zip(params, grads, states, norms, strict=True):
        theta, velocity = param, state["velocity"]
        if norm is not None:
            theta, grad, velocity = map(_as_real, (theta, grad, velocity))
        dtype = torch.promote_types(at_least_float32(theta.dtype), velocity.dtype)
        real_dtype = torch.promote_types(at_least_float32(theta.real.dtype), velocity.real.dtype)
        gradient = grad.to(dtype)
        if norm is not None:
            gradient = _precondition(group, gradient, state, norm)
        first = (state["step"] == 0).to(real_dtype)
        coefficients = step_coefficients(group, first, real_dtype)
        wide_theta, wide_velocity = theta.to(dtype, copy=True), velocity.to(dtype)
        displacement, next_velocity = velocity_step(wide_theta, wide_velocity, gradient, coefficients)
        theta.add_(displacement)
        _keep(group, state, "velocity", next_velocity)
        state["step"] += 1


def _norms(group: dict[str, Any], states: list[State]) -> list[NormCoefficients]:
    """The norm of each parameter's step."""
    found = []
    for state in states:
        dtype = torch.promote_types(at_least_float32(state["velocity"].real.dtype), state["accumulator"].real.dtype)
        count = state["step"].to(dtype) + 1
        found.append(norm_coefficients(group["norm"], count, *norm_scalars(group, dtype), torch))
    roots = [norm.root for norm in found]
    if torch.compiler.is_compiling() and isinstance(roots[0], Tensor):
        return [norm._replace(root=root) for norm, root in zip(found, _materialized(roots), strict=True)]
    return found


def _materialized(scalars: list[Tensor]) -> list[Tensor]:
    """The same numbers, which a compiled step looks up.

    A compiler that fuses an expression of scalars into a loop over elements computes it again in each turn; this one
    takes half the time of the step. It does not fuse a sum that runs along a dimension.
    """
    return list(torch.stack(scalars).expand(2, -1).cumsum(0)[0].unbind())


def _precondition(group: dict[str, Any], gradient: Tensor, state: State, norm: NormCoefficients) -> Tensor:
    """A⁻¹g; v takes g in."""
    accumulator = _as_real(state["accumulator"])
    dtype = torch.promote_types(gradient.dtype, accumulator.dtype)
    accumulator = accumulate(accumulator.to(dtype), gradient.to(dtype), norm)
    _keep(group, state, "accumulator", accumulator)
    return preconditioned(gradient, scale(accumulator, norm, torch))


def _keep(group: dict[str, Any], state: State, name: str, tensor: Tensor) -> None:
    """Let the state hold a tensor, in its own dtype and layout; in place unless autograd may still need the old one."""
    old = state[name]
    if old.is_complex() and not tensor.is_complex():
        tensor = torch.view_as_complex(tensor)
    state[name] = (torch.empty_like(old) if group["differentiable"] else old).copy_(tensor)


def _as_real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
