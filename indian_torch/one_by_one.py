"""A step of one tensor after the other, in float32 or better."""

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients, velocity_step
from indian_torch.pieces import pieces

__all__ = ["at_least_float32", "update"]


def update(params: list[Tensor], grads: list[Tensor], velocities: list[Tensor], c: StepCoefficients) -> None:
    """Take one step in place.

    Args:
        params: θ.
        grads: g.
        velocities: m, of the dtypes of the parameters or others.
        c: In pre form.
    """
    for param, grad, velocity in zip(params, grads, velocities, strict=True):
        if param.dtype == velocity.dtype == at_least_float32(param.dtype):
            _update_in_place(c, param, grad, velocity)
        else:
            for piece in pieces(param, grad, velocity):
                _update_rounding_once(c, *piece)


def _update_in_place(c: StepCoefficients, param: Tensor, grad: Tensor, velocity: Tensor) -> None:
    if c.theta_decay != 0:
        velocity.add_(param, alpha=c.velocity_decay)
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        param.add_(param, alpha=c.theta_decay)
    param.add_(velocity, alpha=c.theta_velocity).add_(grad, alpha=c.theta_gradient)
    velocity.mul_(c.velocity_velocity).add_(grad, alpha=c.velocity_gradient)


def _update_rounding_once(c: StepCoefficients, param: Tensor, grad: Tensor, velocity: Tensor) -> None:
    dtype = torch.promote_types(at_least_float32(param.dtype), velocity.dtype)
    displacement, next_velocity = velocity_step(param.to(dtype), velocity.to(dtype), grad.to(dtype), c)
    param.add_(displacement)
    velocity.copy_(next_velocity)


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute in: in bfloat16, 1 − αγ would be 1."""
    return torch.promote_types(dtype, torch.float32)
