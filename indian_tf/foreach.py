"""The steps of many variables at once, as the PyTorch adapter takes them. Only that backend loads this."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_torch import one_by_one, together

__all__ = ["step_together"]

_Tensors: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""θ, g and m of one variable."""


@torch.no_grad()
def step_together(steps: Iterable[tuple[StepCoefficients, Tensor, Tensor, Tensor]]) -> None:
    """Take one step of each variable, those of equal coefficients together.

    Args:
        steps: For each variable its coefficients, Python numbers in pre form; θ and m, both updated in place; and g.
    """
    groups: defaultdict[StepCoefficients, list[_Tensors]] = defaultdict(list)
    for coefficients, theta, velocity, gradient in steps:
        if theta.dtype.itemsize >= 4:
            groups[coefficients].append((theta, gradient, velocity))
        else:
            # In 16 bits the operations for many tensors would round after each.
            one_by_one.update([theta], [gradient], [velocity], coefficients)
    for coefficients, tensors in groups.items():
        thetas, gradients, velocities = (list(column) for column in zip(*tensors, strict=True))
        together.update(thetas, gradients, velocities, coefficients, scale=1.0)
