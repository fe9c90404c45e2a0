"""The step as a function of tensors, for code that keeps parameters and state in its own way."""

from functools import partial

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_torch._norm import multi_tensor as norm_multi_tensor
from indian_torch._step import multi_tensor, single_tensor
from indian_torch._tensors.dtypes import is_full_precision

__all__ = ["step"]


@torch.no_grad()
def step(
    params: list[Tensor],
    grads: list[Tensor],
    velocities: list[Tensor],
    accumulators: list[Tensor] | None,
    coefficients: StepCoefficients,
    norm: NormCoefficients | None,
    *,
    norm_last: bool = False,
) -> None:
    r"""Update parameters that share the coefficients of their step, in place.

    With the gradient :math:`g`, or :math:`A^{-1} g` in a norm, this is the linear map of
    `indian_core.dynamics.StepCoefficients`. Tensors of 32 or 64 bits that share one dtype are updated in a few calls
    for all of them. Other tensors are updated one at a time, in float32 or better, and rounded once.

    Args:
        params: θ. Within each list all tensors have one dtype; the tensors at one index of the lists have one shape.
        grads: g, not changed. Real in a norm.
        velocities: m, updated in place; zeros before the first step.
        accumulators: v of the norm, updated in place; zeros before the first step. None without a norm.
        coefficients: Python numbers, from `indian_core.dynamics.pre_form` or `indian_core.damping.pre_damping_form`.
        norm: Python numbers, from `indian_core.norms.norm_coefficients`. None without a norm.
        norm_last: Whether :math:`A^{-1}` acts on the displacement, as in Adam, and not on the gradient; for
            coefficients of the damping form. The velocity is then an average of the gradients.

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
    first_of_each = [tensors[0].dtype for tensors in (params, grads, velocities, accumulators or params)]
    dtype, *others = set(first_of_each)
    # In 16 bits the operations on many tensors would round after each, and they take but one dtype.
    if not others and is_full_precision(dtype):
        if norm_last and norm is not None and accumulators is not None:
            multi_tensor.step_with_norm_last(params, grads, velocities, accumulators, coefficients, norm)
            return
        precondition = None if norm is None else partial(norm_multi_tensor.precondition, c=norm)
        multi_tensor.step(params, grads, velocities, accumulators, coefficients, precondition)
    else:
        single_tensor.step(params, grads, velocities, accumulators, coefficients, norm, norm_last=norm_last)
