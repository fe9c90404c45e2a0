"""The steps of many variables at once, as the PyTorch adapter takes them. Only that backend loads this."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_tf.coefficients import Coefficients
from indian_torch import one_by_one, together
from indian_torch.norm import precondition_one_by_one, precondition_together
from indian_torch.pieces import pieces_of_lists

__all__ = ["step_together"]

_Variable: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]
"""θ, g, m and, in a norm, v."""


@torch.no_grad()
def step_together(steps: Iterable[tuple[Coefficients, Tensor, Tensor, Tensor | None, Tensor]]) -> None:
    """Take one step of each variable, those of equal coefficients together.

    Args:
        steps: For each variable its coefficients, Python numbers in pre form; θ, m and in a norm v, updated in place;
            and g.
    """
    groups: defaultdict[tuple[Coefficients, bool], list[_Variable]] = defaultdict(list)
    for coefficients, theta, velocity, accumulator, gradient in steps:
        tensors = (theta, gradient, velocity) if accumulator is None else (theta, gradient, velocity, accumulator)
        # In 16 bits the operations for many tensors would round after each, and they take but one dtype.
        is_plain = theta.dtype.itemsize >= 4 and len({tensor.dtype for tensor in tensors}) == 1
        groups[coefficients, is_plain].append(tensors)
    for ((step, norm), is_plain), variables in groups.items():
        columns = tuple(list(column) for column in zip(*variables, strict=True))
        if is_plain:
            _step_plainly(step, norm, columns)
        else:
            _step_one_by_one(step, norm, columns)


def _step_plainly(step: StepCoefficients, norm: NormCoefficients, columns: tuple[list[Tensor], ...]) -> None:
    if len(columns) == 3:
        together.update(*columns, step, scale=1.0)
        return
    # A piece at a time, since there are temporaries.
    for thetas, gradients, velocities, accumulators in pieces_of_lists(*columns):
        directions = precondition_together(gradients, accumulators, norm)
        together.update(thetas, directions, velocities, step, scale=1.0)


def _step_one_by_one(step: StepCoefficients, norm: NormCoefficients, columns: tuple[list[Tensor], ...]) -> None:
    thetas, gradients, velocities, *rest = columns
    for accumulators in rest:
        gradients = precondition_one_by_one(gradients, accumulators, norm)
    one_by_one.update(thetas, gradients, velocities, step)
