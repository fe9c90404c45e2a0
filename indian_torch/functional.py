"""The step as a function of tensors, for code that keeps parameters and state in its own way."""

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_torch import one_by_one, together
from indian_torch.norm import precondition_one_by_one, precondition_together
from indian_torch.pieces import pieces_of_lists

__all__ = ["step"]


@torch.no_grad()
def step(
    params: list[Tensor],
    grads: list[Tensor],
    velocities: list[Tensor],
    accumulators: list[Tensor] | None,
    coefficients: StepCoefficients,
    norm: NormCoefficients | None,
) -> None:
    r"""Update parameters that share the coefficients of their step, in place.

    With the gradient :math:`g`, or :math:`A^{-1} g` in a norm, this is the linear map of `StepCoefficients`. Tensors of
    32 or 64 bits that share one dtype are updated in a few calls for all of them. Other tensors are updated one at a
    time, in float32 or better, and rounded once.

    Args:
        params: θ. Within each list all tensors have one dtype; the tensors at one index of the lists have one shape.
        grads: g, not changed. Real in a norm.
        velocities: m, updated in place; zeros before the first step.
        accumulators: v of the norm, updated in place; zeros before the first step. None without a norm.
        coefficients: Python numbers, from `indian_core.dynamics.pre_form`.
        norm: Python numbers, from `indian_core.norms.norm_coefficients`. None without a norm.

    Raises:
        ValueError: One of ``accumulators`` and ``norm`` is None and the other is not.

    Example:
        >>> import torch
        >>> from indian_core import pre_form
        >>> from indian_torch.functional import step
        >>> param, velocity = torch.tensor([1.0, 2.0]), torch.zeros(2)
        >>> first = pre_form(0.5, alpha=1.0, beta=0.25, first=True)
        >>> step([param], [torch.tensor([2.0, 0.0])], [velocity], None, first, None)
        >>> param, velocity
        (tensor([0., 2.]), tensor([-1.5000,  0.0000]))
    """
    if (accumulators is None) != (norm is None):
        raise ValueError("accumulators must be None where norm is None, and only there")
    if not params:
        return
    lists = (params, grads, velocities) if accumulators is None else (params, grads, velocities, accumulators)
    dtype, *others = {tensors[0].dtype for tensors in lists}
    # In 16 bits the operations on many tensors would round after each, and they take but one dtype.
    if not others and dtype.itemsize >= 4:
        _step_together(lists, coefficients, norm)
    else:
        if norm is not None and accumulators is not None:
            grads = precondition_one_by_one(grads, accumulators, norm)
        one_by_one.update(params, grads, velocities, coefficients)


def _step_together(lists: tuple[list[Tensor], ...], step: StepCoefficients, norm: NormCoefficients | None) -> None:
    if norm is None:
        params, grads, velocities = lists
        together.update(params, grads, velocities, step, scale=1.0)
        return
    # A piece at a time, since there are temporaries.
    for params, grads, velocities, accumulators in pieces_of_lists(*lists):
        directions = precondition_together(grads, accumulators, norm)
        together.update(params, directions, velocities, step, scale=1.0)
