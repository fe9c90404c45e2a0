"""The steps of many variables at once, as the PyTorch adapter takes them. Only that backend loads this."""

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_tf.coefficients import Coefficients
from indian_torch import one_by_one, together
from indian_torch.norm import precondition_one_by_one, precondition_together
from indian_torch.pieces import pieces_of_lists

__all__ = ["step_together"]


@torch.no_grad()
def step_together(coefficients: Coefficients, columns: tuple[list[Tensor], ...]) -> None:
    """Take one step of each variable of some that have the same coefficients and the same dtypes.

    Args:
        coefficients: Python numbers, in pre form.
        columns: The θ, g, m and, in a norm, v of the variables; all but g are updated in place.
    """
    step, norm = coefficients
    dtype, *others = {column[0].dtype for column in columns}
    # In 16 bits the operations for many tensors would round after each, and they take but one dtype.
    if not others and dtype.itemsize >= 4:
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
