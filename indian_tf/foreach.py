"""The steps of many variables at once, with the multi-tensor operations of PyTorch. Only that backend loads this."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients, velocity_step

__all__ = ["step_together"]

_Tensors: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""θ, m and g of one variable."""


@torch.no_grad()
def step_together(steps: Iterable[tuple[StepCoefficients, Tensor, Tensor, Tensor]]) -> None:
    """Take one step of each variable, those of equal coefficients together.

    Args:
        steps: For each variable its coefficients, Python numbers in pre form; θ and m, both updated in place; and g.
    """
    groups: defaultdict[StepCoefficients, list[_Tensors]] = defaultdict(list)
    for coefficients, theta, velocity, gradient in steps:
        if theta.dtype.itemsize >= 4:
            groups[coefficients].append((theta, velocity, gradient))
        else:
            _step_rounding_once(theta, velocity, gradient, coefficients)
    for coefficients, tensors in groups.items():
        thetas, velocities, gradients = (list(column) for column in zip(*tensors, strict=True))
        _step_in_place(thetas, velocities, gradients, coefficients)


def _step_in_place(
    thetas: list[Tensor], velocities: list[Tensor], gradients: list[Tensor], c: StepCoefficients
) -> None:
    if c.theta_decay != 0:
        torch._foreach_add_(velocities, thetas, alpha=c.velocity_decay)
        torch._foreach_mul_(thetas, 1 + c.theta_decay)
    torch._foreach_add_(thetas, velocities, alpha=c.theta_velocity)
    torch._foreach_add_(thetas, gradients, alpha=c.theta_gradient)
    torch._foreach_mul_(velocities, c.velocity_velocity)
    torch._foreach_add_(velocities, gradients, alpha=c.velocity_gradient)


def _step_rounding_once(theta: Tensor, velocity: Tensor, gradient: Tensor, c: StepCoefficients) -> None:
    """In 16 bits the operations above would round after each, and 1 − αγ would be 1."""
    displacement, next_velocity = velocity_step(theta.float(), velocity.float(), gradient.float(), c)
    theta.add_(displacement)
    velocity.copy_(next_velocity)
