"""A⁻¹g of many tensors in a few calls."""

import torch
from torch import Tensor

from indian_core.norms import NormCoefficients
from indian_torch._compat import flatten, unflatten

__all__ = ["precondition"]


def precondition(grads: list[Tensor], accumulators: list[Tensor], c: NormCoefficients) -> list[Tensor]:
    """Update the accumulators and return A⁻¹g, as views of one new tensor.

    Args:
        grads: g, real, of one dtype and on one device, as the accumulators are.
        accumulators: v, updated in place.
        c: Of this step.
    """
    if c.accumulator != 1:
        torch._foreach_mul_(accumulators, c.accumulator)
    torch._foreach_addcmul_(accumulators, grads, grads, c.square)
    scale = flatten(accumulators).sqrt()
    if c.root != 1:
        scale.mul_(c.root)
    scale.add_(c.epsilon)
    gradient = torch.div(flatten(grads), scale, out=scale)
    return list(unflatten(gradient, grads))
