"""A step of many tensors in a few calls, each a pass over all of them."""

import math

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients

__all__ = ["update"]

_ROUNDING = 1e-15
"""How far 1 − ρ and a weight may be apart that would be equal but for rounding."""


def update(
    params: list[Tensor], grads: list[Tensor], velocities: list[Tensor], c: StepCoefficients, scale: float
) -> None:
    """Take one step in place.

    Args:
        params: θ, of one dtype and on one device, as the others are.
        grads: g.
        velocities: ``scale`` · m.
        c: In pre form.
        scale: What the velocities are multiples by; with that of `indian_core.scaled_velocity.averaging_scale`, the new
            velocity takes one pass instead of two.
    """
    weight = scale * c.velocity_gradient
    is_average = math.isclose(weight, 1 - c.velocity_velocity, rel_tol=0, abs_tol=_ROUNDING)
    if c.theta_decay != 0:
        torch._foreach_add_(velocities, params, alpha=scale * c.velocity_decay)
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        torch._foreach_add_(params, params, alpha=c.theta_decay)
    torch._foreach_add_(params, velocities, alpha=c.theta_velocity / scale)
    torch._foreach_add_(params, grads, alpha=c.theta_gradient)
    if is_average:
        torch._foreach_lerp_(velocities, grads, weight)
    else:
        torch._foreach_mul_(velocities, c.velocity_velocity)
        torch._foreach_add_(velocities, grads, alpha=weight)
